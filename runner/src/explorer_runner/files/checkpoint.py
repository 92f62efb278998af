"""The checkpoint of a job: a folder that outlives an attempt.

In the store (explorer_runner.format.keys) a checkpoint is a record that names its files, and each file lies
under its SHA-256: what has not changed is not stored again, and a record is created when all that it names is
there. So a reader finds a whole checkpoint or the one before, and two attempts at one job never mix.

Nothing happens, and nothing is asked of the store, before a work function looks at ``ac.checkpoint``.
"""

import hashlib
import json
import os
import re
import stat
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from explorer_runner.errors import CorruptPayload, ExplorerError, NotFound, StoreError
from explorer_runner.format import validation
from explorer_runner.format.keys import (
    CHECKPOINT,
    AttemptId,
    check_key,
    checkpoint_file_key,
    checkpoint_key,
    checkpoints_prefix,
)
from explorer_runner.format.payload import FORMAT, load_record
from explorer_runner.stores.base import Store
from explorer_runner.system.folders import make_private

INTERVAL_SECONDS = 300.0
_CHUNK = 1 << 20
_NAME = re.compile(r"(\d{1,6})-(\d{1,6})-(\d{1,6})\.json")


@dataclass(frozen=True)
class _File:
    """A file of a checkpoint."""

    path: str
    size: int
    sha256: str
    executable: bool = False


class Checkpoint:
    """A folder that is restored at the next attempt of the job: after a retry, a reclaim, ``retry_failed``.

        state = ac.checkpoint.path / "state.json"
        done = json.loads(state.read_text()) if state.exists() else []
        ...
        ac.checkpoint.save()

    It is also saved every ``interval_seconds``, and when the job is told to end or is killed. Files that may
    be saved while they are written are best written under another name and renamed.
    """

    def __init__(self, store: Store, analysis: str, attempt: AttemptId, private: str) -> None:
        self._store = store
        self._analysis = analysis
        self._attempt = attempt
        self._folder = f"{private}/{CHECKPOINT}"
        self._lock = threading.Lock()
        self._saved: list[_File] = []
        self._open = False
        self._changed = threading.Event()
        self._interval = INTERVAL_SECONDS
        self._restored = False

    @property
    def path(self) -> Path:
        """The folder. What an earlier attempt at this job saved last lies in it."""
        with self._lock:
            if not self._open:
                # By another name until it is whole: who survives this process saves what has its own.
                self._restore(f"{self._folder}.new")
                os.rename(f"{self._folder}.new", self._folder)
                self._open = True
                threading.Thread(target=self._save_at_intervals, daemon=True).start()
        return Path(self._folder)

    @property
    def restored(self) -> bool:
        """Whether an earlier attempt had saved something."""
        self.path  # noqa: B018  restores
        return self._restored

    @property
    def interval_seconds(self) -> float:
        """Seconds between two saves that nobody asks for; 0: there are none."""
        return self._interval

    @interval_seconds.setter
    def interval_seconds(self, seconds: float) -> None:
        self._interval = float(seconds)
        self._changed.set()

    def save(self) -> None:
        """Save what is in the folder now, whole. Raises StoreError; the checkpoint before then holds."""
        self.path  # noqa: B018  of a folder that nobody has looked at
        with self._lock:
            self._save()

    def __repr__(self) -> str:
        return f"Checkpoint({self._folder!r})"

    # -- saving -----------------------------------------------------------------------------------------

    def _save(self) -> None:
        known = {file.sha256 for file in self._saved}
        stored = [self._store_file(path, known) for path in _files_in(self._folder)]
        files = [file for file in stored if file is not None]
        if files == self._saved:
            return
        names = self._store.list_names(checkpoints_prefix(self._analysis, self._attempt.index))
        number = 1 + max((n for attempt, n in map(_parse, names) if attempt == self._attempt[1:]), default=0)
        record = {"format": FORMAT, "files": [vars(file) for file in files]}
        key = checkpoint_key(self._analysis, self._attempt, number)
        self._store.create(key, json.dumps(record).encode())
        self._saved = files
        self._forget_older(key.rpartition("/")[2], names, {file.sha256 for file in files})

    def _store_file(self, path: str, known: set[str]) -> _File | None:
        """Put a file into the store, unless what is in it lies there; None if it has gone meanwhile."""
        copy = f"{self._folder}.part"
        try:
            facts = os.stat(f"{self._folder}/{path}", follow_symlinks=False)
            sha256, size = _copy(f"{self._folder}/{path}", copy)
        except FileNotFoundError:
            return None
        try:
            if sha256 not in known:
                key = checkpoint_file_key(self._analysis, self._attempt.index, sha256)
                if not self._store.exists(key):
                    self._store.put_file(key, Path(copy), move=True)
                known.add(sha256)
        finally:
            if os.path.exists(copy):
                os.unlink(copy)
        return _File(path, size, sha256, bool(facts.st_mode & stat.S_IXUSR))

    def _forget_older(self, newest: str, names: list[str], used: set[str]) -> None:
        """Remove earlier checkpoints of this job from a folder store: on S3 jobs may delete nothing."""
        if self._store.local_path("") is None:
            return
        prefix = checkpoints_prefix(self._analysis, self._attempt.index)
        for name in names:
            if name != newest and _parse(name)[0] <= self._attempt[1:]:
                self._store.delete(f"{prefix}/{name}")
        for name in self._store.list_names(f"{prefix}/files"):
            if name not in used:
                self._store.delete(f"{prefix}/files/{name}")

    def _save_at_intervals(self) -> None:
        while True:
            if self._changed.wait(self._interval or None):
                self._changed.clear()
                continue
            try:
                self.save()
            except (ExplorerError, OSError) as error:
                _say(f"the checkpoint could not be saved, and is tried again: {error}")

    # -- restoring --------------------------------------------------------------------------------------

    def _restore(self, folder: str) -> None:
        """Bring the newest checkpoint that is whole into a folder, which is made."""
        _empty(folder)
        prefix = checkpoints_prefix(self._analysis, self._attempt.index)
        names = [name for name in self._store.list_names(prefix) if _parse(name)[1]]
        for name in sorted(names, key=_parse, reverse=True):
            try:
                files = _read(self._store, f"{prefix}/{name}")
                for file in files:
                    self._fetch(file, folder)
            except (NotFound, CorruptPayload) as error:
                _say(f"the checkpoint {name} cannot be restored: {error}; the one before is looked for")
                _empty(folder)
                continue
            self._saved, self._restored = files, True
            size = sum(file.size for file in files)
            _say(f"restored a checkpoint of {len(files):,} files, {size:,} bytes")
            return

    def _fetch(self, file: _File, folder: str) -> None:
        path = Path(folder, check_key(file.path, "file of the checkpoint"))
        make_private(str(path.parent))
        self._store.get_file(checkpoint_file_key(self._analysis, self._attempt.index, file.sha256), path)
        with open(path, "rb") as content:
            if hashlib.file_digest(content, "sha256").hexdigest() != file.sha256:
                raise CorruptPayload(f"{file.path} in it is not what was saved")
        os.chmod(path, 0o700 if file.executable else 0o600)


