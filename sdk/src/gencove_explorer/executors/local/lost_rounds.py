"""Rounds that are in the store and in no queue: nobody will run what has not ended of them."""

import signal
import time
from collections.abc import Container, Iterable

from explorer_runner.attempt import claim
from explorer_runner.format.keys import FAILED, AttemptId, logs_prefix, parse_log_name
from explorer_runner.results import outcome_names
from explorer_runner.stores.base import Store
from gencove_explorer.executors.host.processes import end_holders
from gencove_explorer.executors.local.queue import Queue
from gencove_explorer.executors.local.recovery import claims_folder, claims_of, load_progress
from gencove_explorer.executors.local.rounds import Progress
from gencove_explorer.records.closed import Closed, write_closed
from gencove_explorer.records.round import RoundRecord, Rounds, read_rounds

_INTERRUPTED_SECONDS = 60.0
"""After so long without an entry in the queue, nobody is about to write one."""
CUT_OFF = "never submitted: the process that was submitting it was ended just then; retry_failed()"
INTERRUPTED = "never submitted: the process that was running it again was ended just then; retry_failed()"
UNQUEUED = "never submitted: its entry in the executor's queue was lost before it ran; retry_failed()"
MISSING = (
    "its outcome is missing from the store: the job has ended, and what it wrote last was removed or lost; "
    "retry_failed()"
)


def close_lost_jobs(queue: Queue, rounds: Rounds, open_jobs: Iterable[int]) -> dict[int, str]:
    """Close those of the jobs that no scheduler will ever run, and whose processes are gone.

    Rounds of another executor are left to that.
    """
    closed: dict[int, str] = {}
    if not queue.accepted.is_dir():
        return closed  # the home folder is not there: that says nothing of what the queue holds
    store = rounds.store
    for record, own in rounds.by_round(open_jobs):
        if record.place != queue.location or queue.has_round(f"{record.id}.{record.round}"):
            continue
        # Without an entry nothing more happens: what the store says from here on is the last word.
        reason = _why_lost(queue, store, record)
        if reason is None:
            continue
        progress = load_progress(store, record.id, rounds.jobs)
        open_of_round = set(own)
        alive = live_jobs(claims_folder(queue, store, record.id), record.round, open_of_round)
        ended = progress.succeeded | progress.failed if progress else set()
        lost = sorted(open_of_round - ended - alive)
        if lost:
            write_closed(store, record.id, record.round, Closed.of({reason: lost}))
        closed.update(dict.fromkeys(lost, FAILED))
    return closed


def close_lost_of(queue: Queue, store: Store, analysis: str, progress: Progress) -> bool:
    """The same for all open jobs of an analysis, of which ``progress`` is known; True if there were any."""
    rounds = read_rounds(store, analysis)
    return bool(close_lost_jobs(queue, rounds, set(rounds.indices) - progress.succeeded - progress.failed))


def _why_lost(queue: Queue, store: Store, record: RoundRecord) -> str | None:
    """Why a round is not in the queue; None if it may be about to be."""
    broken = queue.broken_entry(f"{record.id}.{record.round}")
    if broken is not None:
        return f"Host lost: its entry in the executor's queue cannot be read ({broken}); retry_failed()"
    if _has_begun(queue, store, record):
        return MISSING
    # A retry whose process was killed between the round's record and the queue's entry.
    old = time.time() - record.submitted > _INTERRUPTED_SECONDS
    if not old:
        return None
    if record.canary and record.round == 1:
        return CUT_OFF
    return INTERRUPTED if record.round else UNQUEUED


def _has_begun(queue: Queue, store: Store, record: RoundRecord) -> bool:
    """Whether jobs of a round were run, for which it was in the queue."""
    logs = map(parse_log_name, store.list_names(logs_prefix(record.id)))
    claims = claims_of(claims_folder(queue, store, record.id), record.round)
    rounds = {attempt.round for attempt in (*claims, *logs) if attempt is not None}
    rounds.update(name.round for name in outcome_names(store, record.id))
    return record.round in rounds


def end_unqueued(queue: Queue, rounds: Rounds, indices: Container[int] | None) -> None:
    """End what runs of rounds whose entry is gone: no scheduler knows of it, and none will end it."""
    for record in rounds:
        if record.place != queue.location or queue.has_round(f"{record.id}.{record.round}"):
            continue
        claims = claims_folder(queue, rounds.store, record.id)
        for attempt in claims_of(claims, record.round):
            if (indices is None or attempt.index in indices) and _lives(claims, attempt):
                end_holders(f"{claims}/{attempt.stem}.txt", signal.SIGKILL)


def live_jobs(claims: str, round: int, indices: Container[int]) -> set[int]:
    """The jobs among ``wanted`` at which a process makes an attempt in a round."""
    return {
        attempt.index
        for attempt in claims_of(claims, round)
        if attempt.index in indices and _lives(claims, attempt)
    }


def _lives(claims: str, attempt: AttemptId) -> bool:
    return claim.inspect(f"{claims}/{attempt.stem}.txt") in (
        claim.ClaimState.STARTING,
        claim.ClaimState.RUNNING,
    )
