"""The rows of an input, by name and digest: by them a plan counts and names what is new, changed or gone.

Pure: the revision store keeps and reads them.
"""

import base64
import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from explorer_runner.format import validation
from explorer_runner.format.payload import FORMAT, load_record
from explorer_runner.text import visible_line

_DIGEST_BYTES = 8
_NAME = 60
"""Characters of a name that are kept: it is for people."""
_MOST_NAMED = 5


@dataclass(frozen=True)
class InputRows:
    """The rows of an input, in their order."""

    names: Sequence[str]
    digests: Sequence[bytes]
    """Of each row's content."""

    def to_json(self) -> bytes:
        packed = base64.b64encode(b"".join(self.digests)).decode()
        return json.dumps({"format": FORMAT, "names": list(self.names), "digests": packed}).encode()

    @classmethod
    def from_json(cls, raw: bytes) -> "InputRows":
        """Raises CorruptPayload for what is none."""
        what = "the rows of an input"
        try:
            facts = validation.require(load_record(raw, what), _ROWS)
            packed = base64.b64decode(facts["digests"], validate=True)
            digests = [packed[at : at + _DIGEST_BYTES] for at in range(0, len(packed), _DIGEST_BYTES)]
            if len(digests) != len(facts["names"]):
                raise ValueError("as many digests as names")
            return cls(facts["names"], digests)
        except (ValueError, TypeError, KeyError) as error:
            raise validation.refused(what, error) from error


_ROWS: dict[str, validation.Check] = {
    "names": validation.listed(validation.text(_NAME), validation.JOBS),
    "digests": validation.text(None),
}


@dataclass(frozen=True)
class RowChanges:
    """What became of the rows of an input. Names are in their order; there are as many as rows."""

    jobs: int
    """Rows that there are now."""
    new: Sequence[str] = ()
    changed: Sequence[str] = ()
    removed: Sequence[str] = ()

    @property
    def counts(self) -> dict[str, int]:
        parts = {"new": self.new, "changed": self.changed, "removed": self.removed}
        return {name: len(rows) for name, rows in parts.items() if rows}

    @property
    def in_words(self) -> str:
        """``2 new, 1 changed of 10,000: LUNG, SKIN, BONE``."""
        counts = ", ".join(f"{count:,} {name}" for name, count in self.counts.items())
        names = [*self.new, *self.changed, *self.removed]
        if not names:
            return f"{self.jobs:,} rows in another order"
        more = ", ..." if len(names) > _MOST_NAMED else ""
        return f"{counts} of {self.jobs:,}: {', '.join(map(visible_line, names[:_MOST_NAMED]))}{more}"

    def to_json(self) -> dict[str, Any]:
        """Counts, and of each kind the first names."""
        parts = {"new": self.new, "changed": self.changed, "removed": self.removed}
        return {
            "jobs": self.jobs,
            **{name: {"count": len(rows), "names": list(rows[:100])} for name, rows in parts.items()},
        }


def rows_of(plain: Iterable[Any]) -> InputRows:
    """The rows of an input, given as plain data, one element a job."""
    rows = list(plain)
    return InputRows(
        [_name(row)[:_NAME] for row in rows],
        [hashlib.sha256(json.dumps(row, sort_keys=True).encode()).digest()[:_DIGEST_BYTES] for row in rows],
    )


def _name(row: Any) -> str:
    """What a person calls a row: of a sample the id, of a file its name, of a table the first column."""
    if isinstance(row, dict):
        if isinstance(row.get("sample"), dict):
            return str(row["sample"].get("id", ""))
        given = row.get("uri", row.get("file"))
        if isinstance(given, dict):
            given = given.get("path")
        if isinstance(given, str):
            return given.rpartition("/")[2]
        first = row.get("id", next(iter(row.values()), ""))
        return first if isinstance(first, str) else json.dumps(first)
    return row if isinstance(row, str) else json.dumps(row)


def compare(old: InputRows, new: InputRows) -> RowChanges:
    """What is different: a row of the same name and other content has changed; one that moved has not."""
    before = Counter(zip(old.names, old.digests, strict=True))
    after = Counter(zip(new.names, new.digests, strict=True))
    gone, added = before - after, after - before
    gone_names = Counter(name for (name, _), count in gone.items() for _ in range(count))
    fresh, changed = [], []
    for row in zip(new.names, new.digests, strict=True):
        if not added[row]:
            continue
        added[row] -= 1
        if gone_names[row[0]]:
            gone_names[row[0]] -= 1
            changed.append(row[0])
        else:
            fresh.append(row[0])
    removed = []
    for name in old.names:
        if gone_names[name]:
            gone_names[name] -= 1
            removed.append(name)
    return RowChanges(len(new.names), fresh, changed, removed)
