"""Records of closed jobs, as far as whoever reads results needs them: which jobs, and why."""

from collections.abc import Iterable, Mapping, Sequence

from explorer_runner.format import validation
from explorer_runner.format.keys import closed_prefix, parse_closed_name
from explorer_runner.format.payload import load_record
from explorer_runner.stores.base import Store

REASONS: validation.Check = validation.mapped(
    validation.listed(validation.listed(validation.whole(0, validation.JOBS - 1)))
)
"""Reason -> ranges of job indices, first and last."""


def check_ranges(reasons: Mapping[str, Sequence[Sequence[int]]]) -> None:
    """Raise ValueError unless they close at most as many jobs as there can be."""
    ranges = [span for spans in reasons.values() for span in spans]
    if any(len(span) != 2 or span[0] > span[1] for span in ranges):
        raise ValueError("its ranges are not a first and a last job each")
    if sum(last - first + 1 for first, last in ranges) > validation.JOBS:
        raise ValueError(f"it closes more than {validation.JOBS:,} jobs")


def by_index(reasons: Mapping[str, Iterable[Sequence[int]]]) -> dict[int, str]:
    """Job index -> why it was closed."""
    return {
        index: reason
        for reason, ranges in reasons.items()
        for first, last in ranges
        for index in range(first, last + 1)
    }


def newest_closed(store: Store, analysis: str) -> dict[int, tuple[int, str]]:
    """Job index -> the last round in which it was closed, and why. Raises CorruptPayload."""
    newest: dict[int, tuple[int, str]] = {}
    for name in store.list_names(closed_prefix(analysis)):
        number = parse_closed_name(name)
        if number is None:
            continue
        key = f"{closed_prefix(analysis)}/{name}"
        try:
            raw = store.read(key, limit=validation.RECORD_BYTES)
            reasons = validation.require(load_record(raw, key), {"reasons": REASONS})["reasons"]
            check_ranges(reasons)
        except (ValueError, TypeError, KeyError) as error:
            raise validation.refused(key, error) from error
        for index, reason in by_index(reasons).items():
            if index not in newest or newest[index][0] <= number:
                newest[index] = (number, reason)
    return newest
