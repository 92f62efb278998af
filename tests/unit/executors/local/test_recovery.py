"""What a scheduler reads back from the store: where a round stands, and what its dependencies have done."""

import os
from pathlib import Path

import pytest

from explorer_runner.attempt import claim
from explorer_runner.definition import JobDefinition
from explorer_runner.format.keys import AttemptId, logs_prefix, outcome_key, round_key
from explorer_runner.stores.folder import FolderStore
from gencove_explorer.executors.local.queue import Entry
from gencove_explorer.executors.local.recovery import claims_of, load_progress, resume
from gencove_explorer.executors.local.rounds import ActiveRound
from gencove_explorer.records.closed import Closed, write_closed
from gencove_explorer.records.index import IndexRecord
from gencove_explorer.records.round import RoundRecord

ID = "2023-05-08T154506_age_17eb494f3d5349c88959bace7a6b7873"


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    store = FolderStore(str(tmp_path / "store"))
    store.make_folders(logs_prefix(ID))
    return store


def written(
    store: FolderStore, number: int, *, indices: list[int] | None = None, retries: int = 0
) -> ActiveRound:
    """A round that the store has, as a new scheduler takes it in."""
    record = RoundRecord(
        id=ID,
        round=number,
        executor="local",
        indices=indices,
        jobs=6 if indices is None else len(indices),
        payload="0" * 64,
        submitted=1.0,
        job_definition=JobDefinition(cpu=1, memory_mb=100, retries=retries),
    )
    store.create(round_key(ID, number), record.to_json())
    index = IndexRecord(
        id=ID, name="age", user="ann", submitted=1.0, jobs=6, array=True, executor="local", python="3.11"
    )
    entry = Entry(
        store=store.root, record=record, index=index, runtime="", uv="", variables={}, cpus=2, memory_mb=1000
    )
    return ActiveRound(Path("entry"), entry)


def outcome(store: FolderStore, index: int, round: int, attempt: int, status: str) -> None:
    """Only its name counts."""
    store.create(outcome_key(ID, AttemptId(index, round, attempt), status), b"{}")


def claimed(store: FolderStore, index: int, round: int, attempt: int) -> None:
    logs = f"{store.root}/{logs_prefix(ID)}"
    os.close(claim.claim(logs, f"{logs}/{index}.{round}-{attempt}.txt"))


def test_a_round_goes_on_where_it_stands(store: FolderStore):
    round = written(store, 0, retries=1)
    outcome(store, 0, 0, 1, "SUCCEEDED")
    outcome(store, 1, 0, 1, "FAILED")
    outcome(store, 2, 0, 1, "FAILED")
    outcome(store, 2, 0, 2, "FAILED")
    write_closed(store, ID, 0, Closed.of({"Terminated by ann": [3]}))
    for each in (0, 1, 2, 3, 4):
        claimed(store, each, 0, 1)
    assert resume(round, store, f"{store.root}/{logs_prefix(ID)}") == {4: AttemptId(4, 0, 1)}
    assert round.open == {1, 4, 5}
    assert round.waiting == {1, 5}
    assert round.adopted == {4: 1}
    round.release(lambda ref: None, lambda ref, index: "")
    assert list(round.ready) == [(1, 2), (5, 1)]


def test_the_last_claim_is_the_one_to_watch(store: FolderStore):
    round = written(store, 0, retries=2)
    outcome(store, 1, 0, 1, "FAILED")
    claimed(store, 1, 0, 1)
    claimed(store, 1, 0, 2)
    assert resume(round, store, f"{store.root}/{logs_prefix(ID)}") == {1: AttemptId(1, 0, 2)}


def test_what_became_of_other_rounds_is_no_matter(store: FolderStore):
    written(store, 0)
    round = written(store, 1, indices=[2, 4])
    outcome(store, 2, 0, 1, "FAILED")
    outcome(store, 4, 0, 1, "FAILED")
    write_closed(store, ID, 0, Closed.of({"Terminated by ann": [4]}))
    claimed(store, 2, 0, 1)
    claimed(store, 4, 10, 1)
    assert resume(round, store, f"{store.root}/{logs_prefix(ID)}") == {}
    assert round.waiting == round.open == {0, 1}
    outcome(store, 4, 1, 1, "SUCCEEDED")
    again = ActiveRound(Path("entry"), round.entry)
    resume(again, store, f"{store.root}/{logs_prefix(ID)}")
    assert again.open == {0}


def test_claims_are_those_of_the_round_alone(store: FolderStore):
    folder = f"{store.root}/{logs_prefix(ID)}"
    for each in ((10, 1, 1), (2, 1, 2), (2, 1, 1), (3, 0, 1), (3, 11, 1)):
        claimed(store, *each)
    Path(f"{folder}/2.1-1.marks").touch()
    assert claims_of(folder, 1) == [AttemptId(2, 1, 1), AttemptId(2, 1, 2), AttemptId(10, 1, 1)]
    assert claims_of(f"{folder}/none", 1) == []


def test_progress_is_that_of_the_last_round_of_each_job(store: FolderStore):
    assert load_progress(store, ID, 6) is None
    written(store, 0)
    outcome(store, 0, 0, 1, "SUCCEEDED")
    outcome(store, 1, 0, 1, "FAILED")
    outcome(store, 2, 0, 1, "FAILED")
    write_closed(store, ID, 0, Closed.of({"Dependency failed": [3]}))
    found = load_progress(store, ID, 6)
    assert found is not None
    assert (found.succeeded, found.failed, found.finished) == ({0}, {1, 2, 3}, False)
    written(store, 1, indices=[1, 3])
    outcome(store, 3, 1, 1, "SUCCEEDED")
    outcome(store, 4, 0, 1, "SUCCEEDED")
    outcome(store, 5, 0, 1, "SUCCEEDED")
    found = load_progress(store, ID, 6)
    assert found is not None
    assert (found.succeeded, found.failed, found.finished) == ({0, 3, 4, 5}, {2}, False)
    outcome(store, 1, 1, 1, "FAILED")
    found = load_progress(store, ID, 6)
    assert found is not None
    assert (found.failed, found.finished) == ({1, 2}, True)


def test_failures_are_counted_anew(store: FolderStore):
    round = written(store, 0, retries=1)
    outcome(store, 0, 0, 2, "FAILED")
    outcome(store, 1, 0, 1, "FAILED")
    outcome(store, 2, 0, 2, "FAILED")
    outcome(store, 2, 0, 1, "SUCCEEDED")
    write_closed(store, ID, 0, Closed.of({"Dependency failed: a": [3], "killed": [4]}))
    resume(round, store, "")
    assert round.failures == 2
