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
    r"\d+[smh] ago": "<time> ago",
    r'File "[^"]*"': 'File "<file>"',
    r" +[~^]+ *\n": "",  # not every Python marks the same part of a line
    r"(?<=\S) {2,}": "  ",  # a table's columns are as wide as the ids and names in them
    r"(<id of \w+>  \w+)  \S+": r"\1  <user>",
}
_CELLS = f"""
import json, pathlib, subprocess, sys

for _number, (_kind, _code) in enumerate(json.loads(pathlib.Path(sys.argv[1]).read_text())):
    if _kind == "console":
        subprocess.run(_code, shell=True)
    elif _code.startswith("# look.py\\n"):
        pathlib.Path("look.py").write_text(_code)
    else:
        _cell = pathlib.Path(f"cell{{_number}}.py").absolute()
        _cell.write_text(_code)
        exec(compile(_code, _cell, "exec"))
    print({_MARK!r}, end="", flush=True)
"""
"""Runs blocks as a notebook does its cells: each in the same process, its lines counted from one."""


class Step(NamedTuple):
    """A block of Python, or a command, and what the page says that it prints."""

    kind: str
    code: str
    shown: str


def steps(page: str) -> list[Step]:
    found: list[Step] = []
    for kind, text in _FENCE.findall(page):
        if kind == "python":
            found.append(Step(kind, text, ""))
        elif kind == "text":
            assert found[-1].kind == "python", "a text block shows what the Python block before it prints"
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
        env={**os.environ, "PATH": path, "PYTHONUNBUFFERED": "1"},
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


