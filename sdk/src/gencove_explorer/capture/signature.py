"""What is known of a work function before it runs: whether jobs can call it, its text, what it captures."""

import dis
import functools
import inspect
import re
import types
from collections.abc import Callable
from typing import Any

from gencove_explorer.capture.magics import global_names, names_in_commands
from gencove_explorer.capture.reducers import CACHED_FUNCTION, is_dispatcher
from gencove_explorer.errors import SubmissionError


def check_function(function: object, name: str) -> None:
    """Raise SubmissionError, with what to do, for what jobs could not call."""
    if not callable(function):
        raise SubmissionError(
            f"{name} has no function to run: Analysis(function=work, ...)"
            if function is None
            else f"function={function!r} cannot be called: use a function of one parameter, the context"
        )
    called = function if inspect.isroutine(function) else type(function).__call__
    if inspect.iscoroutinefunction(called) or inspect.isasyncgenfunction(called):
        raise SubmissionError(
            f"{name} is an async function, which nobody would wait for: use a plain one, and "
            "asyncio.run(...) inside of it"
        )
    if inspect.isgeneratorfunction(called):
        raise SubmissionError(
            f"{name} yields, so calling it runs nothing: keep outputs with ac.output.value(...) instead"
        )
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return  # compiled code does not say
    try:
        signature.bind(None)
    except TypeError as error:
        raise SubmissionError(
            f"{name}{signature} cannot be called with the context alone: {error}. A work function takes one "
            "parameter, the context; others need a default, or functools.partial(function, name=value)"
        ) from None


def wrapped_function(function: Any) -> Any:
    """The function behind a ``functools.partial``, a method or a cached function, or the object itself."""
    while True:
        if isinstance(function, functools.partial):
            function = function.func
        elif isinstance(function, types.MethodType):
            function = function.__func__
        elif isinstance(function, CACHED_FUNCTION):
            function = function.__wrapped__
        else:
            return function


def plain_function(function: Callable[..., Any]) -> Callable[..., Any]:
    """The Python function that runs when ``function`` is called; of an instance its class's ``__call__``."""
    inner = wrapped_function(function)
    if isinstance(inner, types.FunctionType):
        return inner
    call = type(inner).__call__
    return call if isinstance(call, types.FunctionType) else function


def function_name(function: Callable[..., Any]) -> str:
    """A function's name, as analyses and messages have it; of an instance that of its class."""
    inner = wrapped_function(function)
    return getattr(inner, "__name__", None) or type(inner).__name__


def source_of(function: Callable[..., Any]) -> tuple[str, dict[str, Any]]:
    """``(source, facts)``: the text of a function, and name, file and line of where it stands."""
    inner = inspect.unwrap(plain_function(function))  # inspect takes the text of that one, too
    facts: dict[str, Any] = {"name": function_name(function)}
    code = getattr(inner, "__code__", None)
    if code is not None:
        facts |= {"file": code.co_filename, "line": code.co_firstlineno}
    try:
        return "".join(inspect.getsourcelines(inner)[0]), facts
    except (OSError, TypeError, IndexError, SyntaxError):
        return "", facts  # typed into a plain prompt, or made by exec: there is no text


def captured(function: Callable[..., Any]) -> list[tuple[str, Any]]:
    """Name and value of what a function takes from outside itself: globals, enclosing variables, defaults."""
    code = getattr(function, "__code__", None)
    if code is None:
        return []
    if is_dispatcher(function):
        registry = function.registry  # type: ignore[attr-defined]
        return [(f"implementation for {kind.__name__}", call) for kind, call in registry.items()]
    values = {}
    for name, cell in zip(code.co_freevars, getattr(function, "__closure__", None) or (), strict=False):
        try:
            values[name] = cell.cell_contents
        except ValueError:
            pass  # not set yet: a function that refers to itself
    variables = function.__globals__
    for name in [*global_names(code), *names_in_commands(function)]:
        if name in variables:
            values[name] = variables[name]
    for index, default in enumerate(getattr(function, "__defaults__", None) or ()):
        values[f"default {index}"] = default
    for name, default in (getattr(function, "__kwdefaults__", None) or {}).items():
        values[f"default of {name}"] = default
    return list(values.items())


def writes_outputs(function: Callable[..., Any]) -> bool:
    """Whether a function, or one that it captures, ever mentions an output; True if that cannot be told."""
    seen: set[int] = set()

    def mentions_output(candidate: Any) -> bool:
        inner = wrapped_function(candidate)
        if id(inner) in seen or not isinstance(inner, types.FunctionType):
            return False
        seen.add(id(inner))
        return "output" in _attribute_names(inner.__code__) or any(
            mentions_output(value) for _, value in captured(inner)
        )

    plain = plain_function(function)
    return not isinstance(plain, types.FunctionType) or mentions_output(plain)


def returns_value(function: Callable[..., Any]) -> bool:
    """Whether a ``def`` returns anything but None. Lambdas always do, if only the None of a call."""
    code = getattr(plain_function(function), "__code__", None)
    if code is None or code.co_name == "<lambda>":
        return False
    before = None
    for instruction in dis.get_instructions(code):
        if instruction.opname == "RETURN_CONST" and instruction.argval is not None:
            return True
        if instruction.opname == "RETURN_VALUE" and not _is_none(before):
            return True
        before = instruction
    return False


def _is_none(instruction: dis.Instruction | None) -> bool:
    return instruction is not None and instruction.opname == "LOAD_CONST" and instruction.argval is None


def _attribute_names(code: types.CodeType) -> set[str]:
    names = set(code.co_names)
    texts = (constant for constant in code.co_consts if isinstance(constant, str))
    names.update(word for text in texts for word in re.findall(r"\w+", text))  # {ac.output...} in a !command
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            names |= _attribute_names(constant)
    return names
