"""Whether what came back is what was sent."""

from typing import Any


def same(one: Any, other: Any) -> bool:
    """Whether two values are equal and of one type, however their packages say so."""
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return list(one) == list(other) and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, float | complex):
        return repr(one) == repr(other)
    for method in ("identical", "equals"):  # xarray; pandas, polars, pyarrow
        if not isinstance(one, type) and hasattr(one, method):
            return _same_metadata(one, other) and bool(getattr(one, method)(other))
    if type(one).__module__.partition(".")[0] == "numpy" and hasattr(one, "dtype"):
        return _same_arrays(one, other)
    return bool(one == other)


def _same_metadata(one: Any, other: Any) -> bool:
    return all(
        _described(one, name) == _described(other, name)
        for name in ("dtype", "dtypes", "schema", "name", "names", "index", "freq")
    )


def _described(value: Any, name: str) -> str | None:
    described = getattr(value, name, None)
    return None if callable(described) else repr(described)


def _same_arrays(one: Any, other: Any) -> bool:
    import numpy

    if one.dtype != other.dtype or one.shape != other.shape:
        return False
    return bool(numpy.array_equal(one, other, equal_nan=one.dtype.kind in "fcmM"))


def as_value(thing: Any) -> Any:
    """What an output value is read as: NumPy's scalars are kept as Python's numbers, bools and strings."""
    if type(thing) in (list, tuple):
        return type(thing)(map(as_value, thing))
    if type(thing) is dict:
        return {key: as_value(value) for key, value in thing.items()}
    scalar = any(kind.__module__ == "numpy" and kind.__name__ == "generic" for kind in type(thing).__mro__)
    return thing.item() if scalar and thing.dtype.kind in "biufU" else thing
