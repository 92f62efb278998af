"""Every reader of records: any bytes are read as what they say, or refused with an error of ours."""

import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from explorer_runner.attempt import log_file
from explorer_runner.format import payload, validation
from explorer_runner.format.keys import AttemptId, outcome_key
from explorer_runner.format.outcome import Failure, Outcome
from explorer_runner.format.outcome import read as read_outcome
from explorer_runner.format.payload import Payload, Spec
from explorer_runner.format.pylock import locked_modules, locked_wheels
from explorer_runner.results import JobOutput
from explorer_runner.stores.uri import open_store
from explorer_runner.text import shown
from fuzz.damage import EFFORT, damaged
from gencove_explorer.errors import ExplorerError
from gencove_explorer.executors.batch import batch_states
from gencove_explorer.executors.batch.cloudwatch import CloudWatchLogReader
from gencove_explorer.executors.local.queue import Entry, Queue
from gencove_explorer.reconcile.leases import Leases
from gencove_explorer.reconcile.revision import Revision
from gencove_explorer.reconcile.revision import RevisionEntry as Run
from gencove_explorer.reconcile.specification import Specification
from gencove_explorer.records.closed import Closed
from gencove_explorer.records.index import IndexRecord
from gencove_explorer.records.round import RoundRecord

pytestmark = pytest.mark.filterwarnings("ignore:Generating overly large repr")
ID = "2023-05-08T154506_age_17eb494f3d5349c88959bace7a6b7873"
KEPT = Path(__file__).parents[1] / "data" / "store-format-1"
REF = payload.DependencyRef(name="a", id=ID, each=True, array=True, jobs=2)
SPEC = Spec(
    id=ID,
    name="age",
    round=0,
    python="3.11",
    explorer="1",
    jobs=2,
    array=True,
    indices=[0, 1],
    function={"name": "work", "file": "x.py", "line": 3},
    pip_packages=["lab"],
    depends_on=[REF],
)
INDEX = IndexRecord(
    id=ID,
    name="age",
    user="ann",
    submitted=1e9,
    jobs=2,
    array=True,
    executor="local",
    python="3.11",
    labels={"a": "b"},
    depends_on=[REF],
)
ROUND = RoundRecord(
    id=ID, round=1, executor="local", indices=[1], jobs=1, payload="0" * 64, submitted=1e9, depends_on=[REF]
)
OUTCOME = Outcome(
    analysis=ID,
    index=0,
    round=0,
    attempt=1,
    status="SUCCEEDED",
    failure=Failure(type="X", message="no", traceback="Traceback", line=3),
    values={
        "small": {"json": [1]},
        "large": {"kind": "json", "size": 3, "sha256": "0" * 64},
        "object": {"pkl": "gASVBwAAAAAAAABLAUsChpQu", "preview": "(1, 2)", "pickled_with": {"a": "a==1"}},
    },
    files=[{"key": "a/b", "size": 3, "sha256": "0" * 64}],
    folders=["a"],
)
WANTED = Specification(function="f", source="", input={})
REVISION = Revision(
    number=1,
    project="p",
    time=1e9,
    actor="ann",
    commit=None,
    dirty=False,
    entries={
        "age": Run(id=ID, file="m.yaml", specification=Specification(function="f", source="", input={}))
    },
    leaving={ID: "age"},
    changes={"age": {"action": "submit", "reason": "new"}},
)
ENTRY = Entry(
    store="/s", record=ROUND, index=INDEX, runtime="/py", uv="", variables={"A": "b"}, cpus=1, memory_mb=100
)
ZEROS = "0" * 64
HASHES = f'{{ sha256 = "{ZEROS}" }}'
LOCK = f"""lock-version = "1.0"
requires-python = "==3.11.*"
[[packages]]
name = "lab"
version = "1.0"
wheels = [{{ path = "packages/{ZEROS}/lab-1.0-py3-none-any.whl", size = 3, hashes = {HASHES} }}]
[packages.tool.explorer]
modules = ["lab"]
""".encode()
PACKED = payload.pack(
    {
        payload.SPEC: SPEC.to_json(),
        payload.FUNCTION: b"f",
        payload.CONFIG: b"c",
        payload.INPUTS_INDEX: payload.InputEntry(0, 1, bytes(32)).pack() * 2,
        payload.INPUTS: b"i",
    }
)


