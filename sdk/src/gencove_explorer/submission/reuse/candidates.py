"""What earlier rounds of a recipe offer: for the identity of an input the attempt that succeeded with it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from explorer_runner.errors import CorruptPayload, NotFound, PayloadError
from explorer_runner.format import payload
from explorer_runner.format.keys import SUCCEEDED, AttemptId, OutcomeName
from explorer_runner.format.outcome import read as read_outcome
from explorer_runner.format.payload import CONTENT, NAMED, DependencyRef
from explorer_runner.format.reused import Origin, Reused
from explorer_runner.results import outcome_names
from explorer_runner.stores.base import Store
from gencove_explorer.records.reuse_index import Entry
from gencove_explorer.records.round import RoundRecord, Rounds, read_rounds

Outputs = Sequence[Origin | None]
"""By job index which attempt made the results that others read; None of a job that has none yet."""


@dataclass(frozen=True)
class Offer:
    """A job of an earlier round."""

    index: int
    named: bytes
    content: bytes | None
    """None: nobody looked what its files held."""
    origin: Origin | None
    """None: it has not succeeded."""


@dataclass
class Candidate:
    """An earlier round of a recipe."""

    record: RoundRecord
    offers: list[Offer] = field(default_factory=list)


def read_candidate(store: Store, entry: Entry) -> Candidate | None:
    """What a round offers: a few requests, whatever its size. None if it is gone or damaged."""
    try:
        rounds = read_rounds(store, entry.analysis)
        record = next((record for record in rounds if record.round == entry.round), None)
        if record is None:
            return None
        loaded = payload.load(store, entry.analysis, entry.round, record.payload)
        named, content = loaded.identities(NAMED), loaded.identities(CONTENT)
        origins = _origins(store, rounds, record)
        indices = range(loaded.spec.jobs) if loaded.spec.all_inputs else record.all_indices()
        return Candidate(
            record,
            [
                Offer(index, named[row], content[row] if content else None, origins.get(index))
                for row, index in enumerate(indices)
            ],
        )
    except (NotFound, PayloadError, IndexError):
        return None


def _origins(store: Store, rounds: Rounds, record: RoundRecord) -> dict[int, Origin]:
    """Of the jobs of a round those that succeeded in it; of a first round those that it reused, too."""
    names = [name for name in outcome_names(store, record.id) if name.round == record.round]
    origins = {index: Origin(record.id, attempt) for index, attempt in _only_successes(names).items()}
    return origins | (rounds.reused.origins if record.round == 0 else {})


def _only_successes(names: Sequence[OutcomeName]) -> dict[int, AttemptId]:
    """The attempt that succeeded, by job. Of a job with two of them nobody knows which others have read."""
    attempts: dict[int, list[AttemptId]] = {}
    for name in names:
        if name.status == SUCCEEDED:
            attempts.setdefault(name.index, []).append(AttemptId(name.index, name.round, name.attempt))
    return {index: own[0] for index, own in attempts.items() if len(own) == 1}


_MOST_READ = 64
"""Jobs of a dependency whose outputs are compared by content, which is a read each."""
Difference = Callable[[int, int], str]
"""Of a job here and one of another round: why the first cannot take the other's results; empty if it can."""


def _always(reason: str) -> Difference:
    return lambda index, there: reason


class DependencyOutputs:
    """Which attempts made what the dependencies of a round give, each analysis looked at once."""

    def __init__(self, store: Store, planned: Mapping[str, Reused]) -> None:
        self._store = store
        self._planned = planned
        """Of analyses that are about to be submitted: the jobs of each that are reused."""
        self._known: dict[str, Outputs] = {}
        self._contents: dict[Origin, object] = {}

    def compare(self, own: Sequence[DependencyRef], others: Sequence[DependencyRef]) -> Difference:
        """What is different between the outputs that jobs would read and those that another round read."""
        by_name = {ref.name: ref for ref in others}
        paired: list[tuple[str, Outputs, Outputs]] = []
        for ref in own:
            now, then = self._outputs(ref), self._outputs(by_name[ref.name])
            if ref.each:
                paired.append((ref.name, now, then))
            elif not self._are_same(now, then):
                return _always(f"its dependency {ref.name} has other outputs")

        def differs(index: int, there: int) -> str:
            for name, now, then in paired:
                one, other = now[index], then[there]
                if (one != other and len(now) > _MOST_READ) or not self._are_same([one], [other]):
                    return f"the job of its dependency {name} has other outputs"
            return ""

        return differs

    def _are_same(self, now: Outputs, then: Outputs) -> bool:
        """Whether these outputs are the same: made by the same attempts or, if they are few, equal."""
        if None in now or None in then or len(now) != len(then):
            return False
        if list(now) == list(then):
            return True
        if len(now) > _MOST_READ:
            return False
        return all(self._content(one) == self._content(other) for one, other in zip(now, then, strict=True))

    def _content(self, origin: Origin | None) -> object:
        """What an attempt kept, as its outcome has it: values, and of files size and digest."""
        assert origin is not None, "checked before"
        if origin not in self._contents:
            outcome = read_outcome(self._store, origin.analysis, origin.attempt, SUCCEEDED)
            self._contents[origin] = (outcome.values, outcome.files, outcome.folders)
        return self._contents[origin]

    def _outputs(self, ref: DependencyRef) -> Outputs:
        if ref.id not in self._known:
            self._known[ref.id] = self._read(ref)
        return self._known[ref.id]

    def _read(self, ref: DependencyRef) -> Outputs:
        if ref.id in self._planned:
            origins = self._planned[ref.id].origins
        else:
            try:
                rounds = read_rounds(self._store, ref.id)
            except CorruptPayload:
                return [None] * ref.jobs
            made = _only_successes(outcome_names(self._store, ref.id))
            origins = {index: Origin(ref.id, attempt) for index, attempt in made.items()}
            origins |= rounds.reused.origins
        return [origins.get(index) for index in range(ref.jobs)]
