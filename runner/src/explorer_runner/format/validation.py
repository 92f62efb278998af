"""Facts from outside, checked before anything is made of them: JSON of a bounded size, types, ranges.

What a process wrote long ago, or somebody else wrote over, may be of any type and size: a number of jobs
of a thousand million would fill the memory of a process that makes a list of that length. Each record names a
check for each of its fields.
"""

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from explorer_runner.errors import CorruptPayload
from explorer_runner.text import shown

JOBS = 10_000
"""Most jobs of an analysis."""
ROUNDS = 100_000
"""More than the submissions of any analysis, as each takes seconds."""
ATTEMPTS = 1_000
"""More than the attempts at any job: AWS Batch makes ten."""
LATEST = 253_402_214_400.0
"""The last day of the year 9999, in seconds since 1970: calendars end there."""
RECORD_BYTES = 64 << 20
"""Largest record that is read: that of a job with 300,000 output files."""
SHORT = 10_000
"""Most characters of a name, an address, or a version."""

_HEX = re.compile("[0-9a-f]{0,64}")

Check = Callable[[Any], object]
"""Raises ValueError for what is not allowed, saying what is."""


def whole(low: int | None = None, high: int | None = None) -> Check:
    """A whole number within these bounds."""
    allowed = "a whole number" + (
        f" from {low:,} to {high:,}" if low is not None and high is not None else ""
    )

    def check(value: Any) -> None:
        if type(value) is not int or (low is not None and value < low) or (high is not None and value > high):
            raise ValueError(allowed)

    return check


def number(low: float, high: float) -> Check:
    """A number within these bounds, so neither infinite nor NaN."""

    def check(value: Any) -> None:
        if type(value) not in (int, float) or not low <= value <= high:
            raise ValueError(f"a number from {low:g} to {high:g}")

    return check


def text(most: int | None = SHORT) -> Check:
    """Text of at most so many characters; None: as many as the record holds."""

    def check(value: Any) -> None:
        if type(value) is not str or (most is not None and len(value) > most):
            raise ValueError("text" + (f" of at most {most:,} characters" if most is not None else ""))

    return check


def digest(value: Any) -> None:
    """Hex digits, as of a SHA-256, or nothing where it is not known: keys are made of it."""
    if not isinstance(value, str) or _HEX.fullmatch(value) is None:
        raise ValueError("a digest in hex digits")


def flag(value: Any) -> None:
    """True or false."""
    if type(value) is not bool:
        raise ValueError("true or false")


def optional(check: Check) -> Check:
    """What ``check`` allows, or nothing."""
    return lambda value: None if value is None else check(value)


def listed(check: Check, most: int | None = None) -> Check:
    """A list of what ``check`` allows."""

    def check_all(value: Any) -> None:
        if type(value) is not list or (most is not None and len(value) > most):
            raise ValueError("a list" + (f" of at most {most:,}" if most is not None else ""))
        for item in value:
            check(item)

    return check_all


def mapped(check: Check | None = None) -> Check:
    """A mapping of text to what ``check`` allows (None: to anything)."""

    def check_all(value: Any) -> None:
        if not isinstance(value, Mapping):
            raise ValueError("a mapping")
        if check is not None:
            for item in value.values():
                check(item)

    return check_all


def known(data: Any, checks: Mapping[str, Check]) -> dict[str, Any]:
    """Those of the facts that have a check, checked. What else there is, a newer version has added.

    Raises ValueError, naming the field.
    """
    if not isinstance(data, Mapping):
        raise ValueError(f"it is {shown(data)}, and no mapping")
    facts = {name: data[name] for name in checks if name in data}
    for name, value in facts.items():
        try:
            checks[name](value)
        except ValueError as error:
            has = "holds what" if isinstance(value, list | dict) else f"is {shown(value)}, which"
            raise ValueError(f"{name} {has} is not {error}") from None
    return facts


def require(data: Any, checks: Mapping[str, Check]) -> dict[str, Any]:
    """Likewise of what must have all of these facts."""
    facts = known(data, checks)
    if len(facts) < len(checks):
        raise ValueError(f"it has no {', '.join(sorted(checks.keys() - facts.keys()))}")
    return facts


def load_json(raw: bytes | str) -> Any:
    """What a JSON text says. Raises ValueError, for what is nested too deeply too."""
    try:
        return json.loads(raw)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def refused(what: str, error: Exception) -> CorruptPayload:
    """The error of a record that cannot be read."""
    problem = f"it has no {error}" if type(error) is KeyError else str(error)
    return CorruptPayload(f"{what} cannot be read: {problem}")
