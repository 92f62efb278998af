"""The plain records of an analysis in the store: index, rounds, and jobs that were closed.

Each is written once, as JSON, and never changed (explorer_runner.format.keys has the layout).
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, ClassVar, Self, TypeVar

from explorer_runner.definition import JobDefinition
from explorer_runner.errors import CorruptPayload
from explorer_runner.format import validation
from explorer_runner.format.payload import FORMAT, DependencyRef, load_record
from explorer_runner.stores.base import Store


@dataclass(frozen=True, kw_only=True)
class Record:
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
class DescribedRecord(Record):
    job_definition: JobDefinition = field(default_factory=JobDefinition)
    depends_on: list[DependencyRef] = field(default_factory=list)

    def to_data(self) -> dict[str, Any]:
        return {
            **{field_.name: getattr(self, field_.name) for field_ in fields(self)},
            "job_definition": self.job_definition.to_json(),
            "depends_on": [ref.to_json() for ref in self.depends_on],
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
        facts["depends_on"] = [DependencyRef.from_json(ref) for ref in facts["depends_on"]]
        return cls(**facts)


_R = TypeVar("_R", bound=Record)


def read_record(store: Store, key: str, kind: type[_R], analysis_id: str) -> _R:
    """A record of an analysis. Raises NotFound, or PayloadError with what can be done about it."""
    try:
        return kind.from_json(store.read(key, limit=validation.RECORD_BYTES), key)
    except CorruptPayload as error:
        raise unreadable(str(error), analysis_id) from error


def unreadable(problem: str, analysis_id: str) -> CorruptPayload:
    return CorruptPayload(f"{problem}; restore it, or remove the analysis: explorer delete {analysis_id}")
