"""What a value that is no JSON is shown as: JSON, of bounded size, made in bounded time and without fail.

A preview is to be looked at; no value is read back from it. What is left out is marked by "...": it is the
last element of a list, the last key of a dictionary, or the end of a text.
"""

import json
import math
from collections.abc import Iterator
from itertools import islice
from typing import Any

from explorer_runner.format.unfolding import PARTS, Pairs, Parts, is_a, unfold
from explorer_runner.format.values import without_numpy

BYTES = 4 << 10
"""A preview ends after about so many bytes."""
_MORE = "..."
_DEPTH = 8
_CHARACTERS = 1000
_KEY_CHARACTERS = 100
_REPR_BYTES = 1 << 20
"""No text is made of an object that is larger when pickled: that might take as long as it is large."""
_MISSING = ("NAType", "NaTType")
_DATES = (("datetime", "date"), ("datetime", "time"))
_TEXTS = (
    *(("datetime", "timedelta"), ("decimal", "Decimal"), ("fractions", "Fraction"), ("uuid", "UUID")),
    *(("pathlib", "PurePath"), ("ipaddress", "IPv4Address"), ("ipaddress", "IPv6Address")),
    ("numpy", "generic"),
)
"""Classes whose objects are best known by their str()."""


def preview(value: Any, size: int) -> Any:
    """``value`` as JSON to look at; ``size`` is how many bytes it takes when pickled."""
    try:
        return _Preview(size).show(value, 0)
    except Exception:  # of the value's own code: nothing that is only for show is to fail a job
        return _name(value)


class _Preview:
    def __init__(self, size: int) -> None:
        self._size = size
        self._left = BYTES

    def show(self, value: Any, depth: int) -> Any:
        value = without_numpy(value) if type(value).__module__ == "numpy" else value
        plain = _as_scalar(value)
        if plain is not value or value is None or isinstance(value, bool | int | float | str):
            return self._take(plain)
        if depth > _DEPTH or self._left <= 0:
            return _MORE
        parts = _try_unfolding(value)
        if isinstance(parts, Pairs):
            return self._dictionary(parts, depth)
        if isinstance(parts, Parts):
            return self._list(parts, depth)
        return self._take(self._repr(value)) if parts is None else self.show(parts, depth + 1)

    def _list(self, parts: Parts, depth: int) -> list[Any]:
        shown = [self.show(part, depth + 1) for part in self._while_there_is_room(parts)]
        return shown if len(shown) == parts.total else [*shown, _MORE]

    def _dictionary(self, pairs: Pairs, depth: int) -> dict[str, Any]:
        shown: dict[str, Any] = {}
        for key, part in self._while_there_is_room(pairs):
            name = self._take(_as_key(key))
            shown[name if name not in shown else f"{name}.{len(shown)}"] = self.show(part, depth + 1)
        return shown if len(shown) == pairs.total else {**shown, _MORE: _MORE}

    def _while_there_is_room(self, parts: Parts | Pairs) -> Iterator[Any]:
        for part in islice(parts.parts, PARTS):
            self._left -= 2
            if self._left <= 0:
                return
            yield part

    def _repr(self, value: Any) -> str:
        try:
            return _name(value) if self._size > _REPR_BYTES else _cut(repr(value), _CHARACTERS)
        except Exception:  # a fault of its own, which is not to fail the job
            return _name(value)

    def _take(self, shown: Any) -> Any:
        self._left -= len(json.dumps(shown))
        return shown


def _try_unfolding(value: Any) -> Any:
    try:
        return unfold(value)
    except Exception:  # it only looks like one of its kind
        return None


def _as_scalar(value: Any) -> Any:
    """Text, a number or null for a value that is one or is best shown as one; else the value itself."""
    if is_a(value, "enum", "Enum"):
        return f"{type(value).__qualname__}.{value.name or value.value}"
    if isinstance(value, str):
        return _cut(str.__str__(value), _CHARACTERS)
    if isinstance(value, float):
        return float.__float__(value) if math.isfinite(value) else None
    if isinstance(value, int) and not isinstance(value, bool):
        return int.__index__(value) if -(1 << 63) <= value < 1 << 64 else _large(value)
    if type(value).__name__ in _MISSING:
        return None
    return _as_text(value)


def _as_text(value: Any) -> Any:
    if any(is_a(value, *kind) for kind in _DATES):
        return str(value.isoformat())
    if any(is_a(value, *kind) for kind in _TEXTS):
        return _cut(str(value), _CHARACTERS)
    if isinstance(value, bytes | bytearray):
        return _cut(repr(bytes(value[: _CHARACTERS + 1])), _CHARACTERS)
    return value


def _large(value: int) -> str:
    return str(value) if value.bit_length() < 3000 else f"a whole number of {value.bit_length():,} bits"


def _as_key(key: Any) -> str:
    plain = _as_scalar(without_numpy(key) if type(key).__module__ == "numpy" else key)
    if isinstance(plain, str):
        return _cut(plain, _KEY_CHARACTERS)
    import reprlib

    return _cut(reprlib.repr(plain), _KEY_CHARACTERS)


def _cut(text: str, limit: int) -> str:
    limit = limit if text.isascii() else limit // 4  # a character may take twelve bytes of JSON
    text = text if len(text) <= limit else f"{text[:limit]}{_MORE}"
    return text if text.isascii() else text.encode(errors="backslashreplace").decode()


def _name(value: Any) -> str:
    return f"<{type(value).__module__}.{type(value).__qualname__}>"
