"""The plain records of an analysis in the store: index, rounds, and jobs that were closed.

Each is written once, as JSON, and never changed (explorer_runner.format.keys has the layout).
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields
from datetime import datetime
from typing import Any, ClassVar, Self, TypeVar

from explorer_runner.definition import JobDefinition
from explorer_runner.errors import AlreadyExists, CorruptPayload, NoSuchJob
from explorer_runner.format import validation
from explorer_runner.format.keys import (
    closed_key,
    closed_prefix,
    index_key,
    parse_closed_name,
    parse_number,
    round_key,
    rounds_prefix,
)
from explorer_runner.format.names import check_id, check_name, parse_id
from explorer_runner.format.payload import FORMAT, INDICES, DependencyRef, load_record
from explorer_runner.results import check_index
from explorer_runner.stores.base import Store


@dataclass(frozen=True, kw_only=True)
class _Record:
    """JSON to and from a dataclass; what an older or newer writer had more or less of is fine."""

    checks: ClassVar[Mapping[str, validation.Check]] = {}
    """What each field may be."""

    def to_json(self) -> bytes:
        return json.dumps({"format": FORMAT, **self.to_data()}).encode()

    def to_data(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, raw: bytes, what: str) -> Self:
        """Raises CorruptPayload if this is no such record, UnsupportedFormat if it is too new."""
        try:
            return cls.from_data(load_record(raw, what))
        except (ValueError, TypeError, KeyError) as error:
            raise validation.refused(what, error) from error

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> Self:
        """Raises ValueError, TypeError or KeyError for what is no such record."""
        return cls(**validation.known(data, cls.checks))


@dataclass(frozen=True, kw_only=True)
class _Described(_Record):
    job_definition: JobDefinition = field(default_factory=JobDefinition)
    depends_on: list[DependencyRef] = field(default_factory=list)

    def to_data(self) -> dict[str, Any]:
        return {
            **{each.name: getattr(self, each.name) for each in fields(self)},
            "job_definition": self.job_definition.to_json(),
            "depends_on": [each.to_json() for each in self.depends_on],
        }

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> Self:
        facts = validation.known(
            data,
            {
                **cls.checks,
                "job_definition": validation.mapped(),
                "depends_on": validation.listed(validation.mapped()),
            },
        )
        facts["job_definition"] = JobDefinition.from_json(facts["job_definition"])
        facts["depends_on"] = [DependencyRef.from_json(each) for each in facts["depends_on"]]
        return cls(**facts)


@dataclass(frozen=True, kw_only=True)
class IndexRecord(_Described):
    """What listings and ``get_analysis`` know of an analysis; written last at submission."""

    id: str
    name: str
    user: str
    submitted: float
    """Seconds since 1970, UTC."""
    jobs: int
    array: bool
    executor: str
    """Where it was submitted to: local, foreground (run_local) or batch."""
    python: str
    host: str = ""
    explorer: str = ""
    pip_packages: list[str] = field(default_factory=list)
    labels: dict[str, str] = field(default_factory=dict)
    project: str = ""
    """Whose manifest of this name it fulfils; empty for what people submit by hand."""

    checks: ClassVar[Mapping[str, validation.Check]] = {
        "id": check_id,
        "name": check_name,
        "user": validation.text(),
        "submitted": validation.number(0, validation.LATEST),
        "jobs": validation.whole(1, validation.JOBS),
        "array": validation.flag,
        "executor": validation.text(),
        "python": validation.text(),
        "host": validation.text(),
        "explorer": validation.text(),
        "pip_packages": validation.listed(validation.text()),
        "labels": validation.mapped(validation.text(None)),
        "project": validation.text(),
    }

    def one_job(self, job_index: int | None, call: str, otherwise: str = "") -> int:
        """The job that is meant, of a single job without an index too. Raises NoSuchJob, or TypeError.

        ``call``: the method's name, and ``otherwise`` what else might be meant.
        """
        if job_index is not None:
            return check_index(job_index, self.jobs, self.name)
        if self.array:
            raise NoSuchJob(
                f"{self.name} is an array: say which job, {call}(0) to {call}({self.jobs - 1}){otherwise}"
            )
        return 0


@dataclass(frozen=True, kw_only=True)
class RoundRecord(_Described):
    """One submission of an analysis: the first run (round 0), or a retry of some of its jobs."""

    id: str
    round: int
    executor: str
    indices: list[int] | None
    """The jobs that it runs, by position; None: all."""
    jobs: int
    """How many jobs it runs."""
    payload: str
    """SHA-256 of its payload."""
    submitted: float
    user: str = ""
    python: str = ""
    place: str = ""
    """Where exactly it was submitted to: host and home folder of a local executor."""
    shell: bool = False
    """Whether its work function uses ! or %, for which jobs need IPython."""
    source: str = ""
    """SHA-256 of the work function's text; empty where it is not known."""
    image: str | None = ""
    """The image as it was asked for, before an executor pinned it; empty where it is not known."""

    checks: ClassVar[Mapping[str, validation.Check]] = {
        "id": check_id,
        "round": validation.whole(0, validation.ROUNDS),
        "executor": validation.text(),
        "indices": INDICES,
        "jobs": validation.whole(1, validation.JOBS),
        "payload": validation.digest,
        "submitted": validation.number(0, validation.LATEST),
        "user": validation.text(),
        "python": validation.text(),
        "place": validation.text(),
        "shell": validation.flag,
        "source": validation.text(),
        "image": validation.optional(validation.text()),
    }

    def __post_init__(self) -> None:
        if self.indices is not None and len(self.indices) != self.jobs:
            raise ValueError(f"it runs {self.jobs:,} jobs, and names {len(self.indices):,}")

    def changes_from(self, before: "RoundRecord") -> list[str]:
        """What a retry changed, in words: ``memory_mb 4000 -> 8000``, ``another function``."""
        old, new = before.job_definition.to_json(), self.job_definition.to_json()
        changes = [f"{name} {old.get(name)} -> {new[name]}" for name in new if new[name] != old.get(name)]
        if self.source and before.source and self.source != before.source:
            changes.append("another function")
        return changes

    def index_of(self, position: int) -> int:
        return position if self.indices is None else self.indices[position]

    def all_indices(self) -> Iterable[int]:
        return range(self.jobs) if self.indices is None else self.indices


