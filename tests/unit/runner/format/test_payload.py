"""The payload: the bytes that were submitted, or none; nothing is unpickled to find that out."""

import json
import pickle
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from explorer_runner.definition import JobDefinition
from explorer_runner.errors import CorruptPayload, NotFound, PythonMismatch, UnsupportedFormat
from explorer_runner.format import payload
from explorer_runner.format.keys import inputs_key, payload_key
from explorer_runner.format.payload import DependencyRef, InputEntry, Payload, Spec
from explorer_runner.stores.base import Store
from explorer_runner.stores.uri import open_store

ID = "2023-05-08T154506_age_17eb494f3d5349c88959bace7a6b7873"
INPUTS = [pickle.dumps(each) for each in ("foo", {"i": [1, 2]}, None, b"x" * 50)]
COUNTS = st.integers(0, 10_000)


def spec(**changes: object) -> Spec:
    facts = {"id": ID, "name": "age", "round": 0, "python": payload.python_minor(), "explorer": "0.1.0"}
    return Spec(**{**facts, "jobs": len(INPUTS), "array": True, **changes})  # type: ignore[arg-type]


def members(made: Spec, inputs: list[bytes] = INPUTS) -> dict[str, bytes]:
    entries = [
        InputEntry(sum(map(len, inputs[:position])), len(raw), bytes.fromhex(payload.digest(raw)))
        for position, raw in enumerate(inputs)
    ]
    found = {
        payload.SPEC: made.to_json(),
        payload.SOURCE: "def age(ac): 'é'\n".encode(),
        payload.FUNCTION: b"function",
        payload.CONFIG: b"config",
        payload.INPUTS_INDEX: b"".join(entry.pack() for entry in entries),
    }
    return {**found, payload.INPUTS: b"".join(inputs)} if made.inputs_inside else found


class Refuses:
    """Unpickling this would end the test run's process."""

    def __reduce__(self) -> tuple[object, ...]:
        return sys.exit, ("it was unpickled",)


def test_a_payload_reads_back_as_it_was_written(store_uri: str):
    store = open_store(store_uri)
    made = spec(
        function={"name": "age", "file": "x.py", "line": 3},
        pip_packages=["pendulum"],
        job_definition=JobDefinition(cpu=1, environment={"A": "b"}),
        depends_on=[DependencyRef(name="a1", id=ID, each=True, array=True, jobs=4)],
    )
    written = {**members(made), payload.LOCK: b"lock"}
    raw = payload.pack(written)
    store.create(payload_key(ID, 0), raw)
    read = payload.load(store, ID, 0, payload.digest(raw))
    assert read.spec == made
    assert read.members == written
    assert (read.function, read.global_config, read.lock) == (b"function", b"config", b"lock")
    assert read.source == "def age(ac): 'é'\n"
    assert [read.read_input(store, position) for position in range(4)] == INPUTS


def test_a_payload_has_the_same_digest_whenever_it_is_made():
    assert payload.pack(members(spec())) == payload.pack(members(spec()))


def test_inputs_outside_are_read_one_by_one(store_uri: str):
    store = open_store(store_uri)
    store.create(inputs_key(ID), b"".join(INPUTS))
    read = Payload(members(spec(inputs_inside=False)))
    assert [read.read_input(store, position) for position in (3, 0, 2, 1)] == [
        INPUTS[n] for n in (3, 0, 2, 1)
    ]


