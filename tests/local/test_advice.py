"""What submission refuses of functions and inputs: doing what the message says succeeds.

Advice to add packages, and to make objects inside of the function, is followed for hundreds of objects
in ``tests/zoo``.
"""

import asyncio
import importlib.metadata
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import click
import pytest

from explorer_runner.models import File
from gencove_explorer.analysis import Analysis, GlobalConfig, JobDefinition
from gencove_explorer.errors import CaptureError, SubmissionError
from support.package_index import write_project
from support.waiting import value_of

SMALL = JobDefinition(cpu=1, memory_mb=500)
BIG = bytearray(9 << 20)
CLICK = f"click=={importlib.metadata.version('click')}"
Refusal = type[CaptureError] | type[SubmissionError]


def small(function: Callable[..., object], **arguments: object) -> Analysis:
    return Analysis(function=function, job_definition=SMALL, name="advised", **arguments)  # type: ignore[arg-type]


def of_input(ac):
    ac.output.value("value", len(ac.input))


def of_config(ac):
    ac.output.value("value", len(ac.global_context.big))


def of_file(ac):
    with open(ac.input, "rb") as file:
        ac.output.value("value", len(file.read()))


def takes_big(ac):
    ac.output.value("value", len(BIG))


def imports_click(ac):
    import click

    ac.output.value("value", len(click.unstyle("abc")))


def uses_click(ac):
    ac.output.value("value", len(click.unstyle("abc")))


def imports_models(ac):
    from gencove_explorer.models import File

    ac.output.value("value", len(File("s3://b").uri))


def imports_models_of_the_runner(ac):
    from explorer_runner.models import File

    ac.output.value("value", len(File("s3://b").uri))


def uses_models_from_outside(ac):
    ac.output.value("value", len(File("s3://b").uri))


def makes_analysis(ac):
    ac.output.value("value", Analysis())


async def later(ac):
    return 3


def runs_later(ac):
    async def wait() -> int:
        return 3

    ac.output.value("value", asyncio.run(wait()))


def yields(ac):
    yield len(ac.input)


def takes_two(ac, other):
    ac.output.value("value", len(ac.input))


def takes_two_with_a_default(ac, other=None):
    ac.output.value("value", len(ac.input))


def takes_none():
    pass


def written(data: bytes) -> Path:
    """A file of the folder that the test runs in."""
    path = Path("data").absolute()
    path.write_bytes(data)
    return path


ADVICE: dict[str, tuple[Callable[[], Analysis], str, list[Callable[[], Analysis]]]] = {
    "large and captured": (
        lambda: small(takes_big),
        "'BIG', a bytearray of more than 8 MB, .*: pass it as input= or global_config=, or keep it in a file",
        [
            lambda: small(of_input, input=BIG),
            lambda: small(of_config, global_config=GlobalConfig(big=BIG)),
            lambda: small(of_file, input=str(written(BIG))),
        ],
    ),
    "a package that is imported": (
        lambda: small(imports_click),
        rf"imports 'click' \(line 2\): the job will not have it: add pip_packages=\[\"{CLICK}\"\]",
        [lambda: small(imports_click, pip_packages=[CLICK])],
    ),
    "a package that is captured": (
        lambda: small(uses_click),
        rf"the module click is of the package 'click', .*: add pip_packages=\[\"{CLICK}\"\]",
        [lambda: small(uses_click, pip_packages=[CLICK])],
    ),
    "the SDK, imported": (
        lambda: small(imports_models),
        "File and Sample can be imported outside the function, or from explorer_runner.models",
        [lambda: small(imports_models_of_the_runner), lambda: small(uses_models_from_outside)],
    ),
    "the SDK, captured": (
        lambda: small(makes_analysis),
        r"belongs to the SDK, .*: what a job needs comes with its context \(ac.input, ac.output,",
        [lambda: small(of_input, input="abc")],
    ),
    "no jobs": (
        lambda: small(of_input, input=[]),
        r'give it at least one element, or hand one empty list to one job, input=\{"i": \[\]\}',
        [lambda: small(of_input, input=["abc"]), lambda: small(of_input, input={"i": []})],
    ),
    "too many jobs": (
        lambda: small(of_input, input=["a"] * 10_001),
        r"let each job do several, or hand the list to one job, input=\{'i': \[...\]\}",
        [
            lambda: small(of_input, input={"i": ["a"] * 10_001}),
            lambda: small(of_input, input=[["a"] * 10_001]),
        ],
    ),
    "a generator": (
        lambda: small(of_input, input=(text for text in ["abc"])),
        r"input=list\(...\) makes one job per element of it",
        [lambda: small(of_input, input=list(text for text in ["abc"]))],  # noqa: C400
    ),
    "no function": (
        lambda: Analysis(),
        r"has no function to run: Analysis\(function=work, ...\)",
        [lambda: small(of_input, input="abc")],
    ),
    "a function that is none": (
        lambda: Analysis(function=3),  # type: ignore[arg-type]
        "use a function of one parameter, the context",
        [lambda: small(of_input, input="abc")],
    ),
    "an async function": (
        lambda: small(later),
        r"use a plain one, and asyncio.run\(...\) inside of it",
        [lambda: small(runs_later)],
    ),
    "a generator function": (
        lambda: small(yields, input="abc"),
        r"keep outputs with ac.output.value\(...\) instead",
        [lambda: small(of_input, input="abc")],
    ),
    "two parameters": (
        lambda: small(takes_two, input="abc"),
        r"\(ac, other\) cannot be called with .* others need a default, or functools.partial",
        [
            lambda: small(takes_two_with_a_default, input="abc"),
            lambda: small(partial(takes_two, other=1), input="abc"),
        ],
    ),
    "no parameter": (
        lambda: small(takes_none),
        "A work function takes one parameter, the context",
        [lambda: small(of_input, input="abc")],
    ),
}


