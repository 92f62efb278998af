"""The payload: what travels from ``run()`` to the job, checked before anything is unpickled.

A zip of stored (uncompressed) members:

    spec.json           names, kinds, Python's version, dependencies, definition (Spec)
    source.py           the work function's source, for people and for tracebacks
    function.pkl        the work function, by cloudpickle
    global_config.pkl   the GlobalConfig, by cloudpickle
    pylock.toml         the lock of pip_packages; missing where there are none
    inputs.idx          one entry an input: offset, length (8 bytes each, little-endian), SHA-256
    inputs.bin          the inputs end to end while they are small, else a separate object
    inputs.named        16 bytes an input: its identity, where that is not the beginning of its SHA-256
    inputs.content      likewise, with what its files held; missing where none has a file, or nobody looked

The SHA-256 of the whole file travels with the submission, outside the store. It covers all members,
and through inputs.idx each input wherever it lies; so somebody who can write to the store cannot change
what a submitted job runs.
"""

import hashlib
import io
import json
import struct
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from explorer_runner.definition import JobDefinition
from explorer_runner.errors import AlreadyExists, CorruptPayload, NotFound, PythonMismatch, UnsupportedFormat
from explorer_runner.format import validation
from explorer_runner.format.keys import contended_payload_key, inputs_key, payload_key
from explorer_runner.format.names import check_id
from explorer_runner.stores.base import Store
from explorer_runner.text import shown

FORMAT = 1
_WITH_ALL_INPUTS = 2
"""Format of payloads in which an older runner would take the input of another job for a job's own."""
INLINE_BYTES = 1 << 20
"""Inputs of up to this many bytes in all travel inside the payload: one read fewer a job."""

IDENTITY_BYTES = 16
_ENTRY = struct.Struct("<QQ32s")
_BLOCK_BYTES = 16 << 20
_LARGEST_INPUTS = 1 << 50
_LINES = 1_000_000
"""Longest file that a work function stands in: so many lines are made for its tracebacks."""

SPEC, SOURCE, FUNCTION, CONFIG = "spec.json", "source.py", "function.pkl", "global_config.pkl"
LOCK, INPUTS_INDEX, INPUTS = "pylock.toml", "inputs.idx", "inputs.bin"
NAMED, CONTENT = "inputs.named", "inputs.content"


ALL, EACH, FINISHED = "all", "each", "finished"
"""How an analysis waits for another: for the success of all jobs, job by job, or for the end of all jobs."""


def python_minor() -> str:
    """This interpreter's version as payloads name it, such as ``3.11``."""
    return f"{sys.version_info[0]}.{sys.version_info[1]}"


@dataclass(frozen=True, kw_only=True)
class DependencyRef:
    """One analysis that another depends on."""

    name: str
    id: str
    each: bool = False
    """True: job i waits for, and reads, job i of the dependency only."""
    finished: bool = False
    """True: its jobs have to have ended, however; else they have to have succeeded."""
    array: bool = False
    """Whether the dependency is an array."""
    jobs: int = 1
    """How many jobs the dependency has."""
    reused: bool = False
    """Whether the results of some of its jobs lie in other analyses."""

    @property
    def kind(self) -> str:
        """How it is waited for: ALL, EACH or FINISHED."""
        return EACH if self.each else FINISHED if self.finished else ALL

    def of_kind(self, kind: str) -> "DependencyRef":
        """The same analysis, waited for in another way."""
        return replace(self, each=kind == EACH, finished=kind == FINISHED)

    def to_json(self) -> dict[str, Any]:
        return dict(vars(self))

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "DependencyRef":
        """Raises ValueError or TypeError for what is none."""
        return cls(**validation.known(data, _DEPENDENCY))


_DEPENDENCY: dict[str, validation.Check] = {
    "name": validation.text(),
    "id": check_id,
    "each": validation.flag,
    "finished": validation.flag,
    "array": validation.flag,
    "jobs": validation.whole(1, validation.JOBS),
    "reused": validation.flag,
}
INDICES: validation.Check = validation.optional(
    validation.listed(validation.whole(0, validation.JOBS - 1), validation.JOBS)
)
"""Of the jobs that a round runs."""


