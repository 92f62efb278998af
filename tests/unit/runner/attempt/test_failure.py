"""An exception as text: the user's own line, as it was submitted, and a reason that tells what to do."""

from pathlib import Path
from typing import Any

import pytest

from explorer_runner.attempt.failure import describe
from explorer_runner.errors import ExplorerError
from explorer_runner.format.outcome import Failure
from explorer_runner.format.payload import Spec

SOURCE = """\
def work(ac):
    return helper(ac)

def helper(ac):
    raise ac
"""
FIRST = 7


def failed(error: BaseException, file: Path, source: str = SOURCE) -> tuple[str, Failure]:
    """What is told of a work function, from line FIRST of a file on, that raised an error."""
    spec = Spec(
        id="x",
        name="x",
        round=0,
        python="3.11",
        explorer="1",
        jobs=1,
        array=False,
        indices=None,
        function={"name": "work", "file": str(file), "line": FIRST},
        pip_packages=[],
    )
    space: dict[str, Any] = {}
    exec(compile("\n" * (FIRST - 1) + source, str(file), "exec"), space)
    with pytest.raises(BaseException) as caught:  # noqa: PT011
        space["work"](error)
    return describe(caught.value, spec, source)


def test_the_innermost_line_of_the_users_own_file_is_told(tmp_path: Path):
    reason, failure = failed(ValueError("no good\nsecond line"), tmp_path / "mine.py")
    assert reason == "ValueError: no good (line 11, in helper)"
    assert (failure.type, failure.function, failure.line) == ("ValueError", "helper", 11)
    assert failure.file == str(tmp_path / "mine.py")
    assert failure.message == "no good\nsecond line"


def test_lines_are_shown_as_they_were_submitted_whatever_the_file_has_now(tmp_path: Path):
    file = tmp_path / "changed.py"
    file.write_text("# another line\n" * 20)
    _, failure = failed(ValueError("no"), file)
    assert "    return helper(ac)\n" in failure.traceback
    assert "    raise ac\n" in failure.traceback
    assert "another line" not in failure.traceback


def test_what_is_long_is_cut_and_keeps_its_end(tmp_path: Path):
    reason, failure = failed(ValueError("a" * 200_000 + "the end"), tmp_path / "long.py")
    assert len(failure.message) == 2003
    assert failure.message.endswith("aaa...")
    assert failure.traceback.startswith("Traceback (most recent call last):\n")
    assert "\n[...]\n" in failure.traceback
    assert failure.traceback.endswith("the end\n")
    assert len(failure.traceback) < 101_000
    assert len(reason) < 2_100


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (KeyError(), "KeyError (line 11, in helper)"),
        (FileNotFoundError(2, "No such file", "/data/x.csv"), "(line 11, in helper)"),
        (FileNotFoundError(2, "No such file"), "(line 11, in helper)"),
        (
            FileNotFoundError(2, "No such file", "x.csv"),
            "pass a File of gencove_explorer.models, or an absolute",
        ),
        (ModuleNotFoundError("no", name="lab.part"), "add the package of 'lab' there"),
        (ModuleNotFoundError("no"), "ModuleNotFoundError: no (line 11, in helper)"),
        (ExplorerError("ours, as it is"), "ours, as it is (line 11, in helper)"),
    ],
)
def test_the_reason_tells_what_to_do_where_that_is_known(tmp_path: Path, error: Exception, expected: str):
    reason, _ = failed(error, tmp_path / "reason.py")
    assert reason.endswith(expected) or expected in reason
    assert ("relative path" in reason) == ("absolute" in expected)
    assert ("package" in reason) == ("package" in expected)
