"""What ``explorer doctor`` looks at on this machine: each piece that local jobs need."""

import importlib.util
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from explorer_runner.attempt.environment import find_uv
from explorer_runner.errors import ExplorerError, StoreError
from explorer_runner.stores.folder import FolderStore
from explorer_runner.system.folders import ensure_private
from explorer_runner.system.patience import Patience
from gencove_explorer.doctor.check import Check
from gencove_explorer.executors.host.runtime import find_runtime
from gencove_explorer.executors.local.queue import Queue
from gencove_explorer.records.open_store import open_store_of
from gencove_explorer.settings import Settings

_LEAST_FREE = 1 << 30


def check_local(settings: Settings) -> Iterator[Check]:
    """Look at all that a run on this machine needs."""
    for piece, check in _PIECES.items():
        try:
            yield check(settings)
        except (ExplorerError, OSError) as error:
            yield Check(piece, False, str(error))


def _check_home(settings: Settings) -> Check:
    path = ensure_private(str(settings.home))
    free = shutil.disk_usage(path).free
    mend = "" if free > _LEAST_FREE else "make room, or move it (EXPLORER_HOME)"
    return Check("home", not mend, f"{path}, {free / (1 << 30):.1f} GiB free", mend)


def _check_runtime(settings: Settings) -> Check:
    return Check("runtime", True, find_runtime(settings.home))


def _check_queue(settings: Settings) -> Check:
    folder = Queue(settings.home)
    broken = sorted(path.name for path in folder.broken.glob("*")) if folder.broken.is_dir() else []
    if broken:
        mend = "retry_failed() runs their jobs again; then remove the folder"
        return Check("queue", False, f"cannot be read: {', '.join(broken)} in {folder.broken}", mend)
    left = sorted(path.name for path in folder.abandoned())
    if left:
        mend = "it may hold secrets; the executor removes it within a minute: explorer executor start"
        return Check("queue", False, f"left by a submission that was killed: {', '.join(left)}", mend)
    troubles = folder.read_state().get("troubles", {}) if folder.wake(silently=True) else {}
    for place, why in troubles.items():
        mend = "it is tried again by itself; submit anew if it were credentials that had expired"
        return Check("queue", False, f"{place} cannot go on: {why}", mend)
    return Check("queue", True, str(folder.folder))


def _check_store(settings: Settings) -> Check:
    opened = open_store_of(settings.home, settings.store, settings.batch.region, Patience())
    opened.exists("doctor")
    if isinstance(opened, FolderStore) and opened.is_there():
        try:
            opened.check()
        except StoreError as error:
            return Check("store", False, str(error), "choose a folder on another disk (EXPLORER_STORE)")
    elif isinstance(opened, FolderStore) and not _can_be_made(Path(opened.root)):
        mend = "choose a folder that this user may write to (EXPLORER_STORE)"
        return Check("store", False, f"{opened.root} is not there, and cannot be made", mend)
    return Check("store", True, settings.store)


def _check_uv(settings: Settings) -> Check:
    path = find_uv()
    return Check(
        "uv", bool(path), path or "not installed", "" if path else "pip_packages need it: pip install uv"
    )


def _check_shell(settings: Settings) -> Check:
    installed = importlib.util.find_spec("IPython") is not None
    description = (
        "installed" if installed else "not installed; work functions with ! or % need it: pip install ipython"
    )
    return Check("IPython", True, description)


_PIECES: dict[str, Callable[[Settings], Check]] = {
    "home": _check_home,
    "runtime": _check_runtime,
    "queue": _check_queue,
    "store": _check_store,
    "uv": _check_uv,
    "IPython": _check_shell,
}


def _can_be_made(folder: Path) -> bool:
    """Whether this user may make a folder where none is yet."""
    existing = next(parent for parent in (folder, *folder.parents) if os.path.lexists(parent))
    return existing.is_dir() and os.access(existing, os.W_OK | os.X_OK)
