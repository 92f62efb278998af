"""The scheduler's eye on what runs: jobs that nobody waits for, limits, and the end of jobs."""

import time
from collections.abc import Callable, Iterable, Mapping
from functools import partial

from explorer_runner.system import memory
from explorer_runner.system.processes import TIMED_OUT
from gencove_explorer.executors.host import processes
from gencove_explorer.executors.local.backoff import Backoff
from gencove_explorer.executors.local.forkers import Forkers
from gencove_explorer.executors.local.limits import POLL_SECONDS, Limits, Watched
from gencove_explorer.executors.local.orphans import LOOK_SECONDS, OrphanedJob
from gencove_explorer.executors.local.progress import ProgressTracker
from gencove_explorer.executors.local.rounds import ActiveRound


class JobMonitor:
    """Looks at the jobs of ``rounds``; calls ``ended`` with round, position, attempt and success of those
    whose end no forker reports.
    """

    def __init__(
        self,
        rounds: Mapping[str, ActiveRound],
        ledger: ProgressTracker,
        forkers: Forkers,
        troubles: Backoff,
        ended: Callable[[ActiveRound, int, int, bool], None],
    ) -> None:
        self._rounds = rounds
        self._ledger = ledger
        self._forkers = forkers
        self._troubles = troubles
        self._ended = ended
        self._limits = Limits(processes.trees, processes.exact_bytes)
        self._look_at = 0.0
        self.adopted: dict[tuple[str, int], OrphanedJob] = {}
        """Jobs that run without a forker of ours, by key of the round and position."""

    def due_in(self, now: float) -> float:
        """Seconds until there is something to look at."""
        adopted = self._look_at - now if self.adopted else float("inf")
        running = any(round.running for round in self._rounds.values())
        return min(adopted, self._limits.due_in(now) if running else float("inf"))

    def check(self, now: float) -> None:
        """Look at what is due."""
        if self.adopted and now >= self._look_at:
            self._look_at = now + LOOK_SECONDS
            self.check_orphans()
        if self._limits.due(now):
            self._enforce_limits()

    def adopt(self, round: ActiveRound, position: int, attempt: int) -> None:
        """Watch an attempt that another process makes."""
        round.reattached(position, attempt)
        if (round.key, position) not in self.adopted:
            self.adopted[round.key, position] = OrphanedJob(
                round.record.id,
                self._ledger.attempt_of(round, position, attempt),
                self._ledger.log_of(round, position, attempt),
                round.record.payload,
                round.record.job_definition.may_grow,
            )
            if position in round.ending:  # its forker may not have lived to hear of it
                self._kill(round, position, attempt, round.ending[position], gently=True)

    def forget(self, round: ActiveRound, position: int, attempt: int) -> None:
        """An attempt has ended."""
        self._limits.forget_log(self._ledger.log_of(round, position, attempt))
        self.adopted.pop((round.key, position), None)

    def end(self, round: ActiveRound, positions: Iterable[int], reason: str) -> None:
        """Let jobs make no further attempt, and end what runs of them."""
        for position, attempt in round.end(positions, reason):
            self._kill(round, position, attempt, reason, gently=True)

    def check_orphans(self) -> None:
        for (key, position), job in list(self.adopted.items()):
            job.kill_overdue()
            round = self._rounds[key]
            # Each by itself: one that is well must not clear what is wrong with another.
            what, look = f"job {job.attempt.index}", partial(self._look_at_one, round, position, job)
            self._troubles.try_step(what, round.entry, look)

    def _look_at_one(self, round: ActiveRound, position: int, job: OrphanedJob) -> None:
        ok = job.check(self._ledger.store_of(round.entry))
        if ok is not None:
            self._ended(round, position, job.attempt.attempt, ok)

    def _kill(self, round: ActiveRound, position: int, attempt: int, reason: str, *, gently: bool) -> None:
        job = self.adopted.get((round.key, position))
        if job is not None:
            job.kill(reason, gently=gently)
        elif (forker := self._forkers.find(round)) is not None:
            forker.send("kill", [round.key, position, attempt, reason, gently])

    def _enforce_limits(self) -> None:
        """Look at every job that has been running for longer than a look takes."""
        watched: dict[int, tuple[ActiveRound, int, int]] = {}
        ages: dict[int, float] = {}
        now = time.monotonic()
        for round in self._rounds.values():
            for position, running in round.running.items():
                if now - running.since >= POLL_SECONDS:
                    watched[running.pid] = (round, position, running.attempt)
                    ages[running.pid] = now - running.since
        for (key, position), job in self.adopted.items():
            if job.process is not None:
                watched[job.process.pid] = (self._rounds[key], position, job.attempt.attempt)
                ages[job.process.pid] = job.age
        jobs = {
            pid: Watched(self._ledger.log_of(round, position, attempt), round.record.job_definition.memory_mb)
            for pid, (round, position, attempt) in watched.items()
        }
        for pid, used in self._limits.over_memory(jobs).items():
            round, position, attempt = watched[pid]
            asked = round.record.job_definition
            round.outgrow(position)
            reason = memory.reason(used, asked.memory_mb, field=asked.memory_limit_name)
            self._kill(round, position, attempt, reason, gently=False)
        for pid, (round, position, attempt) in watched.items():
            timeout = round.record.job_definition.timeout_seconds
            if timeout is not None and ages[pid] >= timeout and position not in round.ending:
                self.end(round, [position], TIMED_OUT)
            self._limits.rotate_log(self._ledger.log_of(round, position, attempt))
