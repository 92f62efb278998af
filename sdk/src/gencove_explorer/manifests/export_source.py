"""The source text of a function that lives in a notebook: its own, and that of what it takes along."""

import ast
import inspect
import textwrap
import types
from typing import Any

from gencove_explorer.capture.magics import is_get_ipython, names_in_text
from gencove_explorer.capture.modules import JobModules
from gencove_explorer.errors import SubmissionError
from gencove_explorer.manifests.function_source import without_magics

_SHELL = "get_ipython"


def function_source_text(function: Any) -> tuple[str, str]:
    """``(text, suffix)`` of a file that defines a function as it is here. Raises SubmissionError."""
    pieces = _Pieces()
    pieces.add_function(function)
    text = "\n\n".join(
        part
        for part in ("\n".join(sorted(pieces.imports)), "\n".join(pieces.values), "\n\n".join(pieces.code))
        if part
    )
    suffix = ".ipy" if pieces.shell else ".py"
    return f"{text}\n", suffix


class _Pieces:
    def __init__(self) -> None:
        self.imports: set[str] = set()
        self.values: list[str] = []
        self.code: list[str] = []
        self.shell = False
        self._seen: set[str] = set()
        self._modules = JobModules(None)

    def add_function(self, function: Any) -> None:
        text = _text_of(function)
        tree, shell = _parsed(text)
        self.shell = self.shell or shell
        names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
        if shell:
            texts = (node.value for node in ast.walk(tree) if isinstance(node, ast.Constant))
            names |= {
                name for constant in texts if isinstance(constant, str) for name in names_in_text(constant)
            }
        outside = _outside(function)
        for name in sorted(names & outside.keys()):
            if name not in self._seen and outside[name] is not function:
                self._seen.add(name)
                self._add(name, outside[name], function)
        self.code.append(text.rstrip())

    def _add(self, name: str, value: Any, user: Any) -> None:
        module = getattr(value, "__module__", None)
        if is_get_ipython(value):
            return
        if isinstance(value, types.ModuleType):
            self.imports.add(f"import {value.__name__}" + (f" as {name}" if name != value.__name__ else ""))
        elif isinstance(value, types.FunctionType | type) and self._modules.is_by_value(module):
            self.add_function(value)
        elif isinstance(value, types.FunctionType | types.BuiltinFunctionType | type) and module:
            called = value.__qualname__
            self.imports.add(f"from {module} import {called}" + (f" as {name}" if name != called else ""))
        elif _is_literal(value):
            self.values.append(f"{name} = {value!r}")
        else:
            raise SubmissionError(
                f"{user.__name__} uses {name!r}, a {type(value).__name__}, which cannot be written down as "
                "text: make it inside the function, or pass what it is made from as global_config="
            )


def _text_of(function: Any) -> str:
    try:
        return textwrap.dedent(inspect.getsource(function))
    except (OSError, TypeError) as error:
        raise SubmissionError(
            f"the text of {getattr(function, '__name__', function)!r} is not to be had: define it in a "
            "notebook or a file"
        ) from error


def _parsed(text: str) -> tuple[ast.Module, bool]:
    """The syntax tree of a function, and whether it has IPython's ``!`` or ``%``."""
    try:
        tree = ast.parse(text)
    except SyntaxError:
        return ast.parse(without_magics(text)), True
    # A notebook's cell is kept with the calls that IPython made of them.
    return tree, any(isinstance(node, ast.Name) and node.id == _SHELL for node in ast.walk(tree))


def _outside(function: Any) -> dict[str, Any]:
    """All that a function could name that is not its own."""
    names = dict(getattr(function, "__globals__", {}))
    code = getattr(function, "__code__", None)
    for name, cell in zip(
        getattr(code, "co_freevars", ()), getattr(function, "__closure__", None) or (), strict=False
    ):
        try:
            names[name] = cell.cell_contents
        except ValueError:
            pass  # not set yet: a function that refers to itself
    return {name: value for name, value in names.items() if not name.startswith("__")}


def _is_literal(value: Any) -> bool:
    try:
        return bool(ast.literal_eval(repr(value)) == value)
    except (ValueError, SyntaxError, RecursionError, TypeError):
        return False
