"""What looking at AWS Batch finds and writes down, against a stub of its answers that is passed in."""

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from explorer_runner.definition import JobDefinition
from explorer_runner.errors import AlreadyExists
from explorer_runner.format.keys import round_key
from explorer_runner.format.outcome import Outcome, write
from explorer_runner.format.payload import DependencyRef
from explorer_runner.stores.uri import open_store
from gencove_explorer.executors.batch.batch_states import NEVER_SUBMITTED
from gencove_explorer.executors.batch.cloudwatch import CloudWatchLogReader
from gencove_explorer.executors.batch.dependencies import Dependencies
from gencove_explorer.executors.batch.executor import BatchExecutor
from gencove_explorer.executors.batch.jobs import Jobs, require_not_superseded
from gencove_explorer.monitoring.stored_analysis import StoredAnalysis
from gencove_explorer.reconcile.observed import observe_run
from gencove_explorer.records.closed import Closed, read_closed, write_closed
from gencove_explorer.records.index import IndexRecord, write_index
from gencove_explorer.records.round import RoundRecord, Rounds
from gencove_explorer.records.states import STATES, SUBMISSION_SECONDS
from gencove_explorer.session import Session
from gencove_explorer.settings import Settings
from gencove_explorer.submission.retry import _requested_definition

ID = "2026-11-25T080000_work_17eb494f3d5349c88959bace7a6b7873"


