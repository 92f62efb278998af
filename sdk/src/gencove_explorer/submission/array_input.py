"""What ``input=`` was given: one job or an array, and what people are told who may have meant the other."""

import os
import types
from collections import deque
from collections.abc import Iterator, MappingView, Sequence, Set
from typing import Any

from gencove_explorer.errors import SubmissionError
from gencove_explorer.utils.log import get_logger

MAX_INPUTS = 10_000
"""AWS Batch's limit on the size of an array."""
_LOOKED_AT = 10
"""Of so many inputs it is looked whether they are relative paths: an array's inputs are alike."""
_LONGEST_PATH = 255

_log = get_logger(__name__)


def inputs_of(value: Any) -> tuple[Sequence[Any], bool]:
    """``(inputs, array)`` of what ``input=`` was given. Raises SubmissionError."""
    if not isinstance(value, list):
        _check_kind(value)
        _warn_of_relative_paths([value])
        return [value], False
    if not value:
        raise SubmissionError(
            "input=[] is an array of no jobs: give it at least one element, or hand one empty list to "
            'one job, input={"i": []}'
        )
    if len(value) > MAX_INPUTS:
        raise SubmissionError(
            f"input has {len(value):,} elements, an array has at most {MAX_INPUTS:,} jobs: let each job do "
            "several, or hand the list to one job, input={'i': [...]}"
        )
    _warn_of_relative_paths(value)
    return value, len(value) > 1


def _check_kind(value: Any) -> None:
    """Warn of what looks like several inputs and is one. Raises SubmissionError for a generator."""
    name = type(value).__name__
    if isinstance(value, types.GeneratorType):
        raise SubmissionError(
            "input is a generator, which cannot be pickled: input=list(...) makes one job per element of it"
        )
    if _is_series(value):
        _log.warning(
            "input is a %s, and only a list is an array: one job gets all of it. For one job per element use "
            "input=list(...); if one job is meant, input=[...] around it says so",
            name,
        )


def _is_series(value: Any) -> bool:
    """Whether a value is one thing after another, as people give it for an array of jobs."""
    if type(value) is tuple or isinstance(value, range | Set | MappingView | Iterator | deque):
        return True
    # Of NumPy, pandas, polars, pyarrow and others, none of which is imported for this. A table is no series.
    lists = any(hasattr(value, name) for name in ("tolist", "to_list", "to_pylist"))
    return lists and getattr(value, "ndim", 1) == 1 and not hasattr(value, "columns")


def _warn_of_relative_paths(inputs: Sequence[Any]) -> None:
    for index, value in enumerate(inputs[:_LOOKED_AT]):
        if _is_relative_path(value):
            _log.warning(
                "input%s is %r, a relative path: jobs run in an empty folder of their own, where it leads "
                "nowhere. Use File(%r) of gencove_explorer.models, or an absolute path; on AWS Batch a File "
                "of an s3:// address",
                f"[{index}]" if len(inputs) > 1 else "",
                os.fspath(value),
                os.fspath(value),
            )
            return


def _is_relative_path(value: Any) -> bool:
    if not isinstance(value, str | os.PathLike):
        return False
    path = os.fspath(value)
    if not isinstance(path, str) or not 0 < len(path) <= _LONGEST_PATH or os.path.isabs(path):
        return False
    try:
        return os.path.isfile(path)
    except ValueError:
        return False  # a NUL character
