"""Inputs of manifests: the values, and what tells them apart from other ones."""

import hashlib
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from explorer_runner.format.validation import load_json
from explorer_runner.models import File, Sample
from gencove_explorer.errors import ExplorerError, SubmissionError
from gencove_explorer.manifests.schema import (
    FileInput,
    FilesInput,
    ObjectsInput,
    OutputInput,
    SampleInput,
    Source,
    ValueInput,
    source_of,
)
from gencove_explorer.models.sheets import READERS, read_table
from gencove_explorer.monitoring.stored_analysis import StoredAnalysis
from gencove_explorer.submission.array_input import MAX_INPUTS
from gencove_explorer.utils.text_files import read_text

MAX_FILE_BYTES = 256 << 20
"""Largest file of inputs that is read."""
_S3 = "s3://"


class ObjectLister(Protocol):
    """Lists a bucket."""

    def list(self, bucket: str, prefix: str) -> Iterable[tuple[str, str]]:
        """``(key, etag)`` of each object whose key begins with ``prefix``."""
        ...


@dataclass(frozen=True)
class ResolvedInput:
    """What a manifest's jobs get: their input, or a value of global_config."""

    value: Any
    """As ``Analysis(input=...)`` and ``GlobalConfig(name=...)`` take it."""
    identity: Any
    """Plain data that is the same exactly if the values are."""
    local: str = ""
    """A file of the repository that jobs read, if there is one: none but those of this machine can."""
    rows: Sequence[Any] = ()
    """Of an array, what identifies each element, as plain data."""

    @property
    def jobs(self) -> int:
        return len(self.value) if isinstance(self.value, list) else 1

    @property
    def array(self) -> bool:
        return self.jobs > 1


@dataclass(frozen=True)
class ManifestLocation:
    """Where relative paths of a manifest start, and the folder that they must not leave."""

    folder: Path
    root: Path

    def resolve(self, text: str) -> Path:
        """The file of a relative path. Raises SubmissionError if it is outside the repository."""
        try:
            path = (self.folder / text).resolve()
        except (OSError, ValueError, RuntimeError) as error:
            raise SubmissionError(f"{text!r} is no path: {error}") from error
        if not path.is_relative_to(self.root):
            raise SubmissionError(f"{text} leads out of the repository ({self.root}), to {path}")
        return path

    def name(self, path: Path) -> str:
        """A file as it is called inside the repository, on every machine."""
        return path.relative_to(self.root).as_posix()


def load_input(source: Any, place: ManifestLocation, objects: ObjectLister) -> ResolvedInput:
    """The input that a manifest names. Raises ExplorerError; an OutputInput is not known here."""
    value, plain, local = _read(source or ValueInput(value=None), place, objects)
    check_size(value)
    rows = plain["files"] if isinstance(source, ObjectsInput) else plain
    resolved = ResolvedInput(value, None, local, rows if isinstance(value, list) else ())
    return replace(resolved, identity={**_digest(plain), "jobs": resolved.jobs, "array": resolved.array})


def load_shared(value: Any, place: ManifestLocation, objects: ObjectLister) -> ResolvedInput:
    """A value of ``global_config``, as it is written. Raises ExplorerError.

    What stands in the manifest is its own identity; of all else there is a digest.
    """
    source = source_of(value)
    values, plain, local = _read(source, place, objects)
    return ResolvedInput(values, plain if isinstance(source, ValueInput) else _digest(plain), local)


_Read = tuple[Any, Any, str]
"""A value, plain data that is the same exactly if the values are, and a file of the repository in it."""


def _read(source: Source, place: ManifestLocation, objects: ObjectLister) -> _Read:
    if isinstance(source, ValueInput):
        return source.value, source.value, ""
    if isinstance(source, FileInput):
        return _from_file(source.file, place)
    if isinstance(source, ObjectsInput):
        return _from_pattern(source, place, objects)
    if isinstance(source, SampleInput):
        sample, plain = _located(Sample(**source.sample.model_dump()), place)
        return sample, plain, _local_in([plain])
    assert isinstance(source, FilesInput)
    one = isinstance(source.files, str)
    uris = [source.files] if one else source.files
    located = [_located(File(uri, source.secondary_files), place) for uri in uris]
    files, plains = [file for file, _ in located], [plain for _, plain in located]
    return (files[0] if one else files), (plains[0] if one else plains), _local_in(plains)


def input_of_output(source: OutputInput, stored: StoredAnalysis) -> Any:
    """The input that an analysis gave, which has succeeded: of an array one element a job."""
    reference = source.output
    outputs = stored.results.get_outputs()
    if reference.value is not None:
        values = [output.value(reference.value) for output in outputs]
    else:
        assert reference.file is not None
        values = [File(output.file(reference.file).uri) for output in outputs]
    value = values if stored.record.array else values[0]
    check_size(value)
    return value


