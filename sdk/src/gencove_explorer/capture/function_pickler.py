"""What a work function and its inputs take along, checked while it is pickled.

A job has the standard library, the runner and ``pip_packages``. What cannot travel is refused here,
by name, with what to do about it, instead of failing in the cluster.
"""

import io
import sys
import threading
import types
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import cloudpickle

from gencove_explorer.capture.imports import check_imports
from gencove_explorer.capture.modules import JobModules
from gencove_explorer.capture.pickler import Pickler
from gencove_explorer.capture.signature import (
    captured,
    function_name,
    plain_function,
    source_of,
    wrapped_function,
)
from gencove_explorer.errors import CaptureError
from gencove_explorer.utils.log import get_logger

CAPTURE_BYTES = 8 << 20
"""Largest object that a function may take along: 10,000 jobs would each unpickle it."""
WARN_BYTES = 1 << 20

_log = get_logger(__name__)


_BY_VALUE = threading.RLock()
"""cloudpickle keeps one list of what goes by value for the whole process: threads take turns."""


class FunctionPickler:
    """Pickles one work function and whatever goes with it."""

    def __init__(self, modules: JobModules, *, imports: bool = True) -> None:
        self._modules = modules
        self._imports = imports
        """Whether it is known what jobs have: not with an image of one's own."""
        self.buckets: dict[str, str] = {}
        """S3 buckets of files that were pickled, each with the key of one."""

    def function(self, function: Callable[[Any], Any]) -> bytes:
        """The pickled work function. Raises CaptureError, naming what it captures and jobs cannot have."""
        name = function_name(function)
        self._check_imports(function, name, branches=True)
        self._check_captured(plain_function(function), name, set())
        return self.value(function, f"the work function {name}")

    def value(self, value: Any, what: str) -> bytes:
        """A pickled object. Raises CaptureError, naming ``what`` and the path to what is at fault."""
        buffer = io.BytesIO()
        pickler = Pickler(buffer, self._modules)
        try:
            pickler.dump(value)
        except Exception as error:
            raise CaptureError(f"{what}{self.path_to_unpicklable(value)}: {error_text(error)}") from error
        self.buckets |= pickler.buckets
        return buffer.getvalue()

    def path_to_unpicklable(self, value: Any, depth: int = 0) -> str:
        """The path, such as ``['sample'][3].handle``, to the part of ``value`` that cannot be pickled."""
        for step, part in _parts(value) if depth < 50 else ():
            try:
                Pickler(io.BytesIO(), self._modules).dump(part)
            except Exception:
                return step + self.path_to_unpicklable(part, depth + 1)
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
            helper = wrapped_function(value)
            if isinstance(helper, types.FunctionType) and self._modules.is_by_value(helper.__module__):
                # It may serve others too, with branches that this one never takes.
                self._check_imports(helper, f"{path} -> {name}", branches=False)
                self._check_captured(helper, f"{path} -> {name}", seen)
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
                raise CaptureError(
                    f"{where}{self.path_to_unpicklable(value)}: {error_text(error)}"
                ) from error
            if taken.written > WARN_BYTES:
                size = taken.written / (1 << 20)
                _log.warning("%s, %.1f MB that every job loads: global_config= says so openly", where, size)

    @contextmanager
    def pickling_by_value(self, function: Callable[..., Any]) -> Iterator[None]:
        """While this lasts, what the function's own file defines travels by value, if it is a user's."""
        module = sys.modules.get(getattr(plain_function(function), "__module__", None) or "")
        if module is None or not self._modules.is_own(module.__name__):
            yield
            return
        with _BY_VALUE:
            cloudpickle.register_pickle_by_value(module)
            try:
                with self._modules.pickling_by_value(module.__name__):
                    yield
            finally:
                cloudpickle.unregister_pickle_by_value(module)


def error_text(error: BaseException) -> str:
    """The message of an error, without the name of our own exceptions."""
    if isinstance(error, CaptureError):
        return str(error)
    return f"{type(error).__name__}: {error}; make it inside the work function, or pass what it is made from"


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
        size = memoryview(data).nbytes  # large buffers come as pickle.PickleBuffer, which has no length
        self.written += size
        if self.written > self._limit:
            raise _TooLarge
        return size
