"""What running jobs may not exceed: memory and time; and their logs, kept small and dated."""

import os
import time
from collections.abc import Callable, Collection, Mapping
from typing import NamedTuple

from explorer_runner.attempt import log_file
from explorer_runner.system.memory import take_peak, write_peak
from gencove_explorer.executors.host.processes import Tree

POLL_SECONDS = 0.25
"""Between two looks at the jobs: what a job grows by in this time may pass its limit unseen."""
_MARK_SECONDS = 5.0


class Watched(NamedTuple):
    """A job that is looked at."""

    log: str
    limit_mb: int


class Limits:
    """Looks at jobs that have been running for a while; shorter ones cost nothing."""

    def __init__(
        self,
        trees: Callable[[Collection[int]], Mapping[int, Tree]],
        exact: Callable[[int], int],
    ) -> None:
        self._trees = trees
        self._exact = exact
        self._due = 0.0
        self._marked: dict[str, tuple[float, int]] = {}
        self._peaks: dict[str, int] = {}
        """By log: the most memory of a job of several processes, in bytes, which it was told."""

    def due_in(self, now: float) -> float:
        return max(0.0, self._due - now)

    def due(self, now: float) -> bool:
        return now >= self._due

    def over_memory(self, jobs: Mapping[int, Watched]) -> dict[int, int]:
        """Of these processes those whose tree holds more than it may, and how many bytes that is.

        What a job of several processes uses is noted beside its log: it cannot know that itself.
        """
        begin = time.monotonic()
        over = {}
        for pid, tree in self._trees(list(jobs)).items():
            job, known = jobs[pid], self._peaks.get(jobs[pid].log, 0)
            suspect = tree.resident > job.limit_mb << 20
            # The cheap figure counts shared pages again and again: only a suspicion.
            if not suspect and (tree.processes < 2 or tree.resident <= known):
                continue
            size = self._exact(pid)
            if size > known and (tree.processes > 1 or suspect):
                self._peaks[job.log] = size
                write_peak(job.log, size)
            if size > job.limit_mb << 20:
                over[pid] = size
        # Looking must stay below a twentieth of a core.
        spent = time.monotonic() - begin
        self._due = begin + max(POLL_SECONDS, 20 * spent)
        return over

    def rotate_log(self, path: str) -> None:
        """Cut a log that has grown too long; note how long it was when."""
        try:
            size = os.stat(path).st_size
        except FileNotFoundError:
            return
        now = time.monotonic()
        if size > 2 * log_file.LIMIT:
            log_file.trim(path)
            self._marked.pop(path, None)
            return
        marked, before = self._marked.get(path, (now, 0))
        if path not in self._marked or (now - marked >= _MARK_SECONDS and size != before):
            self._marked[path] = (now, size)
            log_file.mark(path, time.time(), size)

    def forget_log(self, path: str) -> None:
        self._marked.pop(path, None)
        if self._peaks.pop(path, 0):
            take_peak(path)  # it may have come too late for the job
