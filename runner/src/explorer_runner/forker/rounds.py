"""What the forker knows of rounds and of the processes that it started for them."""

from collections import deque
from typing import Any

from explorer_runner.attempt.direct import RoundContext
from explorer_runner.attempt.execute import JobAttempt
from explorer_runner.format.keys import AttemptId, outcomes_prefix
from explorer_runner.format.payload import Payload
from explorer_runner.stores.base import WAIT
from explorer_runner.stores.uri import open_store
from explorer_runner.system import processes

_WRITERS = 20
"""How many may end with an error before a job's outcome is given up."""


class Round:
    """A round that jobs are started of."""

    def __init__(self, key: str, place: RoundContext) -> None:
        self.key = key
        self.place = place
        self.width = 0
        self.queue: deque[tuple[int, int]] = deque()
        self.running = 0
        # On S3 the job has a parent of its own, whose exit code can be believed.
        self.outcomes = f"{place.folder}/{outcomes_prefix(place.job.analysis)}/" if place.folder else None


def make_round(facts: dict[str, Any], payload: Payload, width: int, queue: deque[tuple[int, int]]) -> Round:
    """A round, of what the scheduler told of it, its payload, and the jobs that are queued already."""
    facts = dict(facts)
    key, store = facts.pop("key"), open_store(facts.pop("store"), absent=WAIT)
    named = {name: facts.pop(name) for name in ("analysis", "round", "digest")}
    round = Round(key, RoundContext(JobAttempt(payload=payload, store=store, **named), **facts))
    round.width, round.queue = width, queue
    return round


class ForkedJob:
    """A process of ours: a job, or a writer that closes a job which died."""

    __slots__ = (
        "attempt",
        "died",
        "kill_at",
        "peak",
        "position",
        "reason",
        "round",
        "slot",
        "started",
        "writer",
        "written_badly",
    )

    def __init__(self, round: Round, position: int, attempt: AttemptId, slot: int, started: float) -> None:
        self.round = round
        self.position = position
        self.attempt = attempt
        self.slot = slot
        """Which scratch folder it has, as long as it runs."""
        self.started = started
        self.reason: str | None = None
        self.kill_at: float | None = None
        self.writer = False
        self.died = 0
        """How a job ended that has a writer: a status of wait4."""
        self.written_badly = 0
        """How many writers ended with an error."""
        self.peak = 0
        """The job's largest resident size, as wait4 gave it."""

    def is_to_write_again(self, code: int) -> bool:
        """Whether a writer has to be started again: after a signal always, after an error a few times."""
        self.written_badly += code > 0
        return code < 0 or (code not in (0, processes.CLAIMED) and self.written_badly < _WRITERS)
