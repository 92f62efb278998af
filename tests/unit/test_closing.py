"""Jobs that nobody will run any more are closed, with the reason; those that somebody may run are not."""

import os
import shutil
import time
from pathlib import Path
from typing import Any

import pytest

from explorer_runner import claim
from explorer_runner.definition import JobDefinition
from explorer_runner.keys import FAILED, SUCCEEDED, Attempt, logs_prefix, round_key
from explorer_runner.outcome import Outcome, write
from explorer_runner.stores.folder import FolderStore
from gencove_explorer.foreground import LOST, NEVER_STARTED, close_unended
from gencove_explorer.local.lost import INTERRUPTED, MISSING, UNQUEUED, close_lost
from gencove_explorer.local.queue import Queue
from gencove_explorer.local.scheduler import is_about
from gencove_explorer.records import RoundRecord, read_closed
from gencove_explorer.retries import _by_round

ID = "2023-05-08T154506_age_17eb494f3d5349c88959bace7a6b7873"


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    store = FolderStore(str(tmp_path / "store"))
    store.make_folders(logs_prefix(ID))
    return store


@pytest.fixture
def queue(tmp_path: Path) -> Queue:
    queue = Queue(tmp_path)
    queue.make()
    return queue


def round_of(number: int = 0, indices: list[int] | None = None, **facts: Any) -> RoundRecord:
    jobs = 4 if indices is None else len(indices)
    given = {"executor": "local", "payload": "0" * 64, "submitted": 1.0, **facts}
    return RoundRecord(id=ID, round=number, indices=indices, jobs=jobs, **given)


def lost(queue: Queue, store: FolderStore, record: RoundRecord) -> dict[int, str]:
    """What is closed, and why, after all jobs of a round were looked at."""
    if not store.exists(round_key(ID, record.round)):
        store.create(round_key(ID, record.round), record.to_json())
    indices = list(record.all_indices())
    found = close_lost(queue, store, dict.fromkeys(indices, record), indices)
    closed = read_closed(store, ID).get(record.round, {})
    assert found == dict.fromkeys(closed, FAILED)
    return closed


def hold(store: FolderStore, attempt: Attempt) -> int:
    logs = f"{store.root}/{logs_prefix(ID)}"
    return claim.claim(logs, f"{logs}/{attempt.stem}.txt")


def outcome(store: FolderStore, index: int, status: str, reason: str | None = None) -> None:
    write(store, Outcome(analysis=ID, index=index, round=0, attempt=1, status=status, reason=reason))


# -- rounds that are in no queue ----------------------------------------------------------------------


def test_what_never_ran_and_is_in_no_queue_was_never_submitted(queue: Queue, store: FolderStore):
    assert lost(queue, store, round_of(place=queue.place)) == dict.fromkeys(range(4), UNQUEUED)
    again = round_of(1, [1, 3], place=queue.place)
    assert lost(queue, store, again) == {1: INTERRUPTED, 3: INTERRUPTED}


def test_an_entry_may_be_about_to_come(queue: Queue, store: FolderStore):
    assert lost(queue, store, round_of(place=queue.place, submitted=time.time())) == {}


def test_rounds_of_other_executors_are_left_to_them(queue: Queue, store: FolderStore):
    assert lost(queue, store, round_of(place="elsewhere:/explorer")) == {}


@pytest.mark.parametrize("folder", ["new", "accepted"])
def test_what_is_in_the_queue_is_not_lost(queue: Queue, store: FolderStore, folder: str):
    (queue.folder / folder / f"{0:020d}-{ID}.0.json").touch()
    assert lost(queue, store, round_of(place=queue.place)) == {}


def test_a_home_folder_that_is_not_there_says_nothing(queue: Queue, store: FolderStore):
    shutil.rmtree(queue.folder)
    assert lost(queue, store, round_of(place=queue.place)) == {}


def test_an_entry_that_was_put_aside_is_the_reason(queue: Queue, store: FolderStore):
    queue.broken.mkdir()
    (queue.broken / f"{0:020d}-{ID}.0.json").touch()
    [reason] = set(lost(queue, store, round_of(place=queue.place)).values())
    assert reason.startswith("Host lost: its entry in the executor's queue cannot be read")


def test_of_what_has_begun_the_ended_and_the_living_are_not_closed(queue: Queue, store: FolderStore):
    outcome(store, 0, SUCCEEDED)
    os.close(hold(store, Attempt(1, 0, 1)))
    held = hold(store, Attempt(2, 0, 1))
    record = round_of(place=queue.place, submitted=time.time())
    assert lost(queue, store, record) == {1: MISSING, 3: MISSING}
    os.close(held)


@pytest.mark.parametrize("what", ["outcomes", "logs"])
def test_one_trace_of_a_round_shows_that_it_was_queued(queue: Queue, store: FolderStore, what: str):
    if what == "logs":
        os.close(hold(store, Attempt(0, 0, 1)))
    else:
        outcome(store, 0, FAILED)
    record = round_of(place=queue.place, submitted=time.time())
    assert set(lost(queue, store, record).values()) == {MISSING}


# -- run_local ----------------------------------------------------------------------------------------


def test_what_run_local_left_says_what_became_of_it(store: FolderStore):
    record = round_of(executor="foreground", job_definition=JobDefinition(retries=1))
    outcome(store, 0, SUCCEEDED)
    outcome(store, 1, FAILED, "ValueError: no")
    os.close(hold(store, Attempt(2, 0, 1)))
    close_unended(store, record, NEVER_STARTED)
    assert read_closed(store, ID) == {0: {1: "ValueError: no", 2: LOST, 3: NEVER_STARTED}}
    close_unended(store, record, "again")
    assert "again" not in read_closed(store, ID)[0].values()


def test_what_still_runs_of_it_is_not_closed(store: FolderStore):
    close_unended(store, round_of(executor="foreground"), "gone", besides={1, 2})
    assert read_closed(store, ID) == {0: {0: "gone", 3: "gone"}}


# -- requests and retries -----------------------------------------------------------------------------


def test_a_request_is_about_the_rounds_that_there_were(store: FolderStore):
    record = round_of(1)
    assert is_about({"terminate": ID, "round": 1}, record)
    assert is_about({"terminate": ID, "round": 2}, record)
    assert not is_about({"terminate": ID, "round": 0}, record)
    assert not is_about({"terminate": "another", "round": 1}, record)
    assert is_about({"terminate": ID}, record)  # of an older version
    assert not is_about({"stop": True}, record)


def test_failed_jobs_are_run_again_as_they_were_the_last_time():
    rounds = [round_of(0), round_of(1, [1, 2]), round_of(2, [2])]
    assert [(record.round, indices) for record, indices in _by_round(rounds, [0, 1, 2, 3])] == [
        (0, [0, 3]),
        (1, [1]),
        (2, [2]),
    ]
    assert [record.round for record, _ in _by_round(rounds, [2])] == [2]
