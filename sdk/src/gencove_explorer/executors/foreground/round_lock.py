"""The lock on a round's record, held while the round runs; jobs that are open at its end are closed."""

import fcntl
import os
from collections.abc import Container
from typing import IO

from explorer_runner.errors import (
    ExplorerError,
)
from explorer_runner.format.keys import AttemptId, logs_prefix, round_key
from explorer_runner.format.outcome import read as read_outcome
from explorer_runner.stores.base import Store
from gencove_explorer.records.closed import Closed, read_closed, write_closed
from gencove_explorer.records.round import RoundRecord
from gencove_explorer.records.states import settled_states

GONE = "the process that ran it ended (run_local)"


LOST = "Host lost: its runner was ended before it could write what became of the job (run_local)"


NEVER_STARTED = "never started: run_local ended before its turn"


def lock_round(store: Store, record: RoundRecord) -> IO[bytes]:
    """Hold the round's record until it is closed, so that others see that somebody runs it."""
    path = store.local_path(round_key(record.id, record.round))
    if path is None:
        raise ExplorerError("run_local keeps its analyses in a folder")
    file = open(path, "rb")
    fcntl.flock(file, fcntl.LOCK_EX)
    return file


def is_round_locked(store: Store, record: RoundRecord) -> bool:
    """Whether somebody runs the round."""
    path = store.local_path(round_key(record.id, record.round))
    assert path is not None
    with open(path, "rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def close_unfinished(store: Store, record: RoundRecord, reason: str, besides: Container[int] = ()) -> None:
    """Write down that those jobs of a round which have not ended, ``besides`` some, never will.

    ``reason`` is that of jobs which never began. One that failed, and might have been tried again,
    keeps its own; one that began and left no outcome was lost with its runner.
    """
    from explorer_runner.results import outcome_names

    jobs = 1 + max(record.all_indices())
    states, failed, _ = settled_states(
        jobs, [record], outcome_names(store, record.id), read_closed(store, record.id)
    )
    reasons: dict[str, list[int]] = {}
    for index in record.all_indices():
        if states[index] is None and index not in besides:
            why = reason
            if index in failed:
                outcome = read_outcome(store, record.id, AttemptId(*failed[index][:3]), failed[index].status)
                why = outcome.reason or reason
            elif os.path.exists(
                f"{logs_folder(store, record.id)}/{AttemptId(index, record.round, 1).stem}.txt"
            ):
                why = LOST
            reasons.setdefault(why, []).append(index)
    if reasons:
        write_closed(store, record.id, record.round, Closed.of(reasons))


def logs_folder(store: Store, analysis: str) -> str:
    """Where the claims and logs of an analysis lie."""
    return str(store.local_path(logs_prefix(analysis)))
