"""Kinds of functions and classes that cloudpickle carries in part, or not at all: jobs get all of them."""

import dataclasses
import functools
import io
import os
import sys
import typing
import xml.dom.minidom
from collections.abc import Callable
from pathlib import Path

import pytest

from gencove_explorer.analysis import Analysis, GlobalConfig, JobDefinition
from gencove_explorer.errors import CaptureError
from support.waiting import value_of

SMALL = JobDefinition(cpu=1, memory_mb=300)


class Slotted:
    __slots__ = ("__hidden", "x")

    def __init__(self, x):
        self.x = x
        self.__hidden = 2 * x

    def hidden(self):
        return self.__hidden


@dataclasses.dataclass(frozen=True, slots=True)
class Site:
    chromosome: str
    position: int = 0


class Read(typing.NamedTuple):
    name: str
    length: int = 0


class Row(typing.TypedDict, total=False):
    name: typing.Required[str]
    length: int


class LongRow(Row):
    gc: float


def first_name(rows: list[Row]) -> str:
    return rows[0]["name"]


@functools.singledispatch
def describe(value):
    return "something"


@describe.register
def _(value: int):
    return f"the number {value}"


@describe.register(list)
def _(value):
    return [describe(part) for part in value]


class Describer:
    @functools.singledispatchmethod
    def describe(self, value):
        return "something"

    @describe.register
    def _(self, value: int):
        return "a number"


def shout(text, file=sys.stderr):
    print(text, file=file)
    return file is sys.stderr


def root_tag():
    return (lambda: xml.dom.minidom.parseString("<a/>").documentElement.tagName)()


CAPTURED: dict[str, tuple[Callable[[], object], object]] = {
    "a class with slots": (lambda: [hasattr(Slotted(1), "__dict__"), Slotted(2).hidden()], [False, 4]),
    "a dataclass with slots": (lambda: [hasattr(Site("a"), "__dict__"), Site("a").position], [False, 0]),
    "a named tuple with types": (lambda: Read("r").length, 0),
    "a typed dictionary": (lambda: sorted(LongRow.__annotations__), ["gc", "length", "name"]),
    "the required keys of one": (lambda: [sorted(Row.__required_keys__), Row.__total__], [["name"], False]),
    "one that annotates a helper": (lambda: first_name([Row(name="x")]), "x"),
    "a function by the type of its argument": (
        lambda: describe([1, "a", [2]]),
        ["the number 1", "something", ["the number 2"]],
    ),
    "its name and its implementations": (
        lambda: [describe.__name__, len(describe.registry)],
        ["describe", 3],
    ),
    "a method by the type of its argument": (lambda: Describer().describe(3), "a number"),
    "a standard stream as a default": (lambda: shout("x"), True),
    "a submodule that an inner function uses": (root_tag, "a"),
}


@pytest.mark.parametrize("what", CAPTURED)
def test_what_a_function_captures_is_in_the_job_what_it_is_here(home: Path, what: str):
    compute, expected = CAPTURED[what]
    assert compute() == expected
    an = Analysis(
        function=lambda ac: ac.output.value("value", compute()), job_definition=SMALL, name="captures"
    )
    assert value_of(an) == expected


@pytest.mark.parametrize("thing", [Slotted(3), Site("chr1", 5), Read("r", 9)], ids=lambda x: type(x).__name__)
def test_an_instance_goes_into_a_job_and_comes_back(home: Path, thing: object):
    an = Analysis(
        function=lambda ac: ac.output.value("value", [ac.input, ac.global_context.thing, thing]),
        input={"thing": thing}["thing"],
        global_config=GlobalConfig(thing=thing),
        job_definition=SMALL,
        name="returns",
    )
    for back in value_of(an):
        assert type(back) is type(thing)
        assert back.hidden() == thing.hidden() if isinstance(thing, Slotted) else back == thing


def test_an_implementation_for_a_class_that_jobs_lack_is_refused_by_name(home: Path):
    import rich.text

    @functools.singledispatch
    def show(value):
        return str(value)

    @show.register(rich.text.Text)
    def _(value):
        return value.plain

    def work(ac):
        ac.output.value("value", show(ac.input))

    with pytest.raises(CaptureError, match=r"rich\.text\.Text is of the package 'rich'"):
        Analysis(function=work, input=1).run()


def test_an_implementation_that_cannot_travel_is_named(home: Path):
    opened = open(os.devnull)

    @functools.singledispatch
    def show(value):
        return str(value)

    @show.register
    def _(value: int):
        return opened.read()

    def work(ac):
        show(ac.input)

    with pytest.raises(
        CaptureError, match="work -> show -> implementation for int uses 'opened': it is an open file"
    ):
        Analysis(function=work, input=1).run()
    opened.close()


def test_texts_in_memory_are_no_open_files(home: Path):
    an = Analysis(
        function=lambda ac: ac.output.value("value", ac.input.read()),
        input=io.StringIO("text"),
        job_definition=SMALL,
        name="reads",
    )
    assert value_of(an) == "text"
