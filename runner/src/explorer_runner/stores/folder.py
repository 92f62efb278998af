"""A store in a folder: plain open, link and rename, private to its user."""

import errno
import itertools
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from explorer_runner.errors import AlreadyExists, NotFound, StoreError
from explorer_runner.folders import check_size, make_private, open_regular

_counter = itertools.count()


class FolderStore:
    """See Store. Objects are files of mode 0600 (0400 for outputs) in folders of mode 0700.

    The folder must be on a file system with hard links: linking is what creates a name only if it
    is free, and an object whole or not at all. Nothing is synced: after a power cut the last
    seconds may be missing, which reads as a job that was lost.
    """

    def __init__(self, root: str) -> None:
        self.uri = self.root = root

    def read(self, key: str, *, limit: int | None = None) -> bytes:
        with self._errors(key), open_regular(f"{self.root}/{key}") as file:
            check_size(f"{key} in the store {self.uri}", os.fstat(file.fileno()).st_size, limit)
            return file.read()

    def read_range(self, key: str, offset: int, length: int) -> bytes:
        with self._errors(key), open_regular(f"{self.root}/{key}") as file:
            there = max(0, os.fstat(file.fileno()).st_size - offset)
            file.seek(offset)
            return file.read(min(length, there))

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

    def keep(self, key: str, path: Path, *, move: bool = False) -> None:
        with self._errors(key):
            if move:
                try:
                    self._link(os.fspath(path), key)
                    os.unlink(path)
                    os.chmod(f"{self.root}/{key}", 0o400)
                    return
                except OSError as error:
                    if error.errno not in (errno.EXDEV, errno.EPERM, errno.EMLINK):
                        raise
            import shutil  # not at the top: every fork of the forker would pay for it

            temporary = self._write(b"")
            try:
                shutil.copyfile(path, temporary)
                os.chmod(temporary, 0o400)
                self._link(temporary, key)
            finally:
                os.unlink(temporary)

    def fetch(self, key: str, path: Path) -> None:
        import shutil

        with self._errors(key):
            shutil.copyfile(f"{self.root}/{key}", path)

    def exists(self, key: str) -> bool:
        return os.path.exists(f"{self.root}/{key}")

    def names(self, prefix: str, *, after: str = "") -> list[str]:
        try:
            with os.scandir(f"{self.root}/{prefix}") as entries:
                found = [entry.name for entry in entries if not entry.is_dir()]
        except (FileNotFoundError, NotADirectoryError):
            return []
        except OSError as error:
            raise self._translate(error, prefix) from error
        return sorted(name for name in found if name > after) if after else sorted(found)

    def folders(self, prefix: str) -> list[str]:
        try:
            with os.scandir(f"{self.root}/{prefix}") as entries:
                return sorted(entry.name for entry in entries if entry.is_dir())
        except (FileNotFoundError, NotADirectoryError):
            return []
        except OSError as error:
            raise self._translate(error, prefix) from error

    def delete_tree(self, prefix: str) -> None:
        self._remove(prefix)

    def delete(self, key: str) -> None:
        self._remove(key)

    def _remove(self, key: str) -> None:
        """Remove a file, or a folder with all that is in it, whichever of them is there."""
        path = f"{self.root}/{key}"
        with self._errors(key):
            try:
                if os.path.isdir(path) and not os.path.islink(path):
                    import shutil

                    shutil.rmtree(path)
                else:
                    os.unlink(path)
            except (FileNotFoundError, NotADirectoryError):
                pass

    def path(self, key: str) -> Path:
        return Path(f"{self.root}/{key}")

    def make_folders(self, *prefixes: str) -> None:
        """Create folders ahead of time, so that jobs need not."""
        for prefix in prefixes:
            try:
                make_private(f"{self.root}/{prefix}")
            except OSError as error:
                raise StoreError(f"the store {self.uri} cannot be written: {error}") from error

    def _write(self, data: bytes) -> str:
        """Write ``data`` to a fresh file on the store's own file system; returns its path."""
        while True:
            path = f"{self.root}/.tmp/{os.getpid()}-{next(_counter)}"
            try:
                descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600)
                break
            except FileNotFoundError:
                make_private(f"{self.root}/.tmp")
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
            make_private(os.path.dirname(target))
            os.link(source, target)

    @contextmanager
    def _errors(self, key: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise self._translate(error, key) from error

    def _translate(self, error: OSError, key: str, needed: int | None = None) -> StoreError:
        if isinstance(error, FileNotFoundError):
            return NotFound(f"no {key} in the store {self.uri}")
        if isinstance(error, FileExistsError):
            return AlreadyExists(f"{key} is in the store {self.uri} already")
        if error.errno != errno.ENOSPC:
            return StoreError(f"{key} in the store {self.uri}: {error}")
        import shutil

        free = shutil.disk_usage(self.root).free
        need = f"{needed:,} bytes needed, " if needed is not None else ""
        return StoreError(
            f"{key} in the store {self.uri}: the disk is full ({need}{free:,} free): make room, then retry"
        )
