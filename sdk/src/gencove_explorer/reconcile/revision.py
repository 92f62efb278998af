"""What a revision is: the state that somebody committed to, as data."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from explorer_runner.errors import CorruptPayload
from explorer_runner.payload import FORMAT, check_format
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
        try:
            data = json.loads(raw)
            check_format(data, what)
            known = {each.name: data[each.name] for each in fields(cls) if each.name in data}
            known["entries"] = {name: _entry(each) for name, each in known["entries"].items()}
            return cls(**known)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise CorruptPayload(f"{what} cannot be read: {error!r}") from error


def _entry(data: Mapping[str, Any]) -> Entry:
    known = {each.name: data[each.name] for each in fields(Entry) if each.name in data}
    return Entry(**{**known, "specification": Specification.from_json(data["specification"])})
