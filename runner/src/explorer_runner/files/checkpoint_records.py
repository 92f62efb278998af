"""Checkpoints in a store: a record that names the files of a folder, and each file under its SHA-256.

What has not changed is not stored again, and a record is created when all that it names is there
(explorer_runner.format.keys). So a reader finds a whole checkpoint or the one before. Records bear the
number of their attempt, and a later attempt's are newer: two attempts at one job never mix, also where a
machine that was taken away still writes.
"""

import hashlib
import json
import os
import re
import shutil
import stat
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from explorer_runner.errors import CorruptPayload, InvalidArgument, NotFound, StoreError
from explorer_runner.format import validation
from explorer_runner.format.keys import (
    AttemptId,
    check_key,
    checkpoint_file_key,
    checkpoint_key,
    checkpoints_prefix,
)
from explorer_runner.format.payload import FORMAT, load_record
from explorer_runner.stores.base import Store
from explorer_runner.system.folders import make_private

_CHUNK = 1 << 20
_NAME = re.compile(r"(\d{1,6})-(\d{1,6})-(\d{1,6})\.json")
_SETTLED_SECONDS = 2.0
"""A file that changed later than so long ago may change again and keep its time stamps, which are coarse."""


@dataclass(frozen=True)
class SavedFile:
    """A file of a checkpoint."""

    path: str
    size: int
    sha256: str
    executable: bool = False


class CheckpointRecords:
    """The checkpoints of one job, as one attempt at it sees and adds to them. Not for several threads."""

    def __init__(self, store: Store, analysis: str, attempt: AttemptId) -> None:
        self._store = store
        self._analysis = analysis
        self._attempt = attempt
        self._prefix = checkpoints_prefix(analysis, attempt.index)
        self._settled: dict[str, tuple[tuple[int, ...], SavedFile]] = {}
        """Files that need not be read again, by their paths: as long as their size and times stay."""
        self.settled_seconds = _SETTLED_SECONDS
        self._links: set[str] = set()
        """Links of which the log tells already."""
        self.saved: list[SavedFile] = []
        """The files of the newest checkpoint, as far as this attempt knows."""
        self.ended = False
        """Whether the folder is about to go: what is read from it now may be a part, and is no checkpoint."""

    # -- saving -----------------------------------------------------------------------------------------

    def save(self, folder: str) -> bool:
        """Save what is in a folder now; False if that is what was saved last. Raises StoreError, OSError."""
        known = {file.sha256 for file in self.saved}
        settled, self._settled = self._settled, {}
        stored = [self._store_file(folder, path, known, settled) for path in self._paths_in(folder)]
        files = [file for file in stored if file is not None]
        if files == self.saved or self.ended:
            return False
        names = self._names()
        number = 1 + max((n for attempt, n in map(_parse, names) if attempt == self._attempt[1:]), default=0)
        record = json.dumps({"format": FORMAT, "files": [vars(file) for file in files]}).encode()
        if len(record) > validation.RECORD_BYTES:
            raise StoreError(f"a checkpoint of {len(files):,} files is too large: put them into an archive")
        key = checkpoint_key(self._analysis, self._attempt, number)
        self._store.create(key, record)
        self.saved = files
        self._forget_older(key.rpartition("/")[2], names)
        return True

    def _store_file(
        self, folder: str, path: str, known: set[str], settled: dict[str, tuple[tuple[int, ...], SavedFile]]
    ) -> SavedFile | None:
        """Put a file into the store, unless what is in it lies there; None if it has gone meanwhile."""
        copy = f"{folder}.part"
        try:
            facts = os.stat(f"{folder}/{path}", follow_symlinks=False)
            identity = (facts.st_ino, facts.st_size, facts.st_mode, facts.st_mtime_ns, facts.st_ctime_ns)
            before, file = settled.get(path, (None, None))
            if file is None or before != identity:
                looked = time.time()
                # Of a copy, since the file may change while it is uploaded.
                sha256, size = _copy(f"{folder}/{path}", copy)
                file = SavedFile(path, size, sha256, bool(facts.st_mode & stat.S_IXUSR))
                self._put(sha256, copy, known)
                if max(facts.st_mtime, facts.st_ctime) > looked - self.settled_seconds:
                    return file
            self._settled[path] = identity, file
            return file
        except FileNotFoundError:
            return None
        finally:
            if os.path.exists(copy):
                os.unlink(copy)

    def _put(self, sha256: str, path: str, known: set[str]) -> None:
        key = checkpoint_file_key(self._analysis, self._attempt.index, sha256)
        if sha256 not in known and not self._store.exists(key):
            self._store.put_file(key, Path(path), move=True)
        known.add(sha256)

    def _paths_in(self, folder: str) -> Iterator[str]:
        """The files below a folder, by their paths in it. Links are left out: they may lead anywhere."""
        for place, folders, names in os.walk(folder):
            folders.sort()
            for name in sorted([*names, *(name for name in folders if os.path.islink(f"{place}/{name}"))]):
                path = os.path.join(place, name)
                mode = os.lstat(path).st_mode if os.path.lexists(path) else 0
                key = os.path.relpath(path, folder)
                if stat.S_ISREG(mode):
                    yield check_key(key, "file of the checkpoint")
                elif stat.S_ISLNK(mode) and key not in self._links:
                    self._links.add(key)
                    say(f"links are not kept in a checkpoint: {key}")

    def _forget_older(self, newest: str, names: list[str]) -> None:
        """Remove earlier checkpoints of this job from a folder store: on S3 jobs may delete nothing."""
        if self._store.local_path("") is None:
            return
        if any(_parse(name)[0] > self._attempt[1:] for name in names):
            return  # an attempt after this one is at work already
        for name in names:
            if name != newest:
                self._store.delete(f"{self._prefix}/{name}")
        used = {file.sha256 for file in self.saved}
        for name in self._store.list_names(f"{self._prefix}/files"):
            if name not in used:
                self._store.delete(f"{self._prefix}/files/{name}")

    def forget_all(self) -> None:
        """Remove all checkpoints of the job from a folder store: it has succeeded."""
        if self._store.local_path("") is not None:
            self._store.delete_tree(self._prefix)

    # -- restoring --------------------------------------------------------------------------------------

    def restore(self, folder: str) -> bool:
        """Bring the newest checkpoint that is whole into a folder, which is made; False if there is none.

        Raises StoreError for what may be there and cannot be read: to begin anew may cost hours.
        """
        _empty(folder)
        for name in self._names():
            try:
                files = self._read(name)
                for file in files:
                    self._fetch(file, folder)
            except (NotFound, CorruptPayload) as error:
                say(f"the checkpoint {name} cannot be restored: {error}; the one before is looked for")
                _empty(folder)
                continue
            self.saved = files
            say(f"restored a checkpoint of {describe(files)}")
            return True
        return False

    def find_saved(self) -> None:
        """Find out which files need not be stored again; none of them if the record cannot be read."""
        try:
            self.saved = next((self._read(name) for name in self._names()), [])
        except (StoreError, CorruptPayload):
            self.saved = []

    def _names(self) -> list[str]:
        """The names of the records, the newest first."""
        names = [name for name in self._store.list_names(self._prefix) if _parse(name)[1]]
        return sorted(names, key=_parse, reverse=True)

    def _read(self, name: str) -> list[SavedFile]:
        """The files of a checkpoint. Raises NotFound or CorruptPayload."""
        key = f"{self._prefix}/{name}"
        try:
            raw = self._store.read(key, limit=validation.RECORD_BYTES)
            data = validation.require(load_record(raw, key), _RECORD)
            files = [SavedFile(**validation.known(file, _FILE)) for file in data["files"]]
            _check_paths({file.path for file in files}, len(files))
            return files
        except (ValueError, TypeError, KeyError) as error:
            raise validation.refused(key, error) from error

    def _fetch(self, file: SavedFile, folder: str) -> None:
        path = Path(folder, file.path)
        make_private(str(path.parent))
        self._store.get_file(checkpoint_file_key(self._analysis, self._attempt.index, file.sha256), path)
        with open(path, "rb") as content:
            if hashlib.file_digest(content, "sha256").hexdigest() != file.sha256:
                raise CorruptPayload(f"{file.path} in it is not what was saved")
        os.chmod(path, 0o700 if file.executable else 0o600)


