"""Jobs that nobody waits for: their outcome, else their claim, tells what became of them, and why."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from explorer_runner.attempt import claim
from explorer_runner.format.keys import FAILED, SUCCEEDED, AttemptId, logs_prefix, outcome_key
from explorer_runner.format.outcome import read
from explorer_runner.stores.folder import FolderStore
from gencove_explorer.executors.local.orphans import GRACE_SECONDS, LOST, OrphanedJob

ID = "2023-05-08T154506_age_17eb494f3d5349c88959bace7a6b7873"
ATTEMPT = AttemptId(3, 1, 2)


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    store = FolderStore(str(tmp_path / "store"))
    store.make_folders(logs_prefix(ID))
    return store


@pytest.fixture
def job(store: FolderStore) -> OrphanedJob:
    return OrphanedJob(ID, ATTEMPT, f"{store.root}/{logs_prefix(ID)}/{ATTEMPT.stem}.txt", "0" * 64)


@pytest.fixture
def held(job: OrphanedJob) -> Iterator[int]:
    """The claim of a job that is being set up."""
    descriptor = claim.claim(os.path.dirname(job.log), job.log)
    yield descriptor
    os.close(descriptor)


def long_ago() -> float:
    return time.monotonic() - GRACE_SECONDS


@pytest.mark.parametrize(("status", "ok"), [(SUCCEEDED, True), (FAILED, False)])
def test_an_outcome_is_the_last_word(store: FolderStore, job: OrphanedJob, held: int, status: str, ok: bool):
    store.create(outcome_key(ID, ATTEMPT, status), b"{}")
    assert job.check(store) is ok


def test_while_its_claim_is_held_it_lives(store: FolderStore, job: OrphanedJob, held: int):
    job.gone_since = long_ago()
    assert job.check(store) is None
    assert job.gone_since is None
    claim.running(held)
    job.gone_since = long_ago()
    assert job.check(store) is None
    assert job.gone_since is None


def test_when_its_process_is_gone_its_outcome_may_still_come(store: FolderStore, job: OrphanedJob):
    os.close(claim.claim(os.path.dirname(job.log), job.log))
    assert job.check(store) is None
    seen = job.gone_since
    assert job.check(store) is None
    assert job.gone_since == seen
    store.create(outcome_key(ID, ATTEMPT, SUCCEEDED), b"{}")
    assert job.check(store) is True


@pytest.mark.parametrize("claimed", [True, False])
def test_what_is_gone_without_an_outcome_is_lost_and_that_is_written_down(
    store: FolderStore, job: OrphanedJob, claimed: bool
):
    if claimed:
        os.close(claim.claim(os.path.dirname(job.log), job.log))
    job.gone_since = long_ago()
    assert job.check(store) is False
    outcome = read(store, ID, ATTEMPT, FAILED)
    assert (outcome.reason, outcome.payload, outcome.exit_code) == (LOST, "0" * 64, None)
    assert outcome.started <= outcome.ended


def test_what_was_told_to_end_has_ended_for_the_first_reason(store: FolderStore, job: OrphanedJob):
    job.kill("Terminated by ann", gently=True)
    job.kill("Terminated by bob", gently=True)
    job.gone_since = long_ago()
    assert job.check(store) is False
    assert read(store, ID, ATTEMPT, FAILED).reason == "Terminated by ann"
