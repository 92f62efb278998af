"""What is shown of a value that is no JSON: JSON itself, bounded, whatever the value is and does."""

import collections
import dataclasses
import datetime
import enum
import json
import pathlib
import types
import uuid
from decimal import Decimal
from fractions import Fraction
from typing import Any, NamedTuple

import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from explorer_runner.format.previews import BYTES, preview

LONGEST = BYTES + 4000
"""A preview ends with the part that exceeds its bytes."""


class Colour(enum.Enum):
    RED = "r"


class Level(enum.IntEnum):
    LOW = 1


class Access(enum.Flag):
    READ = 1
    WRITE = 2


@dataclasses.dataclass
class Point:
    x: int
    parts: list[Any]


class Pair(NamedTuple):
    left: int
    right: Any


class Model(pydantic.BaseModel):
    name: str
    path: pathlib.Path


class Text(str):
    pass


class Raises:
    def __repr__(self) -> str:
        raise ValueError("no text")


class Looks:
    """Looks like an array, and is none."""

    ndim, shape = 1, (3,)

    def tolist(self) -> None:
        raise RuntimeError

    def __getitem__(self, _: object) -> None:
        raise RuntimeError

    def __repr__(self) -> str:
        return "Looks()"


SHOWN = [
    ((1, "x", None), [1, "x", None]),
    ({1}, [1]),
    (frozenset(), []),
    (range(3), [0, 1, 2]),
    (collections.deque([1]), [1]),
    (collections.Counter("aa"), {"a": 2}),
    (collections.OrderedDict(a=(1,)), {"a": [1]}),
    ({1: 2, "1": 3, (1, 2): 4, None: 5}, {"1": 2, "1.1": 3, "(1, 2)": 4, "None": 5}),
    (Point(1, [Colour.RED, Level.LOW]), {"x": 1, "parts": ["Colour.RED", "Level.LOW"]}),
    (Pair(1, Pair(2, ())), {"left": 1, "right": {"left": 2, "right": []}}),
    (Model(name="a", path=pathlib.Path("b")), {"name": "a", "path": "b"}),
    (types.SimpleNamespace(a=1), {"a": 1}),
    (Access.READ | Access.WRITE, "Access.READ|WRITE"),
    (datetime.datetime(2020, 1, 2, 3), "2020-01-02T03:00:00"),
    (datetime.date(2020, 1, 2), "2020-01-02"),
    (datetime.timedelta(days=1), "1 day, 0:00:00"),
    (Decimal("1.10"), "1.10"),
    (Fraction(1, 3), "1/3"),
    (uuid.UUID(int=1), "00000000-0000-0000-0000-000000000001"),
    (pathlib.PurePosixPath("a/b"), "a/b"),
    (Text("x"), "x"),
    (1 + 2j, "(1+2j)"),
    (b"ab", "b'ab'"),
    (10**30, str(10**30)),
    (10**5000, "a whole number of 16,610 bits"),
    ([float("nan"), float("-inf"), 1.5], [None, None, 1.5]),
    ("\ud800", "\\ud800"),
    (ValueError("x"), "ValueError('x')"),
    (Point, f"<class '{Point.__module__}.Point'>"),
    ([Raises()], [f"<{Raises.__module__}.Raises>"]),
    (Looks(), "Looks()"),
]
CUT = [
    (tuple(range(1000)), [*range(100), "..."]),
    ({each: each for each in range(1000)}, {**{str(each): each for each in range(100)}, "...": "..."}),
    ("x" * 2000, "x" * 1000 + "..."),
    (b"x" * 2000, "b'" + "x" * 998 + "..."),
]
ANYTHING = st.recursive(
    st.none() | st.floats() | st.integers() | st.text() | st.binary() | st.datetimes() | st.decimals(),
    lambda inner: (
        st.lists(inner)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text() | st.integers() | st.tuples(st.integers()), inner)
        | st.builds(Pair, st.integers(), inner)
    ),
    max_leaves=200,
)


@pytest.mark.parametrize(("value", "shown"), SHOWN, ids=lambda each: type(each).__name__)
def test_what_is_shown(value: Any, shown: Any):
    assert preview(value, 100) == shown


@pytest.mark.parametrize(("value", "shown"), CUT, ids=lambda each: type(each).__name__)
def test_what_is_left_out_is_marked(value: Any, shown: Any):
    assert preview(value, 100) == shown


@given(ANYTHING)
def test_it_is_json_of_bounded_size(value: Any):
    assert len(json.dumps(preview(value, 100), allow_nan=False)) < LONGEST


@pytest.mark.parametrize(
    "value",
    [
        [["x" * 900] * 100] * 100,
        [[["x"] * 100] * 100] * 100,
        {"😀" * 2000: "😀" * 2000, 1: [("é" * 2000,)] * 100},
        [[[[[[[[[[[[]]]]]]]]]]]],
        {f"key {number}": {"a": {}} for number in range(10_000)},
    ],
    ids=range(5),
)
def test_what_is_large_is_cut(value: Any):
    text = json.dumps(preview((value,), 100))
    assert "..." in text
    assert len(text) < LONGEST


def test_what_holds_itself_ends():
    value: list[Any] = []
    value += [value, value]
    assert len(json.dumps(preview((value,), 100))) < LONGEST


def test_no_text_is_made_of_what_is_huge():
    class Huge:
        def __repr__(self) -> str:
            raise AssertionError

    assert preview([Huge()], 100 << 20) == [f"<{Huge.__module__}.{Huge.__qualname__}>"]