@dataclass(frozen=True, kw_only=True)
class Closed(_Record):
    """Jobs of a round that will start no attempt any more, with the reason."""

    reasons: dict[str, list[list[int]]]
    """Reason -> ranges of job indices, first and last."""

    checks: ClassVar[Mapping[str, validation.Check]] = {
        "reasons": validation.mapped(
            validation.listed(validation.listed(validation.whole(0, validation.JOBS - 1)))
        )
    }

    def __post_init__(self) -> None:
        ranges = [each for found in self.reasons.values() for each in found]
        if any(len(each) != 2 or each[0] > each[1] for each in ranges):
            raise ValueError("its ranges are not a first and a last job each")
        if sum(last - first + 1 for first, last in ranges) > validation.JOBS:
            raise ValueError(f"it closes more than {validation.JOBS:,} jobs")

    @classmethod
    def of(cls, reasons: Mapping[str, Iterable[int]]) -> "Closed":
        return cls(reasons={reason: _ranges(indices) for reason, indices in reasons.items()})

    def by_index(self) -> dict[int, str]:
        return {
            index: reason
            for reason, ranges in self.reasons.items()
            for first, last in ranges
            for index in range(first, last + 1)
        }


_R = TypeVar("_R", bound=_Record)


def _ranges(indices: Iterable[int]) -> list[list[int]]:
    ranges: list[list[int]] = []
    for index in sorted(indices):
        if ranges and ranges[-1][1] == index - 1:
            ranges[-1][1] = index
        else:
            ranges.append([index, index])
    return ranges


