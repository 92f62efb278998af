"""Python's syntax, compared: whether two texts are the same code."""

import ast
import re
from collections import Counter
from collections.abc import Iterator

DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
IMPORTS = (ast.Import, ast.ImportFrom)
STAR = "*"
"""What ``from math import *`` binds, as far as the text tells."""


def is_same_code(one: str, other: str) -> bool:
    """Whether two texts are the same code: comments, white space, and the order of what may stand anywhere
    (imports and definitions) aside.
    """
    return one == other or _normal(one) == _normal(other)


def bound_names(node: ast.AST) -> set[str]:
    """The names that a statement of the top level binds, or changes a part of."""
    if isinstance(node, DEFINITIONS):
        return {node.name}
    if isinstance(node, IMPORTS):
        return {(name.asname or name.name).split(".")[0] for name in node.names}
    if isinstance(node, ast.Name):
        return {node.id} if isinstance(node.ctx, ast.Store | ast.Del) else set()
    if isinstance(node, ast.Attribute | ast.Subscript) and isinstance(node.ctx, ast.Store | ast.Del):
        return {child.id for child in ast.walk(node.value) if isinstance(child, ast.Name)}
    if isinstance(node, ast.ExceptHandler) and node.name:
        return {node.name}.union(*(bound_names(child) for child in ast.iter_child_nodes(node)))
    if isinstance(node, ast.Lambda):
        return set()
    return set().union(*(bound_names(child) for child in ast.iter_child_nodes(node)))


def lines_of(text: str) -> list[str]:
    """The lines as Python numbers them: str.splitlines also splits at form feeds and U+2028."""
    return re.split(r"\r\n|\r|\n", text)


def _normal(text: str) -> tuple[list[str], list[str]] | str:
    try:
        return _ordered(ast.parse(text).body)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return text  # written for another Python than this one


def _ordered(body: list[ast.stmt]) -> tuple[list[str], list[str]]:
    """The statements that give the same wherever they stand, sorted, and the others as they stand.

    The former are imports and definitions whose name nothing else binds, and that read none of the file's
    own names before they are called.
    """
    bindings = [(node, bound_names(node)) for node in body]
    times = Counter(name for _, names in bindings for name in names)
    own = {name for node, names in bindings if not isinstance(node, IMPORTS) for name in names}
    free: list[str] = []
    fixed: list[str] = []
    for node, names in bindings:
        alone = STAR not in times and all(times[name] == 1 for name in names)  # a star may bind any name
        moves = isinstance(node, IMPORTS + DEFINITIONS) and alone and own.isdisjoint(_read_at_once(node))
        (free if moves else fixed).append(ast.dump(node))
    return sorted(free), fixed


def _read_at_once(node: ast.AST) -> Iterator[str]:
    """Names that are read where a definition stands: by decorators, defaults, bases, a class's statements."""
    if isinstance(node, ast.Name):
        yield node.id
    later = {"annotation", "returns"}  # they change no result
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        later.add("body")
    for name, value in ast.iter_fields(node):
        for child in value if isinstance(value, list) else [value]:
            if name not in later and isinstance(child, ast.AST):
                yield from _read_at_once(child)
