"""Open the payload of a round in a process of its own, while the forker goes on.

Reading a zip takes modules that would make every later fork dearer, and on S3 it takes obstore. A
store may also be silent for minutes, and what crashes there must not take the forker along.
"""

import io
import os
import select
import signal
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from typing import Any, NoReturn

from explorer_runner.errors import ExplorerError, NotFound, PayloadError, StoreError
from explorer_runner.format.payload import Payload, check_python, load
from explorer_runner.stores.base import RAISE
from explorer_runner.stores.uri import open_store
from explorer_runner.system import frames, processes

_CHUNK = 1 << 20
_AT_ONCE = 4
"""How many payloads of one store are opened at once: each takes a process, and with S3 some 30 MiB."""


class LoadFailed(Exception):
    """The payload could not be opened this time; ``silent``: because its store did not answer."""

    def __init__(self, reason: str, *, silent: bool = False) -> None:
        super().__init__(reason)
        self.silent = silent


class PayloadLoad:
    """A round whose payload is to be opened; jobs of it may be queued already."""

    def __init__(self, facts: dict[str, Any]) -> None:
        self.facts = facts
        self.width = 0
        self.queue: deque[tuple[int, int]] = deque()
        self.pid = 0
        """Of the process that opens the payload; 0: it has not been started yet."""
        self.reader = -1
        self._received = bytearray()

    def start(self, private: Iterable[int]) -> None:
        """Start the process, which closes the descriptors ``private``. Raises OSError if there is none."""
        self.reader, writer = os.pipe()
        parent = os.getpid()
        try:
            pid = os.fork()
            if pid == 0:
                _open(self.facts, parent, writer, (*private, self.reader))
        except OSError:
            os.close(self.reader)
            raise
        finally:
            os.close(writer)
        self.pid = pid
        os.set_blocking(self.reader, False)

    def receive(self) -> bool:
        """Take what the process has sent; False if nothing more will come."""
        try:
            while chunk := os.read(self.reader, _CHUNK):
                self._received += chunk
        except BlockingIOError:
            return True
        return False

    def result(self, status: int) -> Payload:
        """The payload, after the process has ended with ``status``, as ``os.waitpid`` gave it.

        Raises PayloadError or NotFound if it can never be opened, NotOpened if it may be the next time.
        """
        try:
            members = frames.read(io.BytesIO(self._received))
        except EOFError:
            code, number, _ = processes.describe_exit(status)
            how = f"was killed by signal {number}" if number else f"ended with exit code {code}"
            raise LoadFailed(f"the process that opened the payload {how}") from None
        if "error" not in members:
            return Payload(members)
        reason, kind = members["error"].decode(), members["kind"].decode()
        if kind == "broken":
            raise PayloadError(reason)
        raise LoadFailed(reason, silent=kind == "silent")


class PayloadLoads:
    """All rounds whose payload is to be opened. What comes of them is waited for with ``poll``."""

    def __init__(self, poll: select.poll) -> None:
        self._poll = poll
        self._all: dict[str, PayloadLoad] = {}
        self._waited_for: set[int] = set()
        self.due = False
        """Whether one may have to be started."""

    def readers(self) -> list[int]:
        return [opening.reader for opening in self._all.values() if opening.pid]

    def pids(self) -> list[int]:
        return [opening.pid for opening in self._all.values() if opening.pid]

    def find(self, key: str) -> PayloadLoad | None:
        return self._all.get(key)

    def add(self, facts: dict[str, Any]) -> None:
        self._all[facts["key"]] = PayloadLoad(facts)
        self.due = True

    def next(self) -> Iterator[PayloadLoad]:
        """Those that may be started now."""
        self.due = False
        busy = Counter(opening.facts["store"] for opening in self._all.values() if opening.pid)
        for opening in list(self._all.values()):
            if not opening.pid and busy[opening.facts["store"]] < _AT_ONCE:
                busy[opening.facts["store"]] += 1
                yield opening

    def start(self, opening: PayloadLoad, private: Iterable[int]) -> None:
        """Start to open a payload. Raises OSError if there is no process to be had."""
        opening.start([*private, *self.readers()])
        self._poll.register(opening.reader, select.POLLIN)
        self._waited_for.add(opening.reader)

    def receive(self, reader: int) -> None:
        """Take what has come of a payload."""
        for opening in self._all.values():
            if opening.reader == reader and not opening.receive():
                self._forget(reader)  # at its end a pipe is always ready

    def take(self, pid: int) -> PayloadLoad | None:
        """The one whose process has ended, no longer held here; None if ``pid`` was none of them."""
        opening = next((load for load in self._all.values() if load.pid == pid), None)
        if opening is not None:
            self._remove(opening)
        return opening

    def give_up(self, key: str) -> None:
        """Let a payload be opened no more."""
        opening = self._all.get(key)
        if opening is not None:
            self._remove(opening)
            if opening.pid:
                os.kill(opening.pid, signal.SIGKILL)

    def give_up_all(self) -> None:
        for key in list(self._all):
            self.give_up(key)

    def _remove(self, opening: PayloadLoad) -> None:
        del self._all[opening.facts["key"]]
        self.due = bool(self._all)
        if opening.pid:
            opening.receive()
            self._forget(opening.reader)
            os.close(opening.reader)

    def _forget(self, reader: int) -> None:
        if reader in self._waited_for:
            self._waited_for.remove(reader)
            self._poll.unregister(reader)


def _open(facts: dict[str, Any], parent: int, writer: int, private: Iterable[int]) -> NoReturn:
    """The process: load the payload and send it, or why that failed. Nothing is unpickled."""
    try:
        # A process that keeps one of the forker's pipes open hides its end from the scheduler.
        signal.set_wakeup_fd(-1)
        for descriptor in private:
            os.close(descriptor)
        processes.die_with(parent)
        with os.fdopen(writer, "wb") as out:
            frames.write(out, _load(facts))
    finally:
        os._exit(0)


def _load(facts: dict[str, Any]) -> dict[str, bytes]:
    try:
        store = open_store(facts["store"], absent=RAISE)
        payload = load(store, facts["analysis"], facts["round"], facts["digest"])
        check_python(payload.spec)
        return dict(payload.members)
    except (PayloadError, NotFound) as error:
        return _failure(error, "broken")
    except StoreError as error:
        return _failure(error, "silent")
    except ExplorerError as error:
        return _failure(error, "failed")
    except Exception as error:
        return {"error": f"{type(error).__name__}: {error}".encode(), "kind": b"failed"}


def _failure(error: ExplorerError, kind: str) -> dict[str, bytes]:
    return {"error": str(error).encode(), "kind": kind.encode()}
