"""Round records: the submissions of an analysis, the first run (round 0) and retries of some of its jobs."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar, Self, overload

from explorer_runner.format import validation
from explorer_runner.format.keys import parse_number, round_key, rounds_prefix
from explorer_runner.format.names import check_id
from explorer_runner.format.payload import INDICES
from explorer_runner.format.reused import Reused
from explorer_runner.format.reused import check as check_reused
from explorer_runner.stores.base import Store
from gencove_explorer.records.base import DescribedRecord, read_record, unreadable
from gencove_explorer.records.reuse_index import Entry


@dataclass(frozen=True, kw_only=True)
class RoundRecord(DescribedRecord):
    """One submission of an analysis: the first run (round 0), or a retry of some of its jobs."""

    id: str
    round: int
    executor: str
    indices: list[int] | None
    """The jobs that it runs, by position; None: all."""
    jobs: int
    """How many jobs it runs."""
    payload: str
    """SHA-256 of its payload."""
    submitted: float
    user: str = ""
    python: str = ""
    place: str = ""
    """Where exactly it was submitted to: host and home folder of a local executor."""
    shell: bool = False
    """Whether its work function uses ! or %, for which jobs need IPython."""
    source: str = ""
    """SHA-256 of the work function's text; empty where it is not known."""
    image: str | None = ""
    """The image as it was asked for, before an executor pinned it; empty where it is not known."""

    max_failures: int | None = None
    """So many of its jobs may fail for good before no more of them are started; None: all."""
    parallel: int | None = None
    """So many jobs of the analysis may run at once; None: as many as there is room for."""

    canary: list[int] = field(default_factory=list)
    """The jobs that must have succeeded, in whatever round is their last, before its own start."""

    tolerated: bool = False
    """Whether others wait for the end of its jobs alone: AWS Batch is not told when a function fails."""
    reused: Reused = field(default_factory=Reused)
    """Of the first round: the jobs that no round runs, as they succeeded in other analyses."""
    recipe: str = ""
    """Under which the store finds it (records.reuse_index); empty where that is not known."""
    identity: str = ""
    """Of its one input, in hex digits; empty of a round with several."""
    parts: dict[str, str] = field(default_factory=dict)
    """What all its jobs share, by which the recipe is known: function, global_config, packages ..."""

    checks: ClassVar[Mapping[str, validation.Check]] = {
        "id": check_id,
        "round": validation.whole(0, validation.ROUNDS),
        "executor": validation.text(),
        "indices": INDICES,
        "jobs": validation.whole(0, validation.JOBS),
        "payload": validation.digest,
        "submitted": validation.number(0, validation.LATEST),
        "user": validation.text(),
        "python": validation.text(),
        "place": validation.text(),
        "shell": validation.flag,
        "source": validation.text(),
        "image": validation.optional(validation.text()),
        "max_failures": validation.optional(validation.whole(1)),
        "parallel": validation.optional(validation.whole(1)),
        "canary": validation.listed(validation.whole(0, validation.JOBS - 1), validation.JOBS),
        "tolerated": validation.flag,
        "reused": check_reused,
        "recipe": validation.digest,
        "identity": validation.digest,
        "parts": validation.mapped(validation.text()),
    }

    def __post_init__(self) -> None:
        if self.indices is not None and len(self.indices) != self.jobs:
            raise ValueError(f"it runs {self.jobs:,} jobs, and names {len(self.indices):,}")
        if not self.jobs and not self.reused:
            raise ValueError("it runs no job")

    def to_data(self) -> dict[str, Any]:
        return {**super().to_data(), "reused": self.reused.to_json()}

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> Self:
        record = super().from_data(data)
        if "reused" in data:
            object.__setattr__(record, "reused", Reused.from_json(data["reused"]))
        return record

    @property
    def entry(self) -> Entry:
        """By which the store names it under its recipe."""
        return Entry(self.id, self.round, self.identity)

    def changes_from(self, before: "RoundRecord") -> list[str]:
        """What a retry changed, in words: ``memory_mb 4000 -> 8000``, ``another function``."""
        old, new = before.job_definition.to_json(), self.job_definition.to_json()
        changes = [f"{name} {old.get(name)} -> {new[name]}" for name in new if new[name] != old.get(name)]
        if self.source and before.source and self.source != before.source:
            changes.append("another function")
        return changes

    def index_of(self, position: int) -> int:
        return position if self.indices is None else self.indices[position]

    def all_indices(self) -> Iterable[int]:
        return range(self.jobs) if self.indices is None else self.indices


