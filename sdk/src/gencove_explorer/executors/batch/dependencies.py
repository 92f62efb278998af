"""What a round waits for, as Batch is told: jobs that have not succeeded yet.

What has succeeded is left out, since Batch forgets it after a week, and the store does not.
"""

from dataclasses import dataclass, field

from explorer_runner.format.keys import FAILED, SUCCEEDED
from explorer_runner.format.payload import DependencyRef
from explorer_runner.results import outcome_names
from explorer_runner.stores.base import Store
from gencove_explorer.errors import DependencyError
from gencove_explorer.executors.batch.jobs import Jobs
from gencove_explorer.records.closed import read_closed
from gencove_explorer.records.halts import read_settled, why_halted
from gencove_explorer.records.root_cause import dependency_failed
from gencove_explorer.records.round import RoundRecord, Rounds, read_rounds
from gencove_explorer.records.states import settled_states

_MOST_EXPLAINED = 20


@dataclass
class ResolvedDependencies:
    """The dependencies of a round."""

    depends_on: list[dict[str, str]] = field(default_factory=list)
    """As SubmitJob takes them."""
    failed: str = ""
    """Why the round can never run, if it cannot."""


class Dependencies:
    """Looks dependencies up in the store, and their jobs in Batch."""

    def __init__(self, store: Store, jobs: Jobs) -> None:
        self._store = store
        self._jobs = jobs
        self._seen: dict[str, list[str | None]] = {}
        self._reasons: dict[tuple[str, int | None], str] = {}

    def of(self, record: RoundRecord, jobs: int) -> ResolvedDependencies:
        """What a round of an analysis of so many jobs waits for.

        Raises DependencyError for what Batch cannot wait for.
        """
        resolved = ResolvedDependencies()
        for ref in record.depends_on:
            rounds = read_rounds(self._store, ref.id)
            if not rounds:
                return ResolvedDependencies(
                    failed=f"Dependency failed: {ref.name} ({ref.id}) is not in the store"
                )
            states = self._states(ref)
            if all(state == SUCCEEDED for state in states) or (ref.finished and None not in states):
                continue
            if FAILED in states and None not in states and not ref.each:
                return ResolvedDependencies(failed=dependency_failed(self._store, ref))
            resolved.depends_on += self._waits(record, ref, rounds, states)
        return self._behind_canary(record, jobs) or resolved

    def _behind_canary(self, record: RoundRecord, jobs: int) -> ResolvedDependencies | None:
        """What a round waits for while its canary has not succeeded: that alone, which waits for all else."""
        if not record.canary:
            return None
        rounds = read_rounds(self._store, record.id)
        settled = read_settled(rounds, jobs)
        reason = why_halted(rounds, record, settled)
        if reason is not None:
            return ResolvedDependencies(failed=reason)
        waited_for = [index for index in record.canary if settled[0][index] != SUCCEEDED]
        needed = [needed_round for needed_round, _ in rounds.by_round(waited_for)]
        ids = self._jobs.ids(needed)
        if any(needed_round.round not in ids for needed_round in needed):
            raise DependencyError(
                f"{record.id}: AWS Batch does not know the jobs of its canary: retry_failed() runs them all"
            )
        return ResolvedDependencies([{"jobId": job} for job in ids.values()]) if needed else None

    def failed(self, record: RoundRecord, index: int) -> str:
        """Which dependency it was that failed, and why, for a job that never ran for its sake."""
        if record.canary and self._canary_state(record) == FAILED:
            key = record.id, None
            if key not in self._reasons:
                rounds = read_rounds(self._store, record.id)
                reason = why_halted(rounds, record, read_settled(rounds, rounds.jobs))
                self._reasons[key] = reason or "not started: the canary failed"
            return self._reasons[key]
        needed = [ref for ref in record.depends_on if not ref.finished]
        for ref in needed:
            states = self._states(ref)
            if ref.each and states[index] == FAILED:
                return self._why(ref, index)
            if not ref.each and (len(needed) == 1 or FAILED in states):
                return self._why(ref, None)
        return f"Dependency failed: {' or '.join(f'{ref.name} ({ref.id})' for ref in record.depends_on)}"

    def _why(self, ref: DependencyRef, index: int | None) -> str:
        """Why a dependency failed; of many jobs of one, each is not looked at."""
        if index is not None and len(self._reasons) > _MOST_EXPLAINED:
            return f"Dependency failed: {ref.name} ({ref.id}), its job of the same index"
        if (ref.id, index) not in self._reasons:
            self._reasons[ref.id, index] = dependency_failed(self._store, ref, index)
        return self._reasons[ref.id, index]

    def are_over(self, record: RoundRecord, index: int) -> bool | None:
        """Whether a job may run that Batch has failed with others: these are well, or their end is enough.

        None: not yet, as some of these have not ended; False: a dependency of it has failed.
        """
        canary = self._canary_state(record)
        if canary == FAILED:
            return False
        over: bool | None = True if canary else None
        for ref in record.depends_on:
            states = self._states(ref)
            needed = [states[index]] if ref.each else states
            if FAILED in needed and not ref.finished:
                return False
            over = None if None in needed else over
        return over

    def _canary_state(self, record: RoundRecord) -> str | None:
        """SUCCEEDED, also without a canary; FAILED once all of it has ended; None: it has not."""
        if not record.canary:
            return SUCCEEDED
        if record.id not in self._seen:
            rounds = read_rounds(self._store, record.id)
            self._seen[record.id] = list(read_settled(rounds, rounds.jobs)[0])
        states = [self._seen[record.id][index] for index in record.canary]
        return None if None in states else FAILED if FAILED in states else SUCCEEDED

    def forget(self) -> None:
        """Look at the store again."""
        self._seen.clear()

    def unended(self, record: RoundRecord) -> dict[str, list[int]]:
        """By id the jobs of dependencies that have not ended, as far as is known."""
        return {
            ref.id: open_jobs
            for ref in record.depends_on
            if (open_jobs := [index for index, state in enumerate(self._states(ref)) if state is None])
        }

    def _states(self, ref: DependencyRef) -> list[str | None]:
        """The states of its jobs, as the store has them; looked at once."""
        if ref.id not in self._seen:
            rounds = read_rounds(self._store, ref.id)
            closed = read_closed(self._store, ref.id)
            self._seen[ref.id] = settled_states(ref.jobs, rounds, outcome_names(self._store, ref.id), closed)[
                0
            ]
        return self._seen[ref.id]

    def _waits(
        self,
        record: RoundRecord,
        ref: DependencyRef,
        rounds: Rounds,
        states: list[str | None],
    ) -> list[dict[str, str]]:
        """The jobs of the rounds that have not succeeded; ``each`` only where indices are positions."""
        missing = (None,) if ref.finished else (None, FAILED)
        open_jobs = [index for index, state in enumerate(states) if state in missing]
        needed = {needed_round.round: needed_round for needed_round, _ in rounds.by_round(open_jobs)}
        for last in list(needed.values()):
            for index in last.canary:  # it waits for its canary itself, and Batch takes 20 dependencies
                needed.pop(rounds.last(index).round, None)
        elsewhere = [needed_round for needed_round in needed.values() if needed_round.executor != "batch"]
        if elsewhere:
            raise DependencyError(
                f"{ref.id} runs on the {elsewhere[0].executor} executor, which AWS Batch cannot wait for: "
                "wait_done() first"
            )
        tolerated = [needed_round for needed_round in needed.values() if needed_round.tolerated]
        if tolerated and not ref.finished:
            raise DependencyError(
                f"{ref.id} was submitted so that AWS Batch does not fail its jobs, as another analysis waits "
                "for their end alone: wait_done() of it first, or depend on finished(...) of it"
            )
        ids = self._jobs.ids(needed.values())
        lost = [number for number in needed if number not in ids]
        if lost:
            raise DependencyError(
                f"{ref.id} has jobs that did not succeed, and AWS Batch knows them no more: "
                "retry_failed() it first"
            )
        waits_for = []
        for number, needed_round in needed.items():
            paired = ref.each and needed_round.indices is None and record.indices is None and record.jobs > 1
            waits_for.append({"jobId": ids[number], **({"type": "N_TO_N"} if paired else {})})
        return waits_for
