"""The command that shows logs."""

import re

import click

from gencove_explorer.analysis import Analysis
from gencove_explorer.cli.common import (
    echo,
    find,
    id_argument,
    index_argument,
    json_option,
    one_job,
    print_json,
)
from gencove_explorer.monitoring.logs import show_failed, show_log, write_note, write_text


@click.command()
@id_argument
@index_argument
@click.option("--live", is_flag=True, help="Follow until the job ends; Ctrl-C stops following, not the job.")
@click.option("--since", default="10m", show_default=True, help="How far back: 30s, 10m, 1h, 1d ...")
@click.option("--failed", is_flag=True, help="The whole logs of all failed jobs, each line with its job.")
@click.option("--grep", metavar="PATTERN", help="With --failed: only lines that match a regular expression.")
@json_option
def logs(
    analysis_id: str,
    index: int | None,
    live: bool,
    since: str,
    failed: bool,
    grep: str | None,
    as_json: bool,
) -> None:
    """Print the log of one job, or of all that failed.

    \b
    explorer logs last --live
    explorer logs 17eb494f 2 --since 1d
    explorer logs last --failed --grep "out of memory|No space"
    """
    analysis = find(analysis_id)
    if failed or grep is not None:
        _failed_logs(analysis, index, failed, grep, as_json)
        return
    typed = f"explorer logs {analysis_id}"
    job = one_job(analysis, index, typed)
    text: list[str] = []
    notes: list[str] = []
    show_log(
        analysis._submitted(),
        job,
        live=live,
        since=since,
        write=text.append if as_json else write_text,
        note=notes.append if as_json else write_note,
        call=lambda length: f"{typed} {'' if index is None else f'{index} '}--since {length}",
    )
    if as_json:
        print_json({"id": analysis.id, "index": job, "log": "".join(text), "notes": notes})


def _failed_logs(
    analysis: Analysis, index: int | None, failed: bool, grep: str | None, as_json: bool
) -> None:
    if not failed or index is not None:
        raise click.UsageError("--grep goes with --failed, and --failed takes no INDEX")
    try:
        pattern = re.compile(grep) if grep is not None else None
    except re.error as error:
        raise click.UsageError(f"--grep {grep!r} is no regular expression: {error}") from error
    lines: list[str] = []
    count = show_failed(analysis._submitted(), pattern, lines.append if as_json else write_text)
    if as_json:
        print_json({"id": analysis.id, "lines": [line.rstrip("\n") for line in lines]})
    elif not count:
        failed_jobs = "FAILED" in analysis._submitted().observe().counts
        echo("no line of a failed job matches" if failed_jobs else "no job has failed", err=True)
