"""The tutorial, from top to bottom, as somebody would run it: each block prints what the page says."""

import re
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "tutorial.md"
_BLOCK = re.compile(r"^```(python|text|console)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_MARK = "-- end of a block --\n"


def run(*command: str | Path, folder: Path) -> str:
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder, timeout=240)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_tutorial(home: Path, tmp_path: Path):
    found = _BLOCK.findall(PAGE.read_text())
    codes = [text for kind, text in found if kind == "python"]
    script = tmp_path / "tutorial.py"
    script.write_text("".join(f"{code}\nprint({_MARK.strip()!r})\n" for code in codes))
    printed = run(sys.executable, script, folder=tmp_path).split(_MARK)
    shown = [
        after if kind == "text" else None
        for (before, _), (kind, after) in pairwise(found)
        if before == "python"
    ]
    assert len(shown) == len(codes) == len(printed) - 1
    line = re.compile(r"line \d+")  # the page counts from the top of the cell
    for code, expected, came in zip(codes, shown, printed, strict=False):
        if expected is not None:
            assert line.sub("line N", came) == line.sub("line N", expected), code
    assert "ZeroDivisionError" in printed[codes.index("print(an.failures())\n")]

    commands = [line for kind, text in found if kind == "console" for line in text.splitlines()]
    assert commands
    for command in commands:
        program, *arguments = command.removeprefix("$ ").split()
        assert run(Path(sys.executable).with_name(program), *arguments, folder=tmp_path)
