"""What people are told of an analysis: its status and its failures, as text and as HTML."""

import html
import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from explorer_runner.format.outcome import Outcome
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
        rows += [(name, self[name]) for name in ("reused", "reason") if name in self]
        for record in self.get("rounds", ())[1:]:
            jobs = "1 job" if record["jobs"] == 1 else f"{record['jobs']:,} jobs"
            words = "after the canary" if record.get("after_canary") else "run again"
            rows.append((f"round {record['round']}", ", ".join([f"{jobs} {words}", *record["changed"]])))
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


def group_failures(
    failed: Sequence[int],
    outcomes: Mapping[int, Outcome],
    closed: Mapping[int, str | None],
    show_log: Callable[[int], str],
) -> Failures:
    """Failed jobs by exception and line, or by reason.

    outcomes: of those that an attempt ended for.
    closed: why no further attempt is made at a job; None if its own attempts have ended it.
    show_log: the call that shows a job's log.
    """
    groups: dict[tuple[Any, ...], FailureGroup] = {}
    for index in failed:
        outcome = outcomes.get(index)
        failure = outcome.failure if outcome else None
        reason = closed[index] or (outcome and outcome.reason) or "unknown"
        key = (failure.type, failure.file, failure.line) if failure else (reason,)
        if key in groups:
            groups[key].indices.append(index)
        else:
            groups[key] = FailureGroup(
                reason=reason,
                exception=failure.type if failure else None,
                line=failure.line if failure else None,
                indices=[index],
                traceback=failure.traceback if failure else None,
                show=show_log(index),
            )
    # Exceptions first: what was never tried, for their sake, says less.
    return Failures(
        sorted(groups.values(), key=lambda group: (group.exception is None, -group.count, group.indices[0]))
    )
