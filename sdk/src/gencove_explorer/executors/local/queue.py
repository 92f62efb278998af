"""The folder through which notebooks and the scheduler speak.

    <home>/executor/
        lock           held by the scheduler while it lives
        bell           a named pipe that the scheduler reads; a byte wakes it
        new/           entries that it has not seen
        accepted/      entries of rounds that have not ended
        broken/        entries and requests that cannot be read
        requests/      what was asked of it: terminate, stop
        stopped        there while a person wants it stopped
        state.json     what it is doing, for people
        log.txt        what it and its forkers say
        claims/        claims and growing logs of jobs whose store is not a folder

An entry appears by rename, whole or not at all; it is the commitment that a round will run.
"""

import errno
import fcntl
import json
import os
import sys
import time
import uuid
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from explorer_runner.errors import ExplorerError
from explorer_runner.format import validation
from explorer_runner.format.names import check_id
from explorer_runner.format.payload import INDICES
from explorer_runner.system.folders import check_size, make_private, open_regular
from gencove_explorer.executors.host.machine import location_of
from gencove_explorer.records.index import IndexRecord
from gencove_explorer.records.round import RoundRecord

_T = TypeVar("_T")
_ABANDONED_SECONDS = 60.0
_STATE: dict[str, validation.Check] = {
    **dict.fromkeys(("cpus", "cpus_in_use", "memory_mb", "memory_mb_in_use"), validation.whole(0, 1 << 60)),
    **dict.fromkeys(("running", "waiting", "pid"), validation.whole(0, 1 << 60)),
    "started": validation.number(0, validation.LATEST),
    "version": validation.text(),
    "forkers": validation.listed(validation.whole(0, 1 << 60)),
    "troubles": validation.mapped(validation.text(None)),
}
_REQUEST: dict[str, validation.Check] = {
    "terminate": check_id,
    "round": validation.whole(0, validation.ROUNDS),
    "indices": INDICES,
    "reason": validation.text(None),
    "stop": validation.flag,
}


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One round to run, with all that the scheduler must know of it."""

    store: str
    record: RoundRecord
    index: IndexRecord
    runtime: str
    """The Python to run it with (see runtime.py)."""
    uv: str
    variables: dict[str, str]
    """The environment variables of its jobs."""
    cpus: int
    memory_mb: int
    """What the executor may use, as the submitter's settings have it."""

    @property
    def key(self) -> str:
        return f"{self.record.id}.{self.record.round}"

    def to_json(self) -> bytes:
        data = {**vars(self), "record": self.record.to_data(), "index": self.index.to_data()}
        return json.dumps(data).encode()

    @classmethod
    def from_json(cls, raw: bytes) -> "Entry":
        """Raises CorruptPayload for what is no entry: one that is empty or cut short, as nothing is synced to
        the disk, or that another version wrote.
        """
        try:
            data = validation.require(validation.load_json(raw), _ENTRY)
            record, index = RoundRecord.from_data(data["record"]), IndexRecord.from_data(data["index"])
            return cls(**{**data, "record": record, "index": index})
        except (ValueError, TypeError, KeyError) as error:
            raise validation.refused("an entry of the queue", error) from error


_ENTRY: dict[str, validation.Check] = {
    "store": validation.text(),
    "record": validation.mapped(),
    "index": validation.mapped(),
    "runtime": validation.text(),
    "uv": validation.text(),
    "variables": validation.mapped(validation.text(None)),
    "cpus": validation.whole(1, 1_000_000),
    "memory_mb": validation.whole(1, 1 << 40),
}


