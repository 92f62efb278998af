"""Imports inside a work function, checked at submission: jobs have what ``pip_packages`` bring."""

import ast
import textwrap
from collections.abc import Iterator

from gencove_explorer.errors import CaptureError
from gencove_explorer.modules import Modules


def check_imports(source: str, function: str, modules: Modules) -> None:
    """Raise CaptureError for a module that the function imports and no job of its can have.

    An import in a ``try`` is the function's own affair, and a text that is no whole function (a
    lambda's line) is not looked at.
    """
    try:
        tree = ast.parse(textwrap.dedent(source))
    except (SyntaxError, ValueError):
        return
    for module, line in _imported(tree):
        try:
            modules.check_import(module)
        except CaptureError as error:
            raise CaptureError(f"{function} imports {module!r} (line {line}): {error}") from None


def _imported(node: ast.AST) -> Iterator[tuple[str, int]]:
    """Each module that is imported unconditionally, with its line, counted from the function's first."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            yield from ((name.name, child.lineno) for name in child.names)
        elif isinstance(child, ast.ImportFrom):
            if child.module and not child.level:
                yield child.module, child.lineno
        elif not isinstance(child, ast.Try | ast.TryStar):
            yield from _imported(child)
