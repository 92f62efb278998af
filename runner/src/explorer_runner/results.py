"""What jobs left behind, read from the store: in a notebook, and in a job that depends on another."""

import hashlib
import os
import sys
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from explorer_runner.errors import CorruptPayload, InvalidArgument, NoSuchJob, NoSuchOutput, NotFinished
from explorer_runner.format import values
from explorer_runner.format.closed import newest_closed
from explorer_runner.format.keys import (
    SUCCEEDED,
    AttemptId,
    OutcomeName,
    check_key,
    file_key,
    outcomes_prefix,
    parse_outcome_name,
    rounds_prefix,
    value_key,
)
from explorer_runner.format.outcome import Outcome
from explorer_runner.format.outcome import read as read_outcome
from explorer_runner.format.reused import Origin, Reused
from explorer_runner.stores.base import Store
from explorer_runner.system.folders import make_private
from explorer_runner.text import visible_line

_MISSING: Any = object()
_SHOWN = 200
"""How many characters of a value a notebook shows."""
_OURS = ("explorer_runner", "gencove_explorer")
_NO_OUTCOME = "it left no outcome"


class StoredFile:
    """An output file (or folder) of a finished job."""

    def __init__(
        self, output: "JobOutput", key: str, size: int, sha256: str | None, executable: bool = False
    ) -> None:
        self._output = output
        self.key: str = key
        """As the job named it."""
        self.size = size
        """Bytes; of a folder, of all its files."""
        self.sha256 = sha256
        """Hex digest; None for a folder."""
        self.executable = executable
        """Whether the job made it executable; False for a folder."""

    @property
    def uri(self) -> str:
        """Its address, by which ``File(uri)`` reads it in a job: in the store, ``s3://...`` or a path."""
        return self._output._uri(self.key)

    def as_local(self) -> Path:
        """A path to read it at, fetched first if the store is not on this machine. Do not write to it."""
        return self._output._local(self)

    def __repr__(self) -> str:
        return f"StoredFile({self.key!r}, {self.size:,} bytes)"


@dataclass(frozen=True)
class JobFailure:
    """A job that did not succeed, as an analysis sees it that waited for its end."""

    index: int
    """Which job of the analysis it is, from zero."""
    reason: str
    """One sentence: ``ValueError: bad row 17``, or why it never ran."""
    type: str | None = None
    """Of the exception; None if there was none."""
    message: str | None = None
    traceback: str | None = None

    @classmethod
    def of(cls, index: int, outcome: Outcome | None, why_closed: str) -> "JobFailure":
        if outcome is None:
            return cls(index, why_closed)
        failure, reason = outcome.failure, outcome.reason or _NO_OUTCOME
        if failure is None:
            return cls(index, reason)
        return cls(index, reason, failure.type, failure.message, failure.traceback)


