"""Whether something can be a work function: called with the context, and done when it returns."""

import inspect

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
        raise SubmissionError(f"{name}{signature} cannot be called with the context alone: {error}") from None