@dataclass(frozen=True, kw_only=True)
class Spec:
    """The plain part of a payload (spec.json)."""

    id: str
    name: str
    round: int
    python: str
    explorer: str
    jobs: int
    """How many inputs the analysis has, whatever this round runs of them."""
    array: bool
    indices: list[int] | None = None
    """Which jobs this round runs, by position; None: all of them."""
    inputs_inside: bool = True
    """Whether the inputs lie in the payload or in an object of their own."""
    all_inputs: bool = False
    """Whether the payload has the inputs of all jobs, by index, though the round runs some of them alone."""
    function: Mapping[str, Any] = field(default_factory=dict)
    """name, file, line: where the work function stands in its author's notebook or file."""
    pip_packages: list[str] = field(default_factory=list)
    job_definition: JobDefinition = field(default_factory=JobDefinition)
    depends_on: list[DependencyRef] = field(default_factory=list)
    pickled_with: Mapping[str, str] = field(default_factory=dict)
    """The packages that the pickles refer to: module, top level -> the requirement that brought it."""

    def index_of(self, position: int) -> int:
        """The job index at a position of this round. Raises CorruptPayload outside of it."""
        count = self.jobs if self.indices is None else len(self.indices)
        if not 0 <= position < count:
            raise CorruptPayload(
                f"position {position} is outside round {self.round}, which runs {count} jobs"
            )
        return position if self.indices is None else self.indices[position]

    def row_of(self, position: int) -> int:
        """Where among the payload's inputs that of a position is."""
        return self.index_of(position) if self.all_inputs else position

    def to_json(self) -> bytes:
        data = {
            "format": _WITH_ALL_INPUTS if self.all_inputs else FORMAT,
            **vars(self),
            "function": dict(self.function),
            "pickled_with": dict(self.pickled_with),
            "job_definition": self.job_definition.to_json(),
            "depends_on": [dependency.to_json() for dependency in self.depends_on],
        }
        return json.dumps(data).encode()

    @classmethod
    def from_json(cls, raw: bytes) -> "Spec":
        """Raises UnsupportedFormat, or CorruptPayload if this is no spec."""
        try:
            data = validation.known(load_record(raw, "the payload", _WITH_ALL_INPUTS), _SPEC)
            data["job_definition"] = JobDefinition.from_json(data["job_definition"])
            data["depends_on"] = [DependencyRef.from_json(ref) for ref in data["depends_on"]]
            return cls(**data)
        except (ValueError, TypeError, KeyError) as error:
            raise validation.refused("spec.json of the payload", error) from error


_FUNCTION: dict[str, validation.Check] = {
    "name": validation.optional(validation.text()),
    "file": validation.optional(validation.text()),
    "line": validation.optional(validation.whole(0, _LINES)),
}
_SPEC: dict[str, validation.Check] = {
    "id": check_id,
    "name": validation.text(),
    "round": validation.whole(0, validation.ROUNDS),
    "python": validation.text(),
    "explorer": validation.text(),
    "jobs": validation.whole(1, validation.JOBS),
    "array": validation.flag,
    "indices": INDICES,
    "inputs_inside": validation.flag,
    "all_inputs": validation.flag,
    "function": lambda value: validation.known(value, _FUNCTION),
    "pip_packages": validation.listed(validation.text()),
    "job_definition": validation.mapped(),
    "depends_on": validation.listed(validation.mapped()),
    "pickled_with": validation.mapped(validation.text()),
}


