"""What a Python object consists of, one level of it, to be shown.

Nothing is imported to look at an object: one of a library that is not loaded cannot be there.
"""

import dataclasses
import sys
import types
from collections import deque
from collections.abc import Iterable, Mapping, Sequence, Set
from typing import Any, NamedTuple

PARTS = 100
"""So many elements of a list or a dictionary are looked at."""
ROWS, COLUMNS = 20, 50
_LISTS = (list, tuple, Set, deque, range)
_ARRAY = ("ndim", "shape", "tolist", "__getitem__")
_TIMES = "mM"
"""The kinds of NumPy's dates and durations, which tolist() may make bare numbers of."""


class Parts(NamedTuple):
    """A list."""

    parts: Iterable[Any]
    total: int
    """How many there are, though ``parts`` may hold fewer."""


class Pairs(NamedTuple):
    """A dictionary."""

    parts: Iterable[tuple[Any, Any]]
    total: int


def unfold(value: Any) -> Any:
    """Parts, Pairs or a plainer object; None of what is known by its text alone."""
    if isinstance(value, Parts | Pairs):
        return value
    if isinstance(value, Mapping):
        return Pairs(value.items(), len(value))
    names = _field_names(value)
    if names is not None:
        return Pairs(((name, getattr(value, name)) for name in names), len(names))
    if isinstance(value, _LISTS):
        return Parts(value, len(value))
    if is_a(value, "pandas", "DataFrame"):
        return _rows(value)
    if is_a(value, "pandas", "Series"):
        return _series(value)
    if all(hasattr(type(value), name) for name in _ARRAY):
        return _array(value)
    return None


def is_a(value: Any, module: str, name: str) -> bool:
    """Whether an object is of a class, of a module that may not be loaded."""
    kind = getattr(sys.modules.get(module), name, None)
    return isinstance(kind, type) and isinstance(value, kind)


def _field_names(value: Any) -> Sequence[str] | None:
    """The fields of a dataclass, a named tuple, and what attrs, pydantic and msgspec make."""
    kind = type(value)
    if dataclasses.is_dataclass(kind):
        return [field.name for field in dataclasses.fields(kind)]
    if isinstance(value, types.SimpleNamespace):
        return list(vars(value))
    if hasattr(kind, "__attrs_attrs__"):
        return [field.name for field in kind.__attrs_attrs__]
    if is_a(value, "pydantic", "BaseModel"):
        return list(kind.model_fields)
    names = getattr(kind, "_fields" if isinstance(value, tuple) else "__struct_fields__", None)
    return list(names) if isinstance(names, tuple) else None


def _array(array: Any) -> Any:
    """An array: of each axis the beginning."""
    if array.ndim == 0:
        return array.tolist() if _kind(array) not in _TIMES else str(array)
    side = slice(max(2, int(PARTS ** (1 / array.ndim))))
    beginning = array[side] if array.ndim == 1 else array[(side,) * array.ndim]
    if _kind(array) in _TIMES:
        beginning = beginning.astype(str)
    return _axes(beginning.tolist(), array.shape)


def _kind(array: Any) -> str:
    return getattr(getattr(array, "dtype", None), "kind", "?")


def _axes(nested: list[Any], shape: Sequence[int]) -> Parts:
    inner = [_axes(part, shape[1:]) for part in nested] if len(shape) > 1 else nested
    return Parts(inner, shape[0])


def _series(series: Any) -> Parts:
    if _is_counted(series.index):
        return Parts(series.iloc[:PARTS].tolist(), len(series))
    return _rows(series.to_frame("value" if series.name is None else series.name))


def _rows(frame: Any) -> Parts:
    """The rows of a data frame, as dictionaries; an index that is more than a count comes first."""
    beginning = frame.iloc[:ROWS, :COLUMNS]
    names: list[Any] = [] if _is_counted(frame.index) else _index_names(frame.index)
    total = len(names) + frame.shape[1]
    names = [*names, *beginning.columns]
    rows = beginning.itertuples(index=False, name=None)
    if len(names) > beginning.shape[1]:
        labels = beginning.index if frame.index.nlevels > 1 else ((label,) for label in beginning.index)
        rows = ((*label, *cells) for label, cells in zip(labels, rows, strict=True))
    return Parts([Pairs(tuple(zip(names, row, strict=True)), total) for row in rows], len(frame))


def _is_counted(index: Any) -> bool:
    return type(index).__name__ == "RangeIndex" and (index.start, index.step, index.name) == (0, 1, None)


def _index_names(index: Any) -> list[Any]:
    default = "index" if index.nlevels == 1 else "level_{}"
    return [default.format(level) if name is None else name for level, name in enumerate(index.names)]
