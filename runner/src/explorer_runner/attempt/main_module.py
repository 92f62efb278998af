"""The ``__main__`` of a job: what travelled with the work function, by name, as in a script.

Pickles of process pools refer to functions by their names in ``__main__``. A forked worker has the
module. One that Python starts afresh (multiprocessing's ``spawn`` and ``forkserver``, loky) runs the
file of its parent's ``__main__`` first; a job has no such file until somebody asks for one.
"""

import os
import pickle
import sys
import types
from typing import Any

from explorer_runner.system.folders import make_private

_MAIN = "__main__"
_SCRIPT = """\
from explorer_runner.attempt.main_module import load_names

globals().update(load_names({function!r}))
"""


class MainModule(types.ModuleType):
    """An empty ``__main__``, which makes a file for processes that are to be started afresh."""

    __slots__ = ("_folder", "_function")

    def __init__(self, folder: str, function: bytes) -> None:
        super().__init__(_MAIN)
        self._folder = folder
        """Where the file is made."""
        self._function = function
        """The pickled work function."""

    def __getattr__(self, name: str) -> Any:
        # Only code that starts a process is told of a file: other libraries take one for a script's.
        if name == "__file__" and sys._getframe(1).f_globals.get("__name__", "").endswith(".spawn"):
            return self._make_file()
        raise AttributeError(f"module {_MAIN!r} has no attribute {name!r}")

    def _make_file(self) -> str:
        make_private(self._folder)
        script, function = f"{self._folder}/main.py", f"{self._folder}/function.pkl"
        if not os.path.exists(script):
            _write(function, self._function)
            _write(script, _SCRIPT.format(function=function).encode())
        return script


def introduce(function: Any) -> None:
    """Let pickles find by name what travelled with the function: in ``__main__``, or in its own module."""
    function = _plain(function)
    name = getattr(function, "__module__", None) or _MAIN
    parts = name.split(".")
    if name != _MAIN and _has_module(parts[0]):
        return  # by that name the job has the real one
    for parent in (".".join(parts[:end]) for end in range(1, len(parts) + 1)):
        sys.modules.setdefault(parent, types.ModuleType(parent))
    vars(sys.modules[name]).update(_names(function))


def load_names(path: str) -> dict[str, Any]:
    """In a process that was started afresh: the names of its ``__main__``, from the pickled function."""
    with open(path, "rb") as file:
        function = _plain(pickle.load(file))
    if getattr(function, "__module__", None) == _MAIN:
        return _names(function)
    introduce(function)
    return {}


def _plain(function: Any) -> Any:
    """The function that has the names, of a partial, a method, a cached function or an instance."""
    while not isinstance(function, types.FunctionType):
        inner = (getattr(function, name, None) for name in ("func", "__wrapped__", "__func__"))
        function = next(filter(None, inner), type(function).__call__)
        if isinstance(function, types.WrapperDescriptorType):
            break  # compiled: it has no names
    return function


def _names(function: Any) -> dict[str, Any]:
    names = getattr(function, "__globals__", {})
    return {name: value for name, value in names.items() if not name.startswith("__")}


def _has_module(name: str) -> bool:
    from importlib.util import find_spec

    return name in sys.modules or find_spec(name) is not None


def _write(path: str, data: bytes) -> None:
    """Write a file that appears whole: threads may start processes at one time."""
    part = f"{path}.{os.getpid()}-{id(data)}"
    with open(part, "wb") as file:
        file.write(data)
    os.rename(part, path)
