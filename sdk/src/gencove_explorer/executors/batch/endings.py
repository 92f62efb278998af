"""What AWS Batch ended by itself: written down as failed, or run again where that is not the last word.

Two things are run again, as a further round, by whoever looks: a job that was killed for its memory and may
have more, and a job that Batch failed with one that it depends on, though that is well by now, or its end is
all that was waited for. Rounds are only ever created, so of several that look one submits.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from explorer_runner.definition import JobDefinition
from explorer_runner.errors import AlreadyExists, StoreError
from explorer_runner.format.keys import FAILED, STOPPED, AttemptId, OutcomeName
from explorer_runner.format.outcome import read as read_outcome
from explorer_runner.results import outcome_names
from explorer_runner.stores.base import Store
from explorer_runner.system import memory
from gencove_explorer.aws.errors import AwsError
from gencove_explorer.errors import DependencyError
from gencove_explorer.executors.batch import batch_states
from gencove_explorer.executors.batch.dependencies import Dependencies
from gencove_explorer.executors.batch.jobs import Jobs
from gencove_explorer.records.closed import Closed, read_closed, write_closed
from gencove_explorer.records.index import IndexRecord, find
from gencove_explorer.records.next_round import write_next_round
from gencove_explorer.records.round import RoundRecord, Rounds, read_rounds
from gencove_explorer.records.states import PENDING, RUNNABLE, settled_states
from gencove_explorer.utils.log import get_logger

_log = get_logger(__name__)

_Submit = Callable[[Store, RoundRecord, IndexRecord], None]
_Look = Callable[[Rounds, Iterable[OutcomeName], Sequence[int]], object]


class Endings:
    """Decides what becomes of jobs that Batch has ended and that left no last word of their own.

    ``submit`` and ``look`` are the executor's.
    """

    def __init__(self, jobs: Jobs, location: str, submit: _Submit, look: _Look) -> None:
        self._jobs, self._location, self._submit, self._look = jobs, location, submit, look

    def reasons(
        self, record: RoundRecord, detail: Mapping[str, Any], counts: Mapping[str, int]
    ) -> dict[int, str]:
        """Why Batch says that jobs failed, by index."""
        if record.jobs == 1:
            return {record.index_of(0): batch_states.reason_of(detail)}
        states = [FAILED] if counts.get(FAILED) else []
        if sum(counts.values()) == counts.get("SUCCEEDED", 0) + counts.get(FAILED, 0):
            states = ["SUCCEEDED", FAILED]
        children = self._jobs.children(detail["jobId"], states)
        reasons = {
            record.index_of(child["arrayProperties"]["index"]): batch_states.reason_of(child)
            for child in children
        }
        if detail["status"] == FAILED and not reasons:  # it ended before Batch had made its children
            reasons = dict.fromkeys(record.all_indices(), batch_states.reason_of(detail))
        return reasons

    def close(self, rounds: Rounds, record: RoundRecord, reasons: Mapping[int, str]) -> dict[int, str]:
        """Write reasons down for those jobs that still have no outcome, on a second look at the store.

        Returns the states of these jobs, and of those that run again.
        """
        store = rounds.store
        names = outcome_names(store, record.id)
        settled, outcomes, _ = settled_states(rounds.jobs, rounds, names, read_closed(store, record.id))
        ended = {index: words for index, words in reasons.items() if settled[index] is None}
        states = self._grow(rounds, record, self._with_stops(rounds, record, ended, outcomes))
        dependencies = Dependencies(store, self._jobs)
        states |= self._run_after_all(rounds, record, dependencies, ended)
        by_reason: dict[str, list[int]] = {}
        for index, words in ended.items():
            if index not in states:
                failed = words == batch_states.DEPENDENT_FAILED
                reason = dependencies.failed(record, index) if failed else words
                by_reason.setdefault(reason, []).append(index)
        if by_reason:
            write_closed(store, record.id, record.round, Closed.of(by_reason))
        return states | {index: FAILED for indices in by_reason.values() for index in indices}

    # -- memory ---------------------------------------------------------------------------------------

    def _with_stops(
        self,
        rounds: Rounds,
        record: RoundRecord,
        ended: Mapping[int, str],
        outcomes: Mapping[int, OutcomeName],
    ) -> dict[int, str]:
        """The reasons of jobs that may have more memory, as their own last outcomes tell them."""
        if not record.job_definition.may_grow:
            return {}
        told = dict(ended)
        for index in ended:
            name = outcomes.get(index)
            if name is not None and name.status == STOPPED:
                outcome = read_outcome(rounds.store, record.id, AttemptId(*name[:3]), name.status)
                told[index] = outcome.reason or told[index]
        return told

    def _grow(self, rounds: Rounds, record: RoundRecord, reasons: Mapping[int, str]) -> dict[int, str]:
        """Run jobs again that were killed for their memory and may have more."""
        killed = [index for index, words in reasons.items() if words.startswith(memory.OUT_OF_MEMORY)]
        if killed:
            self._submit_next(rounds, record, killed, record.job_definition.grown())
        return dict.fromkeys(killed, RUNNABLE)

    # -- dependencies ---------------------------------------------------------------------------------

    def _run_after_all(
        self, rounds: Rounds, record: RoundRecord, dependencies: Dependencies, ended: Mapping[int, str]
    ) -> dict[int, str]:
        """Run jobs again that Batch has failed with others, which count as well by now.

        While that is not known of these others the jobs wait.
        """
        failed = [index for index, words in ended.items() if words == batch_states.DEPENDENT_FAILED]
        if not failed:
            return {}
        open_jobs = dependencies.unended(record)
        if open_jobs:
            self._look_at(open_jobs, rounds.store)
            dependencies.forget()
        over = {index: dependencies.are_over(record, index) for index in failed}
        ready = [index for index in failed if over[index]]
        if ready:
            self._submit_next(rounds, record, ready, record.job_definition)
        return {index: PENDING for index in failed if over[index] is not False}

    def _look_at(self, open_jobs: Mapping[str, Sequence[int]], store: Store) -> None:
        """See what became of jobs of other analyses, by id; what Batch ended by itself is written down."""
        for analysis, indices in open_jobs.items():
            rounds = read_rounds(store, analysis)
            own = rounds.by_executor(indices).get("batch", [])
            if own:
                self._look(rounds, outcome_names(store, analysis), own)

    # -- a further round ------------------------------------------------------------------------------

    def _submit_next(
        self, rounds: Rounds, record: RoundRecord, indices: Sequence[int], definition: JobDefinition
    ) -> None:
        """Submit jobs of a round as a further one, unless somebody else does, or only looks."""
        if getattr(rounds.store, "read_only", False):
            return
        try:
            number, jobs = rounds[-1].round + 1, sorted(indices)
            new = write_next_round(rounds.store, record, number, jobs, definition, self._location)
            self._submit(rounds.store, new, find(rounds.store, record.id))
        except AlreadyExists:
            pass  # somebody else was faster
        except (AwsError, StoreError, DependencyError) as error:
            _log.warning("%s: jobs could not be submitted again from here: %s", record.id, error)


def settled_now(rounds: Rounds) -> list[str | None]:
    """The states of jobs as the store has them now; None of those that have not ended."""
    closed = read_closed(rounds.store, rounds.id)
    return settled_states(rounds.jobs, rounds, outcome_names(rounds.store, rounds.id), closed)[0]