def describe(files: list[SavedFile]) -> str:
    """How many files, and how large they are."""
    count = "1 file" if len(files) == 1 else f"{len(files):,} files"
    return f"{count}, {sum(file.size for file in files):,} bytes"


def say(text: str) -> None:
    """Write a line to the job's log, if that takes one."""
    try:
        sys.stderr.write(f"explorer: {text}\n")
        sys.stderr.flush()
    except (OSError, ValueError):
        pass  # a full disk, or a stream that the work function closed


def check_seconds(seconds: float) -> float:
    """The seconds between two saves. Raises InvalidArgument for what is none."""
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 <= seconds < float("inf"):
        raise InvalidArgument(
            f"interval_seconds={seconds!r}: give the seconds between two saves; with 0, only save() saves"
        )
    return float(seconds)


def _parse(name: str) -> tuple[tuple[int, int], int]:
    """Round and attempt, and the number of a checkpoint of it, from 1; zeros for any other file."""
    match = _NAME.fullmatch(name)
    if match is None:
        return (0, 0), 0
    round, attempt, number = map(int, match.groups())
    return (round, attempt), number


_RECORD: dict[str, validation.Check] = {"files": validation.listed(validation.mapped())}
_FILE: dict[str, validation.Check] = {
    "path": check_key,
    "size": validation.whole(0, 1 << 60),
    "sha256": validation.digest,
    "executable": validation.flag,
}


def _check_paths(paths: set[str], count: int) -> None:
    """Raise ValueError unless the files can lie in one folder."""
    folders = {os.fspath(parent) for path in paths for parent in Path(path).parents}
    if len(paths) < count or paths & folders:
        raise ValueError("two of its files have one path")


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
    shutil.rmtree(folder, ignore_errors=True)
    make_private(folder)
