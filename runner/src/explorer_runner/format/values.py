"""Output values: JSON where that is exact, a pickle where it is not.

A value is JSON when reading it back gives the same value of the same types: str, int, float, bool,
None, and lists and string-keyed dicts of them. NumPy's scalars are kept as the Python numbers, bools
and strings that they are, alone and in containers. Everything else (tuples, arrays, data frames)
is pickled; reading that runs code, so it trusts everybody who can write to the store.
"""

import hashlib
import json
import sys
from collections.abc import Mapping
from typing import Any

from explorer_runner.errors import CorruptPayload, ExplorerError, OutputError
from explorer_runner.format.package_versions import find_lack
from explorer_runner.format.validation import load_json

INLINE_BYTES = 64 << 10
"""Values of up to this many bytes travel inside the outcome, larger ones beside it."""

JSON, PICKLE = KINDS = ("json", "pkl")
PREVIEW = "preview"
PICKLED_WITH = "pickled_with"
"""In the outcome's entry of a pickled value: JSON to look at, and the packages that it needs."""
_NUMPY = b"numpy"


def encode(key: str, value: Any) -> tuple[str, bytes]:
    """``(kind, bytes)`` of a value. Raises OutputError if it can be neither JSON nor a pickle."""
    if _is_json(value, 0):
        return JSON, json.dumps(value).encode()
    if "numpy" not in sys.modules:
        return PICKLE, _pickle(key, value)
    plain = without_numpy(value, containers=(list,))
    if _is_json(plain, 0):
        return JSON, json.dumps(plain).encode()
    data = _pickle(key, value)
    if _NUMPY in data:  # it holds a scalar, or something else of NumPy's
        plain = without_numpy(value)
        data = data if plain is value else _pickle(key, plain)
    return PICKLE, data


def _pickle(key: str, value: Any) -> bytes:
    import cloudpickle

    try:
        data: bytes = cloudpickle.dumps(value, protocol=5)
        return data
    except Exception as error:
        raise OutputError(
            f"the value {key!r} cannot be kept: {type(value).__module__}.{type(value).__qualname__} "
            f"cannot be pickled ({error})"
        ) from error


def _is_json(value: Any, depth: int) -> bool:
    """Whether a JSON round trip returns an equal value of the same types."""
    kind = type(value)
    if value is None or kind is bool or kind is float:
        return True
    if kind is str:
        return value.isascii() or _is_unicode(value)
    if kind is int:
        return bool(-(1 << 63) <= value < 1 << 64)
    if depth > 100:
        return False
    if kind is list:
        return all(_is_json(item, depth + 1) for item in value)
    if kind is dict:
        return all(type(key) is str and _is_unicode(key) for key in value) and all(
            _is_json(item, depth + 1) for item in value.values()
        )
    return False


class _NotPlainError(Exception):
    pass


def without_numpy(value: Any, containers: tuple[type, ...] = (list, tuple, set, frozenset)) -> Any:
    """A value with NumPy's scalars as Python's, alone and in these containers and dictionaries.

    One that holds anything but plain data is returned as it is.
    """
    try:
        return _plain(value, containers, 0)
    except _NotPlainError:
        return value


def _plain(value: Any, containers: tuple[type, ...], depth: int) -> Any:
    kind = type(value)
    if kind in containers and depth <= 100:
        return kind([_plain(part, containers, depth + 1) for part in value])
    if kind is dict and depth <= 100:
        return {
            _plain(key, containers, depth + 1): _plain(part, containers, depth + 1)
            for key, part in value.items()
        }
    if kind.__module__ == "numpy":
        value = _python_scalar(value)
    if not _is_json(value, depth):
        raise _NotPlainError
    return value


def _python_scalar(value: Any) -> Any:
    """The Python number, bool or string that a scalar of NumPy is exactly; all else as it is."""
    if not isinstance(value, sys.modules["numpy"].generic):
        return value
    if value.dtype.kind == "U":
        return "".join((value,))  # item() would end at a null character
    return value.item() if value.dtype.kind in "biuf" else value


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def encode_inline(kind: str, data: bytes, notes: Mapping[str, Any] | None = None) -> str:
    """A small value as a part of the outcome: JSON text. ``notes`` are said beside a pickled one."""
    if kind == JSON:
        return f'{{"{JSON}": {data.decode()}}}'
    import base64  # not at the top: every fork would pay for it

    return json.dumps({PICKLE: base64.b64encode(data).decode(), **(notes or {})})


def describe_stored(kind: str, data: bytes, notes: Mapping[str, Any] | None = None) -> str:
    """What the outcome says of a value that is stored beside it: JSON text."""
    facts = {"kind": kind, "size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    return json.dumps({**facts, **(notes or {})})


def is_json(entry: Mapping[str, Any]) -> bool:
    """Whether a value that the outcome has an entry of is JSON, there or beside it."""
    return JSON in entry or entry.get("kind") == JSON


def decode_inline(key: str, entry: Mapping[str, Any]) -> Any:
    """The value that ``inline`` made an entry of."""
    if JSON in entry:
        return entry[JSON]
    import base64

    try:
        data = base64.b64decode(entry[PICKLE], validate=True)
    except ValueError as error:
        raise CorruptPayload(f"the value {key!r} in the store is not base64: {error}") from error
    return _unpickle(key, data, entry)


def decode_beside(key: str, entry: Mapping[str, Any], data: bytes) -> Any:
    """The value that ``beside`` made an entry of, checked against it."""
    if hashlib.sha256(data).hexdigest() != entry["sha256"]:
        raise CorruptPayload(f"the value {key!r} in the store is not the one that the job wrote")
    if entry["kind"] != JSON:
        return _unpickle(key, data, entry)
    try:
        return load_json(data)
    except ValueError as error:
        raise CorruptPayload(f"the value {key!r} in the store is not JSON: {error}") from error


def _unpickle(key: str, data: bytes, entry: Mapping[str, Any]) -> Any:
    from explorer_runner.format import unpickling  # not at the top: most jobs read none

    try:
        return unpickling.loads(data)
    except Exception as error:
        lack = find_lack(error, entry.get(PICKLED_WITH, {}))
        if lack is None:
            raise ExplorerError(f"the value {key!r} cannot be unpickled here: {error!r}") from error
        raise ExplorerError(
            f"the value {key!r} is a Python object that {lack.explain('this Python')}: "
            f"{lack.advise()}, or write the value as plain numbers and text"
        ) from error
