"""What transfers and builds say while they take their time."""

import time

import pytest

from explorer_runner.system import progress

Capture = pytest.CaptureFixture[str]


def test_what_is_done_soon_says_nothing(capsys: Capture):
    with progress.lines("fetching x", 2_000_000) as advance:
        advance(2_000_000)
    with progress.waiting("building"):
        pass
    assert capsys.readouterr().err == ""


def test_what_takes_long_says_how_far_it_is(capsys: Capture):
    quick = {"every": 0.05}
    with progress.lines("fetching x", 2_000_000, **quick) as advance, progress.waiting("building", **quick):
        time.sleep(0.3)
        advance(1_000_000)
    said = capsys.readouterr().err
    assert "fetching x: 1 of 2 MB\n" in said
    assert "building: 0 s so far\n" in said