class JobOutput:
    """The outputs of one job that succeeded."""

    def __init__(self, store: Store, outcome: Outcome, downloads: str, index: int | None = None) -> None:
        self._store = store
        self._downloads = downloads
        self.outcome: Outcome = outcome
        """All that is known of the attempt that made them; of a job that was reused, another analysis's."""
        self.index: int = outcome.index if index is None else index
        """Which job of the analysis it is, from zero."""
        self._files = {file["key"]: file for file in outcome.files}

    def file(self, key: str) -> StoredFile:
        """The file, or folder, that the job kept as ``key``. Raises NoSuchOutput."""
        if key in self._files:
            entry = self._files[key]
            return StoredFile(self, key, entry["size"], entry["sha256"], entry.get("executable", False))
        if key in self.outcome.folders:
            size = sum(file["size"] for file in self._below(key))
            return StoredFile(self, key, size, None)
        raise self._missing("file", key, [*self._files, *self.outcome.folders])

    def files(self) -> dict[str, StoredFile]:
        """All output files by key; what lies in folders by its whole path."""
        return {key: self.file(key) for key in self._files}

    def value(self, key: str) -> Any:
        """The value that the job kept as ``key``. Raises NoSuchOutput."""
        try:
            entry = self.outcome.values[key]
        except KeyError:
            raise self._missing("value", key, list(self.outcome.values)) from None
        if "kind" not in entry:
            return values.decode_inline(key, entry)
        outcome = self.outcome
        if entry["kind"] not in values.KINDS:
            raise CorruptPayload(f"the value {key!r} is of an unknown kind, {entry['kind']!r}")
        place = value_key(outcome.analysis, outcome.of, check_key(key), entry["kind"])
        data = self._store.read(place, limit=entry["size"])
        return values.decode_beside(key, entry, data)

    def values(self) -> dict[str, Any]:
        """All output values by key."""
        return {key: self.value(key) for key in self.outcome.values}

    def __repr__(self) -> str:
        return f"JobOutput(index={self.index}, values={list(self.outcome.values)}, files={list(self._files)})"

    def _repr_html_(self) -> str:
        from html import escape  # for notebooks alone

        rows = [(key, "value", self.glance(key)) for key in self.outcome.values]
        rows += [(key, "file", f"{file['size']:,} bytes") for key, file in self._files.items()]
        if not rows:
            return f"job {self.index} kept no output"
        cells = [
            "".join(f"<td style='text-align:left'>{escape(visible_line(cell))}</td>" for cell in row)
            for row in rows
        ]
        return f"<table>{''.join(f'<tr>{row}</tr>' for row in cells)}</table>"

    def glance(self, key: str) -> str:
        """A value as a line for people, of what the outcome holds: nothing is unpickled or fetched for it."""
        entry = self.outcome.values[key]
        if values.PREVIEW in entry:
            text = _as_line(entry[values.PREVIEW])
        elif values.JSON in entry:
            text = repr(entry[values.JSON])
        else:
            return f"{entry['size']:,} bytes of {entry['kind']}" if "kind" in entry else "(a Python object)"
        return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."

    def _below(self, folder: str) -> list[dict[str, Any]]:
        return [file for key, file in self._files.items() if key.startswith(f"{folder}/")]

    def _local(self, file: StoredFile) -> Path:
        if file.sha256 is not None:
            return self._fetch(self._files[file.key])
        for entry in self._below(file.key):
            self._fetch(entry)
        for folder in self.outcome.folders:
            if folder.startswith(f"{file.key}/"):
                self._make_folder(folder)
        return self._make_folder(file.key)

    def _make_folder(self, key: str) -> Path:
        path = self._store.local_path(self._key(key)) or self._download_path(key)
        make_private(str(path))
        return path

    def _fetch(self, entry: dict[str, Any]) -> Path:
        key = self._key(entry["key"])
        path = self._store.local_path(key)
        if path is not None:
            if not path.exists():
                raise CorruptPayload(f"the output file {entry['key']!r} is missing from the store: {path}")
            return path
        path = self._download_path(entry["key"])
        if not (path.exists() and path.stat().st_size == entry["size"]):
            make_private(str(path.parent))
            self._download(key, path, entry)
        return path

    def _download(self, key: str, path: Path, entry: dict[str, Any]) -> None:
        """Fetch a file beside its place and rename it: other threads and processes may do so at once."""
        import tempfile  # not at the top: every fork would pay for it

        descriptor, part = tempfile.mkstemp(suffix=".part", prefix=".", dir=path.parent)
        os.close(descriptor)
        try:
            self._store.get_file(key, Path(part))
            with open(part, "rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            if digest != entry["sha256"]:
                raise CorruptPayload(
                    f"the output file {entry['key']!r} in the store, {self._store.uri}/{key}, is not the one "
                    f"that the job wrote: its SHA-256 is {digest}, the job's outcome says {entry['sha256']}"
                )
            if entry.get("executable"):
                os.chmod(part, 0o700)
            os.rename(part, path)
        except BaseException:
            os.unlink(part)
            raise

    def _key(self, key: str) -> str:
        # Keys come from a record that a job wrote: none may lead out of the job's own folder.
        return file_key(self.outcome.analysis, self.outcome.of, check_key(key))

    def _uri(self, key: str) -> str:
        path = self._store.local_path(self._key(key))
        return os.fspath(path) if path else f"{self._store.uri}/{self._key(key)}"

    def _download_path(self, key: str) -> Path:
        return Path(self._downloads, self.outcome.analysis, self.outcome.of.folder, key)

    def _missing(self, what: str, key: str, existing: Sequence[str]) -> NoSuchOutput:
        names = ", ".join(map(repr, sorted(existing)[:20])) or "none"
        return NoSuchOutput(
            f"job {self.index} of {self.outcome.analysis} kept no {what} {key!r}; it kept: {names}"
        )


def _as_line(preview: Any) -> str:
    return preview if isinstance(preview, str) and preview.isprintable() else repr(preview)


def latest(names: Iterable[OutcomeName]) -> dict[int, OutcomeName]:
    """For each index the outcome that counts: of the last round a success, else the last attempt's.

    An attempt may follow one that succeeded: its machine was taken away before the executor had seen it end.
    """
    newest: dict[int, OutcomeName] = {}
    for name in names:
        other = newest.get(name.index)
        if other is None or _weight(name) > _weight(other):
            newest[name.index] = name
    return newest


def _weight(name: OutcomeName) -> tuple[int, bool, int]:
    return name.round, name.status == SUCCEEDED, name.attempt


def with_reused(newest: dict[int, OutcomeName], reused: Reused) -> dict[int, OutcomeName]:
    """``newest``, and of each reused job the outcome of its origin, under the job's own index."""
    for index, (_, attempt) in reused.origins.items():
        newest[index] = OutcomeName(index, attempt.round, attempt.attempt, SUCCEEDED)
    return newest


def outcome_names(store: Store, analysis: str) -> list[OutcomeName]:
    """All outcomes of an analysis, read from their names: one listing."""
    names = map(parse_outcome_name, store.list_names(outcomes_prefix(analysis)))
    return [name for name in names if name is not None]


class Results:
    """The outputs of all jobs of one analysis."""

    def __init__(
        self,
        store: Store,
        analysis: str,
        *,
        name: str,
        jobs: int,
        array: bool,
        downloads: str,
        reused: Reused | None = None,
    ) -> None:
        self.store = store
        self.analysis = analysis
        self.name = name
        self.jobs = jobs
        self.array = array
        self.downloads = downloads
        self._reused = reused or Reused()

    def newest(self) -> dict[int, OutcomeName]:
        """For each index the outcome that counts, those of reused jobs included: one listing."""
        return with_reused(latest(outcome_names(self.store, self.analysis)), self._reused)

    def get_output(self, job_index: int | None = None) -> JobOutput:
        """The outputs of one job. Raises NotFinished, or NoSuchJob with the range."""
        index = self._index(job_index)
        return self._output(self.finished(self.newest(), [index])[0])

    def get_outputs(self) -> list[JobOutput]:
        """The outputs of all jobs, in the inputs' order. Raises NotFinished unless all succeeded."""
        return self.read(self.finished(self.newest(), range(self.jobs)))

    def values(self, key: str, missing: Any = _MISSING) -> list[Any]:
        """One value of all jobs, in the inputs' order; ``missing`` stands in for jobs without it.

        Raises NotFinished or NoSuchOutput if a job has none and ``missing`` is not given.
        """
        newest = self.newest()
        if missing is _MISSING:
            return [output.value(key) for output in self.read(self.finished(newest, range(self.jobs)))]
        names = [newest[i] for i in range(self.jobs) if i in newest and newest[i].status == SUCCEEDED]
        outputs = {output.index: output for output in self.read(names)}
        return [
            outputs[i].value(key) if i in outputs and key in outputs[i].outcome.values else missing
            for i in range(self.jobs)
        ]

    def succeeded(self) -> list[JobOutput]:
        """The outputs of the jobs that succeeded, in the inputs' order."""
        newest = self.newest()
        return self.read([name for _, name in sorted(newest.items()) if name.status == SUCCEEDED])

    def failures(self) -> "list[JobFailure]":
        """The jobs that did not succeed, in the inputs' order: a read for each that left an outcome."""
        newest, closed = self.newest(), newest_closed(self.store, self.analysis)
        failed = [i for i in range(self.jobs) if i not in newest or newest[i].status != SUCCEEDED]
        # What was closed in a later round than its last attempt says why it failed.
        tried = [i for i in failed if i in newest and (i not in closed or closed[i][0] < newest[i].round)]
        outcomes = {output.index: output.outcome for output in self.read([newest[i] for i in tried])}
        return [JobFailure.of(i, outcomes.get(i), closed.get(i, (0, _NO_OUTCOME))[1]) for i in failed]

    def finished(self, newest: dict[int, OutcomeName], indices: Iterable[int]) -> list[OutcomeName]:
        """The outcomes of ``indices``, or NotFinished naming those that have not succeeded."""
        requested = list(indices)
        without = [i for i in requested if i not in newest or newest[i].status != SUCCEEDED]
        if without:
            raise NotFinished(self.explain(without))
        return [newest[i] for i in requested]

    def explain(self, indices: list[int]) -> str:
        """Why these jobs have no outputs, and what to do."""
        shown = ", ".join(map(str, indices[:10])) + (", ..." if len(indices) > 10 else "")
        which = f"{len(indices)} of {self.jobs} jobs ({shown})" if self.array else "its job"
        if not any(
            self.store.list_names(prefix(self.analysis)) for prefix in (rounds_prefix, outcomes_prefix)
        ):
            return f"{self.analysis} is not in the store {self.store.uri}: it was deleted"
        return f"{self.analysis}: {which} did not succeed, so there is no output"

    def _index(self, job_index: int | None) -> int:
        if job_index is None:
            if self.array:
                warnings.warn(
                    f"{self.name} is an array of {self.jobs} jobs: get_output() reads job 0; "
                    f"say which, get_output(0) to get_output({self.jobs - 1}), or use get_outputs()",
                    stacklevel=_users_level(),
                )
            return 0
        return check_index(job_index, self.jobs, self.name)

    def outcome(self, name: OutcomeName) -> Outcome:
        """The outcome of this name; of a reused job that of its origin."""
        own = Origin(self.analysis, AttemptId(name.index, name.round, name.attempt))
        analysis, attempt = self._reused.origins.get(name.index, own)
        return read_outcome(self.store, analysis, attempt, name.status)

    def _output(self, name: OutcomeName) -> JobOutput:
        return JobOutput(self.store, self.outcome(name), self.downloads, name.index)

    def read(self, names: Sequence[OutcomeName]) -> list[JobOutput]:
        """The outputs behind these outcomes."""
        # Files of a folder are read fastest one after the other; S3 answers many at once.
        if self.store.local_path("") is not None or len(names) < 2:
            return [self._output(name) for name in names]
        from concurrent.futures import ThreadPoolExecutor  # not at the top: every fork would pay for it

        with ThreadPoolExecutor(max_workers=32) as pool:
            return list(pool.map(self._output, names))


def _users_level() -> int:
    """The ``stacklevel`` at which our caller warns about the user's line, not about one of ours."""
    # On Python 3.12 it would be warn(skip_file_prefixes=...).
    level, frame = 1, sys._getframe(1)
    while frame.f_back and frame.f_globals.get("__name__", "").partition(".")[0] in _OURS:
        level, frame = level + 1, frame.f_back
    return level


def check_index(job_index: object, jobs: int, name: str) -> int:
    """Return ``job_index`` if it is one of ``jobs``; raise InvalidArgument or NoSuchJob with the range."""
    if isinstance(job_index, bool) or not hasattr(job_index, "__index__"):
        raise InvalidArgument(f"a job index is a whole number, not {job_index!r}")
    index = int(job_index.__index__())
    if not 0 <= index < jobs:
        raise NoSuchJob(f"{name} has no job {index}: its jobs are 0 to {jobs - 1}")
    return index
