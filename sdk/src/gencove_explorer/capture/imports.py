"""Imports inside a work function, checked at submission: jobs have what ``pip_packages`` bring."""

import ast
import textwrap
from collections.abc import Iterator

from gencove_explorer.capture.modules import JobModules
from gencove_explorer.errors import CaptureError

_TRIES = (ast.Try, ast.TryStar)


def check_imports(source: str, function: str, modules: JobModules, *, branches: bool = True) -> None:
    """Raise CaptureError for a module that the function imports and no job of its can have.

    An import in a ``try`` is the function's own affair, and a text that is no whole function (a
    lambda's line) is not looked at. Without ``branches`` neither is what an ``if`` holds.
    """
    try:
        tree = ast.parse(textwrap.dedent(source))
    except (SyntaxError, ValueError):
        return
    for module, line in _imported(tree, (*_TRIES, ast.If) if not branches else _TRIES):
        try:
            modules.check_import(module)
        except CaptureError as error:
            raise CaptureError(f"{function} imports {module!r} (line {line}): {error}") from None


def _imported(node: ast.AST, besides: tuple[type[ast.AST], ...]) -> Iterator[tuple[str, int]]:
    """Each module that is imported, ``besides`` in some statements, and its line in the text."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            yield from ((name.name, child.lineno) for name in child.names)
        elif isinstance(child, ast.ImportFrom):
            if child.module and not child.level:
                yield child.module, child.lineno
        elif not isinstance(child, besides):
            yield from _imported(child, besides)
