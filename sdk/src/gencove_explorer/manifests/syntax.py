"""Python's syntax, compared: whether two texts are the same code."""

import ast

DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
IMPORTS = (ast.Import, ast.ImportFrom)
STAR = "*"
"""What ``from math import *`` binds, as far as the text tells."""


def same_code(one: str, other: str) -> bool:
    """Whether two texts are the same code: comments, white space and the order of definitions aside."""
    return one == other or _normal(one) == _normal(other)


def bound(node: ast.AST) -> set[str]:
    """The names that a statement of the top level binds, or changes a part of."""
    if isinstance(node, DEFINITIONS):
        return {node.name}
    if isinstance(node, IMPORTS):
        return {(each.asname or each.name).split(".")[0] for each in node.names}
    if isinstance(node, ast.Name):
        return {node.id} if isinstance(node.ctx, ast.Store | ast.Del) else set()
    if isinstance(node, ast.Attribute | ast.Subscript) and isinstance(node.ctx, ast.Store | ast.Del):
        return {each.id for each in ast.walk(node.value) if isinstance(each, ast.Name)}
    if isinstance(node, ast.ExceptHandler) and node.name:
        return {node.name}.union(*(bound(each) for each in ast.iter_child_nodes(node)))
    if isinstance(node, ast.Lambda):
        return set()
    return set().union(*(bound(each) for each in ast.iter_child_nodes(node)))


def _normal(text: str) -> list[str] | str:
    try:
        tree = ast.parse(text)
        named = [(sorted(bound(node)), ast.dump(node)) for node in tree.body]
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return text  # written for another Python than this one
    return [dump for _, dump in sorted(named, key=lambda each: each[0])]
