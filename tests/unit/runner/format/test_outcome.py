"""The outcome: written once, read by any version of the same format, refused when it is none."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from explorer_runner.errors import AlreadyExists, CorruptPayload, OutputError, UnsupportedFormat
from explorer_runner.format import outcome, validation
from explorer_runner.format.keys import FAILED, SUCCEEDED, AttemptId, outcomes_prefix
from explorer_runner.format.outcome import Failure, Outcome
from explorer_runner.format.payload import FORMAT
from explorer_runner.stores.uri import open_store

ID = "2023-05-08T154506_age_17eb494f3d5349c88959bace7a6b7873"
FAILURE = Failure(
    type="ValueError", message="no", traceback="Traceback\n", function="work", file="x.py", line=3
)
TEXT = st.text(st.characters(codec="utf-8"))


def ended(status: str = SUCCEEDED, **facts: object) -> Outcome:
    return Outcome(analysis=ID, index=3, round=1, attempt=2, status=status, **facts)  # type: ignore[arg-type]


def changed(**changes: object) -> bytes:
    return json.dumps({**json.loads(ended().to_json()), **changes}).encode()


def test_an_outcome_reads_back_as_it_was_written():
    full = ended(
        FAILED,
        reason="ValueError: é\n",
        exit_code=1,
        signal=9,
        failure=FAILURE,
        started=1.5,
        ended=2.5,
        setup_seconds=0.1,
        cpu_seconds=0.2,
        peak_memory_mb=17.5,
        values={"k": {"json": [1, None]}},
        files=[{"key": "a/b", "size": 3, "sha256": "0" * 64}],
        folders=["a"],
        payload="f" * 64,
        host="here",
        python="3.11.7",
        runner="0.1.0",
    )
    assert Outcome.from_json(full.to_json()) == full


@given(st.dictionaries(TEXT, TEXT))
def test_values_given_as_text_are_the_values(texts: dict[str, str]):
    given_as_text = {key: json.dumps({"json": value}) for key, value in texts.items()}
    read = Outcome.from_json(ended().to_json(given_as_text))
    assert read.values == {key: {"json": value} for key, value in texts.items()}


@given(TEXT)
def test_a_reason_of_any_text_travels(reason: str):
    assert Outcome.from_json(ended(FAILED, reason=reason).to_json()).reason == reason


def test_what_a_newer_version_added_is_left_out():
    assert Outcome.from_json(changed(gpu_seconds=3)) == ended()


def test_what_an_older_version_did_not_have_is_the_default():
    without = json.loads(ended().to_json())
    del without["host"], without["folders"]
    assert Outcome.from_json(json.dumps(without).encode()) == ended()


def test_a_newer_format_is_refused_with_what_reads_it():
    with pytest.raises(UnsupportedFormat, match=f"the outcome has format {FORMAT + 1}"):
        Outcome.from_json(changed(format=FORMAT + 1, index={"of": "the future"}))


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{",
        b"{}",
        b"[]",
        b"null",
        b"3",
        b'"x"',
        b"\xff",
        b'{"format": 1}',
        changed(failure=3),
        changed(failure={"type": "x"}),
    ],
)
def test_what_is_no_outcome_is_refused(raw: bytes):
    with pytest.raises(CorruptPayload, match="an outcome in the store cannot be read"):
        Outcome.from_json(raw)


def test_success_is_said_by_the_status_alone():
    assert ended(SUCCEEDED).succeeded
    assert not ended(FAILED).succeeded
    assert not Outcome(analysis=ID, index=0, round=0, attempt=1).succeeded
    assert ended().of == AttemptId(3, 1, 2)


def test_the_name_in_the_store_tells_attempt_and_status(store_uri: str):
    store = open_store(store_uri)
    outcome.write(store, ended())
    outcome.write(store, Outcome(analysis=ID, index=0, round=0, attempt=1, reason="no"))
    assert store.list_names(outcomes_prefix(ID)) == ["0.0-1.FAILED.json", "3.1-2.SUCCEEDED.json"]


def test_an_outcome_is_written_once(store_uri: str):
    store = open_store(store_uri)
    outcome.write(store, ended(cpu_seconds=1.0))
    with pytest.raises(AlreadyExists):
        outcome.write(store, ended(cpu_seconds=2.0))
    read = Outcome.from_json(store.read(f"{outcomes_prefix(ID)}/3.1-2.SUCCEEDED.json"))
    assert read.cpu_seconds == 1.0


def test_an_outcome_that_nobody_would_read_is_not_written(tmp_path: Path):
    store = open_store(str(tmp_path))
    with pytest.raises(OutputError, match="too many for one job"):
        outcome.write(store, ended(FAILED, reason="x" * validation.RECORD_BYTES))
    assert store.list_names(outcomes_prefix(ID)) == []


def test_the_peak_of_memory_is_the_most_that_anybody_saw():
    made = ended(peak_memory_mb=17.5)
    made.add_peak(8 << 20)
    assert made.peak_memory_mb == 17.5
    made.add_peak(32 << 20)
    assert made.peak_memory_mb == 32
