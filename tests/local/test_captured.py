"""What functions of every day take along: each runs as a job, and gives there what it gives here."""

import array
import dataclasses
import enum
import functools
import os
import sys
import types
from collections import deque
from collections.abc import Callable
from pathlib import Path

import pytest

from gencove_explorer.analysis import Analysis, JobDefinition
from gencove_explorer.errors import CaptureError, SubmissionError
from gencove_explorer.models import File
from support.waiting import value_of

SMALL = JobDefinition(cpu=1, memory_mb=300)
BLOB = bytearray(200_000)
NUMBERS = array.array("d", range(20_000))


class Permission(enum.Flag):
    READ = 1
    WRITE = 2
    BOTH = READ | WRITE


class Colour(enum.Enum):
    RED = 1
    CRIMSON = RED


class Circle:
    def __init__(self, radius: float) -> None:
        self.radius = radius

    @functools.cached_property
    def area(self) -> float:
        """Of the circle."""
        return 3 * self.radius**2

    @functools.cache  # noqa: B019
    def times(self, factor: int) -> float:
        return self.radius * factor


@dataclasses.dataclass(frozen=True)
class Scaled:
    factor: int

    def __call__(self, ac):
        ac.output.value("value", ac.input * self.factor)


@functools.lru_cache(maxsize=64)
def fib(n):
    return n if n < 2 else fib(n - 1) + fib(n - 2)


@functools.cache
def is_even(n):
    return n == 0 or is_odd(n - 1)


@functools.lru_cache(maxsize=8, typed=True)
def is_odd(n):
    return n != 0 and is_even(n - 1)


def add(x, y=0, *, z=0):
    return x + y + z


ADD_TEN = functools.partial(add, y=10)


CAPTURED: dict[str, tuple[Callable[[], object], object]] = {
    "a recursive function under lru_cache": (lambda: fib(30), 832040),
    "two cached functions that call each other": (lambda: [is_even(10), is_odd(10)], [True, False]),
    "the parameters of a cache": (lambda: is_odd.cache_parameters(), {"maxsize": 8, "typed": True}),
    "name and text of a cached function": (lambda: [fib.__name__, is_odd.__wrapped__(3)], ["fib", True]),
    "a partial of a function": (lambda: ADD_TEN(1, z=2), 13),
    "a class with a cached property": (lambda: Circle(2).area, 12),
    "a cached method": (lambda: Circle(2).times(4), 8),
    "the docstring of a cached property": (lambda: Circle.area.__doc__, "Of the circle."),
    "a flag with a composite member": (lambda: [Permission.BOTH.value, Permission(3).name], [3, "BOTH"]),
    "the names of a flag": (lambda: list(Permission.__members__), ["READ", "WRITE", "BOTH"]),
    "an alias of an enum": (lambda: Colour.CRIMSON is Colour.RED, True),
    "a large buffer": (lambda: len(BLOB), 200_000),
    "a large array": (lambda: sum(NUMBERS), 199_990_000.0),
}


@pytest.mark.parametrize("what", CAPTURED)
def test_what_a_function_captures_is_in_the_job_what_it_is_here(home: Path, what: str):
    compute, expected = CAPTURED[what]
    assert compute() == expected
    an = Analysis(
        function=lambda ac: ac.output.value("value", compute()), job_definition=SMALL, name="captures"
    )
    assert value_of(an) == expected


def test_a_partial_an_instance_and_a_cached_function_are_work_functions(home: Path):
    def scale(ac, factor):
        ac.output.value("value", ac.input * factor)

    @functools.cache
    def cached(ac):
        ac.output.value("value", ac.input)

    partial = Analysis(function=functools.partial(scale, factor=3), input=5, job_definition=SMALL)
    assert value_of(partial) == 15
    assert partial.name == "scale"
    assert "ac.input * factor" in partial.source
    instance = Analysis(function=Scaled(2), input=5, job_definition=SMALL)
    assert value_of(instance) == 10
    assert instance.name == "Scaled"
    assert value_of(Analysis(function=cached, input=5, job_definition=SMALL)) == 5


def test_a_partial_of_a_function_of_the_users_own_file_takes_that_file_along(
    home: Path, monkeypatch: pytest.MonkeyPatch
):
    (home.parent / "own_file.py").write_text(
        "import functools\n"
        "def helper(x): return 2 * x\n"
        "@functools.cache\n"
        "def cached(x): return helper(x) + 1\n"
        "def work(ac, y): ac.output.value('value', cached(ac.input) + y)\n"
    )
    monkeypatch.syspath_prepend(home.parent)
    try:
        import own_file  # type: ignore[import-not-found]

        work = functools.partial(own_file.work, y=1)
        assert value_of(Analysis(function=work, input=5, job_definition=SMALL)) == 12
    finally:
        sys.modules.pop("own_file", None)


def test_lines_of_a_decorated_work_function_are_its_own(home: Path):
    def decorated(function):
        @functools.wraps(function)
        def call(ac):
            return function(ac)

        return call

    @decorated
    def work(ac):
        raise ValueError("inside")  # this line

    an = Analysis(function=work, job_definition=SMALL)
    an.run()
    an.wait_done(timeout=60)
    [group] = an.failures()
    assert group.traceback is not None
    assert 'raise ValueError("inside")  # this line' in group.traceback
    assert f'File "{__file__}"' in group.traceback
    assert group.line == work.__wrapped__.__code__.co_firstlineno + 2