def open_payload(raw: bytes) -> None:
    opened = Payload(payload.unpack(raw))
    list(opened.read_inputs(open_store("/nowhere"), range(2)))
    opened.spec.index_of(0)


def show_outcome(raw: bytes) -> None:
    outcome = Outcome.from_json(raw)
    output = JobOutput(open_store("/nowhere"), outcome, "/nowhere")
    repr(output), output._repr_html_()
    for key in outcome.values:
        try:
            output.value(key)
        except ExplorerError:
            pass
    outcome.to_json()


READERS: dict[str, tuple[Callable[[bytes], object], bytes]] = {
    "spec": (Spec.from_json, SPEC.to_json()),
    "payload": (open_payload, PACKED),
    "outcome": (show_outcome, OUTCOME.to_json()),
    "index": (lambda raw: IndexRecord.from_json(raw, "x").to_json(), INDEX.to_json()),
    "round": (lambda raw: list(RoundRecord.from_json(raw, "x").all_indices()), ROUND.to_json()),
    "closed": (lambda raw: Closed.from_json(raw, "x").by_index(), Closed.of({"r": [0, 1, 5]}).to_json()),
    "revision": (lambda raw: Revision.from_json(raw, "x").to_json(), REVISION.to_json()),
    "entry": (lambda raw: Entry.from_json(raw).to_json(), ENTRY.to_json()),
    "wheels": (locked_wheels, LOCK),
    "modules": (locked_modules, LOCK),
}


@pytest.mark.parametrize("name", READERS)
def test_any_bytes_are_read_or_refused(name: str):
    read, valid = READERS[name]
    read(valid)

    @EFFORT
    @given(damaged(valid))
    def attempt(raw: bytes) -> None:
        try:
            read(raw)
        except ExplorerError as error:
            said = str(error)
        else:
            return
        assert len(said) < 1000, "an error is for people"

    attempt()


def test_payloads_whose_members_grow_are_refused():
    import io
    import zipfile

    for kind, data in ((zipfile.ZIP_DEFLATED, bytes(100 << 20)), (zipfile.ZIP_LZMA, bytes(1 << 20))):
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w", kind) as archive:
            archive.writestr(payload.SPEC, data)
        with pytest.raises(ExplorerError, match="its members grow"):
            payload.unpack(packed.getvalue())


REQUEST = json.dumps({"terminate": ID, "round": 0, "indices": [1], "reason": "x"}).encode()
STATE = json.dumps({"cpus": 1, "running": 0, "troubles": {"a": "b"}, "forkers": [1], "version": "1"}).encode()


@EFFORT
@given(request=damaged(REQUEST), state=damaged(STATE))
def test_the_folder_of_the_executor(tmp_path_factory: pytest.TempPathFactory, request: bytes, state: bytes):
    queue = Queue(tmp_path_factory.mktemp("home"))
    queue.make()
    (queue.requests / "1-x.json").write_bytes(request)
    (queue.folder / "state.json").write_bytes(state)
    for asked in queue.read_requests().values():
        assert "terminate" not in asked or {"indices", "reason"} <= asked.keys()
    troubles: Any = queue.read_state().get("troubles", {})
    assert all(isinstance(reason, str) for reason in troubles.values())


HOLDER = {"host": "h", "pid": 1, "started": 1.0, "time": 1.0, "given_up": False}


@EFFORT
@given(damaged(json.dumps(HOLDER).encode()))
def test_claims_of_reconcile(tmp_path_factory: pytest.TempPathFactory, raw: bytes):
    store = open_store(str(tmp_path_factory.mktemp("store")))
    store.create(f"claims/p/{ID}.0/1.json", raw)
    claims = Leases(store, "p", clock=lambda: 1e9, sleep=lambda seconds: pytest.fail("it is long over"))
    try:
        claims.acquire(ID, 0, lambda: False)
    except ExplorerError:
        pass


@EFFORT
@given(st.binary(max_size=200), st.one_of(st.floats(), st.just(0.0)))
def test_marks_of_logs(tmp_path_factory: pytest.TempPathFactory, raw: bytes, when: float):
    path = tmp_path_factory.mktemp("log") / "0.0-1.txt"
    path.with_suffix(".marks").write_bytes(raw)
    assert log_file.offset_since(str(path), when) >= 0


