"""What a revision is: the state that somebody committed to, as data."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from explorer_runner.format import validation
from explorer_runner.format.payload import FORMAT, load_record
from gencove_explorer.reconcile.specification import Specification


@dataclass(frozen=True, kw_only=True)
class RevisionEntry:
    """What a revision says of one manifest."""

    id: str
    """The analysis that fulfils it; chosen before anything is submitted."""
    file: str
    specification: Specification
    depends_on: Mapping[str, str] = field(default_factory=dict)
    """Name -> id of the analysis that it reads."""
    ran: Mapping[str, Any] = field(default_factory=dict)
    """The resources of its last submission."""
    rounds: int = 1
    """How many times it was to be submitted: 1, and one more for each retry."""
    succeeded: bool = False
    """Whether it was seen to have succeeded, which is final."""

    def to_json(self) -> dict[str, Any]:
        return {**vars(self), "specification": self.specification.to_json()}


@dataclass(frozen=True, kw_only=True)
class Revision:
    """A numbered state that somebody committed to: written once, never changed."""

    number: int
    project: str
    time: float
    """Seconds since 1970, UTC."""
    actor: str
    commit: str | None
    """Of git; None outside of a repository."""
    dirty: bool
    """Whether there were changes that the commit does not have."""
    entries: Mapping[str, RevisionEntry] = field(default_factory=dict)
    leaving: Mapping[str, str] = field(default_factory=dict)
    """Id -> name of runs that are to end: superseded or retired."""
    changes: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Name -> action and reason, of what this revision changed."""

    def to_json(self) -> bytes:
        entries = {name: entry.to_json() for name, entry in self.entries.items()}
        return json.dumps({"format": FORMAT, **vars(self), "entries": entries}, default=dict).encode()

    @classmethod
    def from_json(cls, raw: bytes, what: str) -> "Revision":
        """Raises CorruptPayload if this is no revision, UnsupportedFormat if it is too new."""
        try:
            facts = validation.known(load_record(raw, what), _REVISION)
            entries = {name: _entry(entry) for name, entry in facts["entries"].items()}
            return cls(**{**facts, "entries": entries})
        except (ValueError, TypeError, KeyError) as error:
            raise validation.refused(what, error) from error


def _entry(data: Any) -> RevisionEntry:
    facts = validation.known(data, _ENTRY)
    return RevisionEntry(**{**facts, "specification": Specification.from_json(facts["specification"])})


def _change(value: Any) -> None:
    validation.require(value, {"action": validation.text(), "reason": validation.text(None)})


_ENTRY: dict[str, validation.Check] = {
    "id": validation.text(),
    "file": validation.text(),
    "specification": validation.mapped(),
    "depends_on": validation.mapped(validation.text()),
    "ran": validation.mapped(),
    "rounds": validation.whole(0, validation.ROUNDS),
    "succeeded": validation.flag,
}
_REVISION: dict[str, validation.Check] = {
    "number": validation.whole(0, 10_000_000),
    "project": validation.text(),
    "time": validation.number(0, validation.LATEST),
    "actor": validation.text(),
    "commit": validation.optional(validation.text()),
    "dirty": validation.flag,
    "entries": validation.mapped(),
    "leaving": validation.mapped(validation.text()),
    "changes": validation.mapped(_change),
}
