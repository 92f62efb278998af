"""The file cache of a host: shared by all jobs on it, locked, bounded, the least recently used goes first.

<folder>/<key>/<files>      an entry: whole, or not there
<folder>/<key>.part/        the same while it is filled
<folder>/<key>.lock         held shared while the entry is used, exclusively while it is filled;
its time of change is when the entry was used last
"""

import fcntl
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from explorer_runner.errors import StoreError
from explorer_runner.system.folders import make_private, remove_tree


class Cache:
    """Entries in a folder, ``limit`` bytes in all as far as what is in use allows."""

    def __init__(self, folder: str, limit: int) -> None:
        self.folder = folder
        self.limit = limit

    def path(self, key: str) -> str:
        return f"{self.folder}/{key}"

    def _folders(self, key: str) -> tuple[str, str]:
        """The entry's, and that in which it is filled: the process that fills it may be killed."""
        return self.path(key), f"{self.path(key)}.part"

    @contextmanager
    def hold(self, key: str, size: int, fill: Callable[[str], None]) -> Iterator[str]:
        """The folder of an entry of ``size`` bytes, held as long as the context lasts.

        ``fill`` puts the files into a folder if the entry is not there; of many that ask at once one
        fills and the others wait. Raises StoreError if there is no room.
        """
        make_private(self.folder)
        lock = self._lock(key, fcntl.LOCK_SH)
        while not os.path.isdir(self.path(key)):
            os.close(lock)
            # Between the locks the entry may be evicted again: then it is filled again.
            self._fill_unless_there(key, size, fill)
            lock = self._lock(key, fcntl.LOCK_SH)
        try:
            os.utime(lock)
            yield self.path(key)
        finally:
            os.close(lock)

    def _fill_unless_there(self, key: str, size: int, fill: Callable[[str], None]) -> None:
        lock = self._lock(key, fcntl.LOCK_EX)
        try:
            if not os.path.isdir(self.path(key)):
                self._fill(key, size, fill)
                os.utime(lock)
        finally:
            os.close(lock)

    def _fill(self, key: str, size: int, fill: Callable[[str], None]) -> None:
        _, part = self._folders(key)
        remove_tree(part)  # first: what was left half done needs no room beside itself
        self._make_room(size)
        os.mkdir(part, 0o700)
        try:
            fill(part)
            os.rename(part, self.path(key))
        except BaseException:
            remove_tree(part)
            raise

    def _make_room(self, size: int) -> None:
        """Remove entries that nobody holds until ``size`` more bytes fit."""
        used = {key: sum(map(_bytes_in, self._folders(key))) for key in self._keys()}
        total = sum(used.values())
        for key in sorted(used, key=self._last_used):
            if total + size <= self.limit and shutil.disk_usage(self.folder).free > size:
                return
            if self._evict(key):
                total -= used[key]
        free = shutil.disk_usage(self.folder).free
        if free < size:
            raise StoreError(
                f"the disk of the file cache {self.folder} is full: {size:,} bytes needed, {free:,} free; "
                "make room, or move the cache (EXPLORER_CACHE)"
            )

    def _evict(self, key: str) -> bool:
        """Remove an entry unless somebody holds it."""
        try:
            lock = os.open(f"{self.path(key)}.lock", os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if not self._counts(lock, key):
                return False  # evicted by another just now: what is there has a lock of its own
            for folder in self._folders(key):
                remove_tree(folder)
            os.unlink(f"{self.path(key)}.lock")
            return True
        except BlockingIOError:
            return False
        finally:
            os.close(lock)

    def _lock(self, key: str, kind: int) -> int:
        """Lock an entry; a lock file that was evicted meanwhile does not count."""
        path = f"{self.path(key)}.lock"
        while True:
            lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            fcntl.flock(lock, kind)
            if self._counts(lock, key):
                return lock
            os.close(lock)

    def _counts(self, lock: int, key: str) -> bool:
        """Whether a lock is of the file that others would lock, not of one that was evicted."""
        try:
            return os.path.samestat(os.fstat(lock), os.stat(f"{self.path(key)}.lock"))
        except FileNotFoundError:
            return False

    def _keys(self) -> list[str]:
        return [name.removesuffix(".lock") for name in os.listdir(self.folder) if name.endswith(".lock")]

    def _last_used(self, key: str) -> float:
        try:
            return os.stat(f"{self.path(key)}.lock").st_mtime
        except FileNotFoundError:
            return 0.0


def _bytes_in(folder: str) -> int:
    try:
        with os.scandir(folder) as entries:
            return sum(entry.stat().st_size for entry in entries)
    except FileNotFoundError:
        return 0
