"""How analyses look: tables for people, as text and as HTML."""

import html
import io
import time
from collections.abc import Mapping, Sequence
from typing import Any

from explorer_runner.text import visible_line
from gencove_explorer.errors import ExplorerError
from gencove_explorer.monitoring.stored_analysis import StoredAnalysis
from gencove_explorer.records.states import NOT_RUN
from gencove_explorer.utils.durations import format_duration

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
    head = "".join(f"<th style='text-align:left'>{heading}</th>" for heading in _HEADINGS)
    body = "".join(
        "<tr>" + "".join(f"<td style='text-align:left'>{html.escape(cell)}</td>" for cell in row) + "</tr>"
        for row in _rows(analyses)
    )
    rest = "".join(f"<p>{html.escape(line)}</p>" for line in _rest(analyses))
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{rest}"


def status_text(status: Mapping[str, Any]) -> str:
    """What ``status()`` returned, in a few words."""
    counts = {state: count for state, count in status.get("jobs", {}).items() if state != NOT_RUN}
    if len(counts) > 1:
        return ", ".join(f"{count:,} {state}" for state, count in counts.items())
    return str(status["status"])


def jobs_text(jobs: int, status: Mapping[str, Any]) -> str:
    """How many jobs an analysis has, how many were reused, and where only some were run how many these are."""
    left_out = status.get("jobs", {}).get(NOT_RUN, 0)
    reused = f" ({status['reused']:,} reused)" if "reused" in status else ""
    return f"{jobs - left_out:,} of {jobs:,}" if left_out else f"{jobs:,}{reused}"


def _rows(analyses: Sequence[StoredAnalysis]) -> list[tuple[str, ...]]:
    return [_row(stored) for stored in analyses[:SHOWN]]


def _row(stored: StoredAnalysis) -> tuple[str, ...]:
    record = stored.record
    age = f"{format_duration(max(0.0, time.time() - record.submitted))} ago"
    cells = (record.id, record.name, record.user, age, *_jobs_and_status(stored))
    return tuple(map(visible_line, cells))


def _jobs_and_status(stored: StoredAnalysis) -> tuple[str, str]:
    try:
        status = stored.status()
    except ExplorerError as error:
        return "?" if stored.fault else f"{stored.record.jobs:,}", f"? ({error})"
    return jobs_text(stored.record.jobs, status), status_text(status)


def _rest(analyses: Sequence[StoredAnalysis]) -> list[str]:
    more = len(analyses) - SHOWN
    return [f"... and {more:,} more: narrow it with since=, date=, name= or user="] if more > 0 else []
