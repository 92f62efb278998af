"""Trying again what may pass: one way for stores, web servers and package indexes.

The caller chooses how long: a job waits for minutes, since its work is worth more than that; a notebook for
less; a scheduler, which has other rounds to run, not at all.
"""

import random
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

_Result = TypeVar("_Result")

PERSON_SECONDS = 60.0
JOB_SECONDS = 600.0
"""S3 slows down while it scales, and so do the credentials of a host with many jobs: for minutes."""
_BRIEF_SECONDS = 15.0
_SAID_AFTER = 5.0
"""Seconds after which it is said that something is waited for."""


class Passing(Exception):
    """A failure that may pass: ``cause``; the server asks to be left alone for ``pause`` seconds.

    ``brief``: it passes soon or never, as that of credentials that have expired.
    """

    def __init__(self, cause: Exception, pause: float = 0.0, *, brief: bool = False) -> None:
        super().__init__(str(cause))
        self.cause = cause
        self.pause = pause
        self.brief = brief


@dataclass
class Patience:
    """How long a failing request is tried again, with pauses that grow and differ from job to job."""

    seconds: float = 0.0
    first: float = 0.5
    longest: float = 20.0
    sleep: Callable[[float], object] = time.sleep
    clock: Callable[[], float] = time.monotonic
    say: Callable[[str], object] = lambda text: sys.stderr.write(f"explorer: {text}\n")

    def call(self, what: str, action: Callable[[], _Result], *, at_least: int = 1) -> _Result:
        """The result of ``action``, which raises Passing for what may pass; at last its cause is raised.

        The time begins with the first failure. ``at_least`` is how often it is done though that is over: a
        download may take an hour before it is cut.
        """
        begun, pause, logged, tries = float("nan"), self.first, False, 0
        while True:
            try:
                return action()
            except Passing as failure:
                now, tries = self.clock(), tries + 1
                begun = now if tries == 1 else begun
                left = begun + self._limit(failure) - now
                if failure.pause > max(left, 0.0) or (left <= 0 and tries >= at_least):
                    raise failure.cause from failure.cause.__cause__
                if not logged and now - begun >= _SAID_AFTER:
                    logged = True
                    self.say(
                        f"{what}: trying again for {how_long(max(left, 0.0), 'up to ')}: {failure.cause}"
                    )
                wait = random.uniform(pause / 2, pause)
                self.sleep(max(failure.pause, min(left, wait) if left > 0 else wait))
                pause = min(self.longest, 2 * pause)

    def _limit(self, failure: Passing) -> float:
        return min(self.seconds, _BRIEF_SECONDS) if failure.brief else self.seconds


def retry_after(value: str | None, now: float | None = None) -> float:
    """Seconds of a Retry-After header, which has a number or a date (RFC 9110, 10.2.3); 0 without one."""
    if not value:
        return 0.0
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    import email.utils  # brings much along, and most servers give a number

    try:
        when = email.utils.parsedate_to_datetime(value).timestamp()
    except (TypeError, ValueError, OverflowError):
        return 0.0
    return max(0.0, when - (time.time() if now is None else now))


def how_long(seconds: float, most: str = "") -> str:
    """So much time in words; ``most`` stands before the number."""
    if seconds == float("inf"):
        return "as long as the job may run"
    return f"{most}{seconds / 60:.0f} min" if seconds >= 90 else f"{most}{seconds:.0f} s"
