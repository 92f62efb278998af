"""Lengths of time as people write them: ``10m``, ``1h``, ``1d``, ``2w``."""

import math
import re
from datetime import timedelta

from explorer_runner.text import shown
from gencove_explorer.errors import InvalidFilter

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
_LONGEST = timedelta(weeks=52_000)
"""A thousand years: what is much longer ago is in no calendar of Python's."""


def parse_duration(duration: str | float | timedelta) -> float:
    """Seconds of ``10m``, a number of seconds, or a timedelta. Raises InvalidFilter."""
    length = _seconds(duration)
    if length is None:
        raise InvalidFilter(
            f"{shown(duration)} is not a length of time: use a number with s, m, h, d or w, such as '10m'"
        )
    if not 0 <= length <= _LONGEST.total_seconds():
        raise InvalidFilter(
            f"{shown(duration)} is not a length of time from nothing to {_LONGEST.days // 7}w"
        )
    return length


def _seconds(duration: object) -> float | None:
    if isinstance(duration, timedelta):
        return duration.total_seconds()
    if isinstance(duration, int | float) and not isinstance(duration, bool):
        try:
            return float(duration)
        except OverflowError:
            return math.inf
    match = isinstance(duration, str) and re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([smhdw])\s*", duration)
    return float(match[1]) * _UNITS[match[2]] if match else None


def format_duration(length: float) -> str:
    """A length in seconds as the shortest duration that is not shorter: 5400 -> ``2h``."""
    for unit in ("s", "m", "h", "d"):
        bigger = {"s": 60, "m": 3600, "h": 2 * 86400, "d": 14 * 86400}[unit]
        if length < bigger:
            return f"{max(1, -int(-length // _UNITS[unit]))}{unit}"
    return f"{-int(-length // _UNITS['w'])}w"
