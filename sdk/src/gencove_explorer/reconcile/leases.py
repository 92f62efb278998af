"""Who submits a round of an analysis: of two reconciles that see it missing, one does, and the other waits.

    claims/<project>/<id>.<round>/<k>.json

A lease is a numbered record; the highest number holds, unless it says that it was released. A holder
that died has left it: after SUBMISSION_SECONDS, or at once if it was a process of this machine that is gone,
the next number may be taken. A holder makes sure that it still holds before the one call that must
not be made twice.
"""

import json
import platform
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import psutil

from explorer_runner.errors import AlreadyExists, CorruptPayload, ExplorerError
from explorer_runner.format import validation
from explorer_runner.format.keys import lease_prefix, parse_number
from explorer_runner.stores.base import Store
from explorer_runner.text import visible_line
from gencove_explorer.records.states import SUBMISSION_SECONDS
from gencove_explorer.utils.log import get_logger

RENEW_SECONDS = 60.0
_POLL_SECONDS = 0.5
_SAME_START_SECONDS = 2.0
"""Linux tells when a process began from the time of boot, which moves as the clock is set."""

_HOLDER: dict[str, validation.Check] = {
    "host": validation.text(),
    "pid": validation.whole(0, 1 << 31),
    "started": validation.number(0, validation.LATEST),
    "time": validation.number(0, validation.LATEST),
    "given_up": validation.flag,
}

_log = get_logger(__name__)


class LeaseLost(AlreadyExists):
    """Somebody else has taken over a submission, and sees to it: nothing of it is to be deleted."""


@dataclass
class Lease:
    """The right to submit one round; released if the submission fails, or is no longer needed."""

    claims: "Leases"
    prefix: str
    number: int
    taken: float

    def renew(self) -> None:
        """Make sure that it still holds; renewed if it is old. Raises LeaseLost."""
        if self.claims.clock() - self.taken < RENEW_SECONDS:
            return
        try:
            self.claims.write(self.prefix, self.number + 1)
        except AlreadyExists:
            raise LeaseLost(
                f"the submission took so long that somebody else has taken {self.prefix} over"
            ) from None
        self.number, self.taken = self.number + 1, self.claims.clock()

    def __enter__(self) -> "Lease":
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            self.release()

    def release(self) -> None:
        """Let somebody else take it at once."""
        try:
            self.claims.write(self.prefix, self.number + 1, given_up=True)
        except ExplorerError:
            pass  # taken over meanwhile, or out of reach: then time gives it up


class Leases:
    """The leases of a project."""

    def __init__(
        self,
        store: Store,
        project: str,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        self.store, self.project = store, project
        self.clock, self.sleep = clock, sleep

    def acquire(self, analysis: str, round: int, done: Callable[[], bool]) -> Lease | None:
        """The lease of a round, once no other process holds it; None if it was submitted meanwhile."""
        prefix = lease_prefix(self.project, analysis, round)
        logged = False
        while not done():
            numbers = map(parse_number, self.store.list_names(prefix))
            last = max((number for number in numbers if number is not None), default=0)
            holder = self._holder(prefix, last) if last else None
            if holder is None or self._free(holder):
                try:
                    taken = self.clock()
                    self.write(prefix, last + 1)
                    return Lease(self, prefix, last + 1, taken)
                except AlreadyExists:
                    continue
            if not logged:
                _log.info(
                    "%s: waiting for %s, which submits it just now", analysis, visible_line(holder["host"])
                )
                logged = True
            self.sleep(_POLL_SECONDS)
        return None

    def write(self, prefix: str, number: int, *, given_up: bool = False) -> None:
        """Raises AlreadyExists."""
        own = psutil.Process()
        record = {
            "host": platform.node(),
            "pid": own.pid,
            "started": own.create_time(),
            "time": self.clock(),
            "given_up": given_up,
        }
        self.store.create(f"{prefix}/{number}.json", json.dumps(record).encode())

    def _holder(self, prefix: str, number: int) -> dict[str, Any]:
        key = f"{prefix}/{number}.json"
        try:
            raw = self.store.read(key, limit=validation.RECORD_BYTES)
            return validation.require(validation.load_json(raw), _HOLDER)
        except ValueError as error:
            raise CorruptPayload(
                f"{key} in the store {self.store.uri} cannot be read: {error}. It says who submits a run "
                "just now: make sure that nobody does, and remove it"
            ) from error

    def _free(self, holder: dict[str, Any]) -> bool:
        """Whether a lease is held no more."""
        if holder["given_up"] or self.clock() - holder["time"] > SUBMISSION_SECONDS:
            return True
        if holder["host"] != platform.node():
            return False
        try:
            moved = abs(psutil.Process(holder["pid"]).create_time() - holder["started"])
            return bool(moved > _SAME_START_SECONDS)
        except psutil.NoSuchProcess:
            return True
