"""Write docs/reference.md from the docstrings: ``make docs``; ``--check`` only says whether it is current."""

import ast
import inspect
import re
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from explorer_runner.context import AnalysisContext, Dependency, GlobalConfig
from explorer_runner.definition import JobDefinition
from explorer_runner.outputs import Output, OutputFile
from explorer_runner.results import JobOutput, StoredFile
from gencove_explorer import errors, models, settings
from gencove_explorer.analysis import Analysis, each
from gencove_explorer.cli import explorer as command
from gencove_explorer.job_manager import JobList, JobManager
from gencove_explorer.stored import Failures

GIVEN = (AnalysisContext, Dependency, Output, OutputFile, JobOutput, StoredFile, Failures, JobList)
"""What people are handed and never make themselves."""
INTERNAL = ("to_json", "from_json", "collect")

PAGE = Path(__file__).with_name("reference.md")

HEAD = """# Reference

Written by `make docs` from the docstrings. [Running analyses](running-analyses.md) is the description, the
[tutorial](tutorial.md) a way in.
"""

SECTIONS: list[tuple[str, str, list[Any]]] = [
    ("Submitting and looking", "gencove_explorer.analysis", [Analysis, each, Failures]),
    ("Definitions and configuration", "gencove_explorer.analysis", [JobDefinition, GlobalConfig]),
    (
        "Inside a work function",
        "gencove_explorer.analysis",
        [AnalysisContext, Dependency, Output, OutputFile],
    ),
    ("Outputs", "gencove_explorer.analysis", [JobOutput, StoredFile]),
    ("Finding analyses", "gencove_explorer.job_manager", [JobManager, JobList]),
    ("Models", "gencove_explorer.models", [getattr(models, name) for name in models.__all__]),
]


def page() -> str:
    parts = [HEAD]
    for title, module, members in SECTIONS:
        parts.append(f"## {title}\n\nIn `{module}`.\n")
        parts += [section(member) for member in members]
    parts += [
        settings_section(),
        errors_section(),
        "## The `explorer` command\n",
        *commands(command, "explorer"),
    ]
    return "\n".join(parts)


def section(member: Any) -> str:
    """A class with its public members, or a function."""
    made = not (member in GIVEN or hasattr(member, "__dataclass_fields__"))
    lines = [f"### {member.__name__}\n", text(member)]
    if made:
        lines.insert(1, block(signature(member, member.__name__)))
    if inspect.isclass(member):
        lines += [*attributes(member), *fields(member)]
        for name, own in public(member):
            lines.append(f"#### {member.__name__}.{name}\n")
            lines += [] if isinstance(own, property) else [block(signature(own, name))]
            lines.append(text(own))
    return "\n".join(lines)


def block(source: str) -> str:
    return f"```python\n{source}\n```\n"


def public(owner: type) -> Iterator[tuple[str, Any]]:
    """Public methods and properties with a docstring, in the order of the source."""
    for name, own in vars(owner).items():
        plain = getattr(own, "__func__", own)
        if (
            not name.startswith("_")
            and name not in INTERNAL
            and (callable(plain) or isinstance(own, property))
            and plain.__doc__
        ):
            yield name, plain


def signature(member: Any, name: str) -> str:
    """``name(arguments) -> type`` as the source has it, on one line where that fits."""
    source = inspect.getsource(member.__init__ if inspect.isclass(member) else member)
    function = ast.parse(textwrap.dedent(source)).body[0]
    assert isinstance(function, ast.FunctionDef)
    function.args.args = [each for each in function.args.args if each.arg not in ("self", "cls")]
    returns = f" -> {unquoted(function.returns)}" if function.returns and not inspect.isclass(member) else ""
    line = f"{name}({unquoted(function.args)}){returns}"
    if len(line) <= 100:
        return line
    arguments = re.split(r", (?=\w+: |\*)", unquoted(function.args))
    return "\n".join([f"{name}(", *(f"    {each}," for each in arguments), f"){returns}"])


def unquoted(node: ast.AST) -> str:
    """Source of an annotation, names that stand in quotes without them."""
    return re.sub(r"'([\w |]*[A-Z][\w |]*)'", r"\1", ast.unparse(node))


def attributes(owner: type) -> list[str]:
    """The documented attributes that ``__init__`` sets."""
    rows = re.findall(
        r'^        self\.(\w+)(?:: ([^\n=]+?))? = [^\n]+\n        """(.*?)"""',
        inspect.getsource(owner),
        re.M | re.S,
    )
    lines = [
        f"- `.{name}`" + (f" (`{kind}`)" if kind else "") + f": {squeeze(told)}" for name, kind, told in rows
    ]
    return ["\n".join(lines) + "\n"] if rows else []


def fields(owner: type) -> list[str]:
    """The documented fields of a dataclass: a docstring below each, as in the source."""
    if not hasattr(owner, "__dataclass_fields__"):
        return []
    rows = re.findall(
        r'^    (\w+): ([^\n]+?)(?: = ([^\n]+))?\n    """(.*?)"""', inspect.getsource(owner), re.M | re.S
    )
    lines = ["| field | type | default | |", "| --- | --- | --- | --- |"]
    for name, kind, default, told in rows:
        cells = (f"`{name}`", code(kind), code(default) if default else "", squeeze(told))
        lines.append("| " + " | ".join(cells) + " |")
    return ["\n".join(lines) + "\n"] if rows else []


def settings_section() -> str:
    return f"## Settings\n\n{inspect.getdoc(settings)}\n"


def errors_section() -> str:
    """The tree of errors, each with what it means."""
    lines = ["## Errors\n", "In `gencove_explorer.errors`. Each is an `ExplorerError`.\n"]
    for name in errors.__all__:
        error = getattr(errors, name)
        parents = ", ".join(f"`{base.__name__}`" for base in public_bases(error))
        lines.append(f"- `{name}` ({parents}): {squeeze(error.__doc__)}")
    return "\n".join(lines) + "\n"


def public_bases(error: type) -> Iterator[type]:
    for base in error.__bases__:
        yield from public_bases(base) if base.__name__.startswith("_") else [base]


def commands(group: click.Command, path: str) -> Iterator[str]:
    """The help of each command, as a terminal of 80 columns shows it."""
    context = click.Context(group, info_name=path, terminal_width=80, max_content_width=80)
    yield f"### {path}\n\n```text\n{group.get_help(context)}\n```\n"
    if isinstance(group, click.Group):
        for name in group.list_commands(context):
            found = group.get_command(context, name)
            assert found
            yield from commands(found, f"{path} {name}")


def text(member: Any) -> str:
    """A docstring as Markdown: names of parameters as a list, code as code."""
    told = re.sub(r"``(.*?)``", r"`\1`", inspect.getdoc(member) or "")
    return re.sub(r"^(\w+): ", r"- `\1`: ", told, flags=re.M) + "\n"


def squeeze(told: str | None) -> str:
    return re.sub(r"``(.*?)``", r"`\1`", " ".join((told or "").split())).replace("|", "\\|")


def code(source: str) -> str:
    return "`" + source.replace("|", "\\|") + "`"


def main() -> int:
    made = page()
    if "--check" not in sys.argv:
        PAGE.write_text(made)
        return 0
    if PAGE.read_text() == made:
        return 0
    print(f"{PAGE.name} is not current: make docs", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
