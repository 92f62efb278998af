"""Why no more jobs of a round are started: its canary failed, or too many of its own jobs did."""

from collections.abc import Iterable, Mapping, Sequence

from explorer_runner.errors import CorruptPayload, NotFound
from explorer_runner.format.keys import FAILED, SUCCEEDED, AttemptId, OutcomeName
from explorer_runner.format.outcome import read as read_outcome
from explorer_runner.results import outcome_names
from explorer_runner.stores.base import Store
from gencove_explorer.records.closed import read_closed
from gencove_explorer.records.round import RoundRecord, Rounds, read_rounds
from gencove_explorer.records.states import UNTRIED_REASONS, settled_states

TERMINATED = "Terminated by"
_SHOWN = 300

Settled = tuple[Sequence[str | None], Mapping[int, OutcomeName], Mapping[int, str]]
"""What ``settled_states`` returns."""


def read_settled(rounds: Rounds, jobs: int) -> Settled:
    """The jobs of an analysis that have ended, as its store has them now."""
    names, closed = outcome_names(rounds.store, rounds.id), read_closed(rounds.store, rounds.id)
    return settled_states(jobs, rounds, names, closed)


def why_halted_in(store: Store, record: RoundRecord, jobs: int) -> str | None:
    """Why no more jobs of a round are started, as its store has it now; None: they may be."""
    rounds = read_rounds(store, record.id)
    return why_halted(rounds, record, read_settled(rounds, jobs))


def why_halted(rounds: Rounds, record: RoundRecord, settled: Settled) -> str | None:
    """Why no more jobs of a round are started; None: they may be."""
    states, _, closed = settled
    canary = [states[index] for index in record.canary]
    if FAILED in canary and None not in canary:
        failed = [index for index in record.canary if states[index] == FAILED]
        jobs = f"{len(failed):,} of {len(canary):,} jobs"
        return f"not started: the canary failed ({jobs}): {_first_of(rounds, failed, settled)}"
    if record.max_failures is None:
        return None
    own = [index for index in record.all_indices() if rounds.last(index).round == record.round]
    failed = [index for index in own if states[index] == FAILED and counts_as_failure(closed.get(index))]
    if len(failed) < record.max_failures:
        return None
    jobs = "1 job has" if len(failed) == 1 else f"{len(failed):,} jobs have"
    limit = f"max_failures={record.max_failures}"
    return f"not started: {jobs} failed, {limit}: {_first_of(rounds, failed, settled)}"


def open_canary(rounds: Rounds, waiting: Sequence[int], outcomes: Iterable[OutcomeName]) -> list[int]:
    """The canary that some of the waiting jobs wait for; none if it has succeeded."""
    awaited = sorted({index for record, _ in rounds.by_round(waiting) for index in record.canary})
    if not awaited:
        return []
    succeeded = {name.index for name in outcomes if name.status == SUCCEEDED}
    return [] if succeeded.issuperset(awaited) else awaited


def counts_as_failure(closed: str | None) -> bool:
    """Whether a job that failed, closed for this reason if it was, says something of those behind it."""
    return closed is None or not closed.startswith((*UNTRIED_REASONS, TERMINATED))


def canary_words(canary: Sequence[int]) -> str:
    """Why the others wait, while a canary has not ended."""
    shown = ", ".join(map(str, canary[:10])) + (", ..." if len(canary) > 10 else "")
    jobs = "job" if len(canary) == 1 else "jobs"
    return f"the canary runs first, {jobs} {shown}; the other jobs start when it has succeeded"


def _first_of(rounds: Rounds, failed: Sequence[int], settled: Settled) -> str:
    """Which job it was that failed, and how: of several one that was tried."""
    _, outcomes, closed = settled
    index = next((index for index in failed if index not in closed), failed[0])
    reason: str | None = closed.get(index)
    if reason is None and index in outcomes:
        name = outcomes[index]
        try:
            reason = read_outcome(rounds.store, rounds.id, AttemptId(*name[:3]), name.status).reason
        except (NotFound, CorruptPayload):
            reason = "its outcome cannot be read"  # what it halts matters more than why
    return f"job {index}: {(reason or 'no reason is known').partition(chr(10))[0][:_SHOWN]}"
