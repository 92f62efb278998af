"""Write docs/reference.md from docstrings and signatures; ``--check`` only says whether it is current.

Signatures, fields and defaults are read from the source's syntax tree and never from ``repr``, so that the
page comes out the same on every machine and with every Python.
"""

import argparse
import ast
import inspect
import re
import sys
import textwrap
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import click

from explorer_runner.context import AnalysisContext, Dependency, GlobalConfig
from explorer_runner.definition import JobDefinition
from explorer_runner.outcome import Failure, Outcome
from explorer_runner.outputs import Output, OutputFile
from explorer_runner.results import JobOutput, StoredFile
from gencove_explorer import analysis, errors, models
from gencove_explorer.cli import explorer
from gencove_explorer.job_manager import JobList, JobManager
from gencove_explorer.settings import BatchSettings, Settings
from gencove_explorer.stored import FailureGroup, Failures

PAGE = Path(__file__).with_name("reference.md")
HEAD = """# Reference

Written by `make docs` from the docstrings: change those, not this page. The description is
[Running analyses](running-analyses.md), a way in the [tutorial](tutorial.md).
"""
CHAPTERS: list[tuple[str, str, list[Any]]] = [
    ("Analyses", "gencove_explorer.analysis", [analysis.Analysis, analysis.each]),
    ("What jobs are given", "gencove_explorer.analysis", [JobDefinition, GlobalConfig]),
    ("Inside a work function", "", [AnalysisContext, Output, OutputFile, Dependency]),
    ("What jobs leave behind", "", [JobOutput, StoredFile, Failures, FailureGroup, Outcome, Failure]),
    ("Finding analyses", "gencove_explorer.job_manager", [JobManager, JobList]),
    ("Models", "gencove_explorer.models", [getattr(models, name) for name in models.__all__]),
]
MADE_BY_USERS = (analysis.Analysis, GlobalConfig, JobManager)
"""Classes whose constructor is shown; those of dataclasses are their fields, all others are handed out."""
INTERNAL = ("collect", "from_json", "to_json")
WORKED_OUT = {
    "home": "`~/.explorer`",
    "executor": "`batch` where `batch.queue` is set, else `local`",
    "store": "the folder `store` in `home`",
    "cpus": "the machine's",
    "memory_mb": "the machine's, or its container's",
    "field(default_factory=dict)": "`{}`",
}
"""Defaults that have no literal in the source."""


def page() -> str:
    made = [chapter(*each) for each in CHAPTERS]
    made += [settings_chapter(), errors_chapter(), "## Commands\n\n" + "\n".join(commands(explorer))]
    titles = [each.partition("\n")[0].removeprefix("## ") for each in made]
    contents = "".join(f"- [{each}](#{each.lower().replace(' ', '-')})\n" for each in titles)
    return "\n".join([HEAD, contents, *made])


def chapter(title: str, module: str, members: list[Any]) -> str:
    origin = f"Import from `{module}`." if module else "These are handed to you; there is nothing to import."
    return "\n".join([f"## {title}\n\n{origin}\n", *map(section, members)])


def section(member: Any) -> str:
    """A class with its public members, or a function."""
    lines = [f"### {member.__name__}\n"]
    if not inspect.isclass(member) or member in MADE_BY_USERS:
        lines.append(block(signature(member, member.__name__)))
    lines.append(text(member))
    if inspect.isclass(member):
        lines += fields(member) if hasattr(member, "__dataclass_fields__") else attributes(member)
        for name, own in public(member):
            lines.append(f"#### {member.__name__}.{name}\n")
            lines += [] if isinstance(own, property) else [block(signature(own, name))]
            lines.append(text(own))
    return "\n".join(lines)


def public(owner: type) -> Iterator[tuple[str, Any]]:
    """Public methods and properties that have a docstring, in the order of the source."""
    for name, own in vars(owner).items():
        shown = inspect.isfunction(own) or isinstance(own, property)
        if shown and own.__doc__ and not name.startswith("_") and name not in INTERNAL:
            yield name, own


def parsed(member: Any) -> Any:
    """The node of a class or a function."""
    return ast.parse(textwrap.dedent(inspect.getsource(member))).body[0]


def signature(member: Any, name: str) -> str:
    """``name(arguments) -> type`` as the source has it, on one line where that fits."""
    function = parsed(member.__init__ if inspect.isclass(member) else member)
    function.args.args = [each for each in function.args.args if each.arg != "self"]
    given = re.sub(r"(?<=[^ ])=(?=[^ ])", " = ", unquoted(function.args))
    returns = "" if inspect.isclass(member) else f" -> {unquoted(function.returns)}"
    line = f"{name}({given}){returns}"
    if len(line) <= 100:
        return line
    return "\n".join(
        [f"{name}(", *(f"    {each}," for each in re.split(r", (?=\w+: |\*)", given)), f"){returns}"]
    )


def documented(body: list[ast.stmt]) -> Iterator[tuple[str, str, str, str]]:
    """Name, type, default and text (the string below) of the fields, or attributes, set in ``body``."""
    for node, after in pairwise([*body, ast.Pass()]):
        if not isinstance(node, ast.Assign | ast.AnnAssign):
            continue
        target = node.target if isinstance(node, ast.AnnAssign) else node.targets[0]
        name = ast.unparse(target).removeprefix("self.")
        below = isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant)
        told = squeeze(after.value.value) if below else ""  # type: ignore[attr-defined]
        kind = unquoted(node.annotation) if isinstance(node, ast.AnnAssign) else ""
        if not name.startswith("_"):
            yield name, kind, unparsed(node.value) if node.value else "", told