def test_what_is_pickled_by_name_and_lies_in_the_notebook_is_refused_by_name(
    home: Path, monkeypatch: pytest.MonkeyPatch
):
    class Named:
        def __reduce__(self) -> str:
            return "SINGLETON"

    notebook = types.ModuleType("__main__")
    notebook.SINGLETON = Named()  # type: ignore[attr-defined]
    Named.__module__ = "__main__"
    monkeypatch.setitem(sys.modules, "__main__", notebook)
    with pytest.raises(CaptureError, match=r"SINGLETON \(a Named\) is pickled by its name alone"):
        Analysis(function=lambda ac: None, input=notebook.SINGLETON).run()


def test_default_arguments_are_looked_at(home: Path):
    def work(ac, *, lock=sys._current_frames):
        pass

    opened = open(os.devnull)

    def helper(*, file=opened):
        pass

    def positional(file=opened):
        pass

    with pytest.raises(CaptureError, match="helper uses 'default of file': it is an open file"):
        Analysis(function=lambda ac: helper()).run()
    with pytest.raises(CaptureError, match="positional uses 'default 0': it is an open file"):
        Analysis(function=lambda ac: positional()).run()
    opened.close()
    assert value_of(Analysis(function=functools.partial(add_output, z=work), job_definition=SMALL)) == "work"


def add_output(ac, z):
    ac.output.value("value", z.__name__)


# -- what is given as input -------------------------------------------------------------------------

SERIES = {
    "range": range(3),
    "tuple": (1, 2),
    "set": {1, 2},
    "dict_keys": {"a": 1}.keys(),
    "dict_values": {"a": 1}.values(),
    "map": map(str, [1]),
    "list_iterator": iter([1]),
    "deque": deque([1]),
    "array": array.array("i", [1, 2]),
}


@pytest.mark.parametrize("kind", SERIES)
def test_what_looks_like_an_array_and_is_one_job_is_said(
    home: Path, warned: Callable[[], list[str]], kind: str
):
    Analysis(function=lambda ac: ac.output, input=SERIES[kind]).run()
    [text] = warned()
    assert f"input is a {kind}, and only a list is an array" in text
    assert "input=list(...)" in text
    if kind in ("map", "list_iterator"):  # used up
        return
    as_list = Analysis(function=lambda ac: ac.output, input=list(SERIES[kind]))
    as_list.run()
    assert as_list._submitted().record.jobs == len(SERIES[kind])
    Analysis(function=lambda ac: ac.output, input=[SERIES[kind]]).run()
    assert warned() == []


@pytest.mark.parametrize("single", ["text", b"bytes", {"a": [1]}, 3.5, None, File("s3://bucket/key")])
def test_what_is_one_thing_is_no_series(home: Path, warned: Callable[[], list[str]], single: object):
    Analysis(function=lambda ac: ac.output, input=single).run()
    assert warned() == []


def test_a_generator_is_refused_and_a_list_of_it_is_an_array(home: Path):
    with pytest.raises(SubmissionError, match=r"input is a generator, .*input=list\(\.\.\.\)"):
        Analysis(function=lambda ac: None, input=(i for i in range(3))).run()
    an = Analysis(function=lambda ac: None, input=list(i for i in range(3)))  # noqa: C400
    an.run()
    assert an._submitted().record.jobs == 3


def read(ac):
    source = ac.input.as_local() if isinstance(ac.input, File) else ac.input
    with open(source) as file:
        ac.output.value("value", file.read())


def test_a_relative_path_is_said_at_submission_and_in_the_failure_and_the_advice_works(
    home: Path, warned: Callable[[], list[str]]
):
    Path("data.csv").write_text("1,2")
    an = Analysis(function=read, input="data.csv", job_definition=SMALL)
    an.run()
    [text] = warned()
    assert "input is 'data.csv', a relative path" in text
    assert "File('data.csv')" in text
    an.wait_done(timeout=60)
    assert "a relative path, which a job looks for in its own empty folder" in an.status()["reason"]
    assert value_of(Analysis(function=read, input=File("data.csv"), job_definition=SMALL)) == "1,2"
    assert value_of(Analysis(function=read, input=os.path.abspath("data.csv"), job_definition=SMALL)) == "1,2"
    assert warned() == []


def returns(ac):
    return ac.input * 2


def test_a_function_that_returns_and_keeps_nothing_is_told_how(home: Path, warned: Callable[[], list[str]]):
    Analysis(function=returns, input=2).run()
    [text] = warned()
    assert (
        text
        == 'returns returns a value, which is not kept: inside it, keep it with ac.output.value("key", ...)'
    )

    def keeps(ac):
        ac.output.value("value", ac.input * 2)
        return ac.input

    def nothing(ac):
        if ac.input:
            return
        print(ac.input)

    assert value_of(Analysis(function=keeps, input=2, job_definition=SMALL)) == 4
    Analysis(function=nothing, input=2).run()
    assert warned() == []
