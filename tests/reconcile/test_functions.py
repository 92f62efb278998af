"""Work functions as what they take along: found in the text, and only that is run."""

from pathlib import Path

import pytest

from gencove_explorer.manifests.code_comparison import is_same_code
from gencove_explorer.manifests.function_source import SourceError, SourceFile

FILE = """
from __future__ import annotations

import os, math
from collections import Counter, OrderedDict

LIMIT = 3  # a comment
OTHER = 4
TABLE = {}
TABLE["a"] = LIMIT
TABLE.update(b=2)
raise_here = 1 / 1


def helper(x):
    return min(x, LIMIT)


@staticmethod
def decorated(x):
    return os.getcwd()


def work(ac, key=math.pi):
    OTHER = 5

    def inner():
        return helper(OTHER) + TABLE["a"]

    return Counter([inner()]), key


def apart(ac):
    return OrderedDict()


async def later(ac):
    pass


def stream(ac):
    yield 1


def two(a, b):
    pass


print(1 / 0)
"""


def source(text: str = FILE, name: str = "work", path: str = "f.py") -> str:
    return SourceFile(Path(path), text).function(name).text


def test_a_function_is_what_it_takes_along_and_no_more():
    text = source()
    assert "helper" in text
    assert "import math\nfrom collections import Counter\n" in text
    assert 'TABLE["a"] = LIMIT' in text
    assert "TABLE.update(b=2)" in text
    for absent in ("OrderedDict", "OTHER = 4", "import os", "decorated", "apart", "1 / 0", "raise_here"):
        assert absent not in text


def test_only_that_is_run():
    function = SourceFile(Path("f.py"), FILE).function("work").load()
    counter, key = function(None)
    assert list(counter) == [6]
    assert round(key, 2) == 3.14


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("LIMIT = 3  # a comment", "LIMIT = (3)"),
        ("def helper(x):\n    return", "def helper(x):\n    # why\n\n    return"),
        ("OTHER = 4", "OTHER = 40"),
        ("import os, math", "import math\nimport sys"),
        ("Counter, OrderedDict", "Counter"),
        ("print(1 / 0)", ""),
        ("def apart(ac):\n    return", "def apart(ac):\n    return 1 +"),
    ],
)
def test_what_is_no_change(old: str, new: str):
    assert old in FILE
    assert is_same_code(source(), source(FILE.replace(old, new)))


def test_definitions_may_change_places():
    helper = "def helper(x):\n    return min(x, LIMIT)\n"
    moved = FILE.replace(helper, "") + helper
    assert is_same_code(source(), source(moved))
    assert is_same_code("import a\nfrom b import c\nx = 1\n", "x = 1\nfrom b import c\nimport a\n")
    assert is_same_code(
        "x = 1\n@wraps\ndef f(y=2) -> T: return x\nclass T(A): z: T = 3\n",
        "class T(A): z: T = 3\n@wraps\ndef f(y=2) -> T: return x\nx = 1\n",
    )


@pytest.mark.parametrize(
    "lines",
    [
        ["x = 1", "x = 2"],
        ["SCALE = 2", "LIMIT = SCALE * 10"],
        ["N = len(T)", "T.append(1)"],
        ["SCALE = 2", "def work(ac, scale=SCALE): return scale"],
        ["SCALE = 2", "class Work: scale = SCALE"],
        ["def f(): return 1", "def f(): return 2"],
        ["def f(): return 1", "f = wrapped(f)"],
        ["@listed\ndef f(): return 1", "@listed\ndef g(): return 1\ndef listed(f): return f"],
        ["from a import f", "from b import f"],
        ["from a import *", "def f(): return 1"],
    ],
)
def test_order_counts_where_it_may_change_what_comes_out(lines: list[str]):
    assert not is_same_code("\n".join(lines), "\n".join(reversed(lines)))


@pytest.mark.parametrize("separator", ["\x0c", "\x0b", "\x1c", "\x85", "\u2028"])
def test_lines_are_those_that_python_counts(separator: str):
    text = (
        f"import os\n# {separator}\nNOTE = '{separator}'\ndef work(ac):\n    x = NOTE\n    return x + '1'\n"
    )
    assert source(text) == f"NOTE = '{separator}'\ndef work(ac):\n    x = NOTE\n    return x + '1'\n"
    assert not is_same_code(source(text), source(text.replace("+ '1'", "+ '1000'")))
    assert source(text.replace("\n", "\r\n")) == source(text)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("LIMIT = 3", "LIMIT = 4"),
        ("min(x, LIMIT)", "max(x, LIMIT)"),
        ('TABLE["a"]', 'TABLE["b"]'),
        ("b=2", "b=3"),
        ("math.pi", "math.e"),
        ("OTHER = 5", "OTHER = 6"),
        ("from collections import Counter", "from typing import Counter"),
    ],
)
def test_what_is_a_change(old: str, new: str):
    assert not is_same_code(source(), source(FILE.replace(old, new)))


@pytest.mark.parametrize(
    "star",
    ["from math import *", "FAST = True\nif FAST:\n    from math import *\nelse:\n    from cmath import *"],
)
def test_a_star_import_is_taken_along(star: str):
    text = f"{star}\nOTHER = 1\ndef work(ac):\n    return sqrt(4)\n"
    assert "OTHER" not in source(text)
    assert SourceFile(Path("f.py"), text).function("work").load()(None) == 2


def test_white_space_counts_inside_of_a_text_alone():
    text = 'NOTE = """a  \nb"""\ndef work(ac):\n    return NOTE\n'
    assert is_same_code(source(text), source(text.replace("NOTE\n", "NOTE  \n")))
    assert not is_same_code(source(text), source(text.replace("a  ", "a")))


def test_names_in_shell_commands_belong_to_it():
    text = source("FOLDER = 'x'\nOTHER = 1\ndef work(ac):\n    !ls {FOLDER}\n", path="f.ipy")
    assert "FOLDER = 'x'" in text
    assert "OTHER" not in text


@pytest.mark.parametrize(
    ("name", "problem"),
    [("later", "async"), ("stream", "yields"), ("two", "one parameter"), ("work", None), ("apart", None)],
)
def test_what_cannot_be_a_work_function(name: str, problem: str | None):
    said = SourceFile(Path("f.py"), FILE).function(name).problem()
    assert (problem is None and said is None) or (said is not None and problem in said)


def test_faults_have_their_lines():
    with pytest.raises(SourceError, match="has no function 'missing'; it has: apart, decorated, helper"):
        source(name="missing")
    with pytest.raises(SourceError, match="is not Python") as caught:
        source("def work(ac):\n    return (\n")
    assert caught.value.line == 2
