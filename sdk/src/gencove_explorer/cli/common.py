"""What the commands share: ids as people type them, JSON, and tables."""

import json
import math
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import click
from click.shell_completion import CompletionItem

from explorer_runner.errors import InvalidName
from explorer_runner.format.names import parse_id
from explorer_runner.text import visible, visible_line
from gencove_explorer.analysis import Analysis
from gencove_explorer.errors import ExplorerError, NoSuchAnalysis
from gencove_explorer.job_manager import JobManager

_F = TypeVar("_F", bound=Callable[..., Any])

_COMPLETED = 50


def complete_id(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The newest ids that begin with, or hold, what was typed."""
    try:
        analyses = JobManager().list_jobs(since="30d")
    except ExplorerError:
        return []
    return [CompletionItem(analysis.id) for analysis in analyses if incomplete in analysis.id][:_COMPLETED]


def id_argument(command: _F) -> _F:
    """The ID argument."""
    return click.argument("analysis_id", metavar="ID", shell_complete=complete_id)(command)


def index_argument(command: _F) -> _F:
    """The optional INDEX argument."""
    return click.argument("index", metavar="[INDEX]", type=int, required=False)(command)


def json_option(command: _F) -> _F:
    """The --json option."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON instead of text.")(command)


def find(text: str) -> Analysis:
    """The analysis that a person means: an id, a part that only one has, or ``last``."""
    manager = JobManager()
    try:
        parse_id(text)
    except InvalidName:
        pass
    else:
        return manager.get_analysis(text)
    matches = manager.search(text)
    if len(matches) == 1:
        return matches[0]
    if not matches:
        raise NoSuchAnalysis(
            "there is no analysis yet"
            if text == "last"
            else f"no analysis has {text!r} in its id: explorer list shows them"
        )
    shown = "\n  ".join(analysis.id for analysis in matches[:10])
    more = f"\n  ... and {len(matches) - 10} more" if len(matches) > 10 else ""
    raise NoSuchAnalysis(f"{len(matches)} analyses have {text!r} in their ids, say which:\n  {shown}{more}")


def one_job(analysis: Analysis, index: int | None, typed: str, otherwise: str = "") -> int:
    """The job that a person means: of an array its INDEX has to be typed."""
    record = analysis._submitted().record
    if index is None and record.array:
        raise click.UsageError(
            f"{record.name} is an array: say which job, 0 to {record.jobs - 1}{otherwise}: {typed} 0"
        )
    return record.one_job(index, typed)


def echo(text: str, *, err: bool = False, nl: bool = True) -> None:
    """Print text that may quote jobs or the store: nothing in it steers the terminal."""
    click.echo(visible(text), err=err, nl=nl)


def print_json(data: Any) -> None:
    click.echo(json_text(data))


def json_text(data: Any) -> str:
    """JSON that every reader takes: NaN and infinities, which JSON does not have, are null.

    It is ASCII; the one control character that JSON leaves as it is, is escaped too.
    """
    try:
        text = json.dumps(data, indent=2, default=str, allow_nan=False)
    except ValueError:
        text = json.dumps(_finite(data), indent=2, default=str, allow_nan=False)
    return text.replace("\x7f", "\\u007f")


def _finite(data: Any) -> Any:
    if isinstance(data, float):
        return data if math.isfinite(data) else None
    if isinstance(data, dict):
        return {str(key) if isinstance(key, float) else key: _finite(value) for key, value in data.items()}
    return [_finite(value) for value in data] if isinstance(data, list | tuple) else data


def print_table(headings: Iterable[str], rows: Iterable[Iterable[object]]) -> None:
    """A table; plain columns when the output is not a terminal."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(*headings, box=None, pad_edge=False, header_style="bold")
    for row in rows:
        table.add_row(*(Text(visible_line(str(cell))) for cell in row))
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=1000)
    console.print(table)
