"""Jobs that were not run again: where the results of each lie.

Kept in the record of an analysis's first round, which one read brings to whoever wants outputs.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

from explorer_runner.format import validation
from explorer_runner.format.keys import AttemptId, round_key
from explorer_runner.format.names import check_id
from explorer_runner.stores.base import Store


class Origin(NamedTuple):
    """The attempt of another analysis that made the results of a job."""

    analysis: str
    attempt: AttemptId


@dataclass(frozen=True)
class Reused:
    """Job index -> the attempt that made its results, of the jobs that were not run again.

    As spans: jobs side by side whose origins lie side by side are one entry, so 10,000 jobs mostly are few.
    """

    spans: Mapping[str, Sequence[Sequence[int]]] = field(default_factory=dict)
    """Analysis -> first index here, first index there, number of jobs, round, attempt."""

    @classmethod
    def of(cls, origins: Mapping[int, Origin]) -> "Reused":
        """``origins``: by the index of the job that is not run."""
        spans: dict[str, list[list[int]]] = {}
        for index in sorted(origins):
            analysis, (there, round, attempt) = origins[index]
            own = spans.setdefault(analysis, [])
            last = own[-1] if own else None
            if last and [last[0] + last[2], last[1] + last[2], *last[3:]] == [index, there, round, attempt]:
                last[2] += 1
            else:
                own.append([index, there, 1, round, attempt])
        return cls(spans)

    @cached_property
    def origins(self) -> dict[int, Origin]:
        """By the index of the job that was not run."""
        return dict(self._origins())

    def _origins(self) -> Iterator[tuple[int, Origin]]:
        for analysis, spans in self.spans.items():
            for first, there, jobs, round, attempt in spans:
                for step in range(jobs):
                    yield first + step, Origin(analysis, AttemptId(there + step, round, attempt))

    def __bool__(self) -> bool:
        return bool(self.spans)

    def __len__(self) -> int:
        return sum(span[2] for spans in self.spans.values() for span in spans)

    def to_json(self) -> dict[str, Any]:
        return {analysis: list(spans) for analysis, spans in self.spans.items()}

    @classmethod
    def from_json(cls, data: Any) -> "Reused":
        """Raises ValueError for what is none."""
        check(data)
        return cls(data)


_INDEX = validation.whole(0, validation.JOBS - 1)
_SPAN = (
    _INDEX,
    _INDEX,
    validation.whole(1, validation.JOBS),
    validation.whole(0, validation.ROUNDS),
    validation.whole(0, validation.ATTEMPTS),
)


def check(data: Any) -> None:
    """Raise ValueError unless this is what ``Reused.to_json`` writes."""
    validation.mapped(validation.listed(_check_span))(data)
    for analysis in data:
        check_id(analysis)
    if sum(span[2] for spans in data.values() for span in spans) > validation.JOBS:
        raise ValueError(f"at most {validation.JOBS:,} jobs")


def _check_span(span: Any) -> None:
    if type(span) is not list or len(span) != len(_SPAN):
        raise ValueError("five numbers")
    for check_number, number in zip(_SPAN, span, strict=True):
        check_number(number)
    if max(span[0], span[1]) + span[2] > validation.JOBS:
        raise ValueError(f"jobs up to {validation.JOBS - 1:,}")


def read_reused(store: Store, analysis: str) -> Reused:
    """The jobs of an analysis that were not run again. Raises NotFound or CorruptPayload."""
    key = round_key(analysis, 0)
    try:
        data = validation.load_json(store.read(key, limit=validation.RECORD_BYTES))
        return Reused.from_json(data.get("reused", {}))
    except (ValueError, TypeError, AttributeError) as error:
        raise validation.refused(f"{key} in the store", error) from error
