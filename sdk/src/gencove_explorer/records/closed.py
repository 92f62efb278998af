"""Closed jobs: those that will start no attempt any more, with the reason."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import ClassVar

from explorer_runner.errors import AlreadyExists
from explorer_runner.format import validation
from explorer_runner.format.closed import REASONS, by_index, check_ranges
from explorer_runner.format.keys import closed_key, closed_prefix, parse_closed_name
from explorer_runner.stores.base import Store
from gencove_explorer.records.base import Record, read_record


@dataclass(frozen=True, kw_only=True)
class Closed(Record):
    """Jobs of a round that will start no attempt any more, with the reason."""

    reasons: dict[str, list[list[int]]]
    """Reason -> ranges of job indices, first and last."""

    checks: ClassVar[Mapping[str, validation.Check]] = {"reasons": REASONS}

    def __post_init__(self) -> None:
        check_ranges(self.reasons)

    @classmethod
    def of(cls, reasons: Mapping[str, Iterable[int]]) -> "Closed":
        return cls(reasons={reason: _ranges(indices) for reason, indices in reasons.items()})

    def by_index(self) -> dict[int, str]:
        return by_index(self.reasons)


def _ranges(indices: Iterable[int]) -> list[list[int]]:
    ranges: list[list[int]] = []
    for index in sorted(indices):
        if ranges and ranges[-1][1] == index - 1:
            ranges[-1][1] = index
        else:
            ranges.append([index, index])
    return ranges


def write_closed(store: Store, analysis_id: str, round: int, closed: Closed) -> None:
    """Append a record of closed jobs to a round."""
    number = len(_closed_names(store, analysis_id, round))
    while True:
        try:
            return store.create(closed_key(analysis_id, round, number), closed.to_json())
        except AlreadyExists:
            number += 1


def read_closed(store: Store, analysis_id: str) -> dict[int, dict[int, str]]:
    """Round -> job index -> why it was closed."""
    by_round: dict[int, dict[int, str]] = {}
    for name in store.list_names(closed_prefix(analysis_id)):
        round = parse_closed_name(name)
        if round is not None:
            key = f"{closed_prefix(analysis_id)}/{name}"
            reasons = read_record(store, key, Closed, analysis_id).by_index()
            by_round.setdefault(round, {}).update(reasons)
    return by_round


def _closed_names(store: Store, analysis_id: str, round: int) -> list[str]:
    return [name for name in store.list_names(closed_prefix(analysis_id)) if name.startswith(f"{round}-")]
