"""Output values: JSON where a round trip is exact, pickles otherwise, words where neither will do."""

import json
import math
import sys
import threading
import types
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from explorer_runner.errors import CorruptPayload, ExplorerError, OutputError
from explorer_runner.format import values

UNICODE = st.text(st.characters(codec="utf-8"))
PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(1 << 63), (1 << 64) - 1) | st.floats() | UNICODE,
    lambda inner: st.lists(inner) | st.dictionaries(UNICODE, inner),
    max_leaves=15,
)
# Next to what JSON holds there are the types that only look like it.
ODD = st.one_of(
    st.tuples(),
    st.tuples(st.integers()),
    st.sets(st.integers()),
    st.binary(),
    st.complex_numbers(allow_nan=False),
    st.decimals(allow_nan=False),
    st.dictionaries(st.integers(), st.none(), min_size=1),
    st.text(st.characters(categories=["Cs"]), min_size=1),
    st.integers(min_value=1 << 64),
    st.integers(max_value=-(1 << 63) - 1),
    st.dates(),
)
ANY = st.recursive(
    PLAIN | ODD, lambda inner: st.lists(inner) | st.dictionaries(UNICODE, inner), max_leaves=10
)


class Text(str):
    """A str that is more than a str."""


def same(one: Any, other: Any) -> bool:
    """Equal, of the same types all the way down, NaN and the sign of zero included."""
    if type(one) is not type(other):
        return False
    if isinstance(one, float):
        return (math.isnan(one) and math.isnan(other)) or (
            one == other and math.copysign(1, one) == math.copysign(1, other)
        )
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict):
        return list(one) == list(other) and all(same(one[key], other[key]) for key in one)
    return bool(one == other)


def back(kind: str, data: bytes) -> Any:
    """What is read of a value that travelled inside an outcome."""
    return values.decode_inline("k", json.loads(values.encode_inline(kind, data)))


@given(PLAIN)
def test_what_json_holds_exactly_is_json(value: Any):
    kind, data = values.encode("k", value)
    assert kind == values.JSON
    assert same(json.loads(data), value)


@given(ANY)
def test_every_value_reads_back_as_it_was(value: Any):
    kind, data = values.encode("k", value)
    assert same(back(kind, data), value)
    assert same(values.decode_beside("k", json.loads(values.describe_stored(kind, data)), data), value)


@given(ODD)
def test_what_only_looks_like_json_is_pickled(value: Any):
    assert values.encode("k", value)[0] == values.PICKLE
    assert values.encode("k", [{"deep": value}])[0] == values.PICKLE


@pytest.mark.parametrize(
    "value",
    [
        Text("x"),
        {Text("k"): 1},
        [Text("x")],
        Decimal("1.5"),
        types.SimpleNamespace(a=1),
        range(3),
        math.pi.hex,
    ],
)
def test_types_that_json_would_change_are_pickled(value: Any):
    kind, data = values.encode("k", value)
    assert kind == values.PICKLE
    assert type(back(kind, data)) is type(value)


@pytest.mark.parametrize(
    ("value", "kind"),
    [(1 << 64, "pkl"), ((1 << 64) - 1, "json"), (-(1 << 63), "json"), (-(1 << 63) - 1, "pkl")],
)
def test_whole_numbers_that_other_readers_of_json_would_round_are_pickled(value: int, kind: str):
    assert values.encode("k", value)[0] == kind
    assert back(*values.encode("k", value)) == value


def test_a_number_too_long_to_print_is_kept():
    assert back(*values.encode("k", 10**5000)) == 10**5000


def test_a_list_that_holds_itself_is_pickled():
    value: list[Any] = []
    value.append(value)
    found = back(*values.encode("k", value))
    assert found[0] is found


def test_a_value_too_deep_for_json_is_pickled():
    value: list[Any] = []
    for _ in range(300):
        value = [value]
    kind, data = values.encode("k", value)
    assert kind == values.PICKLE
    assert back(kind, data) == value


def test_a_class_of_the_work_function_travels_with_its_object():
    local = type("Local", (), {"__module__": "__main__", "size": 3})
    kind, data = values.encode("k", local())
    assert kind == values.PICKLE
    assert back(kind, data).size == 3


@pytest.mark.parametrize(
    "value", [threading.Lock(), (each for each in ()), sys.stdout.buffer, [threading.Lock()]]
)
def test_what_cannot_be_pickled_is_refused_by_its_key_and_type(value: Any):
    with pytest.raises(OutputError) as refused:
        values.encode("table", value)
    assert "the value 'table' cannot be kept" in str(refused.value)
    assert type(value).__qualname__ in str(refused.value)


def test_a_pickle_that_needs_a_missing_package_says_which():
    module = types.ModuleType("absent_package")
    exec("class Frame: pass", module.__dict__)
    sys.modules["absent_package"] = module
    try:
        kind, data = values.encode("table", module.Frame())
    finally:
        del sys.modules["absent_package"]
    with pytest.raises(
        ExplorerError, match="'table' is a Python object that needs the package 'absent_package'"
    ):
        back_named("table", kind, data)
    with pytest.raises(ExplorerError, match="install it, or write the value as plain numbers and text"):
        values.decode_beside("table", json.loads(values.describe_stored(kind, data)), data)


def back_named(key: str, kind: str, data: bytes) -> Any:
    return values.decode_inline(key, json.loads(values.encode_inline(kind, data)))


def test_a_pickle_that_is_damaged_says_whose_it_is():
    with pytest.raises(ExplorerError, match="the value 'table' cannot be unpickled here"):
        back_named("table", values.PICKLE, b"\x80\x05nonsense")


@given(PLAIN, st.integers(0), st.integers(1, 255))
def test_no_byte_of_a_stored_value_can_change_unseen(value: Any, place: int, flip: int):
    kind, data = values.encode("k", value)
    entry = json.loads(values.describe_stored(kind, data))
    broken = bytearray(data)
    broken[place % len(data)] ^= flip
    with pytest.raises(CorruptPayload, match="the value 'k' in the store is not the one that the job wrote"):
        values.decode_beside("k", entry, bytes(broken))


def test_an_entry_of_a_stored_value_says_kind_and_size():
    kind, data = values.encode("k", "x" * 10)
    entry = json.loads(values.describe_stored(kind, data))
    assert (entry["kind"], entry["size"], len(entry["sha256"])) == ("json", 12, 64)