def unreadable_round(analysis_id: str, executor: str) -> RoundRecord:
    """Stands for a round of which no more is known than that it has not ended."""
    return RoundRecord(
        id=analysis_id, round=0, executor=executor, indices=None, jobs=1, payload="", submitted=0.0
    )


def reused_in(rounds: Sequence[RoundRecord]) -> Reused:
    """The jobs of an analysis that no round runs, which its first round names."""
    return rounds[0].reused if rounds else Reused()


class Rounds(Sequence[RoundRecord]):
    """All rounds of an analysis in a store, the first run first, and which of them each job was last in."""

    def __init__(self, store: Store, analysis_id: str, records: Iterable[RoundRecord]) -> None:
        self.store, self.id = store, analysis_id
        self._records = sorted(records, key=lambda record: record.round)

    @overload
    def __getitem__(self, position: int) -> RoundRecord: ...
    @overload
    def __getitem__(self, position: slice) -> list[RoundRecord]: ...
    def __getitem__(self, position: int | slice) -> RoundRecord | list[RoundRecord]:
        return self._records[position]

    def __len__(self) -> int:
        return len(self._records)

    @property
    def numbers(self) -> list[int]:
        return [record.round for record in self._records]

    @cached_property
    def _last(self) -> dict[int, RoundRecord]:
        return {index: record for record in self._records for index in record.all_indices()}

    @property
    def indices(self) -> Collection[int]:
        """The jobs that were submitted."""
        return self._last.keys()

    @property
    def jobs(self) -> int:
        """How many jobs the analysis has, as far as its rounds tell."""
        return 1 + max([*self._last, *self.reused.origins], default=-1)

    @property
    def reused(self) -> Reused:
        """The jobs that no round runs, as they succeeded in other analyses."""
        return reused_in(self._records)

    def last(self, index: int) -> RoundRecord:
        """The last round that a job is in, which is the one that counts. Raises KeyError."""
        return self._last[index]

    def by_round(self, indices: Iterable[int]) -> list[tuple[RoundRecord, list[int]]]:
        """The jobs by the last round that each is in, in the rounds' order."""
        groups: dict[int, list[int]] = {}
        for index in indices:
            groups.setdefault(self._last[index].round, []).append(index)
        return [(record, groups[record.round]) for record in self._records if record.round in groups]

    def by_executor(self, indices: Iterable[int]) -> dict[str, list[int]]:
        """Executor -> those of the jobs whose last round it runs."""
        groups: dict[str, list[int]] = {}
        for index in indices:
            if index in self._last:
                groups.setdefault(self._last[index].executor, []).append(index)
        return groups


def read_rounds(store: Store, analysis_id: str, known: Rounds | None = None) -> Rounds:
    """All rounds of an analysis; ``known`` ones are not read again."""
    names = map(parse_number, store.list_names(rounds_prefix(analysis_id)))
    numbers = sorted(number for number in names if number is not None)
    if known is not None and known.numbers == numbers:
        return known
    records = {record.round: record for record in known or ()}
    for number in numbers:
        if number not in records:
            records[number] = _read_round(store, analysis_id, number)
    return Rounds(store, analysis_id, [records[number] for number in numbers])


def _read_round(store: Store, analysis_id: str, number: int) -> RoundRecord:
    key = round_key(analysis_id, number)
    record = read_record(store, key, RoundRecord, analysis_id)
    if (record.id, record.round) != (analysis_id, number):
        raise unreadable(f"{key} is about another round, {record.round} of {record.id}", analysis_id)
    return record
