"""The ``explorer`` command."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click

from explorer_runner.text import visible
from gencove_explorer._version import __version__
from gencove_explorer.cli import analyses, config, logs, machine, reconcile, run
from gencove_explorer.cli.common import echo
from gencove_explorer.errors import ExplorerError, InvalidArgument, InvalidFilter, NoSuchJob

__all__ = ["explorer", "main"]

_EPILOG = """\b
Examples:
  explorer run analysis.py:work --input '["foo", "bar"]' --wait
  explorer list --since 1d
  explorer status last
  explorer logs last 2 --live
  explorer completion bash >> ~/.bashrc

ID is an analysis's id, any part of it that no other has, or "last".
Settings come from EXPLORER_... variables and explorer.toml: see explorer config.
"""


@contextmanager
def _visible() -> Iterator[None]:
    """Nothing in what click says of words that were typed steers the terminal."""
    try:
        yield
    except click.ClickException as error:
        vars(error)["message"] = visible(error.message)  # which click declares as final
        raise


class _Explorer(click.Group):
    def make_context(self, *arguments: Any, **more: Any) -> click.Context:
        with _visible():
            return super().make_context(*arguments, **more)

    def invoke(self, ctx: click.Context) -> Any:
        with _visible():
            return super().invoke(ctx)


@click.group(
    cls=_Explorer,
    epilog=_EPILOG,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, prog_name="explorer")
def explorer() -> None:
    """Run Python analyses on this machine or on AWS Batch, and find them again."""


for _command in (
    run.run,
    analyses.list_,
    analyses.status,
    logs.logs,
    analyses.diff,
    analyses.outputs,
    analyses.failures,
    analyses.wait,
    analyses.terminate,
    analyses.retry,
    analyses.delete,
    reconcile.plan,
    reconcile.reconcile,
    reconcile.validate,
    reconcile.lock,
    reconcile.history,
    config.config,
    machine.doctor,
    machine.executor,
    machine.completion,
):
    explorer.add_command(_command)


def main() -> None:
    """Run the command; an error of ours is a line on standard error, never a traceback.

    The exit code is 1, and 2 where what was typed cannot be meant.
    """
    try:
        explorer(prog_name="explorer")
    except ExplorerError as error:
        echo(f"explorer: {error}", err=True)
        sys.exit(2 if isinstance(error, InvalidArgument | InvalidFilter | NoSuchJob) else 1)
    except OSError as error:
        echo(f"explorer: {error}", err=True)
        sys.exit(1)
