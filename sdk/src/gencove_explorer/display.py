"""How analyses look: tables for people, as text and as HTML."""

import html
import io
import time
from collections.abc import Sequence

from explorer_runner.shown import visible_line
from gencove_explorer.durations import ago
from gencove_explorer.errors import ExplorerError
from gencove_explorer.stored import StoredAnalysis

SHOWN = 50
"""How many analyses a table shows: each costs a look at its state."""

_HEADINGS = ("ID", "Name", "User", "Submitted", "Jobs", "Status")


def analyses_as_text(analyses: Sequence[StoredAnalysis], width: int | None = None) -> str:
    """A table of analyses, the newest ``SHOWN``."""
    if not analyses:
        return "no analyses"
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(*_HEADINGS, box=None, pad_edge=False, header_style="bold")
    table.columns[0].no_wrap = True
    for row in _rows(analyses):
        table.add_row(*map(Text, row))
    text = io.StringIO()
    Console(file=text, width=width or 200, highlight=False, force_jupyter=False).print(table)
    lines = [line.rstrip() for line in text.getvalue().splitlines()]
    return "\n".join(lines + _rest(analyses))


def analyses_as_html(analyses: Sequence[StoredAnalysis]) -> str:
    """The same table for a notebook."""
    head = "".join(f"<th style='text-align:left'>{each}</th>" for each in _HEADINGS)
    body = "".join(
        "<tr>" + "".join(f"<td style='text-align:left'>{html.escape(cell)}</td>" for cell in row) + "</tr>"
        for row in _rows(analyses)
    )
    rest = "".join(f"<p>{html.escape(line)}</p>" for line in _rest(analyses))
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{rest}"


def status_text(stored: StoredAnalysis) -> str:
    """The state of an analysis in a few words."""
    try:
        status = stored.status()
    except ExplorerError as error:
        return visible_line(f"? ({error})")
    counts = status.get("jobs", {})
    if len(counts) > 1:
        return ", ".join(f"{count:,} {state}" for state, count in counts.items())
    return str(status["status"])


def _rows(analyses: Sequence[StoredAnalysis]) -> list[tuple[str, ...]]:
    return [_row(each) for each in analyses[:SHOWN]]


def _row(stored: StoredAnalysis) -> tuple[str, ...]:
    record = stored.record
    age = f"{ago(max(0.0, time.time() - record.submitted))} ago"
    if stored.fault is not None:
        return record.id, record.name, "?", age, "?", status_text(stored)
    cells = (record.id, record.name, record.user, age, f"{record.jobs:,}", status_text(stored))
    return tuple(map(visible_line, cells))


def _rest(analyses: Sequence[StoredAnalysis]) -> list[str]:
    more = len(analyses) - SHOWN
    return [f"... and {more:,} more: narrow it with since=, date=, name= or user="] if more > 0 else []
