"""Write docs/reference.md from docstrings and the source's syntax tree; ``--check`` only compares."""

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

from explorer_runner import outputs, results
from explorer_runner.context import AnalysisContext, Dependency, GlobalConfig
from explorer_runner.definition import JobDefinition
from explorer_runner.files.checkpoint import Checkpoint
from explorer_runner.format import outcome
from gencove_explorer import errors, models
from gencove_explorer.analysis import Analysis, each, finished
from gencove_explorer.cli import explorer
from gencove_explorer.job_manager import JobList, JobManager
from gencove_explorer.monitoring.reports import FailureGroup, Failures
from gencove_explorer.settings import BatchSettings, Settings

PAGE = Path(__file__).with_name("reference.md")
HEAD = """# Reference

Written by `make docs` from the docstrings: change those, not this page. The description is
[Running analyses](running-analyses.md), a way in the [tutorial](tutorial.md).
"""
ORIGIN = "Import from `gencove_explorer.{}`."
HANDED = "Handed to you: there is nothing to import, but `AnalysisContext` to annotate with."
CHAPTERS: dict[str, tuple[str, list[Any]]] = {
    "Analyses": (ORIGIN.format("analysis"), [Analysis, each, finished, JobDefinition, GlobalConfig]),
    "Inside a work function": (
        HANDED,
        [AnalysisContext, outputs.Output, outputs.OutputFile, Dependency, results.JobFailure, Checkpoint],
    ),
    "Outputs": ("Handed to you.", [results.JobOutput, results.StoredFile]),
    "Failed jobs": ("Handed to you.", [Failures, FailureGroup, outcome.Outcome, outcome.Failure]),
    "Finding analyses": (ORIGIN.format("job_manager"), [JobManager, JobList]),
    "Models": (ORIGIN.format("models"), [getattr(models, name) for name in models.__all__]),
}
MADE_BY_USERS = (Analysis, GlobalConfig, JobManager)  # their constructors are shown
INTERNAL = ("collect", "from_json", "to_json")
DEFAULTS = {  # what is said of those that are worked out
    "home": "`~/.explorer`",
    "executor": "`batch` where `batch.queue` is set, else `local`",
    "store": "the folder `store` in `home`",
    "cache": "the folder `cache` in `home`",
    "cpus": "the machine's",
    "memory_mb": "the machine's, or its container's",
    "field(default_factory=dict)": "`{}`",
    "field(default_factory=list)": "`[]`",
}


def page() -> str:
    made = {title: "\n".join([f"{told}\n", *map(section, item)]) for title, (told, item) in CHAPTERS.items()}
    made |= {"Settings": settings_table(), "Errors": error_tree(), "Commands": "\n".join(commands(explorer))}
    contents = "".join(f"- [{title}](#{title.lower().replace(' ', '-')})\n" for title in made)
    return "\n".join([HEAD, contents, *(f"## {title}\n\n{chapter}" for title, chapter in made.items())])


def section(member: Any) -> str:
    lines = [f"### {member.__name__}\n"]
    if not inspect.isclass(member) or member in MADE_BY_USERS:
        lines.append(signature(member, member.__name__))
    lines.append(text(member))
    if inspect.isclass(member):
        lines += fields(member) if hasattr(member, "__dataclass_fields__") else attributes(member)
        for name, own in public(member):
            lines.append(f"#### {member.__name__}.{name}\n")
            lines += [] if isinstance(own, property) else [signature(own, name)]
            lines.append(text(own))
    return "\n".join(lines)


def public(owner: type) -> Iterator[tuple[str, Any]]:
    """Public methods and properties that have a docstring, in the order of the source."""
    for name, own in vars(owner).items():
        plain = getattr(own, "__func__", own)
        shown = inspect.isfunction(plain) or isinstance(plain, property)
        if shown and plain.__doc__ and not name.startswith("_") and name not in INTERNAL:
            yield name, plain


def signature(member: Any, name: str) -> str:
    """``name(arguments) -> type`` as the source has it, on one line where that fits."""
    function = parsed(member.__init__ if inspect.isclass(member) else member)
    function.args.args = [item for item in function.args.args if item.arg not in ("self", "cls")]
    given = re.sub(r"(?<=[^ ])=(?=[^ ])", " = ", source(function.args))
    returns = f" -> {source(function.returns)}" if inspect.isfunction(member) else ""
    if len(name + given + returns) > 98:
        given = "\n    " + re.sub(r", (?=\w+: |\*)", ",\n    ", given) + ",\n"
    return f"```python\n{name}({given}){returns}\n```\n"


