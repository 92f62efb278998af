"""How objects are pickled that cloudpickle refuses, or carries only in part.

Each function here returns what ``__reduce__`` would; the pickler says when it is used.
"""

import functools
import sys
import types
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import cloudpickle.cloudpickle as cloud

Reduced = tuple[Any, ...]

_FILE_OF_DYNAMIC_CODE = "<dynamic-code>"
"""What cloudpickle 3.1.3 writes in place of the file name of every code object."""


def reduce_code(code: types.CodeType) -> Reduced:
    """A code object with its own file name: tracebacks and the groups of failures() need it."""
    make, arguments = cloud._code_reduce(code)
    file = "".join(code.co_filename)  # a copy, as cloudpickle makes them: equal code gives equal bytes
    return make, tuple(file if part == _FILE_OF_DYNAMIC_CODE else part for part in arguments)


def reduce_enum(kind: Any, reduced: Reduced) -> Reduced:
    """A class of enum that travels by value, with the members that iteration leaves out.

    cloudpickle takes the members from ``iter(kind)``, which has neither aliases nor the composite
    members of a flag (https://docs.python.org/3/howto/enum.html#flag-classes-and-members).
    ``reduced`` is what cloudpickle made of it.
    """
    make, (bases, name, qualname, _, *rest), (attributes, slots), *setter = reduced
    members = {name: member.value for name, member in kind.__members__.items()}
    attributes = {name: value for name, value in attributes.items() if name not in members}
    return make, (bases, name, qualname, members, *rest), (attributes, slots), *setter


def reduce_slots(kind: type, reduced: Reduced) -> Reduced:
    """A class that travels by value, made with its ``__slots__``: cloudpickle sets them on a class without.

    An instance that a job returns could not be read where the class has them. ``reduced`` is what
    cloudpickle made of it.
    """
    make, (*head, attributes, origin, extra), *rest = reduced
    attributes = {**attributes, "__slots__": vars(kind)["__slots__"]}
    return make, (*head, attributes, origin, extra), *rest


def reduce_typed_dict(kind: Any, reduced: Reduced) -> Reduced:
    """A ``typing.TypedDict`` that travels by value: its metaclass refuses the bases that the class has.

    ``reduced`` is what cloudpickle made of it.
    """
    _, (metaclass, name, _, *rest), (attributes, slots), *setter = reduced
    attributes = {**attributes, "__annotations__": kind.__annotations__}  # Python 3.14 makes them when asked
    return make_typed_dict, (metaclass, name, kind.__bases__, *rest), (attributes, slots), *setter


def make_typed_dict(
    metaclass: Any, name: str, bases: tuple[type, ...], attributes: dict[str, Any], origin: str, extra: Any
) -> Any:
    """In the job: an empty one, filled by cloudpickle as any class."""
    from cloudpickle import cloudpickle

    return cloudpickle._lookup_class_or_track(origin, type.__new__(metaclass, name, bases, dict(attributes)))


def is_dispatcher(function: Any) -> bool:
    """Whether a function is made by ``functools.singledispatch``."""
    return getattr(function, "__code__", None) is _DISPATCHER_CODE


def reduce_dispatcher(function: Any) -> Reduced:
    """A function under ``functools.singledispatch``, with all its implementations and an empty cache."""
    made_by_functools = ("registry", "register", "dispatch", "_clear_cache")
    attributes = {name: value for name, value in vars(function).items() if name not in made_by_functools}
    state = (dict(function.registry), attributes)
    return make_dispatcher, (function.__name__,), state, None, None, fill_dispatcher


def make_dispatcher(name: str) -> Any:
    """In the job: a function that is given its implementations later."""
    import functools

    def call(*args: Any) -> None:
        pass

    call.__name__ = name
    return functools.singledispatch(call)


def fill_dispatcher(dispatcher: Any, state: tuple[dict[type, Any], dict[str, Any]]) -> None:
    """In the job: give it what it calls."""
    import functools

    implementations, attributes = state
    for kind, implementation in implementations.items():
        dispatcher.register(kind, implementation)
    functools.update_wrapper(dispatcher, implementations[object])
    vars(dispatcher).update(attributes)


def add_submodules(function: types.FunctionType, slots: dict[str, Any]) -> None:
    """Add the submodules that functions inside of ``function`` use: cloudpickle looks at its own code only.

    ``slots`` are those of the function's state, as cloudpickle has made them.
    """
    names = sorted({name for code in _codes_inside(function.__code__) for name in code.co_names})
    if names:
        for value in slots["__globals__"].values():
            if isinstance(value, types.ModuleType) and hasattr(value, "__path__"):
                slots["_cloudpickle_submodules"] += _submodules(value.__name__, names)


def _submodules(package: str, names: Sequence[str]) -> Iterator[types.ModuleType]:
    """Modules below a package that were imported and have one of these names, and theirs."""
    for path in (f"{package}.{name}" for name in names):
        module = sys.modules.get(path)
        if isinstance(module, types.ModuleType):
            yield module
            yield from _submodules(path, names)


def _codes_inside(code: types.CodeType) -> Iterator[types.CodeType]:
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield constant
            yield from _codes_inside(constant)


def reduce_cached_property(descriptor: Any) -> Reduced:
    """A ``functools.cached_property`` without the lock that it has on Python 3.11."""
    state = {name: value for name, value in vars(descriptor).items() if name not in ("func", "lock")}
    return type(descriptor), (descriptor.func,), state


def reduce_cached_function(cached: Any) -> Reduced:
    """A function under ``functools.cache`` or ``lru_cache``, with an empty cache.

    Pickle would take it by its name, which means nothing to a job. The function that it wraps comes
    as the state, after the object is known to the pickler: a recursive function names itself.
    """
    parameters = cached.cache_parameters()
    return (
        make_cached_function,
        (parameters["maxsize"], parameters["typed"]),
        dict(vars(cached)),
        None,
        None,
        fill_cached_function,
    )


def make_cached_function(maxsize: int | None, typed: bool) -> Any:
    """In the job: a cached function that calls its own ``__wrapped__``, which it is given later."""
    import functools

    def call(*args: Any, **kwargs: Any) -> Any:
        return cached.__wrapped__(*args, **kwargs)

    cached = functools.lru_cache(maxsize, typed)(call)
    return cached


def fill_cached_function(cached: Any, state: dict[str, Any]) -> None:
    """In the job: give it what it wraps."""
    import functools

    functools.update_wrapper(cached, state["__wrapped__"])
    vars(cached).update(state)


REBUILDERS: frozenset[Callable[..., Any]] = frozenset(
    (make_cached_function, fill_cached_function, make_dispatcher, fill_dispatcher, make_typed_dict)
)
"""Functions of this module that pickles call: they travel by value, as jobs do not have the SDK."""

CACHED_FUNCTION = type(functools.cache(len))

_DISPATCHER_CODE = getattr(functools.singledispatch(len), "__code__")  # noqa: B009  not in its type
