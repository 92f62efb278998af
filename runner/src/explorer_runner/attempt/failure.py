"""Turning an exception of the work function into text that points at the user's own line."""

import io
import linecache
import os
import traceback
from types import TracebackType

import explorer_runner
from explorer_runner.errors import ExplorerError
from explorer_runner.format.outcome import Failure
from explorer_runner.format.payload import Spec

_OWN_FOLDER = os.path.dirname(os.path.abspath(explorer_runner.__file__)) + os.sep
"""All of the runner, not this folder of it alone."""
_MESSAGE_LENGTH = 2000


def describe(error: BaseException, spec: Spec, source: str) -> tuple[str, Failure]:
    """``(reason, failure)`` of an exception that ended a work function.

    ``source`` is the work function's, so that lines show although its file is on another machine.
    """
    _teach_lines(spec, source)
    failure = Failure(
        type=_type_name(error),
        message=_message(error),
        traceback=_text(error),
        function=spec.function.get("name"),
    )
    frame = _innermost(error.__traceback__, spec.function.get("file"))
    if frame is not None:
        failure.function = frame.tb_frame.f_code.co_name
        failure.file = frame.tb_frame.f_code.co_filename
        failure.line = frame.tb_lineno
    return _reason(error, failure), failure


def _reason(error: BaseException, failure: Failure) -> str:
    where = f" (line {failure.line}, in {failure.function})" if failure.line else ""
    if isinstance(error, ExplorerError):
        return f"{failure.message}{where}"
    message = failure.message.splitlines()[0] if failure.message else ""
    name = failure.type.rpartition(".")[2]
    if isinstance(error, ModuleNotFoundError) and error.name:
        package = error.name.partition(".")[0]
        where += f": a job has what pip_packages name and no more; add the package of {package!r} there"
    if isinstance(error, FileNotFoundError) and _is_relative(error.filename):
        where += (
            f": {error.filename!r} is a relative path, which a job looks for in its own empty folder; pass a "
            "File of gencove_explorer.models, or an absolute path"
        )
    return f"{name}: {message}{where}" if message else f"{name}{where}"


def _is_relative(path: object) -> bool:
    return isinstance(path, str) and bool(path) and not os.path.isabs(path)


def _type_name(error: BaseException) -> str:
    kind = type(error)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def _message(error: BaseException) -> str:
    try:
        text = str(error)
    except Exception as broken:
        text = f"(its message cannot be shown: {type(broken).__name__})"
    text = text.encode(errors="backslashreplace").decode()
    return text if len(text) <= _MESSAGE_LENGTH else f"{text[:_MESSAGE_LENGTH]}..."


def _text(error: BaseException) -> str:
    try:
        described = traceback.TracebackException(type(error), error, error.__traceback__, compact=True)
        # Frames of the runner say nothing to a person; what lies between the user's own lines does.
        described.stack = traceback.StackSummary.from_list(
            [frame for frame in described.stack if not frame.filename.startswith(_OWN_FOLDER)]
        )
        lines = list(described.format() if described.stack else described.format_exception_only())
    except Exception as broken:
        lines = [f"{_type_name(error)} (its traceback cannot be shown: {broken!r})\n"]
    text = "".join(lines).encode(errors="backslashreplace").decode()
    return text if len(text) <= 100_000 else f"{text[:20_000]}\n[...]\n{text[-80_000:]}"


def _innermost(trace: TracebackType | None, file: str | None) -> TracebackType | None:
    """The last frame in the work function's own file."""
    innermost = None
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == file:
            innermost = trace
        trace = trace.tb_next
    return innermost


def _teach_lines(spec: Spec, source: str) -> None:
    """Let tracebacks show the work function's lines as they were submitted."""
    file, first = spec.function.get("file"), spec.function.get("line")
    if file and first and source:
        # As Python numbers lines: str.splitlines also splits at form feeds and U+2028.
        own = io.StringIO(source, newline="").readlines()
        if linecache.getlines(file)[first - 1 : first - 1 + len(own)] != own:
            linecache.cache[file] = (len(source), None, ["\n"] * (first - 1) + own, file)
