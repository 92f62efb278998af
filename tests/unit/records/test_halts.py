"""Why no more jobs of a round are started, from what the store has."""

from pathlib import Path

import pytest

from explorer_runner.format import outcome as outcomes
from explorer_runner.format.keys import round_key
from explorer_runner.format.outcome import Outcome
from explorer_runner.stores.folder import FolderStore
from gencove_explorer.records.closed import Closed, write_closed
from gencove_explorer.records.halts import canary_words, counts_as_failure, open_canary, why_halted_in
from gencove_explorer.records.round import RoundRecord, read_rounds

ID = "2023-05-08T154506_age_17eb494f3d5349c88959bace7a6b7873"
JOBS = 6


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    return FolderStore(str(tmp_path / "store"))


def written(store: FolderStore, number: int, indices: list[int], **facts: object) -> RoundRecord:
    record = RoundRecord(
        id=ID,
        round=number,
        executor="local",
        indices=indices,
        jobs=len(indices),
        payload="0" * 64,
        submitted=1.0,
        **facts,  # type: ignore[arg-type]
    )
    store.create(round_key(ID, number), record.to_json())
    return record


def ended(store: FolderStore, index: int, round: int, status: str = "FAILED") -> None:
    reason = None if status == "SUCCEEDED" else f"ValueError: no {index}\nand more"
    outcomes.write(
        store, Outcome(analysis=ID, index=index, round=round, attempt=1, status=status, reason=reason)
    )


def test_a_canary_that_failed_says_which_job_and_why_once_all_of_it_has_ended(store: FolderStore):
    written(store, 0, [0, 2, 5])
    others = written(store, 1, [1, 3, 4], canary=[0, 2, 5])
    ended(store, 2, 0)
    ended(store, 0, 0, "SUCCEEDED")
    assert why_halted_in(store, others, JOBS) is None
    ended(store, 5, 0)
    assert why_halted_in(store, others, JOBS) == (
        "not started: the canary failed (2 of 3 jobs): job 2: ValueError: no 2"
    )
    assert read_rounds(store, ID)[1].canary == [0, 2, 5]


def test_a_canary_that_is_run_again_has_not_failed(store: FolderStore):
    written(store, 0, [0])
    ended(store, 0, 0)
    others = written(store, 1, [1, 2, 3, 4, 5], canary=[0])
    assert why_halted_in(store, others, JOBS)
    written(store, 2, [0])
    assert why_halted_in(store, others, JOBS) is None
    ended(store, 0, 2, "SUCCEEDED")
    assert why_halted_in(store, others, JOBS) is None


def test_so_many_failures_halt_the_round_that_they_are_of(store: FolderStore):
    first = written(store, 0, [0, 1, 2, 3, 4, 5], max_failures=2)
    ended(store, 0, 0)
    write_closed(store, ID, 0, Closed.of({"Dependency failed: a": [3], "Terminated by ann": [4]}))
    assert why_halted_in(store, first, JOBS) is None
    write_closed(store, ID, 0, Closed.of({"killed for its memory": [1]}))
    assert why_halted_in(store, first, JOBS) == (
        "not started: 2 jobs have failed, max_failures=2: job 0: ValueError: no 0"
    )
    again = written(store, 1, [0], max_failures=2)
    assert why_halted_in(store, first, JOBS) is None
    assert why_halted_in(store, again, JOBS) is None


def test_an_outcome_that_cannot_be_read_halts_as_well(store: FolderStore):
    first = written(store, 0, [0, 1], max_failures=1)
    store.create(f"analyses/{ID}/outcomes/1.0-1.FAILED.json", b"{}")
    names = store.list_names(f"analyses/{ID}/outcomes")
    assert names
    reason = why_halted_in(store, first, 2)
    assert reason is None or "job 1" in reason


def test_what_was_never_tried_is_no_failure():
    for reason in ("Dependency failed: a", "never submitted: b", "not started: c", "Terminated by ann"):
        assert not counts_as_failure(reason)
    assert counts_as_failure(None)
    assert counts_as_failure("Job attempt duration exceeded timeout")


def test_others_wait_for_a_canary_until_all_of_it_has_succeeded(store: FolderStore):
    written(store, 0, [0, 5])
    written(store, 1, [1, 2, 3, 4], canary=[0, 5])
    rounds = read_rounds(store, ID)
    from explorer_runner.results import outcome_names

    assert open_canary(rounds, [0, 5], []) == []
    assert open_canary(rounds, [1, 2], []) == [0, 5]
    ended(store, 0, 0, "SUCCEEDED")
    assert open_canary(rounds, [1, 2], outcome_names(store, ID)) == [0, 5]
    ended(store, 5, 0, "SUCCEEDED")
    assert open_canary(rounds, [1, 2], outcome_names(store, ID)) == []
    assert ", jobs 0, 5;" in canary_words([0, 5])
    assert "9, ...;" in canary_words(list(range(20)))