def documented(body: list[ast.stmt]) -> Iterator[tuple[str, str, str, str]]:
    """Name, type, default and text (the string below) of each public field or attribute."""
    for node, after in pairwise([*body, ast.Pass()]):
        if isinstance(node, ast.Assign | ast.AnnAssign):
            name = ast.unparse(node).split(":")[0].split(" =")[0].removeprefix("self.")
            value = after.value if isinstance(after, ast.Expr) else None
            told = squeeze(str(value.value)) if isinstance(value, ast.Constant) else ""
            if not name.startswith("_"):
                yield name, source(getattr(node, "annotation", None)), source(node.value), told


def fields(owner: type) -> Iterator[str]:
    yield "| field | type | default | |\n| --- | --- | --- | --- |"
    for name, kind, default, told in documented(parsed(owner).body):
        yield f"| `{name}` | {code(kind)} | {DEFAULTS.get(default) or code(default)} | {told} |"
    yield ""


def attributes(owner: Any) -> list[str]:
    """Those attributes set in ``__init__`` that have a docstring."""
    body = parsed(owner.__init__).body if "__init__" in vars(owner) else []
    rows = [(f".{name}{kind and f': {kind}'}", told) for name, kind, _, told in documented(body) if told]
    return [*(f"- {code(name)}: {told}" for name, told in rows), ""] if rows else []


def settings_table() -> str:
    told = "From the environment, else from the nearest `explorer.toml`, else the user's, else a default.\n"
    lines = [told, "| environment | `explorer.toml` | default | |", "| --- | --- | --- | --- |"]
    for owner, key in ((Settings, ""), (BatchSettings, "batch.")):
        for name, _, default, what in documented(parsed(owner).body):
            if name not in ("batch", "sources"):
                literal = default and name not in DEFAULTS
                shown = code(default.removeprefix("None")) if literal else DEFAULTS[name]
                variable = f"EXPLORER_{key.replace('.', '__')}{name}".upper()
                lines.append(f"| `{variable}` | `{key}{name}` | {shown} | {what} |")
    return "\n".join(lines) + "\n"


def error_tree() -> str:
    every = [getattr(errors, name) for name in errors.__all__]
    notes = [line.replace("`.", f"`{item.__name__}.") for item in every for line in attributes(item) if line]
    tree = "\n".join(branch(errors.ExplorerError, every))
    return "\n".join(["Import from `gencove_explorer.errors`.\n", f"```text\n{tree}\n```\n", *notes, ""])


def branch(error: type, every: list[type], indent: str = "", mark: str = "") -> Iterator[str]:
    """An error and, below it, those that are kinds of it."""
    others = [item.__name__ for item in error.__mro__[1:-3] if item.__module__ == "builtins"]
    told = squeeze(error.__doc__).replace("`", "") + (f" Also a {others[0]}." if others else "")
    yield f"{indent + mark + error.__name__:<25} {told}"
    kinds = [item for item in every if next((base for base in item.__mro__[1:] if base in every), 0) is error]
    below = indent + {"": "", "├── ": "│   ", "└── ": "    "}[mark]
    for kind in kinds:
        yield from branch(kind, every, below, "└── " if kind is kinds[-1] else "├── ")


def commands(command: click.Command, name: str = "explorer", above: Any = None) -> Iterator[str]:
    """The help of each command, as a terminal of 80 columns shows it."""
    wide: Any = {"terminal_width": 80, "max_content_width": 80}
    context = click.Context(command, above, name, **{**command.context_settings, **wide})
    yield f"### {context.command_path}\n\n```text\n{command.get_help(context)}\n```\n"
    for item, found in sorted(getattr(command, "commands", {}).items()):
        yield from commands(found, item, context)


def parsed(member: Any) -> Any:
    return ast.parse(textwrap.dedent(inspect.getsource(member))).body[0]


def source(node: ast.AST | None) -> str:
    """Source as the formatter writes it, names of types that stand in quotes without them."""
    types = re.sub(r"'([\w |]*[A-Z][\w |]*)'", r"\1", ast.unparse(node)) if node else ""
    return re.sub(r"'([^'\"]*)'", r'"\1"', types)


def text(member: Any) -> str:
    """A docstring as Markdown: names of parameters as a list, code as code."""
    listed = re.sub(r"^(\w+): ", r"- `\1`: ", inspect.getdoc(member) or "", flags=re.M)
    return re.sub(r"``(.*?)``", r"`\1`", listed) + "\n"


def squeeze(told: str | None) -> str:
    return re.sub(r"``(.*?)``", r"`\1`", " ".join((told or "").split())).replace("|", "\\|")


def code(text: str) -> str:
    return f"`{text}`".replace("|", "\\|") if text else ""


def main() -> None:
    parser = argparse.ArgumentParser(description="Write docs/reference.md.")
    parser.add_argument("--check", action="store_true", help="only say whether it is current")
    made = page()
    if not parser.parse_args().check:
        PAGE.write_text(made, encoding="utf-8")
    elif not PAGE.exists() or PAGE.read_text(encoding="utf-8") != made:
        sys.exit("docs/reference.md is not what the docstrings say: run make docs")


if __name__ == "__main__":
    main()
