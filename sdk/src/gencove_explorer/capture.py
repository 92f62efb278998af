"""What a work function and its inputs take along, checked while it is pickled.

A job has the standard library, the runner and ``pip_packages``. What cannot travel is refused here,
by name, with what to do about it, instead of failing in the cluster.
"""

import dis
import inspect
import io
import re
import sys
import threading
import types
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import cloudpickle

from explorer_runner import shell
from explorer_runner.models import File, Sample
from gencove_explorer.errors import CaptureError
from gencove_explorer.imports import check_imports
from gencove_explorer.log import get_logger
from gencove_explorer.magics import is_get_ipython, names_in_commands
from gencove_explorer.modules import Modules

CAPTURE_BYTES = 8 << 20
"""Largest object that a function may take along: 10,000 jobs would each unpickle it."""
WARN_BYTES = 1 << 20
_S3 = "s3://"

_log = get_logger(__name__)


_BY_VALUE = threading.RLock()
"""cloudpickle keeps one list of what goes by value for the whole process: threads take turns."""

_DEFINED = (type, types.FunctionType, types.BuiltinFunctionType)


class Pickler(cloudpickle.Pickler):  # type: ignore[misc]
    """Pickles by cloudpickle, and refuses what refers to a module that the job will not have."""

    def __init__(self, file: Any, modules: Modules) -> None:
        super().__init__(file, protocol=5)
        self._modules = modules
        self._fine: set[str] = set()
        self._fine_types: set[type] = set()
        self.buckets: set[str] = set()
        """Names of the S3 buckets that files among what was pickled lie in."""

    def reducer_override(self, obj: Any) -> Any:
        # Called for whatever is neither a plain value nor a plain container.
        if is_get_ipython(obj):
            return getattr, (shell, shell.get_ipython.__name__)
        if isinstance(obj, io.IOBase) and not isinstance(obj, io.StringIO | io.BytesIO):
            raise CaptureError("it is an open file: hand over its path, and open it in the job")
        if isinstance(obj, types.ModuleType):
            self._check(obj.__name__, f"the module {obj.__name__}")
        elif isinstance(obj, _DEFINED):
            module = getattr(obj, "__module__", None) or "builtins"
            self._check(module, f"{module}.{obj.__qualname__}")
        elif isinstance(obj, File | Sample):
            self.buckets |= _buckets(obj)
        elif type(obj) not in self._fine_types:
            # Some objects are pickled by their name alone, as functions are: NumPy's ufuncs.
            kind = type(obj)
            if not self._modules.has(kind.__module__) and isinstance(obj.__reduce_ex__(4), str):
                self._check(kind.__module__, f"{kind.__module__}.{obj.__reduce_ex__(4)}")
            self._fine_types.add(kind)
        reduced = super().reducer_override(obj)
        if isinstance(obj, types.FunctionType) and isinstance(reduced, tuple):
            # By value: (function, arguments, (attributes, slots), ...), see cloudpickle.Pickler.
            taken = reduced[2][1]["__globals__"]
            taken |= {name: obj.__globals__[name] for name in names_in_commands(obj)}
        return reduced

    def _check(self, module: str, name: str) -> None:
        if module not in self._fine:
            self._modules.check(module, name)
            self._fine.add(module)


def _buckets(given: File | Sample) -> set[str]:
    uris = [given.uri] if isinstance(given, File) else given.files.values()
    return {uri[len(_S3) :].partition("/")[0] for uri in uris if uri.startswith(_S3)}


