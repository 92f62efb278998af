"""A round that has not ended: which of its jobs may start, what each report does, and why jobs end."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from explorer_runner.definition import JobDefinition
from explorer_runner.format.payload import FINISHED, DependencyRef
from gencove_explorer.executors.local.queue import Entry
from gencove_explorer.executors.local.rounds import ActiveRound, Progress
from gencove_explorer.records.index import IndexRecord
from gencove_explorer.records.round import RoundRecord

ID = "2023-05-08T154506_age_17eb494f3d5349c88959bace7a6b7873"
OTHER = DependencyRef(name="other", id=ID.replace("age", "other"), array=True, jobs=3)


def round_of(
    jobs: int = 3, *, retries: int = 0, each: bool | None = None, indices: Any = None
) -> ActiveRound:
    """A round of local jobs; ``each`` says how they depend on another analysis, if they do."""
    definition = JobDefinition(cpu=1, memory_mb=100, retries=retries)
    record = RoundRecord(
        id=ID,
        round=0,
        executor="local",
        indices=indices,
        jobs=jobs,
        payload="",
        submitted=0.0,
        job_definition=definition,
        depends_on=[] if each is None else [DependencyRef(**{**vars(OTHER), "each": each})],
    )
    index = IndexRecord(
        id=ID, name="age", user="ann", submitted=0.0, jobs=jobs, array=True, executor="local", python="3.11"
    )
    entry = Entry(
        store="/x", record=record, index=index, runtime="", uv="", variables={}, cpus=2, memory_mb=1000
    )
    return ActiveRound(Path("entry"), entry)


def started(round: ActiveRound, width: int = 8) -> ActiveRound:
    """The round, with all its jobs handed to a forker."""
    round.release(lambda ref: None, why)
    round.announce()
    round.opened = True
    round.grant(width)
    round.widen(width, 1)
    return round


def progress(succeeded: set[int], failed: set[int], jobs: int = 3) -> Progress:
    return Progress(jobs, succeeded, failed)


def why(ref: DependencyRef, index: int | None) -> str:
    return f"Dependency failed: {ref.name}" + ("" if index is None else f": job {index}")


# -- dependencies -------------------------------------------------------------------------------------


def test_each_waits_for_the_job_of_its_index_and_fails_with_it_alone():
    round = round_of(each=True)
    round.release(lambda ref: progress(set(), set()), why)
    assert (list(round.ready), round.closing) == ([], {})
    round.release(lambda ref: progress({2}, {0}), why)
    assert list(round.ready) == [(2, 1)]
    [(reason, closed)] = round.closing.items()
    assert closed == [0]
    assert reason == "Dependency failed: other: job 0"
    assert round.waiting == {1}


def test_the_whole_waits_for_all_and_fails_with_any():
    round = round_of(each=False)
    round.release(lambda ref: progress({0, 1}, set()), why)
    assert not round.ready
    round.release(lambda ref: progress({0}, {1}), why)
    assert not round.ready
    assert not round.closing  # the last of them may take long, and jobs fail when it has ended
    round.release(lambda ref: progress({0, 2}, {1}), why)
    assert sorted(round.closing["Dependency failed: other"]) == [0, 1, 2]
    assert not round.open
    round = round_of(each=False)
    round.release(lambda ref: progress({0, 1, 2}, set()), why)
    assert list(round.ready) == [(0, 1), (1, 1), (2, 1)]


def test_of_many_that_fail_with_their_own_job_each_is_not_looked_at():
    round = round_of(jobs=100, each=True)
    round.release(lambda ref: progress(set(), set(range(90)), jobs=100), why)
    [(reason, closed)] = round.closing.items()
    assert reason == f"Dependency failed: other ({OTHER.id}), its job of the same index"
    assert len(closed) == 90


def test_the_end_of_the_whole_is_enough_for_one_that_waits_for_no_more():
    round = round_of(each=False)
    round.record.depends_on[0] = round.record.depends_on[0].of_kind(FINISHED)
    round.release(lambda ref: progress({0}, {1}), why)
    assert not round.ready
    round.release(lambda ref: progress({0}, {1, 2}), why)
    assert list(round.ready) == [(0, 1), (1, 1), (2, 1)]


def test_a_dependency_that_is_not_there_fails_what_waits_for_it():
    round = round_of(each=False)
    round.release(lambda ref: None, why)
    assert list(round.closing) == [f"Dependency failed: other ({OTHER.id}) is not in the store"]
    assert not round.open


def test_a_job_that_was_tried_before_goes_on_with_its_next_attempt():
    round = round_of(retries=3)
    round.next_attempt = {1: 3}
    round.release(lambda ref: None, why)
    assert list(round.ready) == [(0, 1), (1, 3), (2, 1)]


# -- ends ---------------------------------------------------------------------------------------------


def test_a_job_is_tried_as_often_as_it_may_be():
    round = started(round_of(1, retries=1))
    round.started(0, 1, 7)
    assert not round.ended(0, 1, False)
    assert list(round.ready) == [(0, 2)]
    round.grant(1)
    round.started(0, 2, 7)
    assert round.ended(0, 2, False)
    assert not round.open


def test_a_success_is_the_last_word_also_of_one_that_was_to_end():
    round = started(round_of(1, retries=1))
    round.started(0, 1, 7)
    round.end([0], "Terminated by ann")
    assert round.ended(0, 1, True)
    assert not round.closing


def test_what_was_to_end_is_not_tried_again_and_the_first_reason_stays():
    round = started(round_of(1, retries=5))
    round.started(0, 1, 7)
    assert round.end([0], "Terminated by ann") == [(0, 1)]
    round.end([0], "Terminated by bob")
    assert not round.ended(0, 1, False)
    assert (list(round.ready), round.closing) == ([], {"Terminated by ann": [0]})


def test_of_those_to_end_only_what_runs_is_told_and_the_others_never_start():
    round = round_of(5, indices=[10, 11, 12, 13, 14])
    round.release(lambda ref: None, why)
    position, attempt = round.ready.popleft()
    round.granted[position] = attempt
    position, attempt = round.ready.popleft()
    round.started(position, attempt, 7)
    position, attempt = round.ready.popleft()
    round.reattached(position, attempt)
    assert sorted(round.end([0, 1, 2, 3], "no")) == [(0, 1), (1, 1), (2, 1)]
    assert list(round.ready) == [(4, 1)]
    assert round.closing == {"no": [13]}
    assert round.open == {0, 1, 2, 4}


def test_an_adopted_job_that_has_ended_is_adopted_no_more():
    round = started(round_of(1))
    round.reattached(0, 1)
    assert round.ended(0, 1, False)
    assert not round.adopted


def test_the_end_of_a_job_that_was_closed_is_no_news():
    round = started(round_of(1, retries=1))
    round.close(0, "no")
    assert not round.ended(0, 1, False)
    assert (list(round.ready), round.closing) == ([], {"no": [0]})


# -- forkers ------------------------------------------------------------------------------------------


def test_what_a_forker_had_queued_is_ready_again_in_its_order_but_for_what_is_to_end():
    round = started(round_of(5))
    round.started(0, 1, 7)
    round.end([2], "no")
    assert round.orphan() == {0: 1, 2: 1}
    assert list(round.ready) == [(1, 1), (3, 1), (4, 1)]
    assert (round.running, round.granted) == ({}, {})
    assert (round.announced, round.opened, round.width, round.bound) == (False, False, 0, 0)


def test_a_lowered_width_holds_when_the_forker_has_heard_of_it():
    round = started(round_of(9))
    round.widen(2, 5)
    assert round.demand(4, startable=True).bound == 8
    assert round.demand(5, startable=True).bound == 2
    for position in range(4):
        round.started(position, 1, position)
    assert round.demand(5, startable=True).bound == 4  # what runs is there, whatever was said


@pytest.mark.parametrize(("indices", "expected"), [(None, [1, 2]), ([10, 12], [2]), ([], [])])
def test_jobs_are_meant_by_index_and_only_while_they_are_open(indices, expected):
    round = round_of(3, indices=[10, 11, 12])
    round.close(0, "no")
    assert round.positions_of(indices) == expected


# -- what is not started any more -----------------------------------------------------------------------


def test_halted_it_closes_what_waits_and_asks_back_what_its_forker_has_not_started():
    round = started(round_of(jobs=5), width=1)
    round.ready.append((4, 1))
    round.granted.pop(4, None)
    round.started(0, 1, 77)
    round.halt("not started: enough")
    assert round.closing == {"not started: enough": [4]}
    assert round.never_started(1) == []  # its forker may still start one
    round.widen(0, 2)
    assert round.never_started(1) == []
    assert round.never_started(2) == [1, 2, 3]
    assert round.end(round.never_started(2), "not started: enough") == [(1, 1), (2, 1), (3, 1)]
    assert round.never_started(2) == []
    assert 0 in round.running


def test_failures_count_once_they_are_for_good():
    round = round_of(jobs=4, retries=1)
    round.record = replace(round.record, max_failures=2)
    started(round)
    round.ended(0, 1, False)
    assert round.failures == 0
    round.ended(0, 2, False)
    round.close(1, "Dependency failed: other")
    assert (round.failures, round.has_failed_enough) == (1, False)
    round.close(2, "killed for its memory")
    assert round.has_failed_enough
