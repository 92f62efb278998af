"""What the scheduler reads back from the store: how far an analysis is, and where a round stands."""

import os
from collections import Counter
from collections.abc import Set

from explorer_runner.format.keys import STOPPED, SUCCEEDED, AttemptId, logs_prefix, parse_log_name
from explorer_runner.results import outcome_names
from explorer_runner.stores.base import Store
from gencove_explorer.executors.local.queue import Queue
from gencove_explorer.executors.local.rounds import ActiveRound, Progress
from gencove_explorer.records.closed import read_closed
from gencove_explorer.records.halts import counts_as_failure
from gencove_explorer.records.round import read_rounds
from gencove_explorer.records.states import FINISHED, settled_states


def claims_folder(queue: Queue, store: Store, analysis: str) -> str:
    """Where the claims of an analysis lie: with its logs, or beside the queue if those are on S3."""
    logs = store.local_path(logs_prefix(analysis))  # of a store that is only read, too
    return str(queue.folder / "claims" / analysis if logs is None else logs)


def load_progress(store: Store, analysis: str, jobs: int) -> Progress | None:
    """How far an analysis is, from the store alone; None if it is not there."""
    rounds = read_rounds(store, analysis)
    if not rounds:
        return None
    states, _, _ = settled_states(jobs, rounds, outcome_names(store, analysis), read_closed(store, analysis))
    succeeded = {index for index, state in enumerate(states) if state == SUCCEEDED}
    failed = {index for index, state in enumerate(states) if state in FINISHED} - succeeded
    return Progress(jobs, succeeded, failed)


def resume(round: ActiveRound, store: Store, claims: str) -> dict[int, AttemptId]:
    """Bring a round to where it stands; returns the attempts that somebody claimed and that have no
    outcome, by position.
    """
    record = round.record
    position_of = {record.index_of(position): position for position in round.open}
    tried: Counter[int] = Counter()
    done: set[tuple[int, int]] = set()
    succeeded: set[int] = set()
    failed: set[int] = set()
    outgrown: set[int] = set()
    for name in outcome_names(store, record.id):
        position = position_of.get(name.index)
        if name.round != record.round or position is None:
            continue
        done.add((position, name.attempt))
        tried[position] = max(tried[position], name.attempt)
        if name.status == STOPPED and record.job_definition.may_grow:
            outgrown.add(position)
        elif name.status == SUCCEEDED or name.attempt >= round.tries:
            round.open.discard(position)
            (succeeded if name.status == SUCCEEDED else failed).add(position)
    for index, reason in read_closed(store, record.id).get(record.round, {}).items():
        if index in position_of:
            round.open.discard(position_of[index])
            if counts_as_failure(reason):
                failed.add(position_of[index])
    round.failures = len(failed - succeeded)
    claimed = {}
    for attempt in claims_of(claims, record.round):
        position = position_of.get(attempt.index)
        if position is not None and position in round.open and (position, attempt.attempt) not in done:
            claimed[position] = attempt
    _go_on_growing(round, store, outgrown - set(claimed))
    for position, attempt in claimed.items():
        round.reattached(position, attempt.attempt)
    round.next_attempt = {position: count + 1 for position, count in tried.items()}
    round.waiting = round.open - set(claimed)
    return claimed


def _go_on_growing(round: ActiveRound, store: Store, outgrown: Set[int]) -> None:
    """Jobs that were killed for their memory are to go on in a further round, unless one has them."""
    rounds = read_rounds(store, round.record.id) if outgrown else None
    for position in sorted(outgrown & round.open):
        index = round.record.index_of(position)
        if rounds and rounds.last(index).round > round.record.round:
            round.open.discard(position)
        else:
            round.grow(position)


def claims_of(folder: str, round: int) -> list[AttemptId]:
    """The claims of a round, by index and attempt."""
    try:
        names = os.listdir(folder)
    except FileNotFoundError:
        return []
    attempts = (parse_log_name(name) for name in names)
    return sorted(attempt for attempt in attempts if attempt is not None and attempt.round == round)
