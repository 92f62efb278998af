"""Commands that look at analyses, and act on them."""

import shutil
from itertools import pairwise
from pathlib import Path
from typing import Any

import click

from explorer_runner.errors import AlreadyExists, ExplorerError, NotFinished
from explorer_runner.format import values
from explorer_runner.format.keys import check_key
from explorer_runner.results import JobOutput
from gencove_explorer.cli.common import (
    echo,
    find,
    id_argument,
    index_argument,
    json_option,
    one_job,
    print_json,
    print_table,
)
from gencove_explorer.job_manager import JobManager
from gencove_explorer.monitoring import waiting
from gencove_explorer.monitoring.differences import differences
from gencove_explorer.monitoring.stored_analysis import StoredAnalysis
from gencove_explorer.monitoring.tables import analyses_as_text, jobs_text
from gencove_explorer.records.states import FINISHED, NOT_RUN
from gencove_explorer.settings import Settings


@click.command("list")
@click.option("--since", help="Submitted in the last 30m, 1h, 1d, 2w ...")
@click.option("--date", help="Submitted on a day, 2023-05-09, or in a month, 2023-04 (UTC).")
@click.option("--name", help="This text is in the name.")
@click.option("--user", help="Submitted by this user.")
@click.option("--limit", type=click.IntRange(min=1), default=20, show_default=True, help="Show this many.")
@json_option
def list_(
    since: str | None, date: str | None, name: str | None, user: str | None, limit: int, as_json: bool
) -> None:
    """List analyses, newest first.

    \b
    explorer list --since 1d --name age
    """
    analyses = JobManager().list_jobs(since=since, date=date, name=name, user=user)
    shown = [analysis._submitted() for analysis in analyses[:limit]]
    if as_json:
        print_json([_listed(stored) for stored in shown])
        return
    if not shown:
        echo(f"looked in {Settings.load().store}", err=True)
    echo(analyses_as_text(shown))
    if len(analyses) > limit:
        echo(f"... and {len(analyses) - limit:,} more: --limit {len(analyses)}")


@click.command()
@id_argument
@index_argument
@json_option
def status(analysis_id: str, index: int | None, as_json: bool) -> None:
    """Show the state of an analysis, or of one job.

    \b
    explorer status last
    explorer status 17eb494f 2
    """
    analysis = find(analysis_id)
    stored = analysis._submitted()
    facts = analysis.status(index)
    if as_json:
        print_json({"id": analysis.id, **facts, "rounds": [record.to_data() for record in stored.rounds]})
        return
    echo(f"{analysis.id}: {facts['status']}")
    for state, count in facts.get("jobs", {}).items():
        echo(f"  {count:>6,} {state}")
    if "reused" in facts:
        echo(f"reused: {facts['reused']}" if index is not None else f"  {facts['reused']:>6,} of them reused")
    if "reason" in facts:
        echo(facts["reason"])
    for before, record in pairwise(stored.rounds):
        jobs = "1 failed job" if record.jobs == 1 else f"{record.jobs:,} failed jobs"
        changes = record.changes_from(before)
        echo(f"round {record.round}: {jobs} run again by {record.user}", nl=False)
        echo(f", with {', '.join(changes)}" if changes else "")


@click.command()
@click.argument("first", metavar="ID1")
@click.argument("second", metavar="ID2")
@json_option
def diff(first: str, second: str, as_json: bool) -> None:
    """Show what is different between two analyses, as far as results may depend on it first.

    \b
    explorer diff 17eb494f last
    """
    one, other = (find(analysis_id)._submitted() for analysis_id in (first, second))
    found = differences(one, other)
    if as_json:
        print_json({"first": one.id, "second": other.id, "differences": [vars(each) for each in found]})
        return
    for difference in found:
        remark = "" if difference.matters else " (no result depends on it)"
        echo(f"{difference.part}: {difference.text}{remark}")
        for line in difference.lines:
            echo(f"    {line}")
    if not found:
        echo("no difference: jobs of the one are reused by the other")


@click.command()
@id_argument
@index_argument
@click.option(
    "--to", type=click.Path(file_okay=False, path_type=Path), help="Copy the files into this folder."
)
@json_option
def outputs(analysis_id: str, index: int | None, to: Path | None, as_json: bool) -> None:
    """Show values and files of one job, or of all that succeeded.

    Of a Python object that is no JSON a preview is shown, in which "..." stands for what is left out. In
    --json it is among the values, too, and "objects" names it; NaN and infinities are null.

    \b
    explorer outputs last
    explorer outputs 17eb494f 2 --to results/
    """
    analysis = find(analysis_id)
    outputs_of_jobs = [analysis.get_output(index)] if index is not None else _all_outputs(analysis)
    if to is not None:
        for output in outputs_of_jobs:
            _copy(output, to / str(output.index) if analysis._submitted().record.array else to)
    if as_json:
        print_json([_as_json(output) for output in outputs_of_jobs])
        return
    rows: list[tuple[object, ...]] = []
    for output in outputs_of_jobs:
        rows += [(output.index, key, "value", output.glance(key)) for key in output.outcome.values]
        rows += [(output.index, key, "file", f"{file.size:,} bytes") for key, file in output.files().items()]
    print_table(("Job", "Key", "Kind", ""), rows)


@click.command()
@id_argument
@json_option
def failures(analysis_id: str, as_json: bool) -> None:
    """Show the failed jobs, grouped by exception and line.

    \b
    explorer failures last
    """
    groups = find(analysis_id).failures()
    if as_json:
        print_json([vars(group) for group in groups])
    else:
        echo(repr(groups))


