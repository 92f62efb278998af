"""Starts jobs that may start, as many at once as the machines hold, and follows them to their end."""

import signal
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable

from localcloud.consumables import Consumables
from localcloud.hosts import CannotStartError, Container, Host, Running, not_started
from localcloud.jobs import (
    ENDED,
    PENDING,
    RUNNABLE,
    RUNNING,
    STARTING,
    SUBMITTED,
    TIMED_OUT,
    WAITING,
    Ended,
    Job,
)
from localcloud.weather import Weather

GRACE_SECONDS = 30.0
"""Between SIGTERM and SIGKILL (https://docs.aws.amazon.com/batch/latest/userguide/job_timeouts.html)."""
RECLAIMED = "Host EC2 (instance i-0123456789abcdef0) terminated."
NOT_SEEN = "CannotInspectContainerError: Could not transition to inspecting; timed out after waiting 30s"


class Workers:
    """A thread for each job that runs, none for one that waits."""

    def __init__(
        self,
        host: Host,
        slots: int,
        prepare: Callable[[Job], Container],
        write: Callable[[Job, bytes], None],
        fits: Callable[[Job], str | None],
        minute: float = 60.0,
        weather: Weather | None = None,
        consumables: Consumables | None = None,
    ) -> None:
        self._consumables = consumables
        self._host = host
        self._weather = weather
        self._prepare = prepare
        self._write = write
        self._fits = fits
        self._speed = minute / 60
        """Seconds that a second of a timeout takes: tests do not wait for a minute."""
        self._changed = threading.Condition()
        self._waiting: list[Job] = []
        self._runnable: deque[Job] = deque()
        self._active: dict[Job, Attempt] = {}
        self.unseen = 0
        """How many of the next containers that end cannot be looked at."""
        self._awaited: set[Job] = set()
        for number in range(slots):
            threading.Thread(target=self._work, name=f"slot-{number}", daemon=True).start()
        threading.Thread(target=self._watch, name="watch", daemon=True).start()

    def add(self, job: Job) -> None:
        """Take a job, or all children of an array."""
        with self._changed:
            for each in job.family():
                self._waiting.append(each)
                self._awaited.update(each.dependencies)
            self._release()

    def terminate(self, job: Job, reason: str) -> None:
        """End a job: what has not started is cancelled, what runs gets SIGTERM and later SIGKILL.

        See https://docs.aws.amazon.com/batch/latest/APIReference/API_TerminateJob.html.
        """
        with self._changed:
            for each in job.family():
                if each.own_status in WAITING:
                    each.move("FAILED", reason)
                elif each.own_status not in ENDED and not each.ending:
                    each.ending = reason
                    if each in self._active:
                        self._active[each].end(None)
            self._release()

    def cancel(self, job: Job, reason: str) -> None:
        """End what has not started: of an array those children alone; what has started goes on.

        See https://docs.aws.amazon.com/batch/latest/APIReference/API_CancelJob.html.
        """
        with self._changed:
            for each in job.family():
                if each.own_status in WAITING:
                    each.move("FAILED", reason)
            self._release()

    def reclaim(self, job: Job, *, lost: bool, text: str = RECLAIMED) -> bool:
        """Take the machine of a running job away: with SIGTERM first, or all of a sudden."""
        with self._changed:
            attempt = self._active.get(job)
            if attempt is None:
                return False
            attempt.end(text, at_once=lost)
            return True

    def close(self) -> None:
        """Kill what runs."""
        with self._changed:
            for attempt in self._active.values():
                attempt.end(None, at_once=True)

    # -- what may start -------------------------------------------------------------------------------

    def _release(self) -> None:
        """Move on what waits for nothing any more, until nothing moves: a failure runs through a chain."""
        moved = True
        while moved:
            moved = False
            still = []
            for job in self._waiting:
                if job.own_status in ENDED:
                    continue
                if job.may_start():
                    job.move(RUNNABLE)
                    self._runnable.append(job)
                elif job.own_status in ENDED:
                    moved = True
                else:
                    job.move(PENDING if job.dependencies else SUBMITTED)
                    still.append(job)
            self._waiting = still
        self._changed.notify_all()

    def _next(self) -> Job:
        with self._changed:
            while True:
                for _ in range(len(self._runnable)):
                    job = self._runnable.popleft()
                    if job.own_status != RUNNABLE:
                        continue  # it was terminated
                    job.reason = self._fits(job)
                    if job.reason is None and self._take(job):
                        job.move(STARTING)
                        return job
                    self._runnable.append(job)
                self._changed.wait(1.0)

    def _take(self, job: Job) -> bool:
        """Take the consumable resources of a job that is to start."""
        return self._consumables is None or self._consumables.take(job.request.get("consumables", {}))

    # -- one attempt ----------------------------------------------------------------------------------

    def _work(self) -> None:
        while True:
            job = self._next()
            try:
                ended = self._attempt(job)
            except Exception as error:  # a fault of ours must not look like one of the job's
                ended = Ended(None, repr(error), "Internal error of the test cloud")
            with self._changed:
                if self._consumables is not None:
                    self._consumables.give_back(job.request.get("consumables", {}))
                job.attempted(ended)
                if job.own_status == RUNNABLE:
                    self._runnable.append(job)
                if self._concerns_others(job):
                    self._release()
                self._changed.notify_all()

    def _concerns_others(self, job: Job) -> bool:
        return job in self._awaited or (job.parent in self._awaited and job.parent.status in ENDED)

    def _attempt(self, job: Job) -> Ended:
        job.stream = None
        try:
            container = self._prepare(job)
            running = self._host.start(container)
        except CannotStartError as error:
            return not_started(error)
        job.stream = f"{job.request['streamPrefix']}/default/{uuid.uuid4().hex}"
        attempt = Attempt(running, job.timeout * self._speed if job.timeout else None)
        with self._changed:
            job.started = int(time.time() * 1000)
            job.move(RUNNING)
            self._active[job] = attempt
            if self._weather and (trouble := self._weather.end_of_host(job.id)):
                attempt.end_later(*trouble)
            if job.ending:
                attempt.end(None)
        try:
            for chunk in running.output():
                self._write(job, chunk)
        finally:
            ended = running.wait()
            with self._changed:
                del self._active[job]
        self._write(job, b"")
        if self.unseen:
            self.unseen -= 1
            return Ended(None, NOT_SEEN)
        if self._weather and ended.exit_code != 0 and self._weather.is_not_seen(job.id):
            return Ended(None, NOT_SEEN)
        if attempt.status_reason and ended.exit_code != 0:
            return Ended(ended.exit_code, ended.reason, attempt.status_reason)
        return ended

    def _watch(self) -> None:
        """See to timeouts, and to what does not end when it is told to."""
        while True:
            time.sleep(0.05)
            with self._changed:
                active = list(self._active.values())
            for attempt in active:
                attempt.look(time.monotonic())


