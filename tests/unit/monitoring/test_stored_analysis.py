"""What is read of analyses in the store: each record once, many at once; one that is bad spoils nothing."""

import threading
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from explorer_runner.errors import UnsupportedFormat
from explorer_runner.format.keys import FAILED, STOPPED, AttemptId, index_key, outcome_key, round_key
from explorer_runner.format.outcome import Outcome
from explorer_runner.stores.base import Store
from explorer_runner.stores.uri import open_store
from gencove_explorer.executors.base import Executor
from gencove_explorer.job_manager import JobManager
from gencove_explorer.monitoring.stored_analysis import StoredAnalysis
from gencove_explorer.records.closed import Closed, write_closed
from gencove_explorer.records.index import IndexRecord, write_index
from gencove_explorer.records.round import RoundRecord

ID = "2023-05-08T154506_age_17eb494f3d5349c88959bace7a6b7873"
JOBS = 40
AT_ONCE = 8


class Remote:
    """A store on another machine, of a folder; outcomes are read as so many ask for one at the same time."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._together = threading.Barrier(AT_ONCE)
        self.reads: list[str] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def local_path(self, key: str) -> None:
        return None

    def read(self, key: str, *, limit: int | None = None) -> bytes:
        if "/outcomes/" in key:
            self._together.wait(10)
            self.reads.append(key)
        return self._store.read(key, limit=limit)


def index_of(analysis: str = ID, jobs: int = JOBS) -> IndexRecord:
    return IndexRecord(
        id=analysis,
        name="age",
        user="ann",
        submitted=0.0,
        jobs=jobs,
        array=jobs > 1,
        executor="local",
        python="3.11",
    )


def no_executor(name: str) -> Executor:
    raise AssertionError("the store tells")


def test_failures_reads_each_outcome_once_and_many_at_a_time(tmp_path: Path):
    store = open_store(str(tmp_path))
    record = RoundRecord(
        id=ID, round=0, executor="local", indices=None, jobs=JOBS + 2, payload="", submitted=0.0
    )
    store.create(round_key(ID, 0), record.to_json())
    for index in range(JOBS):
        status = STOPPED if index == 0 else FAILED
        made = Outcome(analysis=ID, index=index, round=0, attempt=1, status=status, reason=f"no {index % 2}")
        store.create(outcome_key(ID, AttemptId(index, 0, 1), status), made.to_json())
    write_closed(store, ID, 0, Closed.of({"lost": [JOBS, JOBS + 1], "timeout": [0]}))
    remote = Remote(store)
    an = StoredAnalysis(remote, index_of(jobs=JOBS + 2), no_executor, str(tmp_path))  # type: ignore[arg-type]
    found = {group.reason: group.indices for group in an.failures()}
    assert found == {
        "no 0": list(range(2, JOBS, 2)),
        "no 1": list(range(1, JOBS, 2)),
        "lost": [JOBS, JOBS + 1],
        "timeout": [0],
    }
    assert sorted(remote.reads) == sorted(set(remote.reads))
    assert len(remote.reads) == JOBS


class Batch:
    """What an executor says of jobs that it does not know any more."""

    def job_states(self, rounds: Any, outcomes: Any, open_jobs: list[int], asked: Any) -> Any:
        return dict.fromkeys(open_jobs, FAILED), "Timed out"


def test_an_ended_job_says_why_whoever_knows_it(tmp_path: Path):
    store = open_store(str(tmp_path))
    record = RoundRecord(id=ID, round=0, executor="batch", indices=None, jobs=4, payload="", submitted=0.0)
    store.create(round_key(ID, 0), record.to_json())
    for index, status in ((0, FAILED), (1, FAILED), (2, STOPPED)):
        made = Outcome(analysis=ID, index=index, round=0, attempt=1, status=status, reason=f"its own {index}")
        store.create(outcome_key(ID, AttemptId(index, 0, 1), status), made.to_json())
    write_closed(store, ID, 0, Closed.of({"Terminated by ann": [1]}))
    an = StoredAnalysis(store, index_of(jobs=4), lambda name: Batch(), str(tmp_path))  # type: ignore[arg-type, return-value]
    expected = ["its own 0", "Terminated by ann", "Timed out", "Timed out"]
    assert [an.status(index)["reason"] for index in range(4)] == expected
    assert an.status()["reason"] == "4 of 4 jobs failed; job 0: its own 0"
    assert {group.reason: group.indices for group in an.failures()} == {
        "its own 0": [0],
        "Terminated by ann": [1],
        "Timed out": [2, 3],
    }
    for index, reason in enumerate(expected):
        assert f" failed: {reason}\n" in str(an.job_failed(an.observe(), index))


def test_a_record_that_cannot_be_read_is_a_row_that_says_so(home: Path):
    store = open_store(str(home / "store"))
    ids = [f"2023-05-08T15450{second}_age_{second:032x}" for second in range(4)]
    for each in ids:
        write_index(store, index_of(each))
    deleted, newer, torn = (
        home / "store" / index_key(date(2023, 5, 8).isoformat(), each) for each in ids[:3]
    )
    deleted.unlink()
    deleted.symlink_to("nowhere")  # in the listing, and gone when it is read
    newer.write_text(newer.read_text().replace('"format": 1', '"format": 2'))
    torn.write_text("{")
    listed = JobManager().list_jobs()
    assert {an.id for an in listed} == set(ids[1:])
    assert [an.id for an in JobManager().list_jobs(user="ann")] == [ids[3]]
    text = " ".join(repr(listed).split())
    assert "upgrade explorer-runner" in text
    assert f"? (index/2023-05-08/{ids[2]}.json cannot be read: " in text
    with pytest.raises(UnsupportedFormat, match="upgrade"):
        JobManager().get_analysis(ids[1]).delete()
    JobManager().get_analysis(ids[2]).delete()
    assert {an.id for an in JobManager().list_jobs()} == {ids[1], ids[3]}
