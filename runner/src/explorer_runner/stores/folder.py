"""A store in a folder: plain open, link and rename, private to its user."""

import errno
import itertools
import os
import stat
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from explorer_runner.errors import AlreadyExists, NotFound, StoreError
from explorer_runner.stores.base import MAKE, RAISE, WAIT
from explorer_runner.system.folders import check_size, make_private, open_regular

_T = TypeVar("_T")

MARK = ".explorer-store"
"""Name of the empty folder in a store's root that tells it from what an unmounted disk leaves."""
_BEFORE_MARKS = ("index", "analyses")
"""What the root of a store holds that was made before there were marks."""
_AWAY_SECONDS = 1.0
_FEW_FILES = 8
_AWAY = (errno.ENOENT, errno.ENOTDIR, errno.ESTALE, errno.ENOTCONN, errno.ENODEV, errno.ENXIO)
"""What a store that is away answers: nothing there, or a file system whose other side is gone."""

_counter = itertools.count()


class FolderStore:
    """A store in a folder. Objects are files of mode 0600 in folders of mode 0700.

    Files that were kept have mode 0400, or 0500 if they are executable.

    The folder must be on a file system with hard links: linking is what creates a name only if it
    is free, and an object whole or not at all. Nothing is synced: after a power cut the last
    seconds may be missing, which reads as a job that was lost.

    ``absent`` says what happens when the root is not there: MAKE takes it for a store that is yet to be
    made by the first write, once; RAISE and WAIT know that it was made, so it is away: its disk is not
    mounted, or it was renamed. Then nothing is read as missing from it, and nothing is made in its place.
    """

    def __init__(self, root: str, absent: str = MAKE) -> None:
        self.uri = self.root = root
        # What is there now is not made twice, and what nobody ever saw is not waited for.
        self._absent = absent if self.is_there() == (absent == WAIT) else RAISE

    def is_there(self) -> bool:
        """Whether the root was made, and is not away."""
        return any(os.path.exists(f"{self.root}/{name}") for name in (MARK, *_BEFORE_MARKS))

    def read(self, key: str, *, limit: int | None = None) -> bytes:
        return self._tried(key, lambda: self._read(key, limit=limit))

    def read_range(self, key: str, offset: int, length: int) -> bytes:
        return self._tried(key, lambda: self._read(key, offset, length))

    def create(self, key: str, data: bytes) -> None:
        # Written out, without the context manager: this is on the path of every job.
        try:
            temporary = self._write(data)
            try:
                self._link(temporary, key)
            finally:
                os.unlink(temporary)
        except OSError as error:
            raise self._translate(error, key, len(data)) from error

    def put_file(self, key: str, path: Path, *, move: bool = False) -> None:
        try:
            mode = 0o500 if os.stat(path).st_mode & stat.S_IXUSR else 0o400
            if move:
                try:
                    self._link(os.fspath(path), key)
                    os.unlink(path)
                    os.chmod(f"{self.root}/{key}", mode)
                    return
                except OSError as error:
                    if error.errno not in (errno.EXDEV, errno.EPERM, errno.EMLINK):
                        raise
            import shutil  # not at the top: every fork of the forker would pay for it

            temporary = self._write(b"")
            try:
                shutil.copyfile(path, temporary)
                os.chmod(temporary, mode)
                self._link(temporary, key)
            finally:
                os.unlink(temporary)
        except OSError as error:
            raise self._translate(error, key) from error

    def get_file(self, key: str, path: Path) -> None:
        import shutil

        self._tried(key, lambda: shutil.copyfile(f"{self.root}/{key}", path))

    def exists(self, key: str) -> bool:
        while not os.path.exists(f"{self.root}/{key}"):
            if not self.was_away():
                return False
        return True

    def list_names(self, prefix: str, *, after: str = "") -> list[str]:
        names = self._scan(prefix, folders=False)
        return sorted(name for name in names if name > after) if after else sorted(names)

    def list_folders(self, prefix: str) -> list[str]:
        return sorted(self._scan(prefix, folders=True))

    def delete_tree(self, prefix: str) -> None:
        self._delete(self._set_aside(prefix))

    def delete(self, key: str) -> None:
        self._delete(key)

    def _delete(self, key: str) -> None:
        try:
            self._tried(key, lambda: _remove(f"{self.root}/{key}"))
        except NotFound:
            pass

    def _set_aside(self, prefix: str) -> str:
        """Move a folder where leftovers are swept, so that all of it is gone at once; returns where it is."""
        aside = f".tmp/{os.getpid()}-{next(_counter)}"
        try:
            os.rename(f"{self.root}/{prefix}", f"{self.root}/{aside}")
        except OSError:
            return prefix  # it is not there; or it has to be removed where it is
        return aside

    def local_path(self, key: str) -> Path:
        return Path(f"{self.root}/{key}")

    def make_folders(self, *prefixes: str) -> None:
        """Create folders ahead of time, so that jobs need not."""
        try:
            for prefix in prefixes:
                self._make(f"{self.root}/{prefix}")
            self.mark()
        except OSError as error:
            raise StoreError(f"the store {self.uri} cannot be written: {error}") from error

    def mark(self) -> None:
        """Mark the root, also of a store that was made before there were marks."""
        self._make_below(f"{self.root}/{MARK}")

    def check(self) -> None:
        """Raise StoreError if no object can be created: the disk is full, read-only, or has no hard links."""
        try:
            temporary = self._write(b"")
            try:
                os.link(temporary, f"{temporary}.link")
                os.unlink(f"{temporary}.link")
            except PermissionError as error:
                raise StoreError(f"{self.root} is on a file system without hard links: {error}") from error
            finally:
                os.unlink(temporary)
        except OSError as error:
            raise StoreError(f"the store {self.root} cannot be written: {error}") from error

    # -- what is missing, or away ---------------------------------------------------------------------

    def _read(self, key: str, offset: int = 0, length: int | None = None, limit: int | None = None) -> bytes:
        with open_regular(f"{self.root}/{key}") as file:
            size = os.fstat(file.fileno()).st_size
            check_size(f"{key} in the store {self.uri}", size, limit)
            file.seek(offset)
            # All of it is to its end, which may move; of a part no more than there is room for is made.
            return file.read() if length is None else file.read(min(length, max(0, size - offset)))

    def _scan(self, prefix: str, *, folders: bool) -> list[str]:
        while True:
            try:
                with os.scandir(f"{self.root}/{prefix}") as entries:
                    return [entry.name for entry in entries if entry.is_dir() == folders]
            except (FileNotFoundError, NotADirectoryError):
                if not self.was_away():
                    return []
            except OSError as error:
                raise self._translate(error, prefix) from error

    def _tried(self, key: str, step: Callable[[], _T]) -> _T:
        """Take a step; again if the store was away and is back."""
        while True:
            try:
                return step()
            except OSError as error:
                if error.errno in _AWAY and self.was_away():
                    continue
                raise self._translate(error, key) from error

    def was_away(self) -> bool:
        """Whether what is missing may be there now: the store was away. Raises StoreError if it still is."""
        absent = self._absent  # first: another thread may make the root and say so right after the look
        if self.is_there():
            self._absent = RAISE if absent == MAKE else absent
            return False
        if absent == MAKE:
            return False
        if absent == RAISE:
            raise StoreError(
                f"the store {self.root} is not there: it was made, and its folder is missing or empty now. "
                "Mount its disk, or move it back. If it is gone for good, this makes an empty one: "
                f"mkdir -p '{self.root}/{MARK}'"
            )
        os.write(2, f"explorer: waits for the store {self.root}, which is not there\n".encode())
        while not self.is_there():
            time.sleep(_AWAY_SECONDS)
        return True

    # -- writing --------------------------------------------------------------------------------------

    def _write(self, data: bytes) -> str:
        """Write ``data`` to a fresh file on the store's own file system; returns its path."""
        while True:
            path = f"{self.root}/.tmp/{os.getpid()}-{next(_counter)}"
            try:
                descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600)
                break
            except FileNotFoundError:
                self._make(f"{self.root}/.tmp")
            except FileExistsError:
                pass  # left by a killed process that had our process id
        try:
            view = memoryview(data)
            while view:
                view = view[os.write(descriptor, view) :]
        except BaseException:
            os.unlink(path)
            raise
        finally:
            os.close(descriptor)
        return path

    def _link(self, source: str, key: str) -> None:
        target = f"{self.root}/{key}"
        try:
            os.link(source, target)
        except FileNotFoundError:
            self._make(os.path.dirname(target))
            os.link(source, target)

    def _make(self, folder: str) -> None:
        """Make a folder of the store with its missing parents, but for the root of one that is away."""
        self.was_away()
        if self._absent == MAKE:
            make_private(self.root)
            self.mark()
            self._absent = RAISE
        self._make_below(folder)

    def _make_below(self, folder: str) -> None:
        try:
            os.mkdir(folder, 0o700)
        except FileExistsError:
            if not os.path.isdir(folder):
                raise
        except FileNotFoundError:
            if folder == self.root:
                raise
            self._make_below(os.path.dirname(folder))
            self._make_below(folder)

    def _translate(self, error: OSError, key: str, needed: int | None = None) -> StoreError:
        if isinstance(error, FileNotFoundError):
            return NotFound(f"no {key} in the store {self.uri}")
        if isinstance(error, FileExistsError):
            return AlreadyExists(f"{key} is in the store {self.uri} already")
        if error.errno != errno.ENOSPC:
            return StoreError(f"{key} in the store {self.uri}: {error}")
        import shutil

        free = shutil.disk_usage(self.root).free
        if os.statvfs(self.root).f_favail < _FEW_FILES and free > (needed or 0):
            return StoreError(
                f"{key} in the store {self.uri}: its disk takes no further file, though it has room "
                "(it has no free inodes): remove files, then retry"
            )
        need = f"{needed:,} bytes needed, " if needed is not None else ""
        return StoreError(
            f"{key} in the store {self.uri}: the disk is full ({need}{free:,} free): make room, then retry"
        )


def _remove(path: str) -> None:
    """Remove a file, or a folder with all that is in it, whichever of them is there."""
    try:
        os.unlink(path)
    except NotADirectoryError:
        pass  # what should be a folder above it is a file: there is no such object
    except OSError:
        if not os.path.isdir(path):
            raise
        import shutil

        shutil.rmtree(path)