@EFFORT
@given(st.binary(min_size=48, max_size=48))
def test_inputs_that_lie_anywhere(tmp_path_factory: pytest.TempPathFactory, entry: bytes):
    store = open_store(str(tmp_path_factory.mktemp("store")))
    store.create(f"analyses/{ID}/inputs.bin", b"0123456789")
    away = Spec.from_json(SPEC.to_json().replace(b'"inputs_inside": true', b'"inputs_inside": false'))
    members = {payload.SPEC: away.to_json(), payload.FUNCTION: b"", payload.CONFIG: b""}
    opened = Payload({**members, payload.INPUTS_INDEX: entry + struct.pack("<QQ32s", 3, 1 << 40, bytes(32))})
    for position in range(3):
        with pytest.raises(ExplorerError):
            opened.read_input(store, position)


def test_a_record_of_another_attempt_is_none_of_this(tmp_path: Path):
    store = open_store(str(tmp_path))
    store.create(outcome_key(ID, AttemptId(1, 0, 1), "SUCCEEDED"), OUTCOME.to_json())
    with pytest.raises(ExplorerError, match="another attempt"):
        read_outcome(store, ID, AttemptId(1, 0, 1), "SUCCEEDED")


# -- what AWS says ------------------------------------------------------------------------------------

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)
EVENT = st.fixed_dictionaries({}, optional={"message": st.text(st.characters()), "timestamp": st.integers()})
PAGE = st.fixed_dictionaries(
    {}, optional={"events": st.lists(EVENT, max_size=3), "nextForwardToken": st.text(max_size=2)}
)


class Logs:
    """CloudWatch's logs, with these pages and then the last of them for ever."""

    def __init__(self, pages: list[dict[str, Any]]) -> None:
        self.pages = pages

    def client(self, name: str) -> "Logs":
        return self

    def get_log_events(self, **asked: object) -> dict[str, Any]:
        return self.pages.pop(0) if len(self.pages) > 1 else self.pages[0]


@EFFORT
@given(st.lists(PAGE, min_size=1, max_size=5))
def test_events_of_cloudwatch(pages: list[dict[str, Any]]):
    reader = CloudWatchLogReader(Logs(pages), "group", "stream", 0.0)  # type: ignore[arg-type]
    reader.read().decode()


VARIABLE = st.fixed_dictionaries({}, optional={"name": st.just("ROUND"), "value": st.text(max_size=8)})
CONTAINER = st.fixed_dictionaries(
    {},
    optional={
        "environment": st.lists(VARIABLE, max_size=2),
        "reason": st.text(),
        "exitCode": st.integers(),
    },
)
DETAIL = st.fixed_dictionaries(
    {"status": st.sampled_from(["RUNNABLE", "FAILED", "OTHER"])},
    optional={
        "container": CONTAINER,
        "statusReason": st.text(),
        "createdAt": st.integers(0, 1 << 60),
        "arrayProperties": st.fixed_dictionaries(
            {}, optional={"size": st.integers(2, 10_000), "statusSummary": st.just({"RUNNING": 3})}
        ),
    },
)


@EFFORT
@given(DETAIL, st.integers(0, 10))
def test_jobs_of_batch(detail: dict[str, Any], jobs: int):
    assert batch_states.round_of(detail, "ROUND") in (None, *range(1_000_000))
    assert len(batch_states.spread_states(batch_states.counts_of(detail), range(jobs))) == jobs
    assert isinstance(batch_states.reason_of(detail), str)
    batch_states.waiting_reason(detail)


# -- checks --------------------------------------------------------------------------------------------


@EFFORT
@given(JSON)
def test_what_was_checked_is_what_it_was_checked_for(value: Any):
    for name, check in {
        "text": validation.text(),
        "whole": validation.whole(0, 10),
        "number": validation.number(0, 10),
        "list": validation.listed(validation.flag, 2),
        "mapping": validation.mapped(validation.optional(validation.text())),
    }.items():
        try:
            assert validation.known({name: value, "more": 1}, {name: check}) == {name: value}
        except ValueError as error:
            said = str(error)
        else:
            continue
        assert said.startswith(name)
    assert len(shown(value)) < 100