class Capture:
    """Pickles one work function and whatever goes with it."""

    def __init__(self, modules: Modules, *, imports: bool = True) -> None:
        self._modules = modules
        self._imports = imports
        """Whether it is known what jobs have: not with an image of one's own."""
        self.buckets: set[str] = set()
        """See Pickler."""

    def function(self, function: Callable[[Any], Any]) -> bytes:
        """The pickled work function. Raises CaptureError, naming what it takes along in vain."""
        self._check_imports(function, _name(function), branches=True)
        self._check_captured(function, _name(function), set())
        return self.value(function, f"the work function {_name(function)}")

    def value(self, value: Any, what: str) -> bytes:
        """A pickled object. Raises CaptureError, naming ``what`` and the path to what is at fault."""
        buffer = io.BytesIO()
        pickler = Pickler(buffer, self._modules)
        try:
            pickler.dump(value)
        except Exception as error:
            raise CaptureError(f"{what}{self.fault_in(value)}: {explain(error)}") from error
        self.buckets |= pickler.buckets
        return buffer.getvalue()

    def fault_in(self, value: Any, depth: int = 0) -> str:
        """The path, such as ``['sample'][3].handle``, to the part of ``value`` that cannot be pickled."""
        for step, part in _parts(value) if depth < 50 else ():
            try:
                Pickler(io.BytesIO(), self._modules).dump(part)
            except Exception:
                return step + self.fault_in(part, depth + 1)
        return ""

    def _check_imports(self, function: Callable[..., Any], path: str, *, branches: bool) -> None:
        if self._imports:
            check_imports(source_of(function)[0], path, self._modules, branches=branches)

    def _check_captured(self, function: Callable[..., Any], path: str, seen: set[int]) -> None:
        """Pickle each captured object alone, so that the one at fault can be named."""
        for name, value in captured(function):
            if id(value) in seen:
                continue
            seen.add(id(value))
            where = f"{path} uses {name!r}"
            if isinstance(value, types.FunctionType) and self._modules.travels(value.__module__):
                # It may serve others too, with branches that this one never takes.
                self._check_imports(value, f"{path} -> {name}", branches=False)
                self._check_captured(value, f"{path} -> {name}", seen)
                continue
            taken = _Bounded(CAPTURE_BYTES)
            try:
                Pickler(taken, self._modules).dump(value)
            except _TooLarge:
                raise CaptureError(
                    f"{where}, a {type(value).__name__} of more than {CAPTURE_BYTES >> 20} MB, which every "
                    "job would load: pass it as input= or global_config=, or keep it in a file that jobs read"
                ) from None
            except Exception as error:
                raise CaptureError(f"{where}{self.fault_in(value)}: {explain(error)}") from error
            if taken.written > WARN_BYTES:
                size = taken.written / (1 << 20)
                _log.warning("%s, %.1f MB that every job loads: global_config= says so openly", where, size)

    @contextmanager
    def travelling_with(self, function: Callable[..., Any]) -> Iterator[None]:
        """While this lasts, what the function's own file defines travels by value, if it is a user's."""
        module = sys.modules.get(getattr(function, "__module__", None) or "")
        if module is None or not self._modules.is_own(module.__name__):
            yield
            return
        with _BY_VALUE:
            cloudpickle.register_pickle_by_value(module)
            try:
                with self._modules.travelling(module.__name__):
                    yield
            finally:
                cloudpickle.unregister_pickle_by_value(module)


def captured(function: Callable[..., Any]) -> list[tuple[str, Any]]:
    """Name and value of what a function takes from outside itself: globals and enclosing variables."""
    code = getattr(function, "__code__", None)
    if code is None:
        return []
    found = {}
    for name, cell in zip(code.co_freevars, getattr(function, "__closure__", None) or (), strict=False):
        try:
            found[name] = cell.cell_contents
        except ValueError:
            pass  # not set yet: a function that refers to itself
    variables = function.__globals__
    for name in [*_global_names(code), *names_in_commands(function)]:
        if name in variables:
            found[name] = variables[name]
    for index, default in enumerate(getattr(function, "__defaults__", None) or ()):
        found[f"default {index}"] = default
    return list(found.items())


def keeps_outputs(function: Callable[..., Any]) -> bool:
    """Whether a function, or one that it takes along, ever speaks of an output; True if nobody knows."""
    seen: set[int] = set()

    def speaks(function: Any) -> bool:
        if id(function) in seen or not isinstance(function, types.FunctionType):
            return False
        seen.add(id(function))
        return "output" in _attribute_names(function.__code__) or any(
            speaks(value) for _, value in captured(function)
        )

    return not isinstance(function, types.FunctionType) or speaks(function)


def source_of(function: Callable[..., Any]) -> tuple[str, dict[str, Any]]:
    """``(source, facts)``: the text of a function, and name, file and line of where it stands."""
    code = getattr(function, "__code__", None)
    facts: dict[str, Any] = {"name": _name(function)}
    if code is not None:
        facts |= {"file": code.co_filename, "line": code.co_firstlineno}
    try:
        return "".join(inspect.getsourcelines(function)[0]), facts
    except (OSError, TypeError, IndexError, SyntaxError):
        return "", facts  # typed into a plain prompt, or made by exec: there is no text


def explain(error: BaseException) -> str:
    """The message of an error, without the name of our own exceptions."""
    if isinstance(error, CaptureError):
        return str(error)
    return f"{type(error).__name__}: {error}; make it inside the work function, or pass what it is made from"


def _name(function: Callable[..., Any]) -> str:
    return getattr(function, "__name__", None) or type(function).__name__


def _global_names(code: types.CodeType) -> list[str]:
    names = [
        each.argval for each in dis.get_instructions(code) if each.opname in ("LOAD_GLOBAL", "LOAD_NAME")
    ]
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            names += _global_names(constant)
    return names


def _attribute_names(code: types.CodeType) -> set[str]:
    names = set(code.co_names)
    texts = (each for each in code.co_consts if isinstance(each, str))
    names.update(word for text in texts for word in re.findall(r"\w+", text))  # {ac.output...} in a !command
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            names |= _attribute_names(constant)
    return names


def _parts(value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        yield from ((f"[{key!r}]", part) for key, part in value.items())
    elif isinstance(value, list | tuple | set | frozenset):
        yield from ((f"[{index}]", part) for index, part in enumerate(value))
    elif hasattr(value, "__dict__") and not isinstance(value, type | types.FunctionType | types.ModuleType):
        yield from ((f".{name}", part) for name, part in vars(value).items())


class _TooLarge(Exception):
    pass


class _Bounded(io.RawIOBase):
    """Takes so many bytes and no more; keeps none of them."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self.written = 0

    def write(self, data: Any) -> int:
        self.written += len(data)
        if self.written > self._limit:
            raise _TooLarge
        return len(data)
