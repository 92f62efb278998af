"""A round in the scheduler's memory: which of its jobs wait, may start, run, or have ended.

Nothing here reads or writes; the scheduler tells it what happened and asks what to do. Jobs are
named by their position in the round; ``record.index_of`` gives the job index.
"""

import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from explorer_runner.attempt import startup_variables
from explorer_runner.format.payload import DependencyRef
from gencove_explorer.executors.local.capacity import Resources, RoundDemand
from gencove_explorer.executors.local.queue import Entry
from gencove_explorer.records.halts import counts_as_failure

_OPENING_SECONDS = 0.5
_MOST_EXPLAINED = 20
"""Jobs of which each is closed with a reason of its own: a read each, and a line of the record."""
BACKLOG = 256
"""How many jobs a forker is handed ahead of time, so that it never waits for the scheduler."""


class Ground(NamedTuple):
    """What a job's process has to be started with: rounds that have it in common can share a forker."""

    runtime: str
    """Its Python."""
    variables: tuple[tuple[str, str], ...]
    """Those of its environment variables that are read at the start of a process."""


@dataclass
class Progress:
    """How far an analysis is, all its rounds together."""

    jobs: int
    succeeded: set[int] = field(default_factory=set)
    """Job indices."""
    failed: set[int] = field(default_factory=set)
    """Job indices of jobs that will not be tried again."""

    @property
    def finished(self) -> bool:
        return len(self.succeeded) + len(self.failed) >= self.jobs


@dataclass
class RunningJob:
    """A job that a forker of ours runs."""

    attempt: int
    pid: int
    since: float = field(default_factory=time.monotonic)
    killed: str | None = None
    """Why it was told to end."""


