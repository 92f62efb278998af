"""The work function of a file, without running the file: what it is made of, and only that.

A file may hold much besides: plots, trials, other functions. What counts is the part that the function
takes along: itself, and whatever of the file's top level it names, however far that goes. It is found
in the syntax tree, so a plan runs nobody's code; and only that part is run when the function is loaded,
so what is compared is what runs.
"""

import ast
import symtable
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from gencove_explorer.capture.magics import names_in_text
from gencove_explorer.errors import ExplorerError
from gencove_explorer.manifests.code_comparison import DEFINITIONS, IMPORTS, STAR, bound_names, lines_of


class SourceError(ExplorerError):
    """A file that is not Python, or has no such function; ``line`` is where."""

    def __init__(self, message: str, line: int | None = None) -> None:
        super().__init__(message)
        self.line = line


@dataclass(frozen=True)
class Statement:
    """A statement of a file's top level."""

    node: ast.stmt
    binds: frozenset[str]
    needs: frozenset[str]
    """Names that it takes from the top level, when it runs or when what it defines is called."""
    changes: frozenset[str]
    """Names whose values it may change by a method."""

    @property
    def lines(self) -> range:
        decorators = getattr(self.node, "decorator_list", [])
        first = min([self.node.lineno, *(decorator.lineno for decorator in decorators)])
        return range(first, (self.node.end_lineno or first) + 1)


@dataclass(frozen=True)
class FunctionSource:
    """A function and what it takes along."""

    file: "SourceFile"
    name: str
    statements: tuple[Statement, ...]

    @cached_property
    def text(self) -> str:
        """Its source text, in the file's order."""
        text: list[str] = []
        last = taken = 0
        for statement in self.statements:
            if last and statement.lines.start > last + 1:
                text.append("")
            last = max(last, statement.lines.stop - 1)
            if isinstance(statement.node, IMPORTS):
                text.append(ast.unparse(statement.node))
            else:  # two statements may share a line, which is taken once
                fresh = [number for number in statement.lines if number > taken]
                text += [self.file.lines[number - 1] for number in fresh]
                taken = max(taken, statement.lines.stop - 1)
        return "\n".join(text) + "\n"

    @property
    def line(self) -> int:
        return next(statement.node.lineno for statement in self.statements if self.name in statement.binds)

    def problem(self) -> str | None:
        """Why it cannot be a work function, as far as its text tells."""
        node = next(statement.node for statement in self.statements if self.name in statement.binds)
        if isinstance(node, ast.AsyncFunctionDef):
            return "an async function, which nobody would wait for"
        if isinstance(node, ast.ClassDef):
            return "a class: use a function of one parameter, the context"
        if isinstance(node, ast.FunctionDef):
            if not _takes_one(node.args):
                return "not a function of one parameter, the context"
            if any(isinstance(inner, ast.Yield | ast.YieldFrom) for inner in _own_nodes(node)):
                return "a function that yields, so calling it runs nothing"
        return None

    def load(self) -> Callable[..., Any]:
        """Run the statements, and return the function. Raises what they raise."""
        tree = ast.Module([statement.node for statement in self.statements], type_ignores=[])
        namespace: dict[str, Any] = {"__name__": "explorer_file", "__file__": str(self.file.path)}
        if self.file.path.suffix == ".ipy":
            from explorer_runner.shell import get_ipython

            namespace["get_ipython"] = get_ipython
        exec(compile(tree, str(self.file.path), "exec"), namespace)  # noqa: S102  the repository's own code
        return namespace[self.name]  # type: ignore[no-any-return]


class SourceFile:
    """A Python file (or .ipy, with IPython's ``!`` and ``%``) as the statements of its top level."""

    def __init__(self, path: Path, text: str) -> None:
        self.path = path
        self.text = without_magics(text) if path.suffix == ".ipy" else text
        self.lines = lines_of(self.text)
        try:
            tree = ast.parse(self.text, str(path))
            self.statements = list(_statements(tree, self._globals(), path.suffix == ".ipy"))
        except SyntaxError as error:
            raise SourceError(f"is not Python: {error.msg}", error.lineno) from error
        except (ValueError, RecursionError, MemoryError) as error:
            raise SourceError(f"is not Python: {error or 'it is nested too deeply'}") from error
        self.values = frozenset().union(
            *(
                statement.binds
                for statement in self.statements
                if not isinstance(statement.node, IMPORTS + DEFINITIONS)
            )
        )
        """Names that stand for values: neither imported nor defined."""

    def function(self, name: str) -> FunctionSource:
        """A function with what it takes along. Raises SourceError if there is none of that name."""
        if not any(name in statement.binds for statement in self.statements):
            definitions = sorted(
                statement.node.name
                for statement in self.statements
                if isinstance(statement.node, ast.FunctionDef)
            )
            raise SourceError(f"has no function {name!r}; it has: {', '.join(definitions) or 'none'}")
        chosen: set[int] = set()
        waiting, seen = [name, STAR], {name, STAR}  # whatever a star import brings, it may be among that
        while waiting:
            current = waiting.pop()
            for place, statement in enumerate(self.statements):
                if place not in chosen and (
                    current in statement.binds or current in statement.changes & self.values
                ):
                    chosen.add(place)
                    fresh = (statement.needs | statement.binds) - seen
                    seen |= fresh
                    waiting += sorted(fresh)
        future = {place for place, statement in enumerate(self.statements) if _is_future(statement.node)}
        return FunctionSource(self, name, tuple(self.statements[place] for place in sorted(chosen | future)))

    def _globals(self) -> dict[int, frozenset[str]]:
        """Line of a function or class of the top level -> the globals that it names."""
        table = symtable.symtable(self.text, str(self.path), "exec")
        return {child.get_lineno(): frozenset(_globals_of(child)) for child in table.get_children()}


