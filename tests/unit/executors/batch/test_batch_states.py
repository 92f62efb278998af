"""From what Batch says of its jobs to states and reasons, and what it is given: each rule at its edge."""

import pytest

from gencove_explorer.errors import SubmissionError
from gencove_explorer.executors.batch.batch_states import all_wait, count_ended, counts_of, spread_states
from gencove_explorer.executors.batch.submit_job import MAX_LABELS, check_labels


def test_the_first_jobs_of_an_array_are_the_furthest():
    counts = {"RUNNABLE": 1, "RUNNING": 1, "SUCCEEDED": 2, "STARTING": 1}
    assert spread_states(counts, [3, 5, 8]) == {3: "RUNNING", 5: "STARTING", 8: "RUNNABLE"}


def test_jobs_that_have_just_ended_count_as_running_and_too_many_are_left_out():
    assert spread_states({"RUNNABLE": 1, "SUCCEEDED": 1}, [0, 1]) == {0: "RUNNING", 1: "RUNNABLE"}
    assert spread_states({"RUNNABLE": 2, "RUNNING": 1}, [0, 1]) == {0: "RUNNABLE", 1: "RUNNABLE"}
    assert count_ended({"SUCCEEDED": 2, "FAILED": 1, "RUNNING": 5}) == 3


def test_an_array_whose_jobs_were_not_made_yet_has_their_states_by_its_own():
    none = {"status": "PENDING", "arrayProperties": {"size": 3, "statusSummary": {"RUNNING": 0}}}
    assert counts_of(none) == {"PENDING": 3}
    assert counts_of({"status": "RUNNING"}) == {"RUNNING": 1}


def test_all_wait_only_if_none_has_begun():
    assert all_wait(["RUNNABLE", "RUNNABLE"])
    assert not all_wait(["RUNNABLE", "RUNNING"])
    assert not all_wait([])


def test_as_many_labels_as_tags_allow():
    check_labels({f"l{number}": "x" for number in range(MAX_LABELS)})
    with pytest.raises(SubmissionError, match="41 labels"):
        check_labels({f"l{number}": "x" for number in range(MAX_LABELS + 1)})