def load_record(raw: bytes, what: str, newest: int = FORMAT) -> dict[str, Any]:
    """The facts of a record. Raises UnsupportedFormat if it is newer than this version reads, or ValueError
    or KeyError if it is none.

    Nothing else is asked of a newer one: it may be of another form.
    """
    data = validation.load_json(raw)
    if not isinstance(data, dict):
        raise ValueError(f"it is {shown(data)}, and no mapping")
    number = data["format"]
    if type(number) is not int or number > newest:
        given = number[:60] if isinstance(number, str) else shown(number)
        raise UnsupportedFormat(
            f"{what} has format {given}, this Explorer reads up to {newest}: "
            "upgrade explorer-runner (in the image: take the newer runner image)"
        )
    return data


def check_python(spec: Spec) -> None:
    """Raise PythonMismatch unless this interpreter may unpickle the payload.

    A function pickled on 3.11 raises on 3.10 and crashes 3.12 outright: nothing may be unpickled
    before this check.
    """
    if spec.python != python_minor():
        raise PythonMismatch(
            f"the analysis was submitted from Python {spec.python}, this job runs Python "
            f"{python_minor()}: use an image or an interpreter of Python {spec.python}"
        )


class InputEntry(NamedTuple):
    """Where one pickled input lies and what it must hash to."""

    offset: int
    length: int
    sha256: bytes

    def pack(self) -> bytes:
        return _ENTRY.pack(*self)


def read_entry(index: bytes | bytearray, row: int) -> InputEntry:
    """An entry of inputs.idx. Raises struct.error if it ends before."""
    return InputEntry(*_ENTRY.unpack_from(index, row * _ENTRY.size))


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def check_digest(raw: bytes, expected: str) -> None:
    """Raise CorruptPayload unless ``raw`` is the payload that was submitted."""
    if digest(raw) != expected:
        raise CorruptPayload(
            f"the payload in the store is not the one that was submitted: its SHA-256 is "
            f"{digest(raw)[:12]}..., {expected[:12]}... was submitted. It was changed or damaged; run() again"
        )


def pack(members: Mapping[str, bytes]) -> bytes:
    """Make a payload of its members."""
    import zipfile  # costs 12 ms and a fork's time: not for the forker

    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, data in members.items():
            archive.writestr(zipfile.ZipInfo(name), data)
    return buffer.getvalue()


def unpack(raw: bytes) -> dict[str, bytes]:
    """The members of a payload whose digest was checked."""
    import zipfile

    try:
        with zipfile.ZipFile(io.BytesIO(raw)) as archive:
            members = archive.infolist()
            # Stored members cannot be larger than the file, unless some are the same bytes.
            stored = all(member.compress_type == zipfile.ZIP_STORED for member in members)
            if not stored or sum(member.file_size for member in members) > len(raw):
                raise CorruptPayload("the payload is not one of ours: its members grow when they are read")
            return {member.filename: archive.read(member) for member in members}
    except (zipfile.BadZipFile, OSError, RuntimeError, ValueError, EOFError, struct.error) as error:
        raise CorruptPayload(f"the payload is not a readable zip: {error}") from error


