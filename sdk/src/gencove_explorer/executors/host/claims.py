"""What claims tell of jobs on this machine: which attempts were begun, and which of them still run."""

import os
from collections.abc import Iterable, Sequence

from explorer_runner.attempt import claim
from explorer_runner.format.keys import AttemptId, OutcomeName, parse_log_name
from gencove_explorer.records.round import Rounds
from gencove_explorer.records.states import RUNNING, STARTING, JobStates


def last_claimed(claims: str, rounds: Rounds, observed: JobStates, index: int) -> AttemptId | None:
    """The last attempt at a job that a process has claimed, in the last round that it is in."""
    round = rounds.last(index).round if index in rounds.indices else 0
    ended = observed.outcomes.get(index)
    number = ended.attempt if ended else 0
    while os.path.exists(f"{claims}/{AttemptId(index, round, number + 1).stem}.txt"):
        number += 1
    return AttemptId(index, round, number) if number else None


def claimed_states(
    claims: str,
    rounds: Rounds,
    outcomes: Iterable[OutcomeName],
    open_jobs: Sequence[int],
) -> dict[int, str]:
    """STARTING or RUNNING, for the jobs that a process has claimed and that have no outcome yet."""
    unfinished = set(open_jobs)
    ended = {(name.index, name.round, name.attempt) for name in outcomes if name.index in unfinished}
    states: dict[int, str] = {}
    try:
        names = os.listdir(claims)
    except FileNotFoundError:
        return states
    for name in names:
        attempt = parse_log_name(name)
        if (
            attempt is not None
            and attempt.index in unfinished
            and attempt.round == rounds.last(attempt.index).round
            and attempt not in ended
        ):
            life = claim.inspect(f"{claims}/{name}")
            # A claim whose process has ended is about to get its outcome.
            states[attempt.index] = STARTING if life == claim.ClaimState.STARTING else RUNNING
    return states