class ActiveRound:
    """A round that has not ended."""

    def __init__(self, path: Path, entry: Entry) -> None:
        record = entry.record
        definition = record.job_definition
        self.path = path
        self.entry = entry
        self.record = record
        self.key = entry.key
        self.ground = Ground(
            entry.runtime, tuple(sorted(startup_variables.read_at_start(entry.variables).items()))
        )
        self.need = Resources(definition.cpu, definition.memory_mb)
        self.tries = definition.retries + 1
        self.open = set(range(record.jobs))
        """Positions of jobs that have not ended."""
        self.waiting = set(self.open)
        """Positions of jobs whose dependencies have not all succeeded."""
        self.ready: deque[tuple[int, int]] = deque()
        """Position and attempt of jobs that may start."""
        self.granted: dict[int, int] = {}
        """Position -> attempt of jobs that a forker has in its queue."""
        self.running: dict[int, RunningJob] = {}
        self.adopted: dict[int, int] = {}
        """Position -> attempt of jobs that run without a forker of ours."""
        self.ending: dict[int, str] = {}
        """Position -> reason of jobs that are to make no further attempt."""
        self.failures = 0
        """How many of its jobs have failed for good, having been tried."""
        self.halted: str | None = None
        """Why no more of its jobs are started, if that is so."""
        self.next_attempt: dict[int, int] = {}
        """Position -> attempt that comes next, of jobs that were tried before."""
        self.outgrown: set[int] = set()
        """Positions of jobs that are being killed for their memory, and may have more."""
        self.grown: list[int] = []
        """Indices of jobs that are to run again with more memory, in a further round."""
        self.grow_at = 0.0
        """When they are."""
        self.grow_pause = 1.0
        """Seconds until the next such round: jobs that are killed meanwhile share it."""
        self.closing: dict[str, list[int]] = {}
        """Reason -> job indices that are closed and not yet written down."""
        self.width = 0
        self.bound = 0
        self.narrowed_at = 0
        """Number of the command that lowered the width; it holds once the forker has heard it."""
        self.announced = False
        """Whether its forker knows the round."""
        self.opened = False
        """Whether its forker has opened the payload."""
        self.slow_at = 0.0
        """When opening it takes so long that others are to have its slots meanwhile."""

    # -- dependencies -----------------------------------------------------------------------------

    def release(
        self,
        progress_of: Callable[[DependencyRef], Progress | None],
        why_failed: Callable[[DependencyRef, int | None], str],
    ) -> None:
        """Make jobs ready whose dependencies succeeded; close those whose dependencies failed.

        ``why_failed`` tells why a dependency did, or its job of an index.
        """
        if not self.waiting:
            return
        by_index = {self.record.index_of(position): position for position in self.waiting}
        free = set(by_index)
        for ref in self.record.depends_on:
            progress = progress_of(ref)
            if progress is None:
                self._fail_waiting(
                    by_index.values(), f"Dependency failed: {ref.name} ({ref.id}) is not in the store"
                )
                return
            if ref.each:
                self._fail_each(sorted(free & progress.failed), by_index, ref, why_failed)
                free &= progress.succeeded
            elif progress.finished and progress.failed and not ref.finished:
                self._fail_waiting(by_index.values(), why_failed(ref, None))
                return
            elif not progress.finished:
                free.clear()
        self._make_ready(by_index[index] for index in sorted(free) if by_index[index] in self.waiting)

    @property
    def has_failed_enough(self) -> bool:
        """Whether so many jobs have failed that no more are to be started."""
        limit = self.record.max_failures
        return limit is not None and self.failures >= limit

    def halt(self, reason: str) -> None:
        """Start no job any more: those that no forker has are closed at once."""
        self.halted = reason
        unstarted = self.waiting | {position for position, _ in self.ready}
        self.waiting.clear()
        self.ready.clear()
        for position in sorted(unstarted):
            self.close(position, reason)

    def never_started(self, heard: int) -> list[int]:
        """Once it is halted: jobs that its forker, which has carried out so many commands, will not start."""
        stopped = self.halted is not None and not self.width and heard >= self.narrowed_at
        return [position for position in self.granted if position not in self.ending] if stopped else []

    def _fail_each(
        self,
        lost: Sequence[int],
        by_index: Mapping[int, int],
        ref: DependencyRef,
        why_failed: Callable[[DependencyRef, int | None], str],
    ) -> None:
        """Close the jobs whose own job of a dependency failed: each says why, unless they are many."""
        if len(lost) <= _MOST_EXPLAINED:
            for index in lost:
                self._fail_waiting([by_index[index]], why_failed(ref, index))
        else:
            reason = f"Dependency failed: {ref.name} ({ref.id}), its job of the same index"
            self._fail_waiting([by_index[index] for index in lost], reason)

    def _make_ready(self, positions: Iterable[int]) -> None:
        for position in positions:
            self.waiting.discard(position)
            self.ready.append((position, self.next_attempt.get(position, 1)))

    def _fail_waiting(self, positions: Iterable[int], reason: str) -> None:
        for position in list(positions):
            if position in self.waiting:
                self.waiting.discard(position)
                self.close(position, reason)

    # -- what happened ----------------------------------------------------------------------------

    def announce(self) -> None:
        """The forker was told of the round, and begins to open its payload."""
        self.announced = True
        self.slow_at = time.monotonic() + _OPENING_SECONDS

    def started(self, position: int, attempt: int, pid: int) -> None:
        self.granted.pop(position, None)
        self.running[position] = RunningJob(attempt, pid)

    def ended(self, position: int, attempt: int, ok: bool) -> bool:
        """An attempt has its outcome; True if it is the job's last one."""
        self.granted.pop(position, None)
        self.running.pop(position, None)
        self.adopted.pop(position, None)
        if position not in self.open:
            return False
        if not ok and position in self.ending:
            self.close(position, self.ending[position])
            return False
        if not ok and position in self.outgrown:
            self.grow(position)
            return False
        if not ok and attempt < self.tries:
            self.ready.append((position, attempt + 1))
            return False
        self.open.discard(position)
        self.failures += not ok
        return True

    def outgrow(self, position: int) -> None:
        """A job is killed for its memory."""
        if self.record.job_definition.may_grow:
            self.outgrown.add(position)

    def grow(self, position: int) -> None:
        """A job that was killed for its memory goes on in a further round, with more."""
        self.open.discard(position)
        self.grown.append(self.record.index_of(position))

    def close_grown(self, indices: list[int] | None, reason: str) -> None:
        """Jobs among ``indices`` (None: all) that were to go on with more memory do not."""
        dropped = [index for index in self.grown if indices is None or index in indices]
        self.grown = [index for index in self.grown if index not in dropped]
        if dropped:
            self.closing.setdefault(reason, []).extend(dropped)

    def reattached(self, position: int, attempt: int) -> None:
        """Another process makes this attempt."""
        self.granted.pop(position, None)
        self.running.pop(position, None)
        self.adopted[position] = attempt

    def orphan(self) -> dict[int, int]:
        """The forker is gone: what it had queued is ready again, what it ran goes on by itself.

        Returns position and attempt of the latter; also of those that were to be ended, which may have been
        started before the forker had heard of it.
        """
        left = {position: job.attempt for position, job in self.running.items()}
        self.running.clear()
        return left | self.withdraw()

    def withdraw(self) -> dict[int, int]:
        """The forker knows the round no more: what it had queued is ready again.

        Returns position and attempt of those among them that were to be ended.
        """
        ended = {position: attempt for position, attempt in self.granted.items() if position in self.ending}
        again = sorted(grant for grant in self.granted.items() if grant[0] not in ended)
        self.ready.extendleft(reversed(again))
        self.granted.clear()
        self.width = self.bound = self.narrowed_at = 0
        self.announced = self.opened = False
        return ended

    def end(self, positions: Iterable[int], reason: str) -> list[tuple[int, int]]:
        """Let these jobs make no further attempt; those that wait are closed at once.

        Returns position and attempt of those that a forker, or an adopted process, must be told of.
        """
        running = []
        to_end = set(positions) & self.open
        for position in to_end:
            self.ending.setdefault(position, reason)
        self.ready = deque(waiting for waiting in self.ready if waiting[0] not in to_end)
        for position in to_end:
            if position in self.running:
                running.append((position, self.running[position].attempt))
            elif position in self.granted:
                running.append((position, self.granted[position]))
            elif position in self.adopted:
                running.append((position, self.adopted[position]))
            else:
                self.waiting.discard(position)
                self.close(position, reason)
        return running

    def close(self, position: int, reason: str) -> None:
        """The job has ended without an outcome of its own that counts."""
        self.granted.pop(position, None)
        self.open.discard(position)
        self.failures += counts_as_failure(reason)
        self.closing.setdefault(reason, []).append(self.record.index_of(position))

    # -- what to do -------------------------------------------------------------------------------

    def demand(self, heard: int, *, startable: bool) -> RoundDemand:
        """``heard``: how many commands the round's forker has carried out; ``startable``: whether jobs of
        it can be started now.
        """
        if heard >= self.narrowed_at:
            self.bound = self.width
        opening = self.announced and not self.opened
        startable = startable and not (opening and time.monotonic() >= self.slow_at)
        return RoundDemand(
            analysis=self.record.id,
            need=self.need,
            running=len(self.running),
            ready=len(self.granted) + len(self.ready) if startable else 0,
            width=self.width,
            bound=max(self.bound, len(self.running)),
            adopted=len(self.adopted),
            limit=self.record.parallel,
        )

    def grant(self, width: int) -> list[tuple[int, int]]:
        """Jobs to hand to the forker now, if it may run ``width`` at once.

        A new lot is handed out when half of the last one has started: few large commands, and a
        forker that never waits.
        """
        jobs = []
        if width and len(self.granted) < width + BACKLOG // 2:
            while self.ready and len(self.granted) < width + BACKLOG:
                position, attempt = self.ready.popleft()
                self.granted[position] = attempt
                jobs.append((position, attempt))
        return jobs

    def widen(self, width: int, command: int) -> None:
        """The forker was told, by ``command``, that it may run ``width`` jobs at once."""
        if width < self.width:
            self.bound, self.narrowed_at = max(self.bound, self.width), command
        self.bound = max(self.bound, width)
        self.width = width

    def positions_of(self, indices: list[int] | None) -> list[int]:
        """The jobs among ``indices`` (None: all) that have not ended."""
        if indices is None:
            return sorted(self.open)
        chosen = set(indices)
        return [position for position in self.open if self.record.index_of(position) in chosen]


def describe(rounds: Iterable[ActiveRound], capacity: Resources) -> dict[str, int]:
    """What the machine has, what of that is in use, and how many jobs run and wait, for people."""
    busy = [(record, len(record.running) + len(record.adopted)) for record in rounds]
    used = sum((active.need * count for active, count in busy), Resources(0, 0))
    running = sum(count for _, count in busy)
    return {
        "cpus": capacity.cpus,
        "memory_mb": capacity.memory_mb,
        "cpus_in_use": used.cpus,
        "memory_mb_in_use": used.memory_mb,
        "running": running,
        "waiting": sum(len(active.open) for active, _ in busy) - running,
    }
