"""What the scheduler remembers of the stores: progress, closed jobs, and whose credentials are the newest."""

import dataclasses
from pathlib import Path

import pytest

from explorer_runner.format.keys import AttemptId, outcome_key, round_key
from explorer_runner.format.payload import DependencyRef
from explorer_runner.stores.folder import FolderStore
from gencove_explorer.executors.local.progress import ProgressTracker
from gencove_explorer.executors.local.queue import Entry, Queue
from gencove_explorer.executors.local.rounds import ActiveRound
from gencove_explorer.records.closed import read_closed
from gencove_explorer.records.index import IndexRecord
from gencove_explorer.records.round import RoundRecord

ID = "2023-05-08T154506_age_17eb494f3d5349c88959bace7a6b7873"
REF = DependencyRef(name="age", id=ID, array=True, jobs=3)


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    store = FolderStore(str(tmp_path / "store"))
    store.mark()
    return store


@pytest.fixture
def ledger(tmp_path: Path) -> ProgressTracker:
    queue = Queue(tmp_path)
    queue.make()
    return ProgressTracker(queue)


def entry_of(store: str, number: int = 0, *, submitted: float = 1.0, key: str = "a") -> Entry:
    record = RoundRecord(
        id=ID, round=number, executor="local", indices=None, jobs=3, payload="0" * 64, submitted=submitted
    )
    index = IndexRecord(
        id=ID, name="age", user="ann", submitted=1.0, jobs=3, array=True, executor="local", python="3.11"
    )
    return Entry(
        store=store,
        record=record,
        index=index,
        runtime="",
        uv="",
        variables={"AWS_ACCESS_KEY_ID": key, "HOME": key},
        cpus=2,
        memory_mb=1000,
    )


def admitted(ledger: ProgressTracker, store: FolderStore, number: int = 0) -> ActiveRound:
    entry = entry_of(store.root, number)
    store.create(round_key(ID, number), entry.record.to_json())
    return ActiveRound(Path("entry"), entry)


def test_credentials_are_those_of_the_newest_entry(ledger: ProgressTracker):
    assert not ledger.use_newest_credentials(entry_of("s3://a", submitted=2.0))
    assert not ledger.use_newest_credentials(entry_of("s3://a", submitted=1.0, key="old"))
    assert not ledger.use_newest_credentials(entry_of("s3://a", submitted=2.0, key="as old"))
    assert not ledger.use_newest_credentials(entry_of("s3://b", submitted=3.0, key="another store's"))
    same = entry_of("s3://a", submitted=3.0)
    assert not ledger.use_newest_credentials(
        dataclasses.replace(same, variables={**same.variables, "HOME": "elsewhere"})
    )
    assert ledger.use_newest_credentials(entry_of("s3://a", submitted=4.0, key="new"))


def test_a_store_is_opened_once_and_again_with_new_credentials(ledger: ProgressTracker, store: FolderStore):
    first = entry_of(store.root)
    ledger.use_newest_credentials(first)
    opened = ledger.store_of(first)
    ledger.use_newest_credentials(entry_of(store.root, submitted=2.0))
    assert ledger.store_of(first) is opened
    ledger.use_newest_credentials(entry_of(store.root, submitted=3.0, key="new"))
    assert ledger.store_of(first) is not opened


def test_what_is_closed_is_written_once_and_known(ledger: ProgressTracker, store: FolderStore):
    round = admitted(ledger, store)
    ledger.begin(round, fresh=True)
    assert not ledger.write_closed(round)
    round.close(1, "no")
    round.close(2, "no")
    assert ledger.write_closed(round)
    assert not ledger.write_closed(round)
    assert read_closed(store, ID) == {0: {1: "no", 2: "no"}}
    assert len(store.list_names(f"analyses/{ID}/closed")) == 1
    found = ledger.dependency(round, REF)
    assert found is not None
    assert (found.succeeded, found.failed) == (set(), {1, 2})


def test_of_a_fresh_first_round_nothing_is_read_and_of_any_other_all(
    ledger: ProgressTracker, store: FolderStore
):
    store.create(outcome_key(ID, AttemptId(0, 0, 1), "SUCCEEDED"), b"{}")
    round = admitted(ledger, store)
    ledger.begin(round, fresh=True)
    found = ledger.dependency(round, REF)
    assert found is not None
    assert found.succeeded == set()
    ledger.record_ended(round, [2], ok=True)
    ledger.record_ended(round, [1], ok=False)
    assert (found.succeeded, found.failed, found.finished) == ({2}, {1}, False)
    ledger.begin(round, fresh=False)
    found = ledger.dependency(round, REF)
    assert found is not None
    assert (found.succeeded, found.failed) == ({0}, set())


def test_a_retry_is_not_taken_for_the_first_run(ledger: ProgressTracker, store: FolderStore):
    store.create(outcome_key(ID, AttemptId(0, 1, 1), "SUCCEEDED"), b"{}")
    admitted(ledger, store)
    retry = admitted(ledger, store, 1)
    ledger.begin(retry, fresh=True)
    found = ledger.dependency(retry, REF)
    assert found is not None
    assert found.succeeded == {0}


def test_what_this_scheduler_does_not_run_is_read_anew(ledger: ProgressTracker, store: FolderStore):
    round = admitted(ledger, store)
    assert ledger.dependency(round, REF) is ledger.dependency(round, REF)
    store.create(outcome_key(ID, AttemptId(0, 0, 1), "SUCCEEDED"), b"{}")
    ledger.keep_only({round.key: round})
    found = ledger.dependency(round, REF)
    assert found is not None
    assert found.succeeded == set()
    ledger.keep_only({})
    found = ledger.dependency(round, REF)
    assert found is not None
    assert found.succeeded == {0}
    other = dataclasses.replace(REF, id=ID.replace("age", "gone"))
    assert ledger.dependency(round, other) is None
