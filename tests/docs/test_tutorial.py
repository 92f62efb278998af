"""The tutorial, from top to bottom, as somebody would run it: every block prints what the page shows."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "tutorial.md"
_FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_MARK = "-- the end of a block --\n"
_LOG_LINE = re.compile(r"^.* \| INFO \| .*\n", re.MULTILINE)
_CHANGING = {
    r"\d{4}-\d\d-\d\dT\d{6}_([\w-]+)_[0-9a-f]{32}": r"<id of \1>",
    r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}": "<time>",
    r":(\w+):\d+ - ": r":\1:<line> - ",  # lines of ours, in a log line
    r"\d+[smh] ago +": "<time> ago ",
    r'File "[^"]*"': 'File "<file>"',
    r"^ +[~^]+\n": "",  # not every Python marks the same part of a line
    r" +$": "",
}
_CELLS = f"""
import json, pathlib, re, subprocess, sys

for _number, (_kind, _code) in enumerate(json.loads(pathlib.Path(sys.argv[1]).read_text())):
    if _kind == "console":
        subprocess.run(_code, shell=True, check=True)
    else:
        _file = re.match(r"# (\\w+[.]py)\\n", _code)
        _path = pathlib.Path(_file[1] if _file else f"cell{{_number}}.py").absolute()
        _path.write_text(_code)
        if not _file:
            exec(compile(_code, _path, "exec"))
    print({_MARK!r}, end="", flush=True)
"""
"""Runs blocks as a notebook does its cells: all in one process, the lines of each counted from one. A block
that begins with the name of a file is that file."""


class Step(NamedTuple):
    """A block of Python, or a command, and what the page says that it prints."""

    kind: str
    code: str
    shown: str


def steps(page: str) -> list[Step]:
    """The blocks of a page; a text block is what the Python block before it prints."""
    found: list[Step] = []
    for kind, text in _FENCE.findall(page):
        if kind == "python":
            found.append(Step(kind, text, ""))
        elif kind == "text":
            assert found[-1].kind == "python", text
            found[-1] = found[-1]._replace(shown=text)
        else:
            assert kind == "console", kind
            _, *commands = re.split(r"^\$ ", text, flags=re.MULTILINE)
            found += [Step(kind, *each.partition("\n")[::2]) for each in commands]
    return found


def run(every: list[Step], folder: Path) -> list[str]:
    """What each step wrote to both streams; fails if one of them ends in an error."""
    (folder / "cells.json").write_text(json.dumps([step[:2] for step in every]))
    (folder / "cells.py").write_text(_CELLS)
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    done = subprocess.run(
        [sys.executable, "cells.py", "cells.json"],
        cwd=folder,
        env={**os.environ, "PATH": path, "LOGNAME": "ada", "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout.split(_MARK)[:-1]


def compared(text: str, *, with_log: bool) -> str:
    """The text without what differs from run to run, and without log lines where the page shows none."""
    text = text if with_log else _LOG_LINE.sub("", text)
    for pattern, instead in _CHANGING.items():
        text = re.sub(pattern, instead, text, flags=re.MULTILINE)
    return text


def differences(every: list[Step], printed: list[str]) -> list[tuple[str, str, str]]:
    """Code, what the page shows and what came, of those steps in which the two differ."""
    assert len(printed) == len(every)
    pairs = [
        (step.code, *(compared(text, with_log=" | INFO | " in step.shown) for text in (step.shown, came)))
        for step, came in zip(every, printed, strict=True)
    ]
    return [each for each in pairs if each[1] != each[2]]


def test_the_tutorial(home: Path, tmp_path: Path):
    every = steps(PAGE.read_text())
    assert {step.kind for step in every} == {"python", "console"}
    assert differences(every, run(every, tmp_path)) == []


def test_a_page_that_shows_something_else_is_noticed(tmp_path: Path):
    console = "```console\n$ echo one\none\n$ echo two\n```\n"
    page = f"```python\nx = 6\nprint(x * 7)\n```\n\n```text\n41\n```\n\n{console}"
    every = steps(page)
    found = differences(every, run(every, tmp_path))
    assert found == [("x = 6\nprint(x * 7)\n", "41\n", "42\n"), ("echo two", "", "two\n")]


@pytest.mark.parametrize("block", ["```python\n1 / 0\n```\n", "```console\n$ false\n```\n"])
def test_a_block_that_fails_is_noticed(tmp_path: Path, block: str):
    with pytest.raises(AssertionError, match=r"ZeroDivisionError|non-zero exit status"):
        run(steps(block), tmp_path)


def test_what_changes_from_run_to_run_is_not_compared():
    line = "2023-06-23 15:45:06.929 | INFO | gencove_explorer.analysis:run:844 - Analysis ID: {}\n"
    text = line.format("2023-05-08T000000_example_fn_17eb494f3d5349c88959bace7a6b7873")
    shown = "<time> | INFO | gencove_explorer.analysis:run:<line> - Analysis ID: <id of example_fn>\n"
    assert compared(text, with_log=True) == shown
    assert compared(text, with_log=False) == ""
    assert compared("3s ago     12  FAILED  \n", with_log=False) == "<time> ago 12  FAILED\n"
