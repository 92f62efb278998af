"""What killed processes left behind that nobody will ever use, and when it is removed.

Of the queue's folder: files of entries and requests that never got their name. They hold the values of
variables, secrets too. Of the home folder: inputs that were never submitted. Of stores in folders: objects
that were being written, submissions that ended before they were in a queue or listed, and what was being
deleted.

Nothing is removed that may be under way. A process of this machine is known by its lock or its id; for
those of other machines that share a store a day has to be enough. Nothing that has run is ever removed,
unless somebody deleted it.
"""

import os
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import psutil

from explorer_runner.attempt import claim
from explorer_runner.errors import ExplorerError
from explorer_runner.format.keys import analysis_prefix, index_key, round_key
from explorer_runner.format.names import parse_id
from explorer_runner.stores.base import RAISE
from explorer_runner.stores.folder import FolderStore
from explorer_runner.system.folders import remove_tree
from gencove_explorer.executors.local.queue import Queue, log_line
from gencove_explorer.records.round import RoundRecord, read_rounds

DAY_SECONDS = 86_400.0
_QUEUE_SECONDS = 60.0
_OF_A_SUBMISSION = ("payloads", "rounds", "inputs.bin")
"""What there is of an analysis before it runs."""


class Sweeper:
    """Removes leftovers from time to time: those of a store at most once a day."""

    def __init__(self, queue: Queue, clock: Callable[[], float] = time.time) -> None:
        self._queue = queue
        self._clock = clock
        self._queue_at = 0.0
        self._store_at: dict[str, float] = {}

    def sweep_home(self) -> None:
        now = time.monotonic()
        if now >= self._queue_at:
            self._queue_at = now + _QUEUE_SECONDS
            _remove(self._queue.abandoned())
            _remove(
                entry for entry in _old_entries(self._queue.home / "tmp", self._clock()) if entry.is_file()
            )

    def sweep_stores(self, stores: Iterable[FolderStore]) -> None:
        """Called when no round is open: looking through a large store takes a second.

        That of the home folder is looked through too: it is run_local's where all else goes to S3.
        """
        now = time.monotonic()
        for store in [*stores, FolderStore(str(self._queue.home / "store"), absent=RAISE)]:
            if now >= self._store_at.get(store.root, 0.0) and store.is_there():
                self._store_at[store.root] = now + DAY_SECONDS
                _remove(old_parts(store, self._clock()))
                for analysis in never_submitted(store, self._queue, self._clock()):
                    log_line(f"{analysis} in the store {store.uri} is removed: it was never submitted")
                    store.delete_tree(analysis_prefix(analysis))


def old_parts(store: FolderStore, now: float) -> Iterator[Path]:
    """What is left of objects whose writers are gone, and of trees that were being deleted; a name begins
    with the process id.
    """
    for path in _old_entries(store.local_path(".tmp"), now):
        pid = path.name.partition("-")[0]
        if not (pid.isdecimal() and psutil.pid_exists(int(pid))):
            yield path


def never_submitted(store: FolderStore, queue: Queue, now: float) -> Iterator[str]:
    """The analyses that nobody can find and nobody will run: their submission ended in the middle."""
    for analysis in store.list_folders("analyses"):
        try:
            if _is_unlisted(store, analysis, now) and all(
                _is_given_up(store, record, queue) for record in read_rounds(store, analysis)
            ):
                yield analysis
        except ExplorerError:
            continue  # what cannot be read is for people to judge


def _is_unlisted(store: FolderStore, analysis: str, now: float) -> bool:
    listed = store.exists(index_key(parse_id(analysis).date, analysis))
    return not listed and _is_old_submission(str(store.local_path(analysis_prefix(analysis))), now)


def _is_given_up(store: FolderStore, record: RoundRecord, queue: Queue) -> bool:
    """Whether no executor will run a round of an analysis that is not listed. One of another machine may have
    an entry for it, and lists it when it is started; Batch is asked after the analysis was listed.
    """
    if record.executor == "batch":
        return True
    if record.place != queue.location:
        return False
    if record.executor == "foreground":
        path = store.local_path(round_key(record.id, record.round))
        return claim.inspect(str(path)) is claim.ClaimState.GONE  # run_local holds it while it makes ready
    return record.executor == "local" and not queue.has_round(f"{record.id}.{record.round}")


def _is_old_submission(folder: str, now: float) -> bool:
    """Whether there is no more of an analysis than what comes before its first job, and that for a day."""
    for path, _, names in os.walk(folder):
        top = os.path.relpath(path, folder).split(os.sep)[0]
        for name in names:
            known = (name if top == "." else top) in _OF_A_SUBMISSION
            if not (known and _is_old(f"{path}/{name}", now)):
                return False
    return _is_old(folder, now)


def _old_entries(folder: Path, now: float) -> Iterator[Path]:
    if folder.is_dir():
        for entry in os.scandir(folder):
            if _is_old(entry.path, now):
                yield Path(entry.path)


def _is_old(path: str, now: float) -> bool:
    """Whether nobody has touched it for a day."""
    try:
        status = os.stat(path, follow_symlinks=False)
    except OSError:
        return False
    return now - max(status.st_mtime, status.st_ctime) > DAY_SECONDS


def _remove(paths: Iterable[Path]) -> None:
    for path in paths:
        if path.is_dir() and not path.is_symlink():
            remove_tree(str(path))
        else:
            path.unlink(missing_ok=True)