class CountingStore:
    """A store that notes what is read of it."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.ranges: list[tuple[int, int]] = []

    def read_range(self, key: str, start: int, length: int) -> bytes:
        self.ranges.append((start, length))
        return self._store.read_range(key, start, length)


def test_inputs_outside_that_lie_side_by_side_come_by_one_request(store_uri: str):
    store = CountingStore(open_store(store_uri))
    open_store(store_uri).create(inputs_key(ID), b"".join(INPUTS))
    read = Payload(members(spec(inputs_inside=False)))
    assert list(read.read_inputs(store, range(4))) == INPUTS
    assert store.ranges == [(0, sum(map(len, INPUTS)))]
    assert list(read.read_inputs(store, [2, 3, 0])) == [INPUTS[2], INPUTS[3], INPUTS[0]]
    assert len(store.ranges) == 3
    assert list(read.read_inputs(store, [])) == []


def test_inputs_outside_come_in_blocks_of_some_size(tmp_path: Path):
    large = [bytes([number]) * (5 << 20) for number in range(7)]
    store = CountingStore(open_store(str(tmp_path)))
    open_store(str(tmp_path)).create(inputs_key(ID), b"".join(large))
    read = Payload(members(spec(inputs_inside=False, jobs=7), large))
    assert list(read.read_inputs(store, range(7))) == large
    assert [length >> 20 for _, length in store.ranges] == [15, 15, 5]


@given(st.integers(0), st.integers(1, 255))
def test_no_byte_of_a_payload_can_change_unseen(place: int, flip: int):
    raw = bytearray(payload.pack(members(spec())))
    expected = payload.digest(bytes(raw))
    raw[place % len(raw)] ^= flip
    with pytest.raises(CorruptPayload, match=f"{expected[:12]}... was submitted"):
        payload.check_digest(bytes(raw), expected)


@pytest.mark.parametrize("damage", [b"", b"x", b"PK\5\6" + bytes(18)])
def test_a_payload_that_is_cut_short_or_something_else_is_refused(tmp_path: Path, damage: bytes):
    store = open_store(str(tmp_path))
    store.create(payload_key(ID, 0), damage)
    with pytest.raises(CorruptPayload, match="was changed or damaged"):
        payload.load(store, ID, 0, payload.digest(b"what was submitted"))
    with pytest.raises(CorruptPayload):
        payload.load(store, ID, 0, payload.digest(damage))


def test_a_payload_that_is_another_analysis_s_is_refused(tmp_path: Path):
    store = open_store(str(tmp_path))
    ours, other = payload.pack(members(spec())), payload.pack(members(spec(name="other")))
    store.create(payload_key(ID, 0), other)
    with pytest.raises(CorruptPayload, match="not the one that was submitted"):
        payload.load(store, ID, 0, payload.digest(ours))


def test_of_two_that_submit_one_round_each_has_its_own(store_uri: str):
    store = open_store(store_uri)
    made = [payload.pack(members(spec(name=name))) for name in ("one", "two")]
    sha256 = [payload.keep(store, ID, 1, raw) for raw in made]
    again = [payload.keep(store, ID, 1, raw) for raw in reversed(made)]
    assert sha256 == again[::-1]
    assert [payload.load(store, ID, 1, digest).spec.name for digest in sha256] == ["one", "two"]
    with pytest.raises(CorruptPayload, match="not the one that was submitted"):
        payload.load(store, ID, 1, "0" * 64)


def test_a_missing_payload_says_so(store_uri: str):
    with pytest.raises(NotFound, match=r"payloads/0\.zip"):
        payload.load(open_store(store_uri), ID, 0, "0" * 64)


@pytest.mark.parametrize("damaged", range(len(INPUTS)))
def test_no_byte_of_the_inputs_outside_can_change_unseen(store_uri: str, damaged: int):
    store = open_store(store_uri)
    raw = bytearray(b"".join(INPUTS))
    raw[sum(map(len, INPUTS[: damaged + 1])) - 1] ^= 1
    store.create(inputs_key(ID), bytes(raw))
    read = Payload(members(spec(inputs_inside=False)))
    with pytest.raises(CorruptPayload, match=f"the input of job {damaged} in the store is not the one"):
        read.read_input(store, damaged)
    others = [position for position in range(len(INPUTS)) if position != damaged]
    assert [read.read_input(store, position) for position in others] == [INPUTS[n] for n in others]


def test_swapped_inputs_outside_are_refused(tmp_path: Path):
    store = open_store(str(tmp_path))
    same_length = [pickle.dumps("foo"), pickle.dumps("bar")]
    store.create(inputs_key(ID), b"".join(reversed(same_length)))
    read = Payload(members(spec(inputs_inside=False, jobs=2), same_length))
    for position in (0, 1):
        with pytest.raises(CorruptPayload):
            read.read_input(store, position)


def test_inputs_outside_that_end_early_are_refused(store_uri: str):
    store = open_store(store_uri)
    store.create(inputs_key(ID), b"".join(INPUTS)[:-1])
    read = Payload(members(spec(inputs_inside=False)))
    assert read.read_input(store, 0) == INPUTS[0]
    with pytest.raises(CorruptPayload, match="the input of job 3"):
        read.read_input(store, 3)


def test_a_position_beyond_the_inputs_is_refused(tmp_path: Path):
    with pytest.raises(CorruptPayload, match=r"inputs\.idx ends before input 4"):
        Payload(members(spec())).read_input(open_store(str(tmp_path)), 4)


@pytest.mark.parametrize("missing", [payload.SPEC, payload.FUNCTION, payload.CONFIG, payload.INPUTS_INDEX])
def test_a_payload_without_one_of_its_parts_is_refused(missing: str):
    kept = {name: raw for name, raw in members(spec()).items() if name != missing}
    with pytest.raises(CorruptPayload, match=f"has no {missing}"):
        Payload(kept)


def test_opening_a_payload_unpickles_nothing(tmp_path: Path):
    store = open_store(str(tmp_path))
    bomb = pickle.dumps(Refuses())
    made = {**members(spec(), [bomb] * 4), payload.FUNCTION: bomb, payload.CONFIG: bomb}
    raw = payload.pack(made)
    store.create(payload_key(ID, 0), raw)
    read = payload.load(store, ID, 0, payload.digest(raw))
    assert read.read_input(store, 1) == bomb
    with pytest.raises(SystemExit):
        pickle.loads(bomb)


def changed(**changes: object) -> bytes:
    return json.dumps({**json.loads(spec().to_json()), **changes}).encode()


@pytest.mark.parametrize("newer", [payload.FORMAT + 2, 1000, "2", None])
def test_a_newer_format_is_refused_with_what_reads_it(newer: object):
    with pytest.raises(
        UnsupportedFormat, match=rf"has format {newer}, this Explorer reads up to {payload.FORMAT + 1}"
    ):
        Spec.from_json(changed(format=newer, python={"of": "the future"}))


def test_what_a_newer_writer_added_to_a_spec_is_left_out():
    extra = changed(labels={"a": "b"}, format=payload.FORMAT, depends_on=[], shards=3)
    assert Spec.from_json(extra) == spec()


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{",
        b"{}",
        b"[]",
        b"null",
        b"\xff\xfe",
        changed(job_definition={"cpu": 0}),
        changed(depends_on=[{}]),
        changed(depends_on=7),
        b'{"format": 1}',
    ],
)
def test_what_is_no_spec_is_refused(raw: bytes):
    with pytest.raises(CorruptPayload, match=r"spec\.json of the payload cannot be read"):
        Spec.from_json(raw)


@pytest.mark.parametrize("python", ["3.9", "2.7", f"{payload.python_minor()}.1", "", "4.0"])
def test_another_python_is_refused_and_both_are_named(python: str):
    with pytest.raises(PythonMismatch) as refused:
        payload.check_python(spec(python=python))
    assert f"submitted from Python {python}, this job runs Python {payload.python_minor()}" in str(
        refused.value
    )


def test_this_python_is_accepted():
    assert payload.python_minor() == "{}.{}".format(*sys.version_info)
    payload.check_python(spec())


def test_a_first_round_runs_all_jobs():
    assert [spec().index_of(position) for position in range(4)] == [0, 1, 2, 3]


def test_a_retry_runs_the_jobs_that_it_names(tmp_path: Path):
    store = open_store(str(tmp_path))
    read = Payload(members(spec(round=1, jobs=10, indices=[3, 7]), INPUTS[:2]))
    assert [read.spec.index_of(position) for position in (0, 1)] == [3, 7]
    assert read.read_input(store, 1) == INPUTS[1]


def test_a_retry_refers_to_the_first_rounds_inputs(tmp_path: Path):
    store = open_store(str(tmp_path))
    store.create(inputs_key(ID), b"".join(INPUTS))
    first = members(spec(inputs_inside=False))
    entries = b"".join(Payload(first).entry(position) for position in (3, 1))
    retry = members(spec(round=1, indices=[3, 1], inputs_inside=False))
    read = Payload({**retry, payload.INPUTS_INDEX: entries})
    assert [read.read_input(store, position) for position in (0, 1)] == [INPUTS[3], INPUTS[1]]


def test_a_corrupt_input_of_a_retry_is_named_by_its_job(tmp_path: Path):
    store = open_store(str(tmp_path))
    store.create(inputs_key(ID), b"".join(INPUTS).replace(b"foo", b"bar"))
    read = Payload(members(spec(round=1, jobs=10, indices=[8, 9], inputs_inside=False), INPUTS[:2]))
    with pytest.raises(CorruptPayload, match="the input of job 8 in the store"):
        read.read_input(store, 0)


@pytest.mark.parametrize(("indices", "position"), [(None, 4), (None, -1), ([3, 7], 2), ([3, 7], -1), ([], 0)])
def test_a_position_outside_a_round_is_refused(indices: list[int] | None, position: int):
    with pytest.raises(CorruptPayload, match=f"position {position} is outside round 2"):
        spec(round=2, indices=indices).index_of(position)


@given(
    st.builds(
        DependencyRef,
        name=st.text(),
        id=st.just(ID),
        each=st.booleans(),
        array=st.booleans(),
        jobs=st.integers(1, 10_000),
    )
)
def test_a_dependency_survives_json(ref: DependencyRef):
    assert DependencyRef.from_json(json.loads(json.dumps(ref.to_json()))) == ref
