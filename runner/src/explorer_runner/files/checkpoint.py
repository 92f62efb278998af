"""``ac.checkpoint``: a folder that outlives an attempt at a job.

    path:      restore into a folder by another name -> rename -> save at intervals, in a thread
    save():    what is in the folder -> checkpoint_records.py
    save_left  the same by who survives the job's process: the forker's child, or the parent of a container

Nothing happens, and nothing is asked of the store, before a work function looks at ``ac.checkpoint.path``.
"""

import errno
import os
import threading
from pathlib import Path

from explorer_runner.errors import ExplorerError, StoreError
from explorer_runner.files.checkpoint_records import CheckpointRecords, check_seconds, describe, say
from explorer_runner.format.keys import CHECKPOINT, AttemptId
from explorer_runner.stores.base import Store

INTERVAL_SECONDS = 300.0


class Checkpoint:
    """A folder that is restored at the next attempt of the job: after a retry, a reclaim, ``retry_failed``.

        state = ac.checkpoint.path / "state.json"
        done = json.loads(state.read_text()) if state.exists() else []
        ...
        ac.checkpoint.save()

    It is also saved every ``interval_seconds``, and when the job is told to end or is killed. So files are
    best written under another name and renamed: what is half written may be saved.
    """

    def __init__(self, store: Store, analysis: str, attempt: AttemptId, private: str) -> None:
        self._records = CheckpointRecords(store, analysis, attempt)
        self._folder = f"{private}/{CHECKPOINT}"
        self._lock = threading.Lock()
        self._open = False
        self._changed = threading.Event()
        self._interval = INTERVAL_SECONDS
        self._restored = False
        self._said = False

    @property
    def path(self) -> Path:
        """The folder. What an earlier attempt at this job saved last lies in it.

        The first look restores that. Raises StoreError if it cannot be read, or the disk is full.
        """
        with self._lock:
            if not self._open:
                self._make()
        return Path(self._folder)

    @property
    def restored(self) -> bool:
        """Whether an earlier attempt had saved something."""
        self.path  # noqa: B018  restores
        return self._restored

    @property
    def interval_seconds(self) -> float:
        """Seconds between two saves that nobody asks for, 300 unless it is set; 0: there are none."""
        return self._interval

    @interval_seconds.setter
    def interval_seconds(self, seconds: float) -> None:
        self._interval = check_seconds(seconds)
        self._changed.set()

    def save(self) -> None:
        """Save what is in the folder now, whole: it returns when that is in the store.

        Raises StoreError, or InvalidKey for a name that cannot be a key; the checkpoint before then holds.
        """
        self.path  # noqa: B018  of a folder that nobody has looked at
        with self._lock:
            self._save()

    def __repr__(self) -> str:
        return f"Checkpoint({self._folder!r})"

    def _make(self) -> None:
        # By another name until it is whole: who survives this process saves what has its own.
        new = f"{self._folder}.new"
        try:
            self._restored = self._records.restore(new)
            os.rename(new, self._folder)
        except OSError as error:
            if error.errno in (errno.ENOTEMPTY, errno.EEXIST):
                raise StoreError(
                    "another process of this job looked at ac.checkpoint first: look at it before others are "
                    "started, and hand them its path"
                ) from error
            raise StoreError(f"the checkpoint cannot be restored: {error}") from error
        self._open = True
        threading.Thread(target=self._save_at_intervals, daemon=True).start()

    def _save(self) -> None:
        try:
            saved = self._records.save(self._folder)
        except OSError as error:
            room = " Make room on the disk." if error.errno in (errno.ENOSPC, errno.EDQUOT) else ""
            raise StoreError(
                f"the checkpoint could not be saved, and the one before it holds: {error}.{room}"
            ) from error
        if saved and not self._said:
            self._said = True  # once: a function may save each second
            say(f"saved a checkpoint of {describe(self._records.saved)}")

    def _save_at_intervals(self) -> None:
        while not self._records.ended:
            if self._changed.wait(self._interval or None):
                self._changed.clear()
                continue
            try:
                self.save()
            except ExplorerError as error:
                say(f"a save of the checkpoint failed, and is tried again: {error}")


def close(checkpoint: Checkpoint) -> None:
    """Save no more: the work function has returned, and the folder is about to go."""
    checkpoint._records.ended = True
    checkpoint._changed.set()


def save_left(store: Store, analysis: str, attempt: AttemptId, private: str) -> None:
    """Save what a process that was ended left in its checkpoint, by who survives it.

    What goes wrong is said in the log, and keeps nothing else from being stored.
    """
    if not os.path.isdir(f"{private}/{CHECKPOINT}"):
        return
    checkpoint = Checkpoint(store, analysis, attempt, private)
    try:
        checkpoint._records.find_saved()
        checkpoint._save()
    except ExplorerError as error:
        say(f"a save of the checkpoint failed: {error}")


def forget(store: Store, analysis: str, attempt: AttemptId, private: str) -> None:
    """Remove the checkpoints of a job that has succeeded, if it had any, from where a job may remove them."""
    if os.path.isdir(f"{private}/{CHECKPOINT}"):
        try:
            CheckpointRecords(store, analysis, attempt).forget_all()
        except ExplorerError as error:
            say(f"the checkpoints could not be removed: {error}")
