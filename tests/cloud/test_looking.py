"""What looking at AWS Batch finds and writes down, against a stub of its answers that is passed in."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from explorer_runner.stores import open_store
from gencove_explorer.batch.client import BatchExecutor
from gencove_explorer.records import RoundRecord, read_closed
from gencove_explorer.settings import Settings

ID = "2026-11-25T080000_work_17eb494f3d5349c88959bace7a6b7873"


class Batch:
    """Batch's client and the object that makes it: jobs by queue, each an id and the round that it runs."""

    region = "us-east-1"

    def __init__(self, **queues: list[tuple[str, int]]) -> None:
        self.queues = queues
        self.ended: list[str] = []

    def client(self, service: str, attempts: int = 1) -> "Batch":
        return self

    def get_paginator(self, name: str) -> "Batch":
        return self

    def paginate(self, **asked: Any) -> Iterator[dict[str, Any]]:
        found = self.queues.get(asked["jobQueue"], [])
        yield {"jobSummaryList": [{"jobId": job, "jobName": ID} for job, _ in found]}

    def describe_jobs(self, jobs: list[str]) -> dict[str, Any]:
        known = {job: number for queue in self.queues.values() for job, number in queue}
        return {
            "jobs": [
                {
                    "jobId": job,
                    "status": "RUNNING",
                    "createdAt": 1000 * time.time(),
                    "arrayProperties": {"statusSummary": {"RUNNING": 2}},
                    "container": {"environment": [{"name": "EXPLORER_ROUND", "value": str(known[job])}]},
                }
                for job in jobs
                if job in known
            ]
        }

    def terminate_job(self, **asked: str) -> None:
        self.ended.append(asked["jobId"])


def executor(home: Path, batch: Batch) -> BatchExecutor:
    return BatchExecutor(Settings.load({"EXPLORER_HOME": str(home)}, home), batch)  # type: ignore[arg-type]


def round_of(number: int, queue: str, indices: list[int] | None = None, age: float = 0.0) -> RoundRecord:
    return RoundRecord(
        id=ID,
        round=number,
        executor="batch",
        place=queue,
        indices=indices,
        jobs=4 if indices is None else len(indices),
        payload="",
        submitted=time.time() - age,
    )


def test_a_round_on_another_queue_is_found_by_a_fresh_process(tmp_path: Path):
    store = open_store(str(tmp_path / "store"))
    batch = Batch(a=[("job-0", 0)], b=[("job-1", 1)])
    rounds = [round_of(0, "a", age=1000), round_of(1, "b", [0, 1], age=1000)]
    states, reason = executor(tmp_path, batch).describe(store, rounds, [], [0, 1, 2, 3])
    assert (states, reason) == (dict.fromkeys(range(4), "RUNNING"), None)
    assert read_closed(store, ID) == {}
    executor(tmp_path, batch).terminate(store, rounds, None, "x")
    assert batch.ended == ["job-0", "job-1"]
