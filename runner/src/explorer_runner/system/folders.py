"""Folders of ours: private to their user, and removable whatever a job left in them."""

import os
import stat
from typing import BinaryIO

from explorer_runner.errors import CorruptPayload, ExplorerError


def make_private(path: str) -> None:
    """Make a folder of mode 0700, and its missing parents likewise; there already is fine."""
    if os.path.isdir(path):
        return
    parent = os.path.dirname(path)
    if parent != path:
        make_private(parent)
    try:
        os.mkdir(path, 0o700)
    except FileExistsError:
        if not os.path.isdir(path):
            raise


def ensure_private(path: str) -> str:
    """Make, or take over, a folder that only this user may use; returns it.

    Raises ExplorerError if it cannot be made, is somebody else's, or open to others: code is run from it.
    """
    try:
        make_private(path)
    except OSError as error:
        raise ExplorerError(
            f"the folder {path} cannot be made ({error.strerror}): choose one that this user may write to"
        ) from error
    status = os.stat(path)
    if status.st_uid != os.getuid() or stat.S_IMODE(status.st_mode) & 0o022:
        raise ExplorerError(
            f"{path} belongs to another user, or others may write to it: choose another folder, "
            f"or: chmod 700 {path}"
        )
    return path


def open_regular(path: str) -> BinaryIO:
    """Open a file to read. Raises OSError, or CorruptPayload for what is no file: a pipe may have no end."""
    try:
        file = open(path, "rb", opener=_open_at_once)
    except IsADirectoryError as error:
        raise CorruptPayload(f"{path} is a folder, and should be a file") from error
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise CorruptPayload(f"{path} should be a file, and is none")
    return file


def _open_at_once(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK)  # a pipe that nobody writes to would be waited for


def check_size(what: str, size: int, limit: int | None) -> None:
    """Raise CorruptPayload for more bytes than are to be read."""
    if limit is not None and size > limit:
        raise CorruptPayload(f"{what} has {size:,} bytes, and at most {limit:,} are read of it")


def remove_tree(path: str) -> None:
    """Remove a folder with all that is in it, as far as that is possible."""
    try:
        _remove(path)
    except FileNotFoundError:
        pass
    except (OSError, RecursionError):
        import shutil  # brings three libraries along, which takes longer than most jobs

        shutil.rmtree(path, onerror=_make_removable)


def _remove(path: str) -> None:
    with os.scandir(path) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                _remove(entry.path)
            else:
                os.unlink(entry.path)
    os.rmdir(path)


def _make_removable(function: object, path: str, error: object) -> None:
    """A job may have taken its own rights to a folder away: take them back, once."""
    try:
        os.chmod(os.path.dirname(path), 0o700)
        if os.path.isdir(path) and not os.path.islink(path):
            os.chmod(path, 0o700)
            import shutil

            shutil.rmtree(path, ignore_errors=True)
        else:
            os.unlink(path)
    except OSError:
        pass
