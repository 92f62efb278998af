"""Output values: JSON where that is exact, a pickle where it is not.

A value is JSON when reading it back gives the same value of the same types: str, int, float, bool,
None, and lists and string-keyed dicts of them. Everything else (tuples, NumPy scalars, data frames)
is pickled; reading that runs code, so it trusts everybody who can write to the store.
"""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from explorer_runner.errors import CorruptPayload, ExplorerError, OutputError

INLINE_BYTES = 64 << 10
"""Values of up to this many bytes travel inside the outcome, larger ones beside it."""

JSON, PICKLE = KINDS = ("json", "pkl")


def encode(key: str, value: Any) -> tuple[str, bytes]:
    """``(kind, bytes)`` of a value. Raises OutputError if it can be neither JSON nor a pickle."""
    if _is_json(value, 0):
        return JSON, json.dumps(value).encode()
    import cloudpickle

    try:
        return PICKLE, cloudpickle.dumps(value, protocol=5)
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
        return all(_is_json(each, depth + 1) for each in value)
    if kind is dict:
        return all(type(key) is str and _is_unicode(key) for key in value) and all(
            _is_json(each, depth + 1) for each in value.values()
        )
    return False


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def inline(kind: str, data: bytes) -> str:
    """A small value as a part of the outcome: JSON text."""
    if kind == JSON:
        return f'{{"{JSON}": {data.decode()}}}'
    import base64  # not at the top: every fork would pay for it

    return f'{{"{PICKLE}": "{base64.b64encode(data).decode()}"}}'


def beside(kind: str, data: bytes) -> str:
    """What the outcome says of a value that is stored beside it: JSON text."""
    return json.dumps({"kind": kind, "size": len(data), "sha256": hashlib.sha256(data).hexdigest()})


def decode_inline(key: str, entry: Mapping[str, Any]) -> Any:
    """The value that ``inline`` made an entry of."""
    if JSON in entry:
        return entry[JSON]
    import base64

    return _unpickle(key, base64.b64decode(entry[PICKLE]))


def decode_beside(key: str, entry: Mapping[str, Any], data: bytes) -> Any:
    """The value that ``beside`` made an entry of, checked against it."""
    if hashlib.sha256(data).hexdigest() != entry["sha256"]:
        raise CorruptPayload(f"the value {key!r} in the store is not the one that the job wrote")
    return json.loads(data) if entry["kind"] == JSON else _unpickle(key, data)


def _unpickle(key: str, data: bytes) -> Any:
    from explorer_runner import unpickling  # not at the top: most jobs read none

    try:
        return unpickling.loads(data)
    except ModuleNotFoundError as error:
        raise ExplorerError(
            f"the value {key!r} is a Python object that needs the package {error.name!r}, "
            "which is not installed here: install it, or write the value as plain numbers and text"
        ) from error
    except Exception as error:
        raise ExplorerError(f"the value {key!r} cannot be unpickled here: {error!r}") from error