def save_left(store: Store, analysis: str, attempt: AttemptId, private: str) -> None:
    """Save what a process that was ended left in its checkpoint, by who survives it.

    What goes wrong is said in the log, and keeps nothing else from being stored.
    """
    if not os.path.isdir(f"{private}/{CHECKPOINT}"):
        return
    checkpoint = Checkpoint(store, analysis, attempt, private)
    try:
        checkpoint._saved = _newest(store, analysis, attempt)
        checkpoint._save()
    except (ExplorerError, OSError) as error:
        _say(f"the checkpoint could not be saved: {error}")


def _newest(store: Store, analysis: str, attempt: AttemptId) -> list[_File]:
    """The files of the newest checkpoint, which need not be stored again; none if it cannot be read."""
    prefix = checkpoints_prefix(analysis, attempt.index)
    names = [name for name in store.list_names(prefix) if _parse(name)[1]]
    try:
        return _read(store, f"{prefix}/{max(names, key=_parse)}") if names else []
    except (StoreError, CorruptPayload):
        return []


def _parse(name: str) -> tuple[tuple[int, int], int]:
    """Round and attempt, and the number of a checkpoint of it, from 1; zeros for any other file."""
    match = _NAME.fullmatch(name)
    if match is None:
        return (0, 0), 0
    round, attempt, number = map(int, match.groups())
    return (round, attempt), number


def _read(store: Store, key: str) -> list[_File]:
    """The files of a checkpoint. Raises NotFound or CorruptPayload."""
    try:
        data = validation.require(load_record(store.read(key, limit=validation.RECORD_BYTES), key), _RECORD)
        return [_File(**validation.known(file, _FILE)) for file in data["files"]]
    except (ValueError, TypeError, KeyError) as error:
        raise validation.refused(key, error) from error


_RECORD: dict[str, validation.Check] = {"files": validation.listed(validation.mapped())}
_FILE: dict[str, validation.Check] = {
    "path": check_key,
    "size": validation.whole(0, 1 << 60),
    "sha256": validation.digest,
    "executable": validation.flag,
}


def _files_in(folder: str) -> Iterator[str]:
    """The regular files below a folder, by their paths in it. Links are left out: they may lead anywhere."""
    for place, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            path = os.path.join(place, name)
            if stat.S_ISREG(os.lstat(path).st_mode):
                yield check_key(os.path.relpath(path, folder), "file of the checkpoint")


def _copy(source: str, target: str) -> tuple[str, int]:
    """Copy a file as it is now; returns the SHA-256 and the size of what was copied."""
    digest, size = hashlib.sha256(), 0
    with open(source, "rb") as reading, open(target, "wb") as writing:
        while chunk := reading.read(_CHUNK):
            digest.update(chunk)
            size += len(chunk)
            writing.write(chunk)
    return digest.hexdigest(), size


def _empty(folder: str) -> None:
    import shutil

    shutil.rmtree(folder, ignore_errors=True)
    make_private(folder)


def _say(text: str) -> None:
    sys.stderr.write(f"explorer: {text}\n")
    sys.stderr.flush()
