"""``explorer config``: settings and where they come from, and how Terraform hands them over."""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import click

from gencove_explorer.cli.common import echo, json_option, print_json, print_table
from gencove_explorer.errors import ConfigError
from gencove_explorer.settings import FILE, Settings

TERRAFORM = "infra/terraform"
MARK = "written by Terraform"
"""Stands in the first line of a file that may be written anew."""


@click.group(invoke_without_command=True)
@json_option
@click.pass_context
def config(context: click.Context, as_json: bool) -> None:
    """Show each setting and where it comes from.

    \b
    explorer config --json
    """
    if context.invoked_subcommand is not None:
        return
    settings = Settings.load()
    if as_json:
        print_json(
            {name: {"value": _plain(value), "source": source} for name, value, source in settings.items()}
        )
        return
    rows = [(name, "" if value is None else value, source) for name, value, source in settings.items()]
    print_table(("Setting", "Value", "From"), rows)


@config.command("from-terraform")
@click.argument("source", metavar="[FOLDER]", default=TERRAFORM)
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    default=FILE,
    show_default=True,
    help="The file to write.",
)
@click.option("--force", is_flag=True, help="Replace a file that a person wrote.")
@json_option
def from_terraform(source: str, out: Path, force: bool, as_json: bool) -> None:
    """Write explorer.toml from the outputs of a stack that Terraform applied.

    FOLDER is where its state is reached from; "-" reads what terraform output -json prints.

    \b
    explorer config from-terraform infra/terraform
    """
    text = _checked(_outputs(source), source)
    existing = out.read_text() if out.exists() else None
    if existing is not None and existing != text and MARK not in existing.partition("\n")[0] and not force:
        raise ConfigError(f"{out} is there, and not from Terraform: say --force, or another --out")
    if existing != text:
        _write(out, text)
    if as_json:
        print_json({"file": str(out), "changed": existing != text})
    else:
        echo(f"{out} {'is as the stack says already' if existing == text else 'written'}")


def _outputs(source: str) -> dict[str, Any]:
    """Terraform's outputs, each with its value."""
    if source == "-":
        text, where = sys.stdin.read(), "standard input"
    else:
        text, where = _ask_terraform(Path(source)), f"terraform output in {source}"
    try:
        outputs = json.loads(text)
    except ValueError as error:
        raise ConfigError(f"{where}: not the JSON of terraform output -json ({error})") from error
    if not isinstance(outputs, dict):
        raise ConfigError(f"{where}: not the JSON of terraform output -json")
    return outputs


def _ask_terraform(folder: Path) -> str:
    try:
        answer = subprocess.run(
            ["terraform", f"-chdir={folder}", "output", "-json"], capture_output=True, text=True
        )
    except OSError as error:
        raise ConfigError(f"terraform cannot be run: {error}; install it, or pipe in its outputs") from error
    if answer.returncode:
        raise ConfigError(f"terraform output in {folder}:\n{answer.stderr.strip()}")
    return answer.stdout


def _checked(outputs: dict[str, Any], source: str) -> str:
    """The text of explorer.toml. Raises ConfigError if there is none, or if it cannot be used."""
    text = outputs["config"].get("value") if isinstance(outputs.get("config"), dict) else None
    if not isinstance(text, str):
        raise ConfigError(f"{source} has no output config: apply Explorer's stack first (make up)")
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / FILE).write_text(text)
        try:
            Settings.load({"XDG_CONFIG_HOME": folder}, Path(folder))
        except ConfigError as error:
            reason = str(error).replace(f"{folder}/{FILE}", "the output config")
            raise ConfigError(f"{source}: {reason}; is the stack of another version?") from error
    return text


def _write(path: Path, text: str) -> None:
    """Write a file that appears whole or not at all."""
    with tempfile.NamedTemporaryFile(
        "w", dir=path.absolute().parent, prefix=f".{path.name}.", delete=False
    ) as file:
        file.write(text)
    os.chmod(file.name, 0o644)
    os.replace(file.name, path)


def _plain(value: object) -> object:
    return str(value) if isinstance(value, Path) else value
