"""The records of an analysis: what was closed adds up, and each says whose it is."""

import dataclasses
from pathlib import Path

import pytest

from explorer_runner.definition import JobDefinition
from explorer_runner.errors import CorruptPayload, NoSuchJob
from explorer_runner.format.keys import closed_key, index_key, parse_closed_name, parse_number, round_key
from explorer_runner.stores.base import Store
from explorer_runner.stores.uri import open_store
from gencove_explorer.records.closed import Closed, read_closed, write_closed
from gencove_explorer.records.index import IndexRecord, read_index
from gencove_explorer.records.round import RoundRecord, Rounds, read_rounds

ID = "2023-05-08T154506_age_17eb494f3d5349c88959bace7a6b7873"
OTHER = ID.replace("age", "other")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store(str(tmp_path))


def index_of(jobs: int = 3, *, array: bool = True, id: str = ID) -> IndexRecord:
    return IndexRecord(
        id=id, name="age", user="ann", submitted=1.0, jobs=jobs, array=array, executor="local", python="3.11"
    )


def round_of(number: int = 0, *, id: str = ID, memory_mb: int = 100, source: str = "") -> RoundRecord:
    return RoundRecord(
        id=id,
        round=number,
        executor="local",
        indices=None,
        jobs=3,
        payload="0" * 64,
        submitted=1.0,
        source=source,
        job_definition=JobDefinition(memory_mb=memory_mb),
    )


def test_what_is_closed_at_several_times_adds_up(store: Store):
    write_closed(store, ID, 1, Closed.of({"no": [0, 1], "never": [4]}))
    write_closed(store, ID, 1, Closed.of({"late": [2]}))
    write_closed(store, ID, 11, Closed.of({"another round": [0]}))
    assert read_closed(store, ID) == {
        1: {0: "no", 1: "no", 4: "never", 2: "late"},
        11: {0: "another round"},
    }


def test_two_that_close_at_once_both_do(store: Store):
    """A number may be taken although there are fewer records: another has just written, or one is gone."""
    store.create(closed_key(ID, 0, 1), Closed.of({"first": [0]}).to_json())
    write_closed(store, ID, 0, Closed.of({"second": [1]}))
    assert read_closed(store, ID) == {0: {0: "first", 1: "second"}}


@pytest.mark.parametrize(
    "ranges", [[[2, 1]], [[0]], [[0, 1, 2]], [[0, 9_999], [0, 0]]], ids=["backwards", "short", "long", "many"]
)
def test_ranges_that_nobody_wrote_are_refused(ranges: list[list[int]]):
    with pytest.raises(ValueError, match=r"ranges are not|closes more than"):
        Closed(reasons={"why": ranges})
    assert len(Closed(reasons={"why": [[0, 9_999]]}).by_index()) == 10_000


def test_a_record_of_another_analysis_or_round_is_refused(store: Store):
    store.create(index_key("2023-05-08", ID), index_of(id=OTHER).to_json())
    with pytest.raises(CorruptPayload, match=f"about another analysis, {OTHER}; .*explorer delete {ID}"):
        read_index(store, ID)
    store.create(round_key(ID, 0), round_of().to_json())
    assert read_rounds(store, ID).numbers == [0]
    store.create(round_key(ID, 1), round_of(0).to_json())
    with pytest.raises(CorruptPayload, match=f"about another round, 0 of {ID}"):
        read_rounds(store, ID)
    store.create(round_key(OTHER, 0), round_of(0).to_json())
    with pytest.raises(CorruptPayload, match=f"about another round, 0 of {ID}"):
        read_rounds(store, OTHER)


def test_rounds_come_in_their_order_and_known_ones_are_not_read_again(store: Store):
    for number in (10, 2, 0):
        store.create(round_key(ID, number), round_of(number).to_json())
    known = Rounds(store, ID, [round_of(2, source="known")])
    rounds = read_rounds(store, ID, known)
    assert rounds.numbers == [0, 2, 10]
    assert rounds[1] is known[0]
    assert read_rounds(store, ID, rounds) is rounds


@pytest.mark.parametrize("name", ["0-1.json.part", "0-1.jsonx", "x0-1.json", "01-1.json", "0.json"])
def test_other_names_close_nothing(name: str):
    assert parse_closed_name(name) is None
    assert parse_closed_name("3-1.json") == 3


@pytest.mark.parametrize("name", ["0.json.part", "x0.json", "00.json", "0-1.json"])
def test_other_names_are_no_rounds(name: str):
    assert parse_number(name) is None
    assert parse_number("3.json") == 3


def test_a_retry_says_what_it_changed():
    before, same = round_of(source="a" * 64), round_of(source="a" * 64)
    assert same.changes_from(before) == []
    assert round_of(memory_mb=200, source="b" * 64).changes_from(before) == [
        "memory_mb 100 -> 200",
        "another function",
    ]
    assert round_of().changes_from(before) == []  # of an older version: it is not known


def test_a_round_names_as_many_jobs_as_it_runs():
    assert dataclasses.replace(round_of(), indices=[0, 2, 4]).index_of(2) == 4
    with pytest.raises(ValueError, match="it runs 3 jobs, and names 2"):
        dataclasses.replace(round_of(), indices=[0, 2])


def test_a_single_job_needs_no_index_and_an_array_does():
    assert index_of(1, array=False).one_job(None, "status") == 0
    with pytest.raises(NoSuchJob, match=r"say which job, status\(0\) to status\(2\), or all"):
        index_of().one_job(None, "status", ", or all")
    assert index_of().one_job(2, "status") == 2
