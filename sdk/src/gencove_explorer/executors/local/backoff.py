"""Steps that failed for one round and are taken again later, so that they stop none of the others."""

import time
from collections.abc import Callable, Container
from dataclasses import dataclass

from explorer_runner.errors import ExplorerError, NotFound, StoreError
from gencove_explorer.executors.local.queue import Entry, log_line

_FIRST_SECONDS = 1.0
_LONGEST_SECONDS = 60.0
_SHARE = 4
"""A failed step is left alone for so many times as long as it took, as nothing else went on meanwhile."""


@dataclass(frozen=True)
class Failure:
    """Why a step failed the last time, and when it may be taken again."""

    what: str
    reason: str
    pause: float
    again_at: float


class Backoff:
    """What failed lately; ``attempt`` takes a step if it is due."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, str], Failure] = {}
        """By step and round; of a store that is silent, by no step and the store: all of them wait."""

    def try_step(self, what: str, entry: Entry, step: Callable[[], object]) -> bool:
        """Take a step that reads or writes the store of a round; False if it failed, now or just before."""
        if self.waits(what, entry):
            return False
        begin = time.monotonic()
        try:
            step()
        except (OSError, ExplorerError) as error:
            self.failed(what, entry, error, seconds=time.monotonic() - begin)
            return False
        self.succeeded(what, entry)
        return True

    def succeeded(self, what: str, entry: Entry) -> None:
        """A step was taken."""
        self._found.pop((what, entry.key), None)
        silent = self._found.get(("", entry.store))
        if silent is not None and silent.what == what:  # another step may have asked the store nothing
            del self._found["", entry.store]

    def waits(self, what: str, entry: Entry) -> bool:
        """Whether a step has failed just before, and is not to be taken again yet."""
        now = time.monotonic()
        failures = (self._found.get((what, entry.key)), self._found.get(("", entry.store)))
        return any(failure is not None and now < failure.again_at for failure in failures)

    def failed(
        self, what: str, entry: Entry, error: Exception, *, seconds: float = 0.0, grows: bool = True
    ) -> None:
        """A step could not be taken, and nothing else went on for so many ``seconds``.

        ``grows``: the pause grows from one time to the next.
        """
        key, reason = (("", entry.store) if _is_silent(entry, error) else (what, entry.key)), str(error)
        before = self._found.get(key)
        if before is None or before.reason != reason:
            log_line(f"{what} of {entry.key}, to be tried again: {reason}")
        if before is not None and time.monotonic() < before.again_at:
            return  # it was under way when another was told
        pause = min(2 * before.pause, _LONGEST_SECONDS) if before and grows else _FIRST_SECONDS
        pause = max(pause, _SHARE * seconds)
        self._found[key] = Failure(what, reason, pause, time.monotonic() + pause)

    def forget(self, *places: str) -> None:
        """Let all steps of these rounds and stores be taken again at once."""
        self._found = {key: failure for key, failure in self._found.items() if key[1] not in places}

    def keep_only(self, places: Container[str]) -> None:
        """Let go of what was said of rounds that have ended, and of stores that none is in."""
        self._found = {key: failure for key, failure in self._found.items() if key[1] in places}

    def reasons(self) -> dict[str, str]:
        """Key of a round, or address of a store -> why it waits."""
        return {place: trouble.reason for (_, place), trouble in self._found.items()}


def _is_silent(entry: Entry, error: Exception) -> bool:
    """Whether all that needs the store has to wait: on S3 each request may take half a minute to fail."""
    failed = isinstance(error, StoreError) and not isinstance(error, NotFound)
    return failed and entry.store.startswith("s3://")