class Payload:
    """A checked payload in memory, shared by every job of its round."""

    def __init__(self, members: Mapping[str, bytes]) -> None:
        for name in (SPEC, FUNCTION, CONFIG, INPUTS_INDEX):
            if name not in members:
                raise CorruptPayload(f"the payload has no {name}")
        self.spec = Spec.from_json(members[SPEC])
        self.function = members[FUNCTION]
        self.global_config = members[CONFIG]
        self.source = members.get(SOURCE, b"").decode(errors="replace")
        self.lock = members.get(LOCK)
        self.members = members
        self._index = members[INPUTS_INDEX]
        self._inputs = members.get(INPUTS, b"")

    def entry(self, row: int) -> bytes:
        """An entry of inputs.idx."""
        return self._index[row * _ENTRY.size : (row + 1) * _ENTRY.size]

    @property
    def rows(self) -> int:
        """How many inputs it has."""
        return len(self._index) // _ENTRY.size

    def identities(self, kind: str) -> list[bytes]:
        """The identities of its inputs, NAMED or by CONTENT; none of the latter if nobody looked."""
        data = self.members.get(kind)
        if data is None and kind == CONTENT:
            return []
        if data is None:
            step, skip = _ENTRY.size, _ENTRY.size - 32
            starts = range(skip, len(self._index), step)
            return [self._index[start : start + IDENTITY_BYTES] for start in starts]
        return [data[start : start + IDENTITY_BYTES] for start in range(0, len(data), IDENTITY_BYTES)]

    def members_of(self, spec: Spec, rows: Sequence[int]) -> dict[str, bytes]:
        """The members of another payload, of some of these inputs, in this order."""
        members = dict(self.members)
        members[SPEC] = spec.to_json()
        members[INPUTS_INDEX] = b"".join(self.entry(row) for row in rows)
        for kind in (NAMED, CONTENT):
            if kind in members:
                identities = self.identities(kind)
                members[kind] = b"".join(identities[row] for row in rows)
        return members

    def read_input(self, store: Store, position: int) -> bytes:
        """The pickled input of a position, from the payload or the store, checked."""
        return next(self.read_inputs(store, [self.spec.row_of(position)]))

    def read_inputs(self, store: Store, rows: Sequence[int]) -> Iterator[bytes]:
        """The pickled inputs of rows of inputs.idx; from a store, neighbours come by one request."""
        entries = [self._located(row) for row in rows]
        if self.spec.inputs_inside:  # the payload's own digest covers them
            yield from (self._inputs[entry.offset : entry.offset + entry.length] for entry in entries)
            return
        for first, last in _neighbours(entries):
            begin = entries[first].offset
            size = entries[last].offset + entries[last].length - begin
            block = memoryview(store.read_range(inputs_key(self.spec.id), begin, size))
            for row, entry in zip(rows[first : last + 1], entries[first : last + 1], strict=True):
                raw = bytes(block[entry.offset - begin : entry.offset - begin + entry.length])
                if hashlib.sha256(raw).digest() != entry.sha256:
                    raise CorruptPayload(
                        f"the input of job {row if self.spec.all_inputs else self.spec.index_of(row)} in the "
                        "store is not the one that was submitted: it was changed or damaged; run() again"
                    )
                yield raw

    def _located(self, row: int) -> InputEntry:
        try:
            entry = read_entry(self._index, row)
        except struct.error as error:
            raise CorruptPayload(f"inputs.idx ends before input {row}") from error
        if entry.offset + entry.length > _LARGEST_INPUTS:
            raise CorruptPayload(f"inputs.idx places input {row} beyond all that can be stored")
        return entry


def _neighbours(entries: Sequence[InputEntry]) -> Iterator[tuple[int, int]]:
    """First and last of each run of entries that lie side by side, of some size in all."""
    first = 0
    for number in range(1, len(entries) + 1):
        ends = number == len(entries)
        if not ends:
            before, here = entries[number - 1], entries[number]
            size = here.offset + here.length - entries[first].offset
            ends = here.offset != before.offset + before.length or size > _BLOCK_BYTES
        if ends:
            yield first, number - 1
            first = number


def keep(store: Store, analysis: str, round: int, packed: bytes) -> str:
    """Store the payload of a round that is about to be written; returns its digest.

    The round's record says by the digest which payload is its own, so none is ever replaced: of two
    submissions of one round each has its own, whichever of them writes the record.
    """
    sha256 = digest(packed)
    try:
        store.create(payload_key(analysis, round), packed)
    except AlreadyExists:
        try:
            store.create(contended_payload_key(analysis, round, sha256), packed)
        except AlreadyExists:
            pass  # the same bytes
    return sha256


def load(store: Store, analysis: str, round: int, expected: str) -> Payload:
    """Read, check and open the payload of a round; nothing is unpickled."""
    raw = store.read(payload_key(analysis, round))
    if digest(raw) != expected:
        try:
            raw = store.read(contended_payload_key(analysis, round, expected))
        except NotFound:
            pass  # then it was damaged, and the check says so
    check_digest(raw, expected)
    return Payload(unpack(raw))
