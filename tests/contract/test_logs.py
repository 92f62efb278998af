"""Logs of jobs on the executor: as they are written, and the last part of them."""

import os
import re
import threading
import time
from pathlib import Path

import pytest

from explorer_runner.stores.uri import open_store
from gencove_explorer.analysis import Analysis, JobDefinition
from support.waiting import WAIT, eventually

SMALL = JobDefinition(cpu=1, memory_mb=300)


def waits(ac):
    import time

    from explorer_runner.stores.uri import open_store

    signals = open_store(ac.input)
    print("early")
    while not signals.exists("go"):
        time.sleep(0.05)
    print("late, ", end="", flush=True)
    print("wörtlich")
    while not signals.exists("end"):
        time.sleep(0.05)
    print("last")


@pytest.fixture
def waiting(signals: str) -> Analysis:
    """A running analysis: the signal ``go`` lets it print its second line, ``end`` its last."""
    an = Analysis(function=waits, input=signals, job_definition=SMALL)
    an.run()
    an.wait_running_or_done(timeout=WAIT)
    return an


def give(signals: str, name: str) -> None:
    open_store(signals).create(name, b"")


def shown(an: Analysis, capsys: pytest.CaptureFixture[str], **arguments) -> str:
    capsys.readouterr()
    an.logs(**arguments)
    return capsys.readouterr().out


def test_what_a_running_job_prints_is_there_at_once(
    waiting: Analysis, signals: str, capsys: pytest.CaptureFixture[str]
):
    eventually(lambda: shown(waiting, capsys) == "early\n")
    give(signals, "go")
    eventually(lambda: shown(waiting, capsys) == "early\nlate, wörtlich\n")
    give(signals, "end")
    waiting.wait_done(timeout=WAIT)
    assert shown(waiting, capsys) == "early\nlate, wörtlich\nlast\n"


def test_since_leaves_out_what_is_older(
    waiting: Analysis, home: Path, signals: str, capsys: pytest.CaptureFixture[str]
):
    if "EXPLORER_BATCH__QUEUE" not in os.environ:
        eventually(lambda: list(home.rglob("0.0-1.marks")))  # when how much was there has been noted
    time.sleep(1.2)
    give(signals, "go")
    eventually(lambda: "late" in shown(waiting, capsys))
    assert shown(waiting, capsys, since="1s") == "late, wörtlich\n"
    assert shown(waiting, capsys, since="1h") == "early\nlate, wörtlich\n"
    give(signals, "end")
    waiting.wait_done(timeout=WAIT)
    with pytest.raises(ValueError, match="yesterday"):
        waiting.logs(since="yesterday")


def test_live_follows_to_the_end(waiting: Analysis, signals: str, capsys: pytest.CaptureFixture[str]):
    follower = threading.Thread(target=lambda: waiting.logs(live=True))
    follower.start()
    text = ""

    def so_far() -> str:
        nonlocal text
        text += capsys.readouterr().out
        return text

    eventually(lambda: so_far() == "early\n")
    give(signals, "go")
    eventually(lambda: so_far() == "early\nlate, wörtlich\n")
    assert follower.is_alive()
    give(signals, "end")
    follower.join(30)
    assert not follower.is_alive()
    assert so_far() == "early\nlate, wörtlich\nlast\n"


def test_a_job_that_waits_has_no_log_and_says_its_state(
    waiting: Analysis, signals: str, capsys: pytest.CaptureFixture[str]
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
    give(signals, "go")
    give(signals, "end")
    behind.wait_done(timeout=WAIT)


def test_the_call_that_shows_an_old_log_shows_all_of_it(
    waiting: Analysis, signals: str, capsys: pytest.CaptureFixture[str]
):
    for name in ("go", "end"):
        time.sleep(1.2)
        give(signals, name)
    waiting.wait_done(timeout=WAIT)
    time.sleep(1.2)
    capsys.readouterr()
    waiting.logs(since="1s")
    told = capsys.readouterr()
    assert told.out == ""
    advised = re.search(r'ago: logs\(since="(\w+)"\) shows its log', told.err)
    assert advised, told.err
    time.sleep(1.2)
    assert shown(waiting, capsys, since=advised[1]) == "early\nlate, wörtlich\nlast\n"
