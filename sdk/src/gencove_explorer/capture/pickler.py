"""The pickler: cloudpickle, and a check of everything that a pickle will look up in the job.

What pickle writes down of an object decides, not what the object seems to be: an object that is pickled
by its name is looked up in the module that pickle names (``__module__`` of the object itself). The
classes of compiled objects may claim modules that nobody can import, such as Cython's ``_cython_3_3_1``.
"""

import enum
import functools
import io
import pickle
import sys
import types
from typing import Any, is_typeddict

import cloudpickle

from explorer_runner import shell
from explorer_runner.models import File, Sample
from gencove_explorer.capture.magics import is_exit, is_get_ipython, names_in_commands, uses_display
from gencove_explorer.capture.modules import JobModules
from gencove_explorer.capture.reducers import (
    CACHED_FUNCTION,
    REBUILDERS,
    add_submodules,
    is_dispatcher,
    reduce_cached_function,
    reduce_cached_property,
    reduce_code,
    reduce_dispatcher,
    reduce_enum,
    reduce_slots,
    reduce_typed_dict,
)
from gencove_explorer.errors import CaptureError

_DEFINED = (type, types.FunctionType, types.BuiltinFunctionType)
_STREAMS = ("stdin", "stdout", "stderr")
_S3 = "s3://"

PROTOCOL = 5
"""Of pickles: the newest that Python 3.11 reads."""


class Pickler(cloudpickle.Pickler):  # type: ignore[misc]
    """Pickles by cloudpickle, and refuses what refers to a module that the job will not have."""

    def __init__(self, file: Any, modules: JobModules) -> None:
        super().__init__(file, protocol=PROTOCOL)
        self._modules = modules
        self._available: set[str] = set()
        """Modules that were checked."""
        self._unnamed: set[type] = set()
        """Types whose objects are never pickled by name."""
        self.buckets: dict[str, str] = {}
        """S3 buckets that files among what was pickled lie in, each with the key of one of them."""

    def reducer_override(self, obj: Any) -> Any:
        # Called for whatever is neither a plain value nor a plain container.
        if type(obj) is types.CodeType:
            return reduce_code(obj)
        if is_get_ipython(obj):
            return getattr, (shell, shell.get_ipython.__name__)
        if issubclass(type(obj), _DEFINED):
            return self._reduce_defined(obj)
        if isinstance(obj, types.ModuleType):
            self._check(obj.__name__, f"the module {obj.__name__}")
            return super().reducer_override(obj)
        if isinstance(obj, io.IOBase) and not isinstance(obj, io.StringIO | io.BytesIO):
            return _reduce_file(obj)
        if isinstance(obj, File | Sample):
            self.buckets |= _buckets(obj)
        return self._reduce_object(obj)

    def _reduce_defined(self, obj: Any) -> Any:
        """A class or a function: by name where jobs can import it, else by value."""
        if type(obj) is types.FunctionType and obj in REBUILDERS:
            return self._dynamic_function_reduce(obj)
        module = getattr(obj, "__module__", None) or "builtins"
        if not self._modules.has(module) and _is_importable(obj, module, obj.__qualname__):
            self._check(module, f"{module}.{obj.__qualname__}")
        if isinstance(obj, types.FunctionType):
            return self._reduce_function(obj)
        reduced = super().reducer_override(obj)
        if not isinstance(reduced, tuple) or len(reduced) < 3 or not isinstance(obj, type):
            return reduced  # by name
        return _reduce_class(obj, reduced)

    def _reduce_function(self, function: types.FunctionType) -> Any:
        reduced = super().reducer_override(function)
        if isinstance(reduced, tuple):
            if is_dispatcher(function):
                return reduce_dispatcher(function)
            # By value: (function, arguments, (attributes, slots), ...), see cloudpickle.Pickler.
            add_submodules(function, reduced[2][1])
            taken = reduced[2][1]["__globals__"]
            taken |= {name: function.__globals__[name] for name in names_in_commands(function)}
            if uses_display(function):
                taken["display"] = shell.display
        return reduced

    def _reduce_object(self, obj: Any) -> Any:
        """An object of any class. NotImplemented: as the class has it, which is not by name."""
        kind: Any = type(obj)
        if kind in self._unnamed:
            return NotImplemented
        if kind is functools.cached_property:
            return reduce_cached_property(obj)
        if is_exit(obj):
            return getattr, (sys, sys.exit.__name__)
        reduce = self.dispatch_table.get(kind)
        if (
            reduce is None
            and kind.__reduce_ex__ is object.__reduce_ex__
            and kind.__reduce__ is object.__reduce__
        ):
            self._unnamed.add(kind)
            return NotImplemented
        reduced = reduce(obj) if reduce is not None else obj.__reduce_ex__(PROTOCOL)
        return self._reduce_named(obj, reduced) if isinstance(reduced, str) else reduced

    def _reduce_named(self, obj: Any, name: str) -> Any:
        """An object that pickle looks up by its name, as functions are: NumPy's ufuncs, pandas' NA."""
        module = pickle.whichmodule(obj, name)  # type: ignore[attr-defined]  # as the pickler itself
        if self._modules.is_by_value(module) or not _is_importable(obj, module, name):
            if isinstance(obj, CACHED_FUNCTION):
                return reduce_cached_function(obj)
            raise CaptureError(
                f"{name} (a {type(obj).__name__}) is pickled by its name alone, and jobs do not have the "
                f"module {module!r} to look it up in: define it inside the work function"
            )
        self._check(module, f"{module}.{name}")
        return name

    def _check(self, module: str, name: str) -> None:
        if module not in self._available:
            self._modules.check(module, name)
            self._available.add(module)


def _reduce_class(kind: Any, reduced: Any) -> Any:
    """A class that travels by value; ``reduced`` is what cloudpickle made of it."""
    if isinstance(kind, enum.EnumType):
        return reduce_enum(kind, reduced)
    if is_typeddict(kind):
        return reduce_typed_dict(kind, reduced)
    if type(kind).__module__.startswith("msgspec"):
        # Its fields are laid out when it is made, and cloudpickle makes a class before it fills it.
        raise CaptureError(
            f"{kind.__qualname__} is a msgspec.Struct that is not of a package, which cannot be pickled: "
            "define it inside the work function, or use a dataclass"
        )
    return reduce_slots(kind, reduced) if vars(kind).get("__slots__") else reduced


def _reduce_file(file: Any) -> Any:
    """The standard streams, which every job has; any other file is refused."""
    for name in _STREAMS:
        if file is getattr(sys, name) or file is getattr(sys, f"__{name}__"):
            return getattr, (sys, name)
    raise CaptureError("it is an open file: hand over its path, and open it in the job")


def _is_importable(obj: Any, module: str, name: str) -> bool:
    """Whether a name in a module is this very object, so that pickles refer to it by that name."""
    value: Any = sys.modules.get(module)
    for part in name.split("."):
        value = getattr(value, part, None)
    return value is obj


def _buckets(given: File | Sample) -> dict[str, str]:
    uris = [given.uri] if isinstance(given, File) else given.files.values()
    places = (uri[len(_S3) :].partition("/") for uri in uris if uri.startswith(_S3))
    return {bucket: key for bucket, _, key in places}
