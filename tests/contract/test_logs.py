"""Logs of jobs on the executor: as they are written, and the last part of them."""

import os
import threading
import time
from pathlib import Path

import pytest
from support import WAIT, eventually

from gencove_explorer.analysis import Analysis, GlobalConfig, JobDefinition

SMALL = JobDefinition(cpu=1, memory_mb=300)


def waits(ac):
    import pathlib
    import time

    folder = pathlib.Path(ac.global_config.folder)
    print("early")
    while not (folder / "go").exists():
        time.sleep(0.02)
    print("late, ", end="", flush=True)
    print("wörtlich")
    while not (folder / "end").exists():
        time.sleep(0.02)
    print("last")


@pytest.fixture
def waiting(home: Path, tmp_path: Path) -> Analysis:
    """A running analysis: a file ``go`` lets it print its second line, ``end`` its last."""
    an = Analysis(function=waits, global_config=GlobalConfig(folder=str(tmp_path)), job_definition=SMALL)
    an.run()
    an.wait_running_or_done(timeout=WAIT)
    return an


def shown(an: Analysis, capsys: pytest.CaptureFixture[str], **arguments) -> str:
    capsys.readouterr()
    an.logs(**arguments)
    return capsys.readouterr().out


def test_what_a_running_job_prints_is_there_at_once(
    waiting: Analysis, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    eventually(lambda: shown(waiting, capsys) == "early\n")
    (tmp_path / "go").touch()
    eventually(lambda: shown(waiting, capsys) == "early\nlate, wörtlich\n")
    (tmp_path / "end").touch()
    waiting.wait_done(timeout=WAIT)
    assert shown(waiting, capsys) == "early\nlate, wörtlich\nlast\n"


def test_since_leaves_out_what_is_older(
    waiting: Analysis, home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    if "EXPLORER_BATCH__QUEUE" not in os.environ:
        eventually(lambda: list(home.rglob("0.0-1.marks")))  # when how much was there has been noted
    time.sleep(1.2)
    (tmp_path / "go").touch()
    eventually(lambda: "late" in shown(waiting, capsys))
    assert shown(waiting, capsys, since="1s") == "late, wörtlich\n"
    assert shown(waiting, capsys, since="1h") == "early\nlate, wörtlich\n"
    (tmp_path / "end").touch()
    waiting.wait_done(timeout=WAIT)
    with pytest.raises(ValueError, match="yesterday"):
        waiting.logs(since="yesterday")


def test_live_follows_to_the_end(waiting: Analysis, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    follower = threading.Thread(target=lambda: waiting.logs(live=True))
    follower.start()
    text = ""

    def so_far() -> str:
        nonlocal text
        text += capsys.readouterr().out
        return text

    eventually(lambda: so_far() == "early\n")
    (tmp_path / "go").touch()
    eventually(lambda: so_far() == "early\nlate, wörtlich\n")
    assert follower.is_alive()
    (tmp_path / "end").touch()
    follower.join(30)
    assert not follower.is_alive()
    assert so_far() == "early\nlate, wörtlich\nlast\n"


def test_a_job_that_waits_has_no_log_and_says_its_state(
    waiting: Analysis, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    behind = Analysis(function=lambda ac: None, depends_on=[waiting], job_definition=SMALL)
    behind.run()
    eventually(lambda: behind.status()["status"] == "PENDING")
    capsys.readouterr()
    behind.logs()
    told = capsys.readouterr()
    assert told.out == ""
    assert "PENDING" in told.err
    assert "no log" in told.err
    (tmp_path / "go").touch()
    (tmp_path / "end").touch()
    behind.wait_done(timeout=WAIT)
