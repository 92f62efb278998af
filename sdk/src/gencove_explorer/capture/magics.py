"""What ``!`` and ``%`` in a function mean for pickling it: whose shell it calls, and which names it needs.

IPython compiles ``!echo {x}`` to ``get_ipython().system('echo {x}')``. cloudpickle would drag the notebook's
shell along, and does not see ``x``, which stands in a text.
"""

import ast
import builtins
import dis
import re
import types
from collections.abc import Callable, Iterator
from typing import Any

from explorer_runner import shell

_CALL = shell.get_ipython.__name__
_BRACES = re.compile(r"\{([^{}]+)\}")
_DOLLAR = re.compile(r"\$([A-Za-z_]\w*)")


def is_get_ipython(obj: Any) -> bool:
    """Whether ``obj`` is the ``get_ipython`` of a notebook, a terminal or a job."""
    module = getattr(obj, "__module__", None) or ""
    return getattr(obj, "__name__", None) == _CALL and module.split(".")[0] in ("IPython", "explorer_runner")


def is_exit(obj: Any) -> bool:
    """Whether ``obj`` is IPython's ``exit`` or ``quit``, which holds the notebook's shell."""
    kind = type(obj)
    return kind.__module__ == "IPython.core.autocall" and kind.__name__.endswith("ExitAutocall")


def uses_display(function: Callable[..., Any]) -> bool:
    """Whether a function calls the ``display`` that IPython makes a builtin, which jobs do not have."""
    name = shell.display.__name__
    if name not in function.__code__.co_names and not any(
        isinstance(constant, types.CodeType) for constant in function.__code__.co_consts
    ):
        return False
    given = getattr(builtins, name, None)
    return (
        name in global_names(function.__code__)
        and name not in function.__globals__
        and (given is None or given.__module__.startswith("IPython."))
    )


def global_names(code: types.CodeType) -> list[str]:
    """The names that code, and functions inside of it, look up among the globals."""
    names = [
        instruction.argval
        for instruction in dis.get_instructions(code)
        if instruction.opname in ("LOAD_GLOBAL", "LOAD_NAME")
    ]
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            names += global_names(constant)
    return names


def uses_shell(function: bytes) -> bool:
    """Whether a pickled work function calls the shell."""
    return shell.__name__.encode() in function


def names_in_commands(function: Callable[..., Any]) -> list[str]:
    """Globals of a function that it names only inside its commands: in ``{...}`` or after ``$``."""
    names = {name: None for text in _commands(function.__code__) for name in names_in_text(text)}
    return [name for name in names if name in function.__globals__]


def _commands(code: types.CodeType) -> Iterator[str]:
    """The texts in code that calls the shell, and in functions inside of it."""
    if _CALL in code.co_names:
        yield from (constant for constant in code.co_consts if isinstance(constant, str))
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _commands(constant)


def names_in_text(text: str) -> Iterator[str]:
    """The names that IPython would fill into a command: in ``{...}`` or after ``$``."""
    yield from _DOLLAR.findall(text)
    for braces in _BRACES.findall(text):
        try:
            tree = ast.parse(braces.partition("!")[0].partition(":")[0].strip(), mode="eval")
        except (SyntaxError, ValueError):
            continue  # not Python: awk's braces, say
        yield from (node.id for node in ast.walk(tree) if isinstance(node, ast.Name))
