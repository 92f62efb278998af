"""TMPDIR of a job: its scratch folder, by a path that leaves room for Unix sockets.

A socket's path has 107 bytes at most (unix(7); macOS: 103), and libraries put theirs below TMPDIR:
multiprocessing adds 32. Where the path of the scratch folder is too long for that, TMPDIR is a link to it,
in a folder of this user's below /tmp. A link's name is made of the path that it leads to, so that the link
of a scratch folder is found when that is removed, and made again by the same name when it is missing.
"""

import fcntl
import hashlib
import os
import stat
from collections.abc import Callable

from explorer_runner.errors import ExplorerError

LONGEST = 60
"""Bytes that the path of TMPDIR may have."""
LINKS = f"/tmp/explorer-links-{os.getuid()}"  # noqa: S108  the system's own TMPDIR may be long (macOS: 49)
"""Folder of the links."""
_TRIES = 5

_held: int | None = None


def reach(folder: str, below: str = "", links: str = LINKS) -> str:
    """A path of ``folder``, or of ``below`` in it, that is short enough for TMPDIR.

    Where no link can be made it is the long one, and a line on standard error says why.
    """
    path = f"{folder}/{below}" if below else folder
    if len(os.fsencode(path)) <= LONGEST:
        return path
    link = _link_to(folder, links)
    try:
        _make(link, folder)
    except (OSError, ExplorerError) as error:
        text = f"explorer: TMPDIR stays {path}, where paths of Unix sockets may be too long: {error}\n"
        os.write(2, text.encode(errors="backslashreplace"))
        return path
    return f"{link}/{below}" if below else link


def forget(folder: str, links: str = LINKS) -> None:
    """Remove the link to a folder that is no longer needed; with the last link its folder goes too."""
    _remove(os.unlink, _link_to(folder, links))
    _remove(os.rmdir, links)


def sweep(links: str = LINKS) -> None:
    """Remove links to folders that are gone: processes that were killed left them."""
    try:
        gone = [name for name in os.listdir(links) if not os.path.exists(f"{links}/{name}")]
        if not _is_ours(links):
            return
    except OSError:
        return  # there are none
    for name in gone:
        _remove(os.unlink, f"{links}/{name}")
    _remove(os.rmdir, links)


def _remove(remove: Callable[[str], None], path: str) -> None:
    try:
        remove(path)
    except OSError:
        pass  # it is not there, or it is in use


def _link_to(folder: str, links: str) -> str:
    return f"{links}/{hashlib.sha256(os.fsencode(folder)).hexdigest()[:12]}"


def _make(link: str, folder: str) -> None:
    """Make a link that is not there. Raises ExplorerError, OSError."""
    links = os.path.dirname(link)
    for _ in range(_TRIES):
        try:
            _claim(links)
            if not _leads_to(link, folder):
                os.symlink(folder, link)
                _hold(links)
                sweep(links)
            return
        except (FileExistsError, FileNotFoundError):
            continue  # another process has made the same link, or has removed the last one with the folder
    raise ExplorerError(f"{link} cannot be made: something else is there; remove it")


def _leads_to(link: str, folder: str) -> bool:
    try:
        return os.readlink(link) == folder
    except FileNotFoundError:
        return False


def _claim(links: str) -> None:
    """Make the folder of the links, or see that nobody else can change what is in it."""
    try:
        os.mkdir(links, 0o700)
    except FileExistsError:
        if not _is_ours(links):
            raise ExplorerError(
                f"{links} is no folder of this user's, or others may write to it: remove it"
            ) from None


def _is_ours(links: str) -> bool:
    status = os.lstat(links)  # a link is not followed: it may be somebody else's
    ours = stat.S_ISDIR(status.st_mode) and status.st_uid == os.getuid()
    return ours and not stat.S_IMODE(status.st_mode) & 0o022


def _hold(links: str) -> None:
    """Lock the folder as long as this process and its forks live: systemd-tmpfiles then leaves it alone.

    See https://systemd.io/TEMPORARY_DIRECTORIES.
    """
    global _held
    if _held is not None:
        os.close(_held)
    _held = os.open(links, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(_held, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        pass  # it is being looked through right now; or /tmp has no locks
