"""Filling ``{expression}`` and ``$name`` into a command, as IPython does: all of them, or none."""

import ast
from collections.abc import Iterator, Mapping
from typing import Any

from IPython.utils.text import DollarFormatter


def expand(command: str, names: Mapping[str, Any]) -> tuple[str, str | None]:
    """``(command, note)``: the command as the shell gets it, and what a person should be told.

    One expression that cannot be evaluated leaves the whole command as it is, since IPython takes its
    braces for the shell's own. The note says so where something else would have been replaced.
    """
    formatter = _Formatter()
    try:
        return str(formatter.vformat(command, args=[], kwargs=names)), None
    except Exception as error:
        return command, _note(command, formatter.expression, error, names)


class _Formatter(DollarFormatter):
    """IPython's formatter, which remembers the expression that it is at."""

    expression: str | None = None

    def parse(self, text: str) -> Iterator[tuple[Any, Any, Any, Any]]:
        for literal, expression, slices, conversion in super().parse(text):
            self.expression = f"{expression}:{slices}" if slices else expression
            yield literal, expression, slices, conversion


def _note(command: str, failed: str | None, error: Exception, names: Mapping[str, Any]) -> str | None:
    if not any(_is_known(expression, names) for expression in _expressions(command)):
        return None  # all braces and dollars seem to be the shell's
    cause = f"{failed!r} is no Python expression that can be evaluated here ({error})"
    if failed is None:
        cause = f"its braces are not balanced ({error})"
    return (
        f"explorer: nothing was replaced in the command {command!r}, since {cause}. Double the braces and "
        "dollars that are the shell's own: {{ }} and $$"
    )


def _expressions(command: str) -> Iterator[str]:
    formatter = _Formatter()
    try:
        for _ in formatter.parse(command):
            if formatter.expression is not None:
                yield formatter.expression
    except ValueError:
        return  # braces that are not balanced: what came before is known


def _is_known(expression: str, names: Mapping[str, Any]) -> bool:
    """Whether an expression has names in sight only; it is not evaluated, as that might do something."""
    try:
        tree = ast.parse(expression.strip(), mode="eval")
    except (SyntaxError, ValueError):
        return False
    used = [node.id for node in ast.walk(tree) if isinstance(node, ast.Name)]
    return bool(used) and all(name in names for name in used)
