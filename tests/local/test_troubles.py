"""Steps that fail are taken again later, and keep no other step waiting that could be taken."""

import dataclasses
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from explorer_runner.errors import StoreError
from explorer_runner.format.keys import AttemptId
from gencove_explorer.analysis import Analysis
from gencove_explorer.executors.local.backoff import Backoff
from gencove_explorer.executors.local.executor import LocalExecutor
from gencove_explorer.executors.local.scheduler import Scheduler
from gencove_explorer.job_manager import JobManager
from gencove_explorer.settings import Settings
from support.waiting import eventually

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
    troubles: Any = Backoff()
    calls = []

    def step() -> None:
        calls.append(1)
        down()

    for number, what in enumerate(STEPS):
        assert not troubles.try_step(what, Queued(f"a.{number}", store), step)
    assert len(calls) == asked
    assert troubles.waits("start", Queued("b.0", store)) == (asked == 1)
    assert troubles.try_step("start", Queued("b.0", "s3://bucket/other"), well)


def test_a_store_is_silent_until_the_step_that_failed_succeeds():
    troubles: Any = Backoff()
    round, other = Queued("a.0", "s3://bucket/x"), Queued("b.0", "s3://bucket/x")
    troubles.try_step("admission", round, down)
    assert troubles.reasons() == {round.store: "it does not answer"}
    eventually(lambda: not troubles.waits("admission", round))
    assert troubles.try_step("dependencies", other, well)
    assert troubles.reasons()
    assert troubles.try_step("admission", other, well)
    assert not troubles.reasons()


def test_rounds_that_fail_together_wait_no_longer_than_one():
    together: Any = Backoff()
    alone: Any = Backoff()
    silence = StoreError("it does not answer")
    for number in range(20):  # they were under way at once
        together.failed("opening", Queued(f"a.{number}", "s3://bucket/x"), silence)
    alone.failed("opening", Queued("a.0", "s3://bucket/x"), silence)
    for troubles in (together, alone):
        assert troubles._found["", "s3://bucket/x"].pause == 1.0
        eventually(lambda troubles=troubles: not troubles.waits("opening", Queued("a.0", "s3://bucket/x")))
    assert together.reasons() == alone.reasons() == {"s3://bucket/x": "it does not answer"}
    together.succeeded("opening", Queued("a.7", "s3://bucket/x"))
    assert not together.reasons()


def test_a_pause_grows_from_one_time_to_the_next_unless_it_is_told_not_to():
    troubles: Any = Backoff()
    round, other = Queued("a.0", "/folder"), Queued("b.0", "/folder")
    pauses = []
    for _ in range(8):
        troubles.failed("opening", round, StoreError("no"))
        troubles.failed("opening", other, StoreError("no"), grows=False)
        pauses.append(troubles._found["opening", round.key].pause)
        assert troubles._found["opening", other.key].pause == 1.0
        for key, found in list(troubles._found.items()):
            troubles._found[key] = dataclasses.replace(found, again_at=0.0)
    assert pauses == [1, 2, 4, 8, 16, 32, 60, 60]
    troubles.failed("opening", round, StoreError("no"), seconds=30.0)
    assert troubles._found["opening", round.key].pause == 120  # others have their turn meanwhile
    troubles.succeeded("opening", round)
    troubles.failed("opening", round, StoreError("no"))
    assert troubles._found["opening", round.key].pause == 1.0


def test_an_analysis_that_is_queued_and_cannot_be_listed_runs_all_the_same(
    home: Path, warned: Callable[[], list[str]]
):
    def work(ac):
        ac.output.value("x", ac.input)

    first = Analysis(function=work, input=[0, 1])
    first.run()
    first.wait_done(timeout=60)
    listed, away = home / "store" / "index", home / "index.away"
    listed.rename(away)
    listed.touch()  # a file, in which nothing can be created
    an = Analysis(function=work, input=[1, 2])
    an.run()
    assert any(f"{an.id} was submitted, but cannot be listed yet" in text for text in warned())
    eventually(lambda: "tries again" in an.status().get("reason", ""))
    listed.unlink()
    away.rename(listed)
    an.wait_done(timeout=60)
    assert an.values("x") == [1, 2]
    assert [found.id for found in JobManager().list_jobs()] == [an.id, first.id]


class RunningJob:
    """A job that another process runs, which can be looked at or cannot."""

    def __init__(self, index: int, error: Exception | None) -> None:
        self.attempt = AttemptId(index, 0, 1)
        self.error = error
        self.looks = 0

    def kill_overdue(self) -> None:
        pass

    def check(self, store: object) -> None:
        self.looks += 1
        if self.error is not None:
            raise self.error


def test_a_running_job_that_cannot_be_looked_at_waits_alone(home: Path):
    queue = LocalExecutor(Settings.load()).queue
    queue.make()
    lock = queue.lock()
    assert lock is not None
    scheduler: Any = Scheduler(queue, idle_seconds=0)
    an = Analysis(function=lambda ac: time.sleep(300), input=[0, 1])
    an.run()
    scheduler.poll_queue()
    jobs = [RunningJob(0, None), RunningJob(1, OSError("no space left"))]
    scheduler.monitor.adopted = {(f"{an.id}.0", position): job for position, job in enumerate(jobs)}
    for _ in range(3):
        scheduler.monitor.check_orphans()
    assert [each.looks for each in jobs] == [3, 1]
    assert scheduler.backoff.reasons() == {f"{an.id}.0": "no space left"}
    os.close(scheduler.bell)
    os.close(lock)