def _from_file(file: str, place: ManifestLocation) -> _Read:
    path = place.resolve(file)
    try:
        size = path.stat().st_size
    except OSError as error:
        raise SubmissionError(f"{place.name(path)} cannot be read: {error.strerror}") from error
    if size > MAX_FILE_BYTES:
        raise SubmissionError(f"{place.name(path)} has {size:,} bytes: at most {MAX_FILE_BYTES:,}")
    if path.suffix == ".json":
        try:
            value = load_json(read_text(path, MAX_FILE_BYTES))
        except (OSError, ValueError) as error:
            raise SubmissionError(f"{place.name(path)} is not JSON: {error}") from error
        return value, value, ""
    try:
        rows = read_table(path)
    except ExplorerError as error:
        message = str(error).replace(str(path), place.name(path))
        if path.suffix.lower() not in READERS:
            message += f", a value's in .json; a file that jobs read is written {{files: {file}}}"
        raise SubmissionError(message) from error
    samples = bool(rows) and isinstance(rows[0], Sample)
    located = [_located(row, place) if samples else (row, row) for row in rows]
    if not rows:
        raise SubmissionError(f"{place.name(path)} has no rows: at least one is needed")
    plain = [item for _, item in located]
    return [row for row, _ in located], plain, _local_in(plain) if samples else ""


def _from_pattern(source: ObjectsInput, place: ManifestLocation, objects: ObjectLister) -> _Read:
    pattern = source.objects
    if pattern.startswith(_S3):
        bucket, _, key = pattern[len(_S3) :].partition("/")
        prefix = re.split(r"[*?\[]", key)[0]
        matches = _matcher(key)
        listed = {f"{_S3}{bucket}/{key}": etag for key, etag in objects.list(bucket, prefix) if matches(key)}
        matching = [
            (File(uri, source.secondary_files), {"uri": uri, "etag": listed[uri]}) for uri in sorted(listed)
        ]
    else:
        place.resolve(re.split(r"[*?\[]", pattern)[0] or ".")
        try:
            paths = sorted(path for path in place.folder.glob(pattern) if path.is_file())
        except (ValueError, NotImplementedError) as error:
            raise SubmissionError(f"{pattern!r} is no pattern of files: {error}") from error
        matching = [
            _located(File(str(place.resolve(str(path))), source.secondary_files), place) for path in paths
        ]
    if not matching:
        raise SubmissionError(f"{pattern}: nothing matches")
    plain = [item for _, item in matching]
    identity = {"files": plain, "secondary_files": source.secondary_files}
    return [file for file, _ in matching], identity, _local_in(plain)


def _matcher(pattern: str) -> Any:
    """``*`` and ``?`` stay inside a folder, ``**`` does not."""
    parts = {"**/": "(.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    text = "".join(
        parts.get(part) or re.escape(part) for part in re.split(r"(\*\*/|\*\*|\*|\?)", pattern) if part
    )
    return re.compile(text).fullmatch


def _located(given: File | Sample, place: ManifestLocation) -> tuple[Any, Any]:
    """A file or sample with its addresses made whole, and as plain data that every machine agrees on."""
    if isinstance(given, File):
        uri, plain = _address(given.uri, place)
        beside: Any = list(given.secondary_files)
        if beside and isinstance(plain, dict):
            beside = {suffix: _address(f"{uri}{suffix}", place)[1]["sha256"] for suffix in beside}
        return File(uri, given.secondary_files), {"file": plain, "secondary_files": beside}
    files = {name: _address(uri, place) for name, uri in given.files.items()}
    whole = replace(given, files={name: uri for name, (uri, _) in files.items()})
    facts = {"id": given.id, "client_id": given.client_id, "metadata": dict(given.metadata)}
    return whole, {"sample": {**facts, "files": {name: plain for name, (_, plain) in files.items()}}}


def _address(uri: str, place: ManifestLocation) -> tuple[str, Any]:
    """An address as jobs read it, and what is compared: in a bucket its text, of a file here its content."""
    if "://" in uri and not uri.startswith("file://"):
        return uri, uri
    path = place.resolve(uri.removeprefix("file://"))
    try:
        with open(path, "rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise SubmissionError(f"{place.name(path)} cannot be read: {error.strerror}") from error
    return str(path), {"path": place.name(path), "sha256": digest}


def _digest(plain: Any) -> dict[str, str]:
    try:
        text = json.dumps(plain, sort_keys=True, ensure_ascii=False, allow_nan=False)
    except (ValueError, RecursionError) as error:
        raise SubmissionError(
            f"there is something in it that JSON does not have: {error}; use null for what is missing"
        ) from error
    return {"sha256": hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()}


def _local_in(plain: Iterable[Any]) -> str:
    """The first file of the repository in what ``_located`` made."""
    for item in plain:
        if isinstance(item, dict):
            files = [item.get("file"), *item.get("sample", {}).get("files", {}).values()]
            path = next((file["path"] for file in files if isinstance(file, dict)), "")
            if path:
                return str(path)
    return ""


def check_size(value: Any) -> None:
    """Raise SubmissionError for a list that is no array."""
    if isinstance(value, list) and not value:
        raise SubmissionError("the input is an empty list: it needs at least one element")
    if isinstance(value, list) and len(value) > MAX_INPUTS:
        raise SubmissionError(
            f"the input has {len(value):,} elements, an array has at most {MAX_INPUTS:,} jobs"
        )