@pytest.mark.parametrize("what", ADVICE)
def test_doing_what_a_refusal_says_succeeds(home: Path, what: str):
    refused, message, followed = ADVICE[what]
    with pytest.raises((CaptureError, SubmissionError), match=message):
        refused().run()
    for advised in followed:
        value_of(advised())


def test_the_path_of_an_open_file_is_handed_over(home: Path):
    path = written(b"abc")
    with (
        open(path, "rb") as file,
        pytest.raises(CaptureError, match="hand over its path, and open it in the job"),
    ):
        small(of_input, input=file).run()
    assert value_of(small(of_file, input=str(path))) == 3


@pytest.fixture
def forget_modules():
    """Forget modules that a test wrote and imported."""
    before = set(sys.modules)
    yield
    for name in sys.modules.keys() - before:
        del sys.modules[name]


@pytest.mark.usefixtures("forget_modules")
@pytest.mark.parametrize("kind", ["imports", "captures"])
def test_a_module_of_ones_own_goes_into_the_file_of_the_work_function(
    home: Path, monkeypatch: pytest.MonkeyPatch, kind: str
):
    Path("lab.py").write_text("WORD = 'hello'\n")
    inside = "def work(ac):\n    import lab\n    ac.output.value('value', lab.WORD)\n"
    outside = "import lab\ndef work(ac):\n    ac.output.value('value', lab.WORD)\n"
    Path("apart.py").write_text(inside if kind == "imports" else outside)
    Path("whole.py").write_text("WORD = 'hello'\ndef work(ac):\n    ac.output.value('value', WORD)\n")
    Path("within.py").write_text("def work(ac):\n    WORD = 'hello'\n    ac.output.value('value', WORD)\n")
    monkeypatch.syspath_prepend(Path.cwd())
    advice = "define what it needs inside the work function, or in the same file as the work function"
    with pytest.raises(CaptureError, match=rf"a module of your own .*: {advice}"):
        small(importlib.import_module("apart").work).run()
    for followed in ("whole", "within"):
        assert value_of(small(importlib.import_module(followed).work)) == "hello"


@pytest.mark.usefixtures("forget_modules")
def test_a_project_of_ones_own_is_a_package(home: Path, monkeypatch: pytest.MonkeyPatch):
    folder = write_project(Path.cwd(), "ownlab")
    monkeypatch.syspath_prepend(folder)

    def work(ac):
        import ownlab

        ac.output.value("value", ownlab.WORD)

    advice = rf'add its project, pip_packages=\["{folder}"\]'
    with pytest.raises(CaptureError, match=f"a module of your own .*: {advice}"):
        small(work).run()
    assert value_of(small(work, pip_packages=[str(folder)])) == "hello"


def test_a_package_that_is_not_installed_here_is_found_by_another_name(home: Path):
    def work(ac):
        import bs4

        ac.output.value("value", bs4.__name__)

    def unknown(ac):
        import docutils.nodes

        ac.output.value("value", docutils.nodes.__name__)

    with pytest.raises(CaptureError, match=r'add pip_packages=\["beautifulsoup4"\]'):
        small(work).run()
    assert value_of(small(work, pip_packages=["beautifulsoup4"])) == "bs4"
    with pytest.raises(CaptureError, match="add the package that brings it to pip_packages"):
        small(unknown).run()
    assert value_of(small(unknown, pip_packages=["docutils"])) == "docutils.nodes"
