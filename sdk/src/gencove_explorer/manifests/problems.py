"""What is wrong with manifests: every fault with file, line, field, what was found, what is allowed."""

import difflib
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from gencove_explorer.errors import ManifestError

__all__ = ["ManifestError", "Problem", "suggest"]


@dataclass(frozen=True, order=True)
class Problem:
    """One thing that is wrong in one place."""

    file: str
    line: int | None
    field: str
    """As ``job_definition.memory_mb``; empty for the whole file."""
    found: str
    allowed: str = ""

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        text = f"{self.field}: {self.found}" if self.field else self.found
        return f"{place}: {text}" + (f"; allowed: {self.allowed}" if self.allowed else "")

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def suggest(name: str, known: Iterable[str]) -> str:
    """``did you mean memory_mb?``, or all that there are."""
    names = list(known)
    near = difflib.get_close_matches(name, names, n=1)
    return f"did you mean {near[0]}?" if near else ", ".join(names)
