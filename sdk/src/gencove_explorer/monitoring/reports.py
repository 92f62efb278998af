"""What people are told of an analysis: its status and its failures, as text and as HTML."""

import html
import textwrap
from dataclasses import dataclass
from typing import Any

from explorer_runner.text import visible, visible_line


@dataclass
class FailureGroup:
    """Failed jobs that failed alike: the same exception at the same line, or the same reason."""

    reason: str
    """Of the first of them."""
    exception: str | None
    """Type of the exception; None if there was none."""
    line: int | None
    """Line of the work function."""
    indices: list[int]
    traceback: str | None
    """Of the first of them."""
    show: str
    """The call that shows the first one's log."""

    @property
    def count(self) -> int:
        return len(self.indices)

    def __str__(self) -> str:
        shown = ", ".join(map(str, self.indices[:10])) + (", ..." if self.count > 10 else "")
        jobs = "1 job" if self.count == 1 else f"{self.count:,} jobs"
        text = f"{jobs} ({shown}): {self.reason}\n"
        if self.traceback:
            text += "".join(f"    {line}\n" for line in self.traceback.rstrip().splitlines())
        return visible(f"{text}    {self.show}")


class Status(dict[str, Any]):
    """What ``Analysis.status`` returns: a dictionary; in a notebook it is shown as a table."""

    def _repr_html_(self) -> str:
        rows = [("status", self["status"]), *self.get("jobs", {}).items()]
        rows += [("reason", self["reason"])] if "reason" in self else []
        for record in self.get("rounds", ())[1:]:
            jobs = "1 job" if record["jobs"] == 1 else f"{record['jobs']:,} jobs"
            rows.append((f"round {record['round']}", ", ".join([f"{jobs} run again", *record["changed"]])))
        cells = (
            f"<td style='text-align:left'>{html.escape(visible_line(str(cell)))}</td>"
            for row in rows
            for cell in row
        )
        lines = (f"<tr>{name}{value}</tr>" for name, value in zip(cells, cells, strict=True))
        return f"<table>{''.join(lines)}</table>"


class Failures(list[FailureGroup]):
    """Groups of failed jobs, exceptions and large ones first; in a notebook with tracebacks folded."""

    def __repr__(self) -> str:
        return "\n\n".join(map(str, self)) if self else "no job has failed"

    def _repr_html_(self) -> str:
        folded = []
        for group in self:
            first, _, rest = str(group).partition("\n")
            text = html.escape(textwrap.dedent(rest))
            folded.append(f"<details><summary>{html.escape(first)}</summary><pre>{text}</pre></details>")
        return "".join(folded) or "no job has failed"
