"""What a revision is: the state that somebody committed to, as data."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from explorer_runner import checked
from explorer_runner.payload import FORMAT, load_record
from gencove_explorer.reconcile.specification import Specification


@dataclass(frozen=True, kw_only=True)
class Entry:
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
    """See the module."""

    number: int
    project: str
    time: float
    """Seconds since 1970, UTC."""
    actor: str
    commit: str | None
    """Of git; None outside of a repository."""
    dirty: bool
    """Whether there were changes that the commit does not have."""
    entries: Mapping[str, Entry] = field(default_factory=dict)
    leaving: Mapping[str, str] = field(default_factory=dict)
    """Id -> name of runs that are to end: superseded or retired."""
    changes: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Name -> action and reason, of what this revision changed."""

    def to_json(self) -> bytes:
        entries = {name: each.to_json() for name, each in self.entries.items()}
        return json.dumps({"format": FORMAT, **vars(self), "entries": entries}, default=dict).encode()

    @classmethod
    def from_json(cls, raw: bytes, what: str) -> "Revision":
        """Raises CorruptPayload if this is no revision, UnsupportedFormat if it is too new."""
        try:
            facts = checked.known(load_record(raw, what), _REVISION)
            entries = {name: _entry(each) for name, each in facts["entries"].items()}
            return cls(**{**facts, "entries": entries})
        except (ValueError, TypeError, KeyError) as error:
            raise checked.refused(what, error) from error


def _entry(data: Any) -> Entry:
    facts = checked.known(data, _ENTRY)
    return Entry(**{**facts, "specification": Specification.from_json(facts["specification"])})


def _change(value: Any) -> None:
    checked.require(value, {"action": checked.text(), "reason": checked.text(None)})


_ENTRY: dict[str, checked.Check] = {
    "id": checked.text(),
    "file": checked.text(),
    "specification": checked.mapped(),
    "depends_on": checked.mapped(checked.text()),
    "ran": checked.mapped(),
    "rounds": checked.whole(0, checked.ROUNDS),
    "succeeded": checked.flag,
}
_REVISION: dict[str, checked.Check] = {
    "number": checked.whole(0, 10_000_000),
    "project": checked.text(),
    "time": checked.number(0, checked.LATEST),
    "actor": checked.text(),
    "commit": checked.optional(checked.text()),
    "dirty": checked.flag,
    "entries": checked.mapped(),
    "leaving": checked.mapped(checked.text()),
    "changes": checked.mapped(_change),
}
