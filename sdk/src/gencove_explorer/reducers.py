"""How objects are pickled that cloudpickle refuses, or carries only in part.

Each function here returns what ``__reduce__`` would; the pickler says when it is used.
"""

import functools
import types
from collections.abc import Callable
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


REBUILDERS: frozenset[Callable[..., Any]] = frozenset((make_cached_function, fill_cached_function))
"""Functions of this module that pickles call: they travel by value, as jobs do not have the SDK."""

CACHED_FUNCTION = type(functools.cache(len))
