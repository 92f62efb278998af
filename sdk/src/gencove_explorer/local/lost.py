"""Rounds that are in the store and in no queue: nobody will run what has not ended of them."""

import time
from collections.abc import Container, Mapping, Sequence

from explorer_runner import claim
from explorer_runner.keys import FAILED
from explorer_runner.stores import Store
from gencove_explorer.local.queue import Queue
from gencove_explorer.local.recovery import claims_folder, claims_of, load_progress
from gencove_explorer.records import Closed, RoundRecord, write_closed

_INTERRUPTED_SECONDS = 60.0
"""After so long without an entry in the queue, nobody is about to write one."""
INTERRUPTED = "never submitted: the process that was running it again was ended just then; retry_failed()"


def close_lost(
    queue: Queue, place: str, store: Store, last: Mapping[int, RoundRecord], open_jobs: Sequence[int]
) -> dict[int, str]:
    """Close those of the jobs that no scheduler will ever run, and whose processes are gone.

    ``last`` is the last round of each job, ``place`` the executor whose queue it is.
    """
    found: dict[int, str] = {}
    for record in {last[index].round: last[index] for index in open_jobs}.values():
        reason = _why_lost(queue, record) if record.place == place else None
        if reason is None:
            continue
        # Without an entry nothing more happens: what the store says from here on is the last word.
        claims = claims_folder(queue, store, record.id)
        wanted = {index for index in open_jobs if last[index] is record}
        alive = living(claims, record.round, wanted)
        progress = load_progress(store, record.id, 1 + max(last))
        ended = progress.succeeded | progress.failed if progress else set()
        lost = sorted(wanted - ended - alive)
        if lost:
            write_closed(store, record.id, record.round, Closed.of({reason: lost}))
        found.update(dict.fromkeys(lost, FAILED))
    return found


def _why_lost(queue: Queue, record: RoundRecord) -> str | None:
    """Why a round is not in the queue; None if it is, or if it may be about to be."""
    key = f"{record.id}.{record.round}"
    if queue.knows(key):
        return None
    broken = queue.broken_entry(key)
    if broken is not None:
        return f"Host lost: its entry in the executor's queue cannot be read ({broken}); retry_failed()"
    # A retry whose process was killed between the round's record and the queue's entry.
    old = time.time() - record.submitted > _INTERRUPTED_SECONDS
    return INTERRUPTED if record.round and old else None


def living(claims: str, round: int, wanted: Container[int]) -> set[int]:
    """The jobs among ``wanted`` at which a process makes an attempt in a round."""
    return {
        each.index
        for each in claims_of(claims, round)
        if each.index in wanted
        and claim.inspect(f"{claims}/{each.stem}.txt") in (claim.Life.STARTING, claim.Life.RUNNING)
    }