@click.command()
@id_argument
@click.option(
    "--timeout", type=click.FloatRange(min=0), help="Seconds after which to give up; the jobs go on."
)
@json_option
@click.pass_context
def wait(context: click.Context, analysis_id: str, timeout: float | None, as_json: bool) -> None:
    """Wait until all jobs have ended; exit code 1 if any failed.

    \b
    explorer wait last && explorer outputs last
    """
    analysis = find(analysis_id)
    try:
        waiting.wait(analysis._submitted(), lambda observed: observed.finished, timeout)
    except KeyboardInterrupt:
        echo(f"no longer waiting; the jobs go on: explorer wait {analysis.id}", err=True)
        context.exit(130)
    facts = analysis.status()
    if as_json:
        print_json({"id": analysis.id, **facts})
    else:
        counts = facts.get("jobs", {})
        some = f", {jobs_text(sum(counts.values()), facts)} jobs" if NOT_RUN in counts else ""
        echo(f"{analysis.id}: {facts['status']}{some}")
        if "reason" in facts:
            echo(facts["reason"])
    context.exit(0 if facts["status"] == "SUCCEEDED" else 1)


@click.command()
@id_argument
@index_argument
@click.option("--all", "all_jobs", is_flag=True, help="All jobs of an array.")
@json_option
def terminate(analysis_id: str, index: int | None, all_jobs: bool, as_json: bool) -> None:
    """End one job, or all; jobs that depend on them fail.

    \b
    explorer terminate last --all
    explorer terminate 17eb494f 2
    """
    if all_jobs and index is not None:
        raise click.UsageError("--all takes no INDEX")
    analysis = find(analysis_id)
    job = None if all_jobs else one_job(analysis, index, f"explorer terminate {analysis_id}", " or --all")
    observed = analysis._submitted().observe(job)
    state = observed.state if job is None else observed.states[job]
    job_named = "" if index is None else f"job {index} "
    if state in FINISHED:
        _done(analysis.id, f"{job_named}had ended already: {state}", as_json)
    elif state == NOT_RUN:
        _done(analysis.id, f"{job_named}was not run: there is nothing to end", as_json)
    else:
        analysis.terminate_all() if job is None else analysis.terminate(job)
        _done(analysis.id, "asked to end; it may take up to a minute", as_json)


@click.command()
@id_argument
@click.option("--cpu", type=int, help="CPUs of the new attempts.")
@click.option("--memory-mb", type=int, help="Memory of the new attempts, in MiB.")
@json_option
def retry(analysis_id: str, cpu: int | None, memory_mb: int | None, as_json: bool) -> None:
    """Run the failed jobs again, under the same id.

    \b
    explorer retry last --memory-mb 16000
    """
    from dataclasses import replace

    analysis = find(analysis_id)
    changes: dict[str, Any] = {"cpu": cpu, "memory_mb": memory_mb}
    changes = {name: value for name, value in changes.items() if value is not None}
    definition = replace(analysis._submitted().rounds[-1].job_definition, **changes) if changes else None
    try:
        count = analysis.retry_failed(job_definition=definition)
    except (NotFinished, AlreadyExists) as error:
        raise click.ClickException(f"{error}. Here: explorer wait {analysis.id}, then the same") from error
    if as_json:
        print_json({"id": analysis.id, "jobs": count})
    else:
        echo(
            f"{analysis.id}: running {count:,} failed job{'s' if count > 1 else ''} again"
            if count
            else f"{analysis.id}: no job has failed"
        )


@click.command()
@id_argument
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
def delete(analysis_id: str, yes: bool, as_json: bool) -> None:
    """Remove all that the store holds of an analysis: outputs, logs and all.

    \b
    explorer delete 17eb494f --yes
    """
    analysis = find(analysis_id)
    deleted = analysis.id
    if not yes:
        click.confirm(f"Delete {deleted} with all its outputs?", abort=True, err=True)
    analysis.delete()
    _done(deleted, "deleted", as_json)


def _listed(stored: StoredAnalysis) -> dict[str, Any]:
    """A row of a list, of one that cannot be read too."""
    facts = stored.record.to_data() if stored.fault is None else {"id": stored.id, "name": stored.record.name}
    try:
        return {**facts, "status": stored.status()}
    except ExplorerError as error:
        return {**facts, "status": None, "error": str(error)}


def _done(analysis_id: str, what: str, as_json: bool) -> None:
    if as_json:
        print_json({"id": analysis_id, "done": what})
    else:
        echo(f"{analysis_id}: {what}")


def _all_outputs(analysis: Any) -> list[JobOutput]:
    stored = analysis._submitted()
    observed = stored.observe()
    names = [observed.outcomes[index] for index in observed.indices("SUCCEEDED")]
    if not names:
        raise NotFinished(f"{analysis.id} is {observed.state}: no job has outputs yet")
    return list(stored.results.read(names))


def _as_json(output: JobOutput) -> dict[str, Any]:
    entries = output.outcome.values
    plain = {key: output.value(key) for key, entry in entries.items() if values.is_json(entry)}
    previews = {key: entry[values.PREVIEW] for key, entry in entries.items() if values.PREVIEW in entry}
    return {
        "index": output.index,
        "values": plain | previews,
        "objects": [key for key in entries if key not in plain],
        "files": {key: str(file.as_local()) for key, file in output.files().items()},
    }


def _copy(output: JobOutput, folder: Path) -> None:
    for key, file in output.files().items():
        source = file.as_local()  # first of all: it refuses keys that lead out of a folder
        target = folder / key
        if target.exists():
            raise click.ClickException(f"{target} is there already: remove it, or choose another folder")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
        if file.executable:
            mode = target.stat().st_mode
            target.chmod(mode | (mode & 0o444) >> 2)  # by those who may read it
    for key in output.outcome.folders:
        (folder / check_key(key)).mkdir(parents=True, exist_ok=True)
