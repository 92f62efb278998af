"""What AWS Batch is told by an exit code: retries count failures, and nobody else is to blame."""

from pathlib import Path

import pytest

from explorer_runner.attempt.batch_exit import code_of, code_without_outcome, ended_before, own_code
from explorer_runner.attempt.output_pump import Terminated
from explorer_runner.errors import StoreError, Unreachable
from explorer_runner.format.keys import FAILED, STOPPED, SUCCEEDED, AttemptId, outcome_key
from explorer_runner.format.outcome import Outcome
from explorer_runner.stores.base import Store
from explorer_runner.stores.uri import open_store
from explorer_runner.system.processes import MEANINGFUL, RETRY, UNWRITTEN

ID = "2023-05-08T154506_age_17eb494f3d5349c88959bace7a6b7873"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store(str(tmp_path))


def write(store: Store, *statuses: str) -> AttemptId:
    """The outcomes of the attempts of one job so far; returns the last of them."""
    for number, status in enumerate(statuses, 1):
        store.create(outcome_key(ID, AttemptId(4, 1, number), status), b"{}")
        store.create(outcome_key(ID, AttemptId(4, 0, number), FAILED), b"{}")  # another round
        store.create(outcome_key(ID, AttemptId(5, 1, number), SUCCEEDED), b"{}")  # another job
    return AttemptId(4, 1, len(statuses))


def outcome(of: AttemptId, status: str, exit_code: int | None = None) -> Outcome:
    index, round, attempt = of
    return Outcome(analysis=ID, index=index, round=round, attempt=attempt, status=status, exit_code=exit_code)


@pytest.mark.parametrize(
    ("statuses", "retries", "code"),
    [
        ([], 0, None),
        ([FAILED], 0, 1),
        ([FAILED], 1, None),
        ([STOPPED, STOPPED], 0, None),
        ([FAILED, STOPPED, FAILED], 1, 1),
        ([FAILED, STOPPED, FAILED], 2, None),
        ([STOPPED, SUCCEEDED], 0, 0),
        ([SUCCEEDED, FAILED], 0, 0),
    ],
)
def test_a_job_that_earlier_attempts_have_ended_is_not_run(
    store: Store, statuses: list[str], retries: int, code: int | None
):
    last = write(store, *statuses)
    assert ended_before(store, ID, last._replace(attempt=last.attempt + 1), retries) == code


@pytest.mark.parametrize(
    ("statuses", "retries", "code"),
    [
        ([SUCCEEDED], 3, 0),
        ([STOPPED], 0, RETRY),
        ([FAILED], 0, 7),
        ([FAILED], 1, RETRY),
        ([FAILED, FAILED], 1, 7),
        ([FAILED, STOPPED, FAILED], 2, RETRY),
        ([STOPPED, STOPPED, FAILED], 1, RETRY),
        ([STOPPED, FAILED, FAILED], 1, 7),
    ],
)
def test_an_attempt_is_followed_by_another_while_retries_last(
    store: Store, statuses: list[str], retries: int, code: int
):
    last = write(store, *statuses)
    assert code_of(store, outcome(last, statuses[-1], 7), retries) == code


@pytest.mark.parametrize(
    ("exit_code", "code"),
    [
        (None, 1),
        (0, 1),
        (1, 1),
        (3, 3),
        (255, 255),
        (256, 1),
        (259, 3),
        (-1, 255),
        *((n, 1) for n in MEANINGFUL),
    ],
)
def test_the_code_of_a_job_is_its_own_but_never_one_with_a_meaning(exit_code: int | None, code: int):
    assert own_code(outcome(AttemptId(0, 0, 1), FAILED, exit_code)) == code


def test_what_wrote_no_outcome_is_tried_again_only_where_the_job_is_not_to_blame():
    assert code_without_outcome(Unreachable("s3")) == RETRY
    assert code_without_outcome(Terminated("SIGTERM")) == RETRY
    assert code_without_outcome(StoreError("no")) == UNWRITTEN
