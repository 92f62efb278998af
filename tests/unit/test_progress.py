"""What transfers and builds say while they take their time."""

import io
import time

import pytest

from explorer_runner import progress


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    stream = io.StringIO()
    monkeypatch.setattr(progress, "log", stream)
    return stream


def test_what_is_done_soon_says_nothing(said: io.StringIO):
    with progress.lines("fetching x", 2_000_000) as advance:
        advance(2_000_000)
    with progress.waiting("building"):
        pass
    assert said.getvalue() == ""


def test_what_takes_long_says_how_far_it_is(said: io.StringIO, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(progress, "EVERY_SECONDS", 0.05)
    with progress.lines("fetching x", 2_000_000) as advance, progress.waiting("building"):
        time.sleep(0.3)
        advance(1_000_000)
    assert "fetching x: 1 of 2 MB\n" in said.getvalue()
    assert "building: 0 s so far\n" in said.getvalue()