@cache
def read_source(path: Path, version: tuple[int, int]) -> SourceFile:
    """A file, read once as long as it is the same (``version``: time of change and size)."""
    return SourceFile(path, path.read_text(encoding="utf-8-sig"))


def without_magics(text: str) -> str:
    """The text of an .ipy file as Python: ! and % as the calls that IPython makes of them."""
    try:
        from IPython.core.inputtransformer2 import TransformerManager
    except ModuleNotFoundError:
        raise SourceError("is an .ipy file, which needs IPython: pip install ipython") from None
    return str(TransformerManager().transform_cell(text))  # type: ignore[no-untyped-call]


def _statements(tree: ast.Module, functions: dict[int, frozenset[str]], shell: bool) -> Iterator[Statement]:
    for node in tree.body:
        needs = set(functions.get(node.lineno, ())) if isinstance(node, DEFINITIONS) else set()
        needs |= _names(node, inside=not isinstance(node, DEFINITIONS))
        if shell:
            texts = (inner.value for inner in ast.walk(node) if isinstance(inner, ast.Constant))
            needs |= {name for text in texts if isinstance(text, str) for name in names_in_text(text)}
        for part in _parts(node):
            yield Statement(part, frozenset(bound_names(part)), frozenset(needs), frozenset(_changed(part)))


def _parts(node: ast.stmt) -> list[ast.stmt]:
    """An import name by name: another name on its line is no change."""
    if isinstance(node, ast.ImportFrom):
        parts: list[ast.stmt] = [ast.ImportFrom(node.module, [name], node.level) for name in node.names]
    elif isinstance(node, ast.Import):
        parts = [ast.Import([name]) for name in node.names]
    else:
        return [node]
    return [ast.copy_location(part, node) for part in parts]


def _changed(node: ast.stmt) -> set[str]:
    """The name that a call is a method of: ``TABLE.update(...)`` may change what it stands for."""
    call = node.value if isinstance(node, ast.Expr) else None
    if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute):
        return {inner.id for inner in ast.walk(call.func) if isinstance(inner, ast.Name)}
    return set()


def _names(node: ast.AST, *, inside: bool) -> set[str]:
    """Names read by a statement; of a definition only what is read where it stands: decorators, defaults."""
    if inside:
        return {inner.id for inner in ast.walk(node) if isinstance(inner, ast.Name)}
    parts: list[ast.AST] = list(getattr(node, "decorator_list", []))
    if isinstance(node, ast.ClassDef):
        parts += [*node.bases, *node.keywords]
    elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        parts += [node.args, *([node.returns] if node.returns else [])]
    return set().union(*(_names(part, inside=True) for part in parts))


def _globals_of(table: symtable.SymbolTable) -> Iterator[str]:
    for symbol in table.get_symbols():
        if symbol.is_global() and symbol.is_referenced():
            yield symbol.get_name()
    for child in table.get_children():
        yield from _globals_of(child)


def _takes_one(arguments: ast.arguments) -> bool:
    positional = [*arguments.posonlyargs, *arguments.args]
    required = len(positional) - len(arguments.defaults)
    enough = bool(positional) or arguments.vararg is not None
    return enough and required <= 1 and all(default is not None for default in arguments.kw_defaults)


def _own_nodes(node: ast.AST) -> Iterator[ast.AST]:
    """The nodes of a function that are not those of a function inside of it."""
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, (*DEFINITIONS, ast.Lambda)):
            yield child
            yield from _own_nodes(child)


def _is_future(node: ast.stmt) -> bool:
    return isinstance(node, ast.ImportFrom) and node.module == "__future__"
