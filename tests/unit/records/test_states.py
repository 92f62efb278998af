"""What state each job is in: from rounds, outcomes and closed jobs."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from explorer_runner.definition import JobDefinition
from explorer_runner.errors import CorruptPayload
from explorer_runner.format.keys import OutcomeName
from gencove_explorer.records.closed import Closed
from gencove_explorer.records.round import RoundRecord
from gencove_explorer.records.states import NOT_RUN, read_states, settled_states, status_dict


def round_of(number=0, indices=None, jobs=3, retries=0):
    return RoundRecord(
        id="x",
        round=number,
        executor="local",
        indices=indices,
        jobs=jobs if indices is None else len(indices),
        payload="",
        submitted=0.0,
        job_definition=JobDefinition(retries=retries),
    )


def outcome(index, status="SUCCEEDED", round=0, attempt=1):
    return OutcomeName(index, round, attempt, status)


def states(rounds, outcomes, closed=None, told=None, jobs=3):
    return list(
        read_states(jobs, rounds, outcomes, closed or {}, lambda open_jobs: (told or {}, None)).states
    )


def test_outcomes_tell():
    assert states([round_of()], [outcome(0), outcome(2, "FAILED")]) == ["SUCCEEDED", "SUBMITTED", "FAILED"]


def test_the_executor_is_asked_for_the_rest():
    assert states([round_of()], [outcome(0)], told={1: "RUNNING", 2: "PENDING"}) == [
        "SUCCEEDED",
        "RUNNING",
        "PENDING",
    ]


def test_a_failed_attempt_is_no_end_while_retries_are_left():
    rounds = [round_of(retries=1)]
    assert states(rounds, [outcome(0, "FAILED")])[0] == "SUBMITTED"
    assert states(rounds, [outcome(0, "FAILED"), outcome(0, "FAILED", attempt=2)])[0] == "FAILED"
    assert states(rounds, [outcome(0, "FAILED"), outcome(0, attempt=2)])[0] == "SUCCEEDED"


def test_an_attempt_that_was_stopped_uses_up_no_retry():
    rounds = [round_of(retries=1)]
    stopped = [outcome(0, "FAILED"), *(outcome(0, "STOPPED", attempt=number) for number in (2, 3))]
    assert states(rounds, stopped, told={0: "RUNNABLE"})[0] == "RUNNABLE"
    assert states(rounds, [*stopped, outcome(0, "FAILED", attempt=4)])[0] == "FAILED"


def test_failed_jobs_tell_why_they_were_closed_unless_their_own_attempts_ended_them():
    observed = read_states(
        4,
        [round_of(jobs=4)],
        [outcome(0, "FAILED"), outcome(1, "STOPPED")],
        {0: {2: "Dependency failed"}},
        lambda open_jobs: (dict.fromkeys(open_jobs, "FAILED"), "lost"),
    )
    assert list(observed.states) == ["FAILED"] * 4
    assert [observed.close_reason(index) for index in range(4)] == [None, "lost", "Dependency failed", "lost"]
    assert observed.unsubmitted == [1, 3]


def test_a_round_of_more_jobs_than_there_are_is_refused():
    assert states([round_of(1, [2])], []) == [NOT_RUN, NOT_RUN, "SUBMITTED"]
    with pytest.raises(CorruptPayload, match="round 1 of x runs more jobs than its 3"):
        states([round_of(1, [3])], [])


def test_outcomes_behind_the_last_job_are_left_alone():
    assert states([round_of()], [outcome(3)]) == ["SUBMITTED"] * 3


def test_jobs_that_have_ended_or_never_run_are_not_unfinished():
    observed = read_states(3, [round_of(0, [0, 1])], [outcome(0)], {}, lambda _: ({1: "RUNNING"}, None))
    assert observed.unfinished == [1]


def test_one_that_has_begun_to_fail_is_under_way():
    waits = {1: "RUNNABLE", 2: "RUNNABLE"}
    assert (
        read_states(3, [round_of()], [outcome(0, "FAILED")], {}, lambda _: (waits, None)).state == "RUNNING"
    )


def test_closed_jobs_have_failed_unless_they_had_succeeded():
    observed = read_states(
        3,
        [round_of(retries=3)],
        [outcome(0), outcome(1, "FAILED")],
        {0: {0: "a", 1: "b", 2: "c"}},
        lambda _: ({}, None),
    )
    assert list(observed.states) == ["SUCCEEDED", "FAILED", "FAILED"]
    assert observed.closed == {1: "b", 2: "c"}


def test_the_last_round_of_a_job_counts():
    rounds = [round_of(), round_of(1, [2])]
    old = [outcome(0), outcome(1), outcome(2, "FAILED")]
    assert states(rounds, old, told={2: "RUNNABLE"}) == ["SUCCEEDED", "SUCCEEDED", "RUNNABLE"]
    assert states(rounds, [*old, outcome(2, round=1)]) == ["SUCCEEDED"] * 3
    assert states(rounds, old, closed={0: {2: "of the first round"}})[2] == "SUBMITTED"


def test_jobs_that_no_round_runs():
    observed = read_states(3, [round_of(0, [1])], [outcome(1)], {}, lambda _: ({}, None))
    assert list(observed.states) == [NOT_RUN, "SUCCEEDED", NOT_RUN]
    assert observed.finished
    assert status_dict(observed, True, None) == {
        "status": "SUCCEEDED",
        "jobs": {"SUCCEEDED": 1, "NOT_RUN": 2},
    }
    assert observed.submitted == 1


def test_outcomes_of_nobody_are_left_alone():
    assert states([round_of()], [outcome(99), outcome(0, round=7)]) == ["SUBMITTED"] * 3


def test_one_state_for_all():
    for told, expected in (
        ({0: "SUBMITTED", 1: "SUBMITTED", 2: "SUBMITTED"}, "SUBMITTED"),
        ({0: "PENDING", 1: "PENDING", 2: "RUNNABLE"}, "RUNNABLE"),
        ({0: "RUNNING", 1: "STARTING", 2: "RUNNABLE"}, "RUNNING"),
    ):
        assert read_states(3, [round_of()], [], {}, lambda _, told=told: (told, None)).state == expected
    assert (
        read_states(3, [round_of()], [outcome(0)], {}, lambda _: ({1: "RUNNABLE", 2: "RUNNABLE"}, None)).state
        == "RUNNING"
    )


@given(st.sets(st.integers(0, 9_999)))
def test_closed_ranges_hold_exactly_what_they_were_made_of(indices):
    closed = Closed.from_json(Closed.of({"why": indices}).to_json(), "closed")
    assert set(closed.by_index()) == indices


def test_an_order_of_listing_does_not_matter():
    rounds = [round_of(retries=2)]
    outcomes = [outcome(0, "FAILED", attempt=n) for n in (1, 2)] + [outcome(0, attempt=3)]
    for order in (outcomes, outcomes[::-1]):
        found = settled_states(3, rounds, order, {})
        assert found[0][0] == "SUCCEEDED"
        assert found[1][0].attempt == 3


def test_ten_thousand_jobs_are_settled_in_one_go():
    names = [outcome(index) for index in range(10_000)]
    begin = time.process_time()
    found, _, _ = settled_states(10_000, [round_of(jobs=10_000)], names, {})
    assert set(found) == {"SUCCEEDED"}
    assert time.process_time() - begin < 5  # linear: a bound that only something quadratic breaks