def write_index(store: Store, record: IndexRecord) -> None:
    """List the analysis; it being listed already is fine (ids are unique)."""
    try:
        store.create(index_key(parse_id(record.id).date, record.id), record.to_json())
    except AlreadyExists:
        pass


def index_of_id(analysis_id: str) -> IndexRecord:
    """What an id alone tells of an analysis, where its index record cannot be read."""
    parts = parse_id(analysis_id)
    try:
        submitted = datetime.strptime(f"{parts.date}T{parts.clock}+0000", "%Y-%m-%dT%H%M%S%z").timestamp()
    except ValueError:
        submitted = 0.0  # digits that are no time
    return IndexRecord(
        id=analysis_id,
        name=parts.name,
        user="?",
        submitted=submitted,
        jobs=1,
        array=False,
        executor="?",
        python="?",
    )


def unreadable_round(analysis_id: str, executor: str) -> RoundRecord:
    """Stands for a round of which no more is known than that it has not ended."""
    return RoundRecord(
        id=analysis_id, round=0, executor=executor, indices=None, jobs=1, payload="", submitted=0.0
    )


def read_index(store: Store, analysis_id: str) -> IndexRecord:
    """Raises NotFound, or PayloadError for one that cannot be read."""
    key = index_key(parse_id(analysis_id).date, analysis_id)
    record = _read(store, key, IndexRecord, analysis_id)
    if record.id != analysis_id:
        raise _unreadable(f"{key} is about another analysis, {record.id}", analysis_id)
    return record


def read_rounds(
    store: Store, analysis_id: str, known: Mapping[int, RoundRecord] | None = None
) -> dict[int, RoundRecord]:
    """All rounds of an analysis by number, the first run first; ``known`` ones are not read again."""
    names = map(parse_number, store.names(rounds_prefix(analysis_id)))
    numbers = sorted(number for number in names if number is not None)
    found = dict(known or {})
    for number in numbers:
        if number not in found:
            found[number] = _read_round(store, analysis_id, number)
    return {number: found[number] for number in numbers}


def _read_round(store: Store, analysis_id: str, number: int) -> RoundRecord:
    key = round_key(analysis_id, number)
    record = _read(store, key, RoundRecord, analysis_id)
    if (record.id, record.round) != (analysis_id, number):
        raise _unreadable(f"{key} is about another round, {record.round} of {record.id}", analysis_id)
    return record


def _read(store: Store, key: str, kind: type[_R], analysis_id: str) -> _R:
    """A record of an analysis. Raises NotFound, or PayloadError with what can be done about it."""
    try:
        return kind.from_json(store.read(key, limit=validation.RECORD_BYTES), key)
    except CorruptPayload as error:
        raise _unreadable(str(error), analysis_id) from error


def _unreadable(problem: str, analysis_id: str) -> CorruptPayload:
    return CorruptPayload(f"{problem}; restore it, or remove the analysis: explorer delete {analysis_id}")


def write_closed(store: Store, analysis_id: str, round: int, closed: Closed) -> None:
    """Append a record of closed jobs to a round."""
    number = len(_closed_names(store, analysis_id, round))
    while True:
        try:
            return store.create(closed_key(analysis_id, round, number), closed.to_json())
        except AlreadyExists:
            number += 1


def read_closed(store: Store, analysis_id: str) -> dict[int, dict[int, str]]:
    """Round -> job index -> why it was closed."""
    found: dict[int, dict[int, str]] = {}
    for name in store.names(closed_prefix(analysis_id)):
        round = parse_closed_name(name)
        if round is not None:
            key = f"{closed_prefix(analysis_id)}/{name}"
            reasons = _read(store, key, Closed, analysis_id).by_index()
            found.setdefault(round, {}).update(reasons)
    return found


def _closed_names(store: Store, analysis_id: str, round: int) -> list[str]:
    return [name for name in store.names(closed_prefix(analysis_id)) if name.startswith(f"{round}-")]