class Queue:
    """The queue's folder of one home folder. Made at submission, by the scheduler and by the doctor;
    only the scheduler moves and removes entries.
    """

    def __init__(self, home: Path) -> None:
        self.home = home
        self.location = location_of(home)
        """The executor of a home folder of this machine, as rounds record it."""
        self.folder = home / "executor"
        self.new = self.folder / "new"
        self.accepted = self.folder / "accepted"
        self.broken = self.folder / "broken"
        self.requests = self.folder / "requests"
        self.stopped = self.folder / "stopped"
        self.log = self.folder / "log.txt"
        self.scratch = home / "scratch" / "forkers"
        """Scratch folders of background jobs, by forker."""
        self.environments = home / "environments"
        self._bell = self.folder / "bell"
        self._state = self.folder / "state.json"

    def make(self) -> None:
        """Make the folders and the bell, where they are not there."""
        for folder in (self.new, self.accepted, self.requests):
            make_private(str(folder))
        try:
            os.mkfifo(self._bell, 0o600)
        except FileExistsError:
            pass

    # -- entries ----------------------------------------------------------------------------------

    def add_round(self, entry: Entry) -> Path:
        """Commit to running a round; returns the entry's path until a scheduler accepts it."""
        return self._appear(self.new, entry.key, entry.to_json())

    def take_back(self, entry: Path) -> bool:
        """Withdraw an entry; False if a scheduler has accepted it: then its round runs."""
        try:
            entry.unlink()
            return True
        except FileNotFoundError:
            return False

    def take_new(self) -> set[Path]:
        """Accept all new entries; returns where they are now."""
        accepted = set()
        for path in sorted(self.new.glob("[0-9]*.json")):
            path.rename(self.accepted / path.name)
            accepted.add(self.accepted / path.name)
        return accepted

    def accepted_entries(self, besides: Collection[str]) -> list[tuple[Path, Entry]]:
        """The entries of rounds that have not ended, ``besides`` those of these keys; the oldest first.

        One that cannot be read is put aside: it must not keep the others from running.
        """
        paths = sorted(self.accepted.glob("[0-9]*.json"))
        chosen = [path for path in paths if path.stem.partition("-")[2] not in besides]
        read = [(path, self._read(path, Entry.from_json)) for path in chosen]
        return [(path, entry) for path, entry in read if entry is not None]

    def is_new(self, key: str) -> bool:
        """Whether the round ``key`` waits to be seen by the scheduler."""
        return any(self.new.glob(f"*-{key}.json"))

    def has_round(self, key: str) -> bool:
        """Whether the round ``key`` has not ended, or was not looked at since."""
        return self.is_new(key) or any(self.accepted.glob(f"*-{key}.json"))

    def broken_entry(self, key: str) -> Path | None:
        """What was put aside of the round ``key``, since it could not be read."""
        return next(self.broken.glob(f"*-{key}.json"), None)

    def unfinished_rounds(self) -> list[Entry]:
        """The entries of all rounds that have not ended."""
        entries = []
        for path in sorted([*self.new.glob("[0-9]*.json"), *self.accepted.glob("[0-9]*.json")]):
            for place in (path, self.accepted / path.name):  # it may be accepted after it was listed
                try:
                    entries.append(Entry.from_json(_content(place)))
                    break
                except FileNotFoundError:
                    continue
                except ExplorerError:
                    break  # the scheduler puts it aside
        return entries

    def has_news(self) -> bool:
        """Whether there is an entry or a request that the scheduler has not seen or not fulfilled."""
        return any(self.new.glob("[0-9]*.json")) or any(self.requests.glob("[0-9]*.json"))

    # -- requests ---------------------------------------------------------------------------------

    def add_request(self, request: Mapping[str, Any]) -> None:
        """Ask something of the scheduler; it forgets a request when it is done."""
        self._appear(self.requests, uuid.uuid4().hex, json.dumps(request).encode())

    def cancel_requests(self, kind: str) -> None:
        """Take back requests of a kind that nobody fulfilled."""
        for path, request in self.read_requests().items():
            if kind in request:
                path.unlink(missing_ok=True)

    def read_requests(self) -> dict[Path, dict[str, Any]]:
        requests = {}
        for path in sorted(self.requests.glob("[0-9]*.json")):
            request = self._read(path, _request)
            if request is not None:
                requests[path] = request
        return requests

    def abandoned(self) -> list[Path]:
        """Files of entries and requests whose writers were killed before they had their name."""
        parts = [path for folder in (self.new, self.requests) for path in folder.glob(".*")]
        return [path for path in parts if _is_abandoned(path)]

    # -- the bell, the lock and the state -----------------------------------------------------------

    def wake(self, *, silently: bool = False) -> bool:
        """Wake the scheduler (``silently``: only look for it); False if there is none."""
        try:
            bell = os.open(self._bell, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            if error.errno in (errno.ENXIO, errno.ENOENT):
                return False
            raise
        try:
            if not silently:
                os.write(bell, b"!")
        except (BlockingIOError, BrokenPipeError):
            pass  # it has enough to wake up for, or has just ended and is started by the next call
        finally:
            os.close(bell)
        return True

    def open_wake_pipe(self) -> int:
        """The scheduler's end of the bell. It is kept open for writing too, so that it never ends."""
        return os.open(self._bell, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)

    def is_wake_pipe(self, descriptor: int) -> bool:
        """Whether this is still the bell that callers ring: not if the home folder was removed."""
        try:
            return os.path.samestat(os.fstat(descriptor), os.stat(self._bell))
        except FileNotFoundError:
            return False

    def lock(self) -> int | None:
        """Become the scheduler: the lock's descriptor, or None if there is another."""
        descriptor = os.open(self.folder / "lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return None
        return descriptor

    def alive(self) -> bool:
        """Whether there is a scheduler."""
        descriptor = self.lock() if self.folder.is_dir() else -1
        if descriptor is None:
            return True
        if descriptor >= 0:
            os.close(descriptor)
        return False

    def write_state(self, state: Mapping[str, Any]) -> None:
        temporary = self._state.with_suffix(".part")
        temporary.write_text(json.dumps(state))
        temporary.rename(self._state)

    def read_state(self) -> dict[str, Any]:
        """What the scheduler last said of itself; empty if it never did."""
        try:
            return validation.known(validation.load_json(_content(self._state)), _STATE)
        except (FileNotFoundError, ValueError, ExplorerError):
            return {}

    def _read(self, path: Path, parse: Callable[[bytes], _T]) -> _T | None:
        """What a file holds; None if it is gone, or cannot be read, and was put aside for that."""
        try:
            return parse(_content(path))
        except FileNotFoundError:
            return None  # ended, fulfilled, or taken back, since it was listed
        except ExplorerError as error:
            make_private(str(self.broken))
            try:
                path.rename(self.broken / path.name)
            except FileNotFoundError:
                return None  # another process has put it there
            log_line(f"{path.name} cannot be read and was put into {self.broken}: {error}")
            return None

    def _appear(self, folder: Path, name: str, data: bytes) -> Path:
        path = folder / f"{time.time_ns():020d}-{name}.json"
        temporary = folder / f".{uuid.uuid4().hex}"
        descriptor = os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                fcntl.flock(descriptor, fcntl.LOCK_EX)  # until it has its name: see abandoned
                file.write(data)
                file.flush()
                temporary.rename(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        return path


def _is_abandoned(path: Path) -> bool:
    """Whether nobody writes a file any more: it has been there for a while, and no process has its lock."""
    try:
        with open(path, "rb") as file:
            old = time.time() - os.fstat(file.fileno()).st_mtime > _ABANDONED_SECONDS
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            return old
    except OSError:
        return False


def log_line(text: str) -> None:
    """A line in the scheduler's log."""
    sys.stderr.write(f"{time.strftime('%F %T')} {text}\n")


def _request(raw: bytes) -> dict[str, Any]:
    try:
        request = validation.known(validation.load_json(raw), _REQUEST)
        if "terminate" in request:
            validation.require(request, {name: _REQUEST[name] for name in ("indices", "reason")})
        return request
    except ValueError as error:
        raise validation.refused("a request", error) from error


def _content(path: Path) -> bytes:
    """Raises FileNotFoundError, or CorruptPayload for what is no file, or larger than any of ours."""
    with open_regular(str(path)) as file:
        check_size(str(path), os.fstat(file.fileno()).st_size, validation.RECORD_BYTES)
        return file.read()


def iterate_lines(buffer: bytearray) -> Iterator[bytes]:
    """Take the whole lines out of ``buffer``."""
    while (end := buffer.find(b"\n")) >= 0:
        line = bytes(buffer[:end])
        del buffer[: end + 1]
        yield line