class Attempt:
    """A running container, and when it has to end."""

    def __init__(self, running: Running, timeout: float | None) -> None:
        self.status_reason = ""
        self._running = running
        self._deadline = time.monotonic() + timeout if timeout else None
        self._kill_at: float | None = None
        self._trouble: tuple[float, str, bool] | None = None

    def end_later(self, seconds: float, status_reason: str, at_once: bool) -> None:
        """Ask it to end after a while, if it still runs then."""
        self._trouble = (time.monotonic() + seconds, status_reason, at_once)

    def end(self, status_reason: str | None, *, at_once: bool = False) -> None:
        """Ask it to end; the first reason stays."""
        if self._kill_at is None:
            self.status_reason = status_reason or ""
            self._kill_at = time.monotonic() + (0 if at_once else GRACE_SECONDS)
            self._running.signal(signal.SIGKILL if at_once else signal.SIGTERM)

    def look(self, now: float) -> None:
        if self._trouble is not None and now >= self._trouble[0]:
            _, text, at_once = self._trouble
            self._trouble = None
            self.end(text, at_once=at_once)
        if self._kill_at is not None:
            if now >= self._kill_at:
                self._running.signal(signal.SIGKILL)
                self._kill_at = now + GRACE_SECONDS
        elif self._deadline is not None and now >= self._deadline:
            self.end(TIMED_OUT)
