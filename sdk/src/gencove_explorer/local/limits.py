"""What running jobs may not exceed: memory and time; and their logs, kept small and dated."""

import os
import time
from collections.abc import Callable, Collection, Mapping

from explorer_runner import logs

POLL_SECONDS = 0.25
"""Between two looks at the jobs: what a job grows by in this time may pass its limit unseen."""
_MARK_SECONDS = 5.0


class Limits:
    """Looks at jobs that have been running for a while; shorter ones cost nothing."""

    def __init__(
        self,
        resident: Callable[[Collection[int]], Mapping[int, int]],
        exact: Callable[[int], int],
    ) -> None:
        self._resident = resident
        self._exact = exact
        self._due = 0.0
        self._marked: dict[str, tuple[float, int]] = {}

    def due_in(self, now: float) -> float:
        return max(0.0, self._due - now)

    def due(self, now: float) -> bool:
        return now >= self._due

    def over_memory(self, limits_mb: Mapping[int, int]) -> list[int]:
        """Of these processes (pid -> limit in MiB) those whose tree holds more than it may."""
        begin = time.monotonic()
        sizes = self._resident(list(limits_mb))
        over = [
            pid
            for pid, limit in limits_mb.items()
            # The cheap figure counts shared pages again and again: only a suspicion.
            if sizes.get(pid, 0) > limit << 20 and self._exact(pid) > limit << 20
        ]
        # Looking must stay below a twentieth of a core.
        spent = time.monotonic() - begin
        self._due = begin + max(POLL_SECONDS, 20 * spent)
        return over

    def tend_log(self, path: str) -> None:
        """Cut a log that has grown too long; note how long it was when."""
        try:
            size = os.stat(path).st_size
        except FileNotFoundError:
            return
        now = time.monotonic()
        if size > 2 * logs.LIMIT:
            logs.trim(path)
            self._marked.pop(path, None)
            return
        marked, before = self._marked.get(path, (now, 0))
        if path not in self._marked or (now - marked >= _MARK_SECONDS and size != before):
            self._marked[path] = (now, size)
            logs.mark(path, time.time(), size)

    def forget_log(self, path: str) -> None:
        self._marked.pop(path, None)
