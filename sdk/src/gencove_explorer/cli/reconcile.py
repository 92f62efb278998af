"""``explorer plan``, ``reconcile``, ``validate``, ``lock`` and ``history``."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from explorer_runner.format import validation
from explorer_runner.format.keys import FAILED
from explorer_runner.format.validation import load_json
from gencove_explorer.cli.common import echo, json_option, json_text, print_json, print_table
from gencove_explorer.manifests.load import load_folder
from gencove_explorer.manifests.lock_file import write_lock
from gencove_explorer.manifests.problems import ManifestError
from gencove_explorer.manifests.schema import json_schema
from gencove_explorer.models.sheets import MAX_BYTES
from gencove_explorer.reconcile.actions import WAIT
from gencove_explorer.reconcile.history import changes_of, history_of
from gencove_explorer.reconcile.plan import MAX_PRUNE, Plan, PlanOptions
from gencove_explorer.reconcile.reconciler import Reconciler
from gencove_explorer.reconcile.render import headline, plan_as_json, plan_as_markdown, rows_of, source_diff
from gencove_explorer.reconcile.revision_store import Revisions, project_of
from gencove_explorer.session import Session
from gencove_explorer.utils.text_files import read_text

_F = TypeVar("_F", bound=Callable[..., Any])
CHANGES = 3
"""Exit code of a plan that has something to do."""


def _folder(command: _F) -> _F:
    return click.argument("folder", metavar="[DIR]", default="manifests", type=click.Path(path_type=Path))(
        command
    )


def _choosing(command: _F) -> _F:
    """The options that plan and reconcile share."""
    for option in (
        click.option("--allow-older", is_flag=True, help="Also from a commit older than the recorded one."),
        click.option(
            "--max-prune",
            type=click.IntRange(0),
            default=MAX_PRUNE,
            show_default=True,
            help="With --prune: refuse to retire more than these.",
        ),
        click.option("--prune", is_flag=True, help="Retire what has no manifest any more."),
        click.option("--rerun", multiple=True, metavar="NAME", help="Run anew though nothing changed."),
        click.option("--select", multiple=True, metavar="NAME", help="Only these, with what they depend on."),
    ):
        command = option(command)
    return command


@click.command()
@_folder
@_choosing
@click.option(
    "--format",
    "form",
    type=click.Choice(["table", "markdown", "json"]),
    default="table",
    show_default=True,
    help="markdown is for a comment on a pull request.",
)
@json_option
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Save it for reconcile --plan.")
@click.pass_context
def plan(
    context: click.Context,
    folder: Path,
    select: tuple[str, ...],
    rerun: tuple[str, ...],
    prune: bool,
    max_prune: int,
    allow_older: bool,
    form: str,
    as_json: bool,
    out: Path | None,
) -> None:
    """Show what reconcile would do with the manifests in DIR, and why; nothing is written.

    Exit code 0: nothing to do; 3: there is; 1: an error; 2: wrong usage.

    \b
    explorer plan
    explorer plan manifests --select rank-features --out plan.json
    """
    reconciler = Reconciler(folder, allow_older=allow_older)
    made = reconciler.plan(PlanOptions(select=select, rerun=rerun, prune=prune, max_prune=max_prune))
    data = plan_as_json(made, reconciler.checkout)
    if out is not None:
        out.write_text(json_text(data) + "\n")
    if as_json or form == "json":
        print_json(data)
    elif form == "markdown":
        echo(plan_as_markdown(made), nl=False)
    else:
        _show(made)
    context.exit(CHANGES if made.changes else 0)


@click.command()
@_folder
@_choosing
@click.option(
    "--plan",
    "saved",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Apply this saved plan, or nothing if it is outdated.",
)
@click.option("--wait", is_flag=True, help="Wait until all runs have ended; exit code 1 if any failed.")
@click.option("--allow-dirty", is_flag=True, help="On AWS Batch, too, with changes that are not committed.")
@json_option
@click.pass_context
def reconcile(
    context: click.Context,
    folder: Path,
    select: tuple[str, ...],
    rerun: tuple[str, ...],
    prune: bool,
    max_prune: int,
    allow_older: bool,
    saved: Path | None,
    wait: bool,
    allow_dirty: bool,
    as_json: bool,
) -> None:
    """Make the configured executor match the manifests in DIR.

    \b
    explorer reconcile --wait
    explorer reconcile manifests --plan plan.json
    explorer reconcile --rerun feature-scan
    """
    reconciler = Reconciler(folder, allow_dirty=allow_dirty, allow_older=allow_older)
    choice = PlanOptions(select=select, rerun=rerun, prune=prune, max_prune=max_prune)
    expected = None
    if saved is not None:
        if choice != PlanOptions(select=(), rerun=()):
            raise click.UsageError(
                "--plan has its own choice: say --select, --rerun or --prune to explorer plan"
            )
        expected = _read_plan(saved)
        choice = PlanOptions(**expected["choice"])
    announce = (lambda plan: None) if as_json else _show
    failed: list[str] = []
    try:
        made = reconciler.reconcile(choice, expected, announce)
        if wait:
            made = reconciler.wait(choice)
            failed = [row.name for row in made.rows if row.state == FAILED or row.action == WAIT]
    except KeyboardInterrupt:
        echo("interrupted; what was submitted goes on, the next reconcile finishes the rest", err=True)
        context.exit(130)
    if as_json:
        print_json(plan_as_json(made, reconciler.checkout))
    elif wait:
        ended = [(row.name, row.state or row.action, row.id) for row in made.rows]
        print_table(["manifest", "state", "analysis"], ended)
    context.exit(1 if failed else 0)


@click.command()
@_folder
@click.option("--schema", is_flag=True, help="Print the JSON Schema of a manifest instead, for editors.")
@json_option
@click.pass_context
def validate(context: click.Context, folder: Path, schema: bool, as_json: bool) -> None:
    """Check every manifest in DIR, and say every fault of every file; nothing is run or written.

    \b
    explorer validate
    explorer validate --schema > manifest.schema.json
    """
    if schema:
        print_json(json_schema())
        return
    loaded = load_folder(folder, Reconciler(folder).objects)
    if as_json:
        print_json([problem.to_json() for problem in loaded.faults])
    else:
        try:
            loaded.require()
            echo(f"{len(loaded.manifests):,} manifests in {folder} are fine.")
        except ManifestError as error:
            echo(str(error), err=True)
    context.exit(1 if loaded.faults else 0)


@click.command()
@click.argument("name")
@_folder
@json_option
def lock(name: str, folder: Path, as_json: bool) -> None:
    """Write, or renew, NAME.lock beside the manifest NAME: the exact packages of its runs.

    \b
    explorer lock feature-scan
    """
    path = write_lock(name, folder, Session())
    if as_json:
        print_json({"lock": str(path)})
        return
    echo(f"{path}: commit it; runs of {name} use these packages from now on")


@click.command()
@click.argument("name", required=False)
@click.option("--folder", default="manifests", type=click.Path(path_type=Path), help="Whose project it is.")
@click.option("--limit", type=click.IntRange(1), default=20, show_default=True, help="So many revisions.")
@json_option
def history(name: str | None, folder: Path, limit: int, as_json: bool) -> None:
    """Show what was reconciled, the newest first; of one manifest with NAME.

    \b
    explorer history
    explorer history feature-scan
    """
    session = Session()
    revisions = Revisions(session.store, project_of(folder, session.settings))
    revisions_shown = history_of(revisions, name, limit)
    if as_json:
        print_json(revisions_shown)
        return
    rows = [
        (
            revision["revision"],
            time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(revision["time"])),
            (revision["commit"] or "")[:10] + ("+" if revision["dirty"] else ""),
            revision["actor"],
            changes_of(revision, name),
            revision.get("id", ""),
        )
        for revision in revisions_shown
    ]
    headings = ["revision", "time (UTC)", "commit", "by", "what", *(["analysis"] if name else [])]
    print_table(headings, [row[: len(headings)] for row in rows])


def _show(made: Plan) -> None:
    rows = [row for row in rows_of(made) if row[2] != "unchanged" or len(made.rows) <= 50]
    if rows:
        print_table(["", "manifest", "action", "why"], rows)
    for row in made.rows:
        for line in source_diff(row):
            echo(line)
    if made.stops:
        echo(f"{len(made.stops)} superseded runs are still ending.")
    echo(headline(made))


def _read_plan(path: Path) -> dict[str, Any]:
    try:
        data: dict[str, Any] = load_json(read_text(path, MAX_BYTES))
    except (OSError, ValueError) as error:
        raise click.UsageError(f"--plan {path}: not JSON ({error})") from error
    try:
        validation.require(validation.require(data, _PLAN)["choice"], _CHOICE)
    except ValueError as error:
        raise click.UsageError(
            f"--plan {path}: not a plan, as explorer plan --out writes it: {error}"
        ) from error
    data["choice"] = validation.known(data["choice"], _CHOICE)
    return data


_PLAN: dict[str, validation.Check] = {
    "revision": lambda value: None,
    "choice": validation.mapped(),
    "rows": validation.listed(validation.mapped()),
}
_CHOICE: dict[str, validation.Check] = {
    "select": validation.listed(validation.text()),
    "rerun": validation.listed(validation.text()),
    "prune": validation.flag,
    "max_prune": validation.whole(0, 1 << 60),
}