class Batch:
    """Batch's client and the object that makes it: jobs by queue, each an id and the round that it runs."""

    region = "us-east-1"

    def __init__(self, **queues: list[tuple[str, int]]) -> None:
        self.queues = queues
        self.ended: list[str] = []
        self.status = "RUNNING"
        self.counts = {"RUNNING": 2}

    def client(self, service: str, attempts: int = 1) -> "Batch":
        return self

    def get_paginator(self, name: str) -> "Batch":
        return self

    def paginate(self, **asked: Any) -> Iterator[dict[str, Any]]:
        found = self.queues.get(asked.get("jobQueue", ""), [])
        yield {"jobSummaryList": [{"jobId": job, "jobName": ID} for job, _ in found]}

    def describe_jobs(self, jobs: list[str]) -> dict[str, Any]:
        known = {job: number for queue in self.queues.values() for job, number in queue}
        return {
            "jobs": [
                {
                    "jobId": job,
                    "status": self.status,
                    "createdAt": 1000 * time.time(),
                    "arrayProperties": {"size": 4, "statusSummary": self.counts},
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
    records = [round_of(0, "a", age=1000), round_of(1, "b", [0, 1], age=1000)]
    rounds = Rounds(store, ID, records)
    states, reason = executor(tmp_path, batch).job_states(rounds, [], [0, 1, 2, 3])
    assert (states, reason) == (dict.fromkeys(range(4), "RUNNING"), None)
    assert read_closed(store, ID) == {}
    executor(tmp_path, batch).terminate(rounds, None, "x")
    assert batch.ended == ["job-0", "job-1"]


class Throttled(Batch):
    """Refuses so often; what happens meanwhile is passed in."""

    def __init__(self, refusals: int, meanwhile: Callable[[], object] = lambda: None) -> None:
        super().__init__(a=[])
        self.refusals, self.meanwhile = refusals, meanwhile

    def submit_job(self, **asked: Any) -> dict[str, str]:
        if self.refusals:
            self.refusals -= 1
            self.meanwhile()
            refusal = {"Error": {"Code": "TooManyRequestsException", "Message": "slow down"}}
            raise ClientError(refusal, "SubmitJob")
        self.queues["a"].append(("job-0", 0))
        return {"jobId": "job-0"}


def stored(folder: Path, record: RoundRecord, batch: Batch) -> StoredAnalysis:
    """An analysis whose submission has written all but its job."""
    store = open_store(str(folder / "store"))
    store.create(round_key(ID, record.round), record.to_json())
    index = IndexRecord(
        id=ID,
        name="work",
        user="me",
        submitted=record.submitted,
        jobs=record.jobs,
        array=True,
        executor="batch",
        python="3.11",
    )
    write_index(store, index)
    return StoredAnalysis(store, index, lambda name: executor(folder, batch), str(folder / "downloads"))


@pytest.mark.parametrize(("age", "state"), [(61, "SUBMITTED"), (SUBMISSION_SECONDS + 1, "FAILED")])
def test_a_job_that_comes_late_runs(tmp_path: Path, age: float, state: str):
    batch = Batch(a=[])
    an = stored(tmp_path, round_of(0, "a", age=age), batch)
    found = an.status()
    assert found["status"] == state
    assert ("never submitted" in found.get("reason", "")) == (state == "FAILED")
    assert [group.reason.partition(":")[0] for group in an.failures()] == ["never submitted"] * (
        state == "FAILED"
    )
    assert read_closed(an.store, ID) == {}
    batch.queues["a"].append(("job-0", 0))
    assert an.status()["status"] == "RUNNING"


def test_what_never_came_is_written_down_when_it_cannot_come_any_more(tmp_path: Path):
    record = round_of(0, "a", age=3700)
    batch = Batch(a=[])
    an = stored(tmp_path, record, batch)
    assert "never submitted" in an.status()["reason"]
    assert set(read_closed(an.store, ID)[0].values()) == {NEVER_SUBMITTED}
    batch.queues.clear()  # Batch is asked no more
    batch.get_paginator = lambda name: pytest.fail("Batch was asked")  # type: ignore[method-assign]
    week = replace(record, submitted=record.submitted - 7 * 24 * 3600)
    later = StoredAnalysis(an.store, an.record, an.executor_named, str(tmp_path))
    (tmp_path / "store" / round_key(ID, 0)).write_bytes(week.to_json())
    assert "never submitted" in later.status()["reason"]


def test_a_submission_that_could_come_after_that_stops(tmp_path: Path):
    record = round_of(0, "a", age=1900)
    batch = Throttled(0)
    jobs = Jobs(batch)  # type: ignore[arg-type]
    store = open_store(str(tmp_path / "store"))
    with pytest.raises(AlreadyExists, match=r"took 32 min to submit.*retry_failed"):
        jobs.submit(ID, 0, {"jobQueue": "a"}, lambda: require_not_superseded(store, record))
    assert batch.queues["a"] == []


def test_a_lost_round_beside_jobs_that_run_is_not_submitted_again(tmp_path: Path):
    """A retry of one job was killed while the others run: that job has failed, and nothing is missing."""
    batch = Batch(a=[("job-0", 0)])
    batch.counts = {"RUNNING": 4}
    an = stored(tmp_path, round_of(0, "a", age=8000), batch)
    an.store.create(round_key(ID, 1), round_of(1, "a", [2], age=7000).to_json())

    def seen() -> tuple[str, str]:
        session = Session(Settings.load({"EXPLORER_HOME": str(tmp_path)}, tmp_path))
        session.store = an.store
        session.executor_named = an.executor_named  # type: ignore[method-assign]
        return observe_run(session, ID).state, an.status(2)["status"]

    assert seen() == ("RUNNING", "FAILED")
    assert read_closed(an.store, ID) == {1: {2: NEVER_SUBMITTED}}
    assert seen() == ("RUNNING", "FAILED")


def test_a_round_is_asked_for_again_as_it_was_asked_for(tmp_path: Path):
    """Though the usual image was pushed anew between two rounds, and each has a digest of its own."""
    usual = [JobDefinition(image=f"runner@sha256:{digit * 64}") for digit in "ab"]
    rounds = [
        replace(round_of(number, "a"), job_definition=pinned, image=None)
        for number, pinned in enumerate(usual)
    ]
    an = stored(tmp_path, rounds[0], Batch(a=[]))
    an.store.create(round_key(ID, 1), rounds[1].to_json())
    assert [_requested_definition(an, each).image for each in an.rounds] == [None, None]
    own = replace(rounds[1], image="mine:1")
    assert _requested_definition(an, own).image == "mine:1"
    written = {**json.loads(rounds[0].to_json()), "job_definition": usual[0].to_json()}
    del written["image"]  # as before rounds said so
    before = RoundRecord.from_json(json.dumps(written).encode(), "before")
    assert _requested_definition(an, before).image is None


def test_after_a_week_a_job_that_is_not_there_was_forgotten_for_good(tmp_path: Path):
    an = stored(tmp_path, round_of(0, "a", age=7 * 24 * 3600), Batch(a=[]))
    assert "forgotten" in an.status()["reason"]
    assert list(read_closed(an.store, ID)) == [0]


def test_a_submission_that_was_overtaken_by_a_retry_stops(tmp_path: Path):
    record = round_of(0, "a", age=100)
    store = open_store(str(tmp_path / "store"))
    closed = Closed.of({"never submitted": range(4)})
    batch = Throttled(2, meanwhile=lambda: write_closed(store, ID, 0, closed))
    jobs = Jobs(batch, sleep=lambda seconds: None)  # type: ignore[arg-type]
    with pytest.raises(AlreadyExists, match="somebody has run its jobs again"):
        jobs.submit(ID, 0, {"jobQueue": "a"}, lambda: require_not_superseded(store, record))
    assert batch.queues["a"] == []
    assert batch.refusals == 1


def test_an_array_that_counts_no_job_yet_has_its_own_state(tmp_path: Path):
    batch = Batch(a=[("job-0", 0)])
    batch.status, batch.counts = "PENDING", dict.fromkeys(STATES, 0)
    an = stored(tmp_path, round_of(0, "a"), batch)
    assert an.status()["jobs"] == {"PENDING": 4}
    batch.status = "FAILED"  # it depends on what has failed, say, and Batch makes no children any more
    assert an.status()["jobs"] == {"FAILED": 4}


class Logs:
    """CloudWatch's client: pages of a stream, the last one again and again."""

    def __init__(self, *pages: list[str]) -> None:
        self.pages = pages
        self.asked = 0

    def client(self, service: str) -> "Logs":
        return self

    def get_log_events(self, **asked: Any) -> dict[str, Any]:
        self.asked += 1
        number = int(asked["nextToken"]) if "nextToken" in asked else 0
        events = self.pages[number] if number < len(self.pages) else []
        return {
            "events": [{"message": each} for each in events],
            "nextForwardToken": str(min(number + 1, len(self.pages))),
        }


def test_a_log_is_read_past_empty_pages():
    logs = Logs([], ["a"], [], [], ["b", "c"])
    reader = CloudWatchLogReader(logs, "group", "stream", 0.0)  # type: ignore[arg-type]
    assert reader.read() == b"a\nb\nc\n"
    asked = logs.asked
    logs.pages = (*logs.pages, [], ["d"])
    assert reader.read() == b"d\n"
    assert reader.read() == b""
    assert logs.asked == asked + 3 + 1


def test_a_log_of_nothing_but_empty_pages_ends():
    logs = Logs(*[[] for _ in range(1000)])
    assert CloudWatchLogReader(logs, "group", "stream", 0.0).read() == b""  # type: ignore[arg-type]
    assert logs.asked == 100


# -- what a round waits for ---------------------------------------------------------------------------

UP = "2026-11-25T070000_up_27eb494f3d5349c88959bace7a6b7874"


def upstream(folder: Path, outcomes: dict[int, str], **facts: Any) -> tuple[Any, DependencyRef]:
    """A store with an analysis of four jobs, some of which have ended, and the reference to it."""
    store = open_store(str(folder / "store"))
    record = replace(round_of(0, "a"), id=UP)
    store.create(round_key(UP, 0), record.to_json())
    for index, status in outcomes.items():
        write(store, Outcome(analysis=UP, index=index, round=0, attempt=1, status=status))
    return store, DependencyRef(name="up", id=UP, array=True, jobs=4, **facts)


def dependencies(store: Any) -> Dependencies:
    batch: Any = Batch(a=[("new", 0), ("old", 0)])
    return Dependencies(store, Jobs(batch))


def test_of_two_jobs_of_one_round_the_older_counts(tmp_path: Path):
    batch: Any = Batch(a=[("new", 0), ("old", 0)])
    assert Jobs(batch).ids([round_of(0, "a")]) == {0: "old"}


def test_a_dependency_has_failed_when_all_of_it_has_ended(tmp_path: Path):
    store, ref = upstream(tmp_path, {0: "FAILED"})
    record = replace(round_of(0, "a"), depends_on=[ref])
    assert dependencies(store).of(record, 4).depends_on == [{"jobId": "old"}]
    for index in (1, 2, 3):
        write(store, Outcome(analysis=UP, index=index, round=0, attempt=1, status="SUCCEEDED"))
    assert dependencies(store).of(record, 4).failed == f"Dependency failed: up ({UP})"


@pytest.mark.parametrize(("indices", "paired"), [(None, True), ([0, 2], False)])
def test_job_by_job_batch_waits_only_where_indices_are_positions(
    tmp_path: Path, indices: list[int] | None, paired: bool
):
    store, ref = upstream(tmp_path, {}, each=True)
    record = replace(round_of(0, "a", indices), depends_on=[ref])
    waits = {"jobId": "old", "type": "N_TO_N"} if paired else {"jobId": "old"}
    assert dependencies(store).of(record, 4).depends_on == [waits]


def test_what_has_an_outcome_by_now_is_not_closed(tmp_path: Path):
    an = stored(tmp_path, round_of(0, "a", age=7 * 24 * 3600), Batch(a=[]))
    write(an.store, Outcome(analysis=ID, index=2, round=0, attempt=1, status="SUCCEEDED"))
    rounds = Rounds(an.store, ID, [round_of(0, "a", age=7 * 24 * 3600)])
    states, _ = executor(tmp_path, Batch(a=[])).job_states(rounds, [], [0, 1, 2, 3])  # as of a moment ago
    assert sorted(states) == [0, 1, 3]
    assert sorted(read_closed(an.store, ID)[0]) == [0, 1, 3]
