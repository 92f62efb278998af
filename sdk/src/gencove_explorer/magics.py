"""What ``!`` and ``%`` in a function mean for pickling it: whose shell it calls, and which names it needs.

IPython compiles ``!echo {x}`` to ``get_ipython().system('echo {x}')``. cloudpickle would drag the notebook's
shell along, and does not see ``x``, which stands in a text.
"""

import ast
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


def uses_shell(function: bytes) -> bool:
    """Whether a pickled work function calls the shell."""
    return shell.__name__.encode() in function


def names_in_commands(function: Callable[..., Any]) -> list[str]:
    """Globals of a function that it names only inside its commands: in ``{...}`` or after ``$``."""
    found = {name: None for text in _commands(function.__code__) for name in names_in_text(text)}
    return [name for name in found if name in function.__globals__]


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
