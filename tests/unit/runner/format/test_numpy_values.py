"""Values of NumPy and pandas, for each major version of NumPy: what is JSON, what is shown of others."""

import json
from typing import Any

import pytest

from support.pythons import Python

HEAD = """
import json
import sys
import numpy as np
import pandas as pd
from explorer_runner.format import values
from explorer_runner.format.previews import preview

def encoded(value):
    kind, data = values.encode("k", value)
    text = values.encode_inline(kind, data)
    back = values.decode_inline("k", json.loads(text))
    return kind, back, b"numpy" in data
"""
# Expression -> what it is kept as.
SCALARS = {
    "np.bool_(True)": True,
    "np.int8(-1)": -1,
    "np.int64(5)": 5,
    "np.uint64(2**64 - 1)": 2**64 - 1,
    "np.float16(0.5)": 0.5,
    "np.float32(0.1)": 0.10000000149011612,
    "np.float64(0.1)": 0.1,
    "np.arange(3.0).mean()": 1.0,
    "np.str_('é')": "é",
    "np.str_('ends in null\\0')": "ends in null\0",
    "[np.int64(1), {'a': np.float64(2.5), np.str_('b'): [np.bool_(False), None]}]": [
        1,
        {"a": 2.5, "b": [False, None]},
    ],
    "pd.Series([1, 2]).sum()": 3,
    "pd.DataFrame({'a': [1]}).iloc[0].to_dict()": {"a": 1},
}
PICKLED = [
    *("np.longdouble(1) / 3", "np.complex128(1)", "np.datetime64('2020-01-01')", "np.timedelta64(1, 'ns')"),
    *("np.datetime64('2020-01-01', 'ns')", "np.bytes_(b'x')", "np.array(5.0)", "np.array([1])"),
    *("np.str_(chr(0xD800))", "[np.float64(1), np.array(1)]", "{'a': (np.float64(1), 10**30)}"),
]
PLAIN = {
    "(np.float64(1), np.int64(2))": "(1.0, 2)",
    "{np.int64(1): np.float64(2)}": "{1: 2.0}",
    "[{np.str_('a')}, frozenset([np.int8(1)])]": "[{'a'}, frozenset({1})]",
}
SHOWN = {
    "np.array(5.0)": 5.0,
    "np.array([[1, 2], [3, 4]])": [[1, 2], [3, 4]],
    "np.array([1.5, np.nan, np.inf])": [1.5, None, None],
    "np.array([1 + 2j])": ["(1+2j)"],
    "np.array(['a', None], object)": ["a", None],
    "np.array(['2020-01-01'], 'datetime64[ns]')": ["2020-01-01T00:00:00.000000000"],
    "np.ma.array([1, 2], mask=[False, True])": [1, None],
    "np.zeros(1, dtype=[('a', int), ('b', float)])": [[0, 0.0]],
    "np.datetime64('2020-01-01')": "2020-01-01",
    "np.longdouble(0.5)": "0.5",
    "(np.float32(0.5), np.arange(2))": [0.5, [0, 1]],
    "pd.DataFrame({'a': [1, 2], 'b': ['x', None]})": [{"a": 1, "b": "x"}, {"a": 2, "b": None}],
    "pd.DataFrame([[1, 2]], columns=['a', 'a'])": [{"a": 1, "a.1": 2}],
    "pd.DataFrame({'a': [1.5]}, index=['x'])": [{"index": "x", "a": 1.5}],
    "pd.DataFrame({'g': [1], 'h': ['y'], 'v': [2]}).groupby(['g', 'h']).sum()": [{"g": 1, "h": "y", "v": 2}],
    "pd.DataFrame({'t': [pd.Timestamp('2020-01-01'), pd.NaT]})": [{"t": "2020-01-01T00:00:00"}, {"t": None}],
    "pd.DataFrame()": [],
    "pd.Series([1, 2])": [1, 2],
    "pd.Series({'a': 1}, name='n')": [{"index": "a", "n": 1}],
    "pd.Categorical(['a', 'b'])": ["a", "b"],
    "[pd.NA, pd.NaT]": [None, None],
}
CUT = {
    "np.arange(1000)": (101, "..."),
    "np.ones((1000, 1000))": (11, "..."),
    "pd.DataFrame({'a': range(1000)})": (21, "..."),
    "pd.Series(range(1000))": (101, "..."),
}


def evaluate(python: Python, expressions: Any, shown: str) -> dict[str, Any]:
    """What a program says of each expression."""
    loop = "for value in map(eval, json.loads(sys.argv[1])):"
    code = f"{HEAD}\n{loop}\n    print(json.dumps({shown}))"
    return dict(zip(expressions, python.rows(code, json.dumps(list(expressions))), strict=True))


def test_scalars_are_kept_as_the_python_values_that_they_are(numpy_python: Python):
    found = evaluate(numpy_python, SCALARS, "[*encoded(value)[:2], type(encoded(value)[1]).__module__]")
    assert found == {text: ["json", value, "builtins"] for text, value in SCALARS.items()}


def test_what_json_does_not_hold_exactly_is_pickled(numpy_python: Python):
    same = "(lambda kind, back, _: [kind, type(back) is type(value), repr(back) == repr(value)])"
    found = evaluate(numpy_python, PICKLED, f"{same}(*encoded(value))")
    assert found == {text: ["pkl", True, True] for text in PICKLED}


def test_scalars_in_plain_containers_need_no_numpy_to_be_read(numpy_python: Python):
    found = evaluate(numpy_python, PLAIN, "[encoded(value)[0], repr(encoded(value)[1]), encoded(value)[2]]")

    assert found == {text: ["pkl", value, False] for text, value in PLAIN.items()}


def test_arrays_and_frames_are_shown_as_lists_and_rows(numpy_python: Python):
    assert evaluate(numpy_python, SHOWN, "preview(value, 100)") == SHOWN


def test_what_is_left_out_is_marked(numpy_python: Python):
    found = evaluate(numpy_python, CUT, "(lambda shown: [len(shown), shown[-1]])(preview(value, 100))")
    assert found == {text: list(seen) for text, seen in CUT.items()}


WIDE = "pd.DataFrame(np.ones((2, 200)))"


def test_columns_that_are_left_out_are_marked(numpy_python: Python):
    [rows] = evaluate(numpy_python, [WIDE], "preview(value, 100)").values()
    assert [(len(row), row["..."]) for row in rows] == [(51, "...")] * 2


@pytest.mark.parametrize("value", ["1", "[1.5, 'x', {'a': None}]"])
def test_nothing_imports_numpy_for_the_sake_of_values(numpy_python: Python, value: str):
    code = (
        f"import sys; from explorer_runner.format import previews, values; v = {value}; values.encode('k', v)"
    )
    numpy_python.run(
        f"{code}; previews.preview((v,), 1); assert not {{'numpy', 'pandas'}} & {{*sys.modules}}"
    )
