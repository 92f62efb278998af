"""Steps that fail are taken again later, and keep no other step waiting that could be taken."""

from dataclasses import dataclass
from typing import Any

import pytest
from support import eventually

from explorer_runner.errors import StoreError
from gencove_explorer.local.troubles import Troubles

STEPS = ("admission", "dependencies", "closed jobs", "job 0", "logs")


@dataclass(frozen=True)
class Queued:
    """What of an entry counts here."""

    key: str
    store: str


def down() -> None:
    raise StoreError("it does not answer")


def well() -> None:
    pass


@pytest.mark.parametrize(("store", "asked"), [("s3://bucket/x", 1), ("/folder", len(STEPS))])
def test_a_silent_store_on_s3_is_asked_once_and_not_once_a_step(store: str, asked: int):
    troubles: Any = Troubles()
    calls = []

    def step() -> None:
        calls.append(1)
        down()

    for number, what in enumerate(STEPS):
        assert not troubles.attempt(what, Queued(f"a.{number}", store), step)
    assert len(calls) == asked
    assert troubles.waits("start", Queued("b.0", store)) == (asked == 1)
    assert troubles.attempt("start", Queued("b.0", "s3://bucket/other"), well)


def test_a_store_is_silent_until_the_step_that_failed_succeeds():
    troubles: Any = Troubles()
    round, other = Queued("a.0", "s3://bucket/x"), Queued("b.0", "s3://bucket/x")
    troubles.attempt("admission", round, down)
    assert troubles.reasons() == {round.store: "it does not answer"}
    eventually(lambda: not troubles.waits("admission", round))
    assert troubles.attempt("dependencies", other, well)
    assert troubles.reasons()
    assert troubles.attempt("admission", other, well)
    assert not troubles.reasons()
