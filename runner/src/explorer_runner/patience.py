"""How often and how long a request is tried again that failed for a reason which may pass.

S3, the credentials endpoint and web servers have bad moments: they throttle, restart, or are not reached.
Whoever asks them raises Passing for such an answer and leaves the rest to ``Patience.retry``.
"""

import os
import time
from collections.abc import Callable
from typing import TypeVar

from explorer_runner import progress
from explorer_runner.errors import Unavailable

_Result = TypeVar("_Result")

PEOPLE_SECONDS = 60.0
"""For whoever sits in front of it: a line says what is waited for."""
JOB_SECONDS = 300.0
"""For a job that has not called its function yet: its executor starts it again."""
DONE_SECONDS = 24 * 3600.0
"""For a job whose function has returned: giving up costs all of its work."""
_BRIEF_SECONDS = 15.0
_TELL_AFTER_SECONDS = 5.0
_TELL_EVERY_SECONDS = 30.0


class Passing(Exception):
    """A request failed for a reason that may pass."""

    def __init__(self, text: str, *, after: float = 0.0, brief: bool = False) -> None:
        super().__init__(text)
        self.after = after
        """Seconds for which the server asked to be left alone (Retry-After)."""
        self.brief = brief
        """Whether it passes soon or never: such as credentials that have expired."""


class Patience:
    """Tries again for ``seconds`` from the first failure of each request, with growing pauses."""

    def __init__(
        self,
        seconds: float = 30.0,
        *,
        first: float = 0.2,
        longest: float = 20.0,
        sleep: Callable[[float], object] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
        tell: Callable[[str], object] = progress.say,
    ) -> None:
        self.seconds = seconds
        """May change at any time: a job that has done its work has more patience than one that has not."""
        self.first = first
        """The first pause."""
        self._longest = longest
        self._sleep = sleep
        self._clock = clock
        self._tell = tell
        self._told = float("-inf")

    def retry(self, action: Callable[[], _Result], *, at_least: int = 1) -> _Result:
        """Do it until it raises no Passing. ``at_least`` is how often, however long each try takes.

        Raises Unavailable when the time is over, or would be before the server wants to be asked again.
        """
        begun: float | None = None
        pause, tries = self.first, 0
        while True:
            try:
                return action()
            except Passing as error:
                failure = error
            tries += 1
            now = self._clock()
            begun = now if begun is None else begun
            left = begun + self._limit(failure) - now
            # Many jobs that were refused at once must not all come back at once.
            wait = pause * (0.5 + _draw() / 2)
            if failure.after > max(left, 0.0) or (left <= 0 and tries >= at_least):
                raise Unavailable(_describe(failure, now - begun)) from (failure.__cause__ or failure)
            self._say(f"{failure}: trying again for up to {max(left, 0.0):.0f} s", now, now - begun + wait)
            self._sleep(max(failure.after, min(wait, left) if left > 0 else wait))
            pause = min(2 * pause, self._longest)

    def _limit(self, failure: Passing) -> float:
        return min(self.seconds, _BRIEF_SECONDS) if failure.brief else self.seconds

    def _say(self, text: str, now: float, waited: float) -> None:
        if waited >= _TELL_AFTER_SECONDS and now - self._told >= _TELL_EVERY_SECONDS:
            self._told = now
            self._tell(f"explorer: {text}")


def _describe(failure: Passing, waited: float) -> str:
    if failure.after:
        return f"{failure} (the server wants to be asked again after {failure.after:,.0f} s)"
    return f"{failure} (tried again for {waited:.0f} s)" if waited else str(failure)


def _draw() -> float:
    """A number between 0 and 1, which is another one in each forked process."""
    return int.from_bytes(os.urandom(4), "big") / (1 << 32)