def fields(owner: type) -> Iterator[str]:
    """All fields of a dataclass, as a table."""
    yield "| field | type | default | |\n| --- | --- | --- | --- |"
    for name, kind, default, told in documented(parsed(owner).body):
        yield f"| `{name}` | {code(kind)} | {WORKED_OUT.get(default) or code(default)} | {told} |"
    yield ""


def attributes(owner: type) -> list[str]:
    """Those attributes of ``__init__`` that have a docstring."""
    init = next((node for node in parsed(owner).body if getattr(node, "name", "") == "__init__"), None)
    rows = [row for row in documented(init.body) if row[3]] if init else []
    lines = [f"- `.{name}`{f' ({code(kind)})' if kind else ''}: {told}" for name, kind, _, told in rows]
    return [*lines, ""] if lines else []


def settings_chapter() -> str:
    told = "From the environment, else from the nearest `explorer.toml`, else the user's, else a default."
    lines = [
        f"## Settings\n\n{told}\n",
        "| environment | `explorer.toml` | default | |",
        "| --- | --- | --- | --- |",
    ]
    for owner, table in ((Settings, ""), (BatchSettings, "batch.")):
        for name, _, default, what in documented(parsed(owner).body):
            if name not in ("batch", "sources"):
                variable = f"EXPLORER_{table.replace('.', '__')}{name}".upper()
                shown = WORKED_OUT.get(name) or ("" if default == "None" else code(default))
                lines.append(f"| `{variable}` | `{table}{name}` | {shown} | {what} |")
    return "\n".join(lines) + "\n"


def errors_chapter() -> str:
    """The tree of errors, then what some of them carry."""
    every = [getattr(errors, name) for name in errors.__all__]
    carried = [(error, line) for error in every for line in attributes(error) if line]
    notes = [line.replace("`.", f"`{error.__name__}.", 1) for error, line in carried]
    tree = "\n".join(
        ["## Errors\n\nImport from `gencove_explorer.errors`.\n\n```text", *branch(errors.ExplorerError)]
    )
    return "\n".join([f"{tree}\n```\n", *notes, ""])


def branch(error: type, indent: str = "", mark: str = "") -> Iterator[str]:
    """An error and, below it, those that are kinds of it."""
    others = [each.__name__ for each in error.__mro__[1:] if each.__module__ == "builtins"][:-3]
    told = squeeze(error.__doc__).replace("`", "") + (f" Also a {others[0]}." if others else "")
    yield f"{indent + mark + error.__name__:<25} {told}"
    every = (getattr(errors, name) for name in errors.__all__)
    kinds = [each for each in every if next(parents(each), None) is error]
    below = indent + {"": "", "├── ": "│   ", "└── ": "    "}[mark]
    for kind in kinds:
        yield from branch(kind, below, "└── " if kind is kinds[-1] else "├── ")


def parents(error: type) -> Iterator[type]:
    return (each for each in error.__mro__[1:] if each.__name__ in errors.__all__)


def commands(
    command: click.Command, name: str = "explorer", above: click.Context | None = None
) -> Iterator[str]:
    """The help of each command, as a terminal of 80 columns shows it."""
    width = {"terminal_width": 80, "max_content_width": 80}
    context = click.Context(command, above, name, **{**command.context_settings, **width})  # type: ignore[arg-type]
    yield f"### {context.command_path}\n\n```text\n{command.get_help(context)}\n```\n"
    if isinstance(command, click.Group):
        for each, found in sorted(command.commands.items()):
            yield from commands(found, each, context)


def unquoted(node: ast.AST) -> str:
    """Source as the formatter writes it, names of types that stand in quotes without them."""
    return re.sub(r"'([^'\"]*)'", r'"\1"', re.sub(r"'(\w* ?\|? ?[A-Z]\w*)'", r"\1", ast.unparse(node)))


def block(source: str) -> str:
    return f"```python\n{source}\n```\n"


def text(member: Any) -> str:
    """A docstring as Markdown: names of parameters as a list, code as code."""
    told = re.sub(r"``(.*?)``", r"`\1`", inspect.getdoc(member) or "")
    return re.sub(r"^(\w+): ", r"- `\1`: ", told, flags=re.M) + "\n"


def squeeze(told: str | None) -> str:
    return re.sub(r"``(.*?)``", r"`\1`", " ".join((told or "").split())).replace("|", "\\|")


def code(source: str) -> str:
    return f"`{source}`".replace("|", "\\|") if source else ""


def main() -> int:
    parser = argparse.ArgumentParser(description="Write docs/reference.md.")
    parser.add_argument(
        "--check", action="store_true", help="write nothing; exit code 1 if it is not current"
    )
    made = page()
    if not parser.parse_args().check:
        PAGE.write_text(made, encoding="utf-8")
    elif not PAGE.exists() or PAGE.read_text(encoding="utf-8") != made:
        print(
            f"docs/{PAGE.name} is not what the docstrings say: run make docs and commit it", file=sys.stderr
        )
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
