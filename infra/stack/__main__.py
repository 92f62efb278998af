"""The commands; ``make`` calls them."""

import sys

import click

from stack.down import down
from stack.host import PORT, open_host
from stack.steps import StepFailed, alone
from stack.up import up


def _named(command: click.Command) -> click.Command:
    command.params += [
        click.Option(["--name"], required=True, help="Of the stack, as variables.tf has it."),
        click.Option(["--region"], required=True, help="AWS region, such as eu-central-1."),
    ]
    return command


@click.group()
def stack() -> None:
    """Explorer's ground on AWS, from nothing and back."""


@_named
@stack.command("up")
@click.option("--yes", is_flag=True, help="Apply without asking.")
def _up(name: str, region: str, yes: bool) -> None:
    """Make it, or bring it up to date."""
    with alone():
        up(name, region, yes=yes)


@_named
@stack.command("down")
@click.option("--yes", is_flag=True, help="Remove without asking.")
@click.option("--outputs", type=click.Choice(["keep", "delete"]), default="keep", show_default=True)
def _down(name: str, region: str, yes: bool, outputs: str) -> None:
    """Remove it."""
    with alone():
        down(name, region, yes=yes, delete_outputs=outputs == "delete")


@_named
@stack.command("host-open")
@click.option("--port", type=int, default=PORT, show_default=True, help="Of this machine.")
def _host_open(name: str, region: str, port: int) -> None:
    """Open the notebook host's JupyterLab."""
    open_host(name, region, port)


if __name__ == "__main__":
    try:
        stack(prog_name="stack")
    except StepFailed as failure:
        click.echo(f"\n{failure}", err=True)
        sys.exit(1)
