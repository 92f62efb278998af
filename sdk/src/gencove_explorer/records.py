"""The plain records of an analysis in the store: index, rounds, and jobs that were closed.

Each is written once, as JSON, and never changed (explorer_runner.keys has the layout).
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Self

from explorer_runner.definition import JobDefinition
from explorer_runner.errors import AlreadyExists, CorruptPayload, NoSuchJob
from explorer_runner.keys import closed_key, closed_prefix, index_key, round_key, rounds_prefix
from explorer_runner.names import parse_id
from explorer_runner.payload import FORMAT, DependencyRef, check_format
from explorer_runner.results import check_index
from explorer_runner.stores import Store


@dataclass(frozen=True, kw_only=True)
class _Record:
    """JSON to and from a dataclass; what an older or newer writer had more or less of is fine."""

    def to_json(self) -> bytes:
        return json.dumps({"format": FORMAT, **self.to_data()}).encode()

    def to_data(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, raw: bytes, what: str) -> Self:
        try:
            data = json.loads(raw)
            check_format(data, what)
            return cls.from_data(data)
        except (ValueError, TypeError, KeyError) as error:
            raise CorruptPayload(f"{what} cannot be read: {error!r}") from error

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> Self:
        return cls(**{each.name: data[each.name] for each in fields(cls) if each.name in data})


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
        return super().from_data(
            {
                **data,
                "job_definition": JobDefinition.from_json(data["job_definition"]),
                "depends_on": [DependencyRef.from_json(each) for each in data["depends_on"]],
            }
        )


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


def read_index(store: Store, analysis_id: str) -> IndexRecord:
    """Raises NotFound."""
    key = index_key(parse_id(analysis_id).date, analysis_id)
    return IndexRecord.from_json(store.read(key), key)


def read_rounds(
    store: Store, analysis_id: str, known: Mapping[int, RoundRecord] | None = None
) -> dict[int, RoundRecord]:
    """All rounds of an analysis by number, the first run first; ``known`` ones are not read again."""
    numbers = sorted(int(name.removesuffix(".json")) for name in store.names(rounds_prefix(analysis_id)))
    found = dict(known or {})
    for number in numbers:
        if number not in found:
            key = round_key(analysis_id, number)
            found[number] = RoundRecord.from_json(store.read(key), key)
    return {number: found[number] for number in numbers}


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
        key = f"{closed_prefix(analysis_id)}/{name}"
        reasons = Closed.from_json(store.read(key), key).by_index()
        found.setdefault(int(name.partition("-")[0]), {}).update(reasons)
    return found


def _closed_names(store: Store, analysis_id: str, round: int) -> list[str]:
    return [name for name in store.names(closed_prefix(analysis_id)) if name.startswith(f"{round}-")]
