"""Commands about this machine: the doctor, the local executor, completion."""

import sys
import time
from collections.abc import Iterator

import click
from click.shell_completion import get_completion_class

from gencove_explorer.cli.common import echo, json_option, print_json
from gencove_explorer.doctor.check import Check
from gencove_explorer.executors.local.executor import LocalExecutor
from gencove_explorer.settings import Settings
from gencove_explorer.utils.durations import format_duration


@click.command()
@json_option
def doctor(as_json: bool) -> None:
    """Check what run() needs, piece by piece, and say how to mend what is wrong.

    \b
    explorer doctor
    """
    settings = Settings.load()
    checks = []
    for check in _checks(settings):
        checks.append(check)
        if not as_json:  # at once: some take a second
            mend = f"\n     {check.mend}" if check.mend else ""
            echo(f"{'ok  ' if check.ok else 'FAIL'} {check.piece}: {check.found}{mend}")
    if as_json:
        print_json([vars(check) for check in checks])
    sys.exit(0 if all(check.ok for check in checks) else 1)


def _checks(settings: Settings) -> Iterator[Check]:
    if settings.executor == "batch":
        from gencove_explorer.doctor.batch import check_batch

        return check_batch(settings)
    from gencove_explorer.doctor.local import check_local

    return check_local(settings)


@click.group()
def executor() -> None:
    """Look at, start or stop this machine's executor, which runs jobs in the background."""


@executor.command("status")
@json_option
def executor_status(as_json: bool) -> None:
    """Show whether it runs, and what.

    \b
    explorer executor status
    """
    local = LocalExecutor(Settings.load())
    alive = local.queue.wake(silently=True)
    state = local.queue.read_state() if alive else {}
    waiting = len(local.queue.unfinished_rounds())
    if as_json:
        print_json(
            {
                "running": alive,
                "stopped": local.queue.stopped.exists(),
                "open_rounds": waiting,
                **_renamed(state),
            }
        )
        return
    if not alive:
        stopped = " (stopped by a person)" if local.queue.stopped.exists() else ""
        echo(f"not running{stopped}: run() starts it, and so does explorer executor start")
        if waiting:
            echo(f"{waiting} submissions wait")
        return
    age = format_duration(time.time() - state.get("started", time.time()))
    echo(f"running since {age} (process {state.get('pid')})")
    echo(f"{state.get('running', 0):,} jobs run, {state.get('waiting', 0):,} wait")
    echo(
        f"{state.get('cpus_in_use', 0)} of {state.get('cpus')} CPUs, {state.get('memory_mb_in_use', 0):,} of "
        f"{state.get('memory_mb', 0):,} MiB in use"
    )
    echo(f"log: {local.queue.log}")


@executor.command("start")
@json_option
def executor_start(as_json: bool) -> None:
    """Start it; run() does that by itself.

    \b
    explorer executor start
    """
    LocalExecutor(Settings.load()).start()
    _say("running", as_json)


@executor.command("stop")
@json_option
def executor_stop(as_json: bool) -> None:
    """Stop it: running jobs go on to their end, waiting ones wait until it is started again.

    \b
    explorer executor stop
    """
    LocalExecutor(Settings.load()).stop()
    _say("stopped; jobs that run go on to their end", as_json)


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print the completion script of a shell, ids included.

    \b
    explorer completion bash >> ~/.bashrc
    """
    of_shell = get_completion_class(shell)
    assert of_shell is not None
    command = context.find_root().command
    click.echo(of_shell(command, {}, "explorer", "_EXPLORER_COMPLETE").source())


def _renamed(state: dict[str, object]) -> dict[str, object]:
    return {"jobs_running" if name == "running" else name: value for name, value in state.items()}


def _say(what: str, as_json: bool) -> None:
    if as_json:
        print_json({"executor": what})
    else:
        echo(f"the local executor is {what}")
