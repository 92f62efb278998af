"""What AWS Batch is told by the exit code of an attempt: see docs/adr/0011.

It knows exit codes and reasons, and not how many attempts failed for which of them. What was cancelled,
terminated or ran into its timeout it never retries, whatever the code.
"""

import os
from collections.abc import Iterator

from explorer_runner.attempt.output_pump import Terminated
from explorer_runner.errors import ExplorerError, Unreachable
from explorer_runner.format.keys import FAILED, STOPPED, SUCCEEDED, AttemptId, outcome_key
from explorer_runner.format.outcome import Outcome
from explorer_runner.stores.base import Store
from explorer_runner.system import memory, processes

TOLERATED = "EXPLORER_TOLERATED"
"""Set where others wait for the end of a job, however it ends: AWS Batch would fail them with it."""


def ended_before(store: Store, analysis: str, attempt: AttemptId, retries: int) -> int | None:
    """The exit code of a job that earlier attempts of its round have ended; None for one that is to run.

    AWS starts a container again if it could not look at one that had run to its end.
    """
    if _count(store, analysis, attempt, SUCCEEDED):
        return 0
    return _failed(1) if _count(store, analysis, attempt, FAILED) > retries else None


def code_of(store: Store, outcome: Outcome, retries: int) -> int:
    """RETRY while retries last, which reclaimed machines do not use up."""
    if outcome.succeeded:
        return 0
    if outcome.status == STOPPED and not (outcome.reason or "").startswith(memory.OUT_OF_MEMORY):
        return processes.RETRY
    if retries and _count(store, outcome.analysis, outcome.of, FAILED) < retries:
        return processes.RETRY
    return own_code(outcome)


def own_code(outcome: Outcome) -> int:
    """The exit code of the job itself, unless it would be taken for one of the runner's."""
    code = (outcome.exit_code or 1) & 0xFF  # the system keeps no more of it: 256 would be success
    return _failed(code if code not in processes.MEANINGFUL else 1)


def _failed(code: int) -> int:
    """The exit code of a job that has failed for good, which its outcome in the store says anyway."""
    return 0 if os.environ.get(TOLERATED) else code


def code_without_outcome(error: ExplorerError) -> int:
    """Of an attempt that could write none: what the job is not to blame for is tried again."""
    return processes.RETRY if isinstance(error, Unreachable | Terminated) else processes.UNWRITTEN


def _count(store: Store, analysis: str, attempt: AttemptId, status: str) -> int:
    """How many attempts before this one have an outcome of this status: a look-up each, of nine at most."""
    return sum(store.exists(outcome_key(analysis, earlier, status)) for earlier in _earlier(attempt))


def _earlier(attempt: AttemptId) -> Iterator[AttemptId]:
    return (attempt._replace(attempt=number) for number in range(1, attempt.attempt))
