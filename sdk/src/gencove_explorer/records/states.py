"""What state each job is in: a pure function of what the store holds and what the executor sees."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from explorer_runner.errors import CorruptPayload
from explorer_runner.format.keys import FAILED, STOPPED, SUCCEEDED, OutcomeName
from explorer_runner.results import latest, with_reused
from gencove_explorer.records.round import RoundRecord, reused_in

SUBMITTED, PENDING, RUNNABLE = "SUBMITTED", "PENDING", "RUNNABLE"
STARTING, RUNNING = "STARTING", "RUNNING"

NOT_RUN = "NOT_RUN"
"""Of a job that no round runs: run_local of one job of an array leaves the others so."""

UNTRIED_REASONS = ("Dependency failed", "never submitted", "not started")
"""How the reasons begin of jobs that failed without having been tried, through no fault of their own."""

SUBMISSION_SECONDS = 180.0
"""How long the submission of a round may take after its record was written: longer than the pauses of a
throttled SubmitJob and of what is asked before it, and than AWS takes to list a job that it accepted."""

STATES = (SUBMITTED, PENDING, RUNNABLE, STARTING, RUNNING, SUCCEEDED, FAILED)
"""AWS Batch's seven states, in their order
(https://docs.aws.amazon.com/batch/latest/userguide/job_states.html)."""
FINISHED = frozenset((SUCCEEDED, FAILED))
_ENDED = FINISHED | {NOT_RUN}


@dataclass(frozen=True)
class JobStates:
    """The state of every job of an analysis."""

    states: Sequence[str]
    """By job index."""
    outcomes: Mapping[int, OutcomeName]
    """By job index, of those that an attempt ended for: the one that counts."""
    closed: Mapping[int, str]
    """By job index: why no further attempt is made."""
    reason: str | None = None
    """Why jobs wait, when they have been waiting for long."""

    def indices(self, *states: str) -> list[int]:
        return [index for index, state in enumerate(self.states) if state in states]

    @property
    def unfinished(self) -> list[int]:
        """Jobs that have not ended."""
        return [index for index, state in enumerate(self.states) if state not in _ENDED]

    @property
    def unsubmitted(self) -> list[int]:
        """Jobs that failed since their executor does not know them: it may yet, so nobody wrote it down."""
        return [index for index in self.indices(FAILED) if self._ended_by_nothing(index)]

    def close_reason(self, index: int) -> str | None:
        """Why no further attempt is made at a failed job; None if its own attempts have ended it."""
        return self.reason if self._ended_by_nothing(index) else self.closed.get(index)

    def _ended_by_nothing(self, index: int) -> bool:
        ended = index in self.outcomes and self.outcomes[index].status != STOPPED
        return not ended and index not in self.closed

    @property
    def counts(self) -> dict[str, int]:
        """State -> number of jobs, in the states' order; NOT_RUN last."""
        counted = Counter(self.states)
        return {state: counted[state] for state in (*STATES, NOT_RUN) if counted[state]}

    @property
    def in_words(self) -> str:
        """How many jobs are in which state."""
        return ", ".join(f"{count:,} {state}" for state, count in self.counts.items())

    @property
    def submitted(self) -> int:
        """How many jobs were submitted: all but those that ``run_local`` of one job left out."""
        return len(self.states) - len(self.indices(NOT_RUN))

    @property
    def finished(self) -> bool:
        return _ENDED.issuperset(self.counts)

    @property
    def state(self) -> str:
        """One state for the whole analysis.

        FAILED or SUCCEEDED once every job has ended; before that the furthest that any job is.
        """
        counts = self.counts
        if self.finished:
            return FAILED if FAILED in counts else SUCCEEDED
        if SUCCEEDED in counts or FAILED in counts:
            return RUNNING
        return next(state for state in reversed(STATES) if state in counts)


def settled_states(
    jobs: int,
    rounds: Sequence[RoundRecord],
    outcomes: Iterable[OutcomeName],
    closed: Mapping[int, Mapping[int, str]],
) -> tuple[list[str | None], dict[int, OutcomeName], dict[int, str]]:
    """The jobs that have ended, from the store alone: ``(states, outcomes, closed)``.

    A state is None where the executor has to be asked. What counts is the last round that a job is
    in: a job that is run again has not ended, whatever became of it before. A job that was reused has
    succeeded. Raises CorruptPayload for
    rounds of more jobs than there are.
    """
    last = _last_rounds(jobs, rounds)
    states: list[str | None] = [None if record else NOT_RUN for record in last]
    # Of the outcomes those count that belong to the last round of their job.
    numbers = [record.round if record else -1 for record in last]
    own_names = [name for name in outcomes if name[0] < jobs and name[1] == numbers[name[0]]]
    # One success is enough, whatever failed before it, or is closed after it.
    counting = with_reused(latest(own_names), reused_in(rounds))
    for index, name in counting.items():
        if name.status == SUCCEEDED:
            states[index] = SUCCEEDED
    # A job has failed when each of its attempts has. After STOPPED the executor knows whether another comes.
    failures = Counter(name.index for name in own_names if name.status == FAILED)
    for index, count in failures.items():
        own = last[index]
        if states[index] is None and own and count > own.job_definition.retries:
            states[index] = FAILED
    # What was closed in its last round starts no attempt any more.
    reasons: dict[int, str] = {}
    for number, by_index in closed.items():
        for index, reason in by_index.items():
            own = last[index] if index < jobs else None
            if own and own.round == number and states[index] != SUCCEEDED:
                states[index], reasons[index] = FAILED, reason
    return states, counting, reasons


def _last_rounds(jobs: int, rounds: Sequence[RoundRecord]) -> list[RoundRecord | None]:
    """By job index the last round that a job is in; None if no round runs it. Raises CorruptPayload."""
    last: list[RoundRecord | None] = [None] * jobs
    for record in rounds:
        if max([*record.all_indices(), *record.reused.origins, *record.canary], default=0) >= jobs:
            raise CorruptPayload(
                f"round {record.round} of {record.id} runs more jobs than its {jobs:,}: a record was "
                f"damaged; restore it, or remove the analysis: explorer delete {record.id}"
            )
        for index in record.all_indices():
            last[index] = record
    return last


def read_states(
    jobs: int,
    rounds: Sequence[RoundRecord],
    outcomes: Iterable[OutcomeName],
    closed: Mapping[int, Mapping[int, str]],
    ask: Callable[[list[int]], tuple[Mapping[int, str], str | None]],
) -> JobStates:
    """All states; ``ask`` tells those of jobs that have not ended, and why they wait."""
    states, counting, reasons = settled_states(jobs, rounds, outcomes, closed)
    open_jobs = [index for index, state in enumerate(states) if state is None]
    reason = None
    if open_jobs:
        own_states, reason = ask(open_jobs)
        for index in open_jobs:
            states[index] = own_states.get(index, SUBMITTED)
    complete: list[str] = [state or SUBMITTED for state in states]
    return JobStates(complete, counting, reasons, reason)


def status_dict(observed: JobStates, array: bool, reason: str | None) -> dict[str, Any]:
    """The dictionary that ``Analysis.status()`` returns."""
    status: dict[str, Any] = {"status": observed.state}
    if array:
        status["jobs"] = observed.counts
    if reason:
        status["reason"] = reason
    return status
