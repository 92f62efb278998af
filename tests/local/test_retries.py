"""retry_failed(): what it is given is used or spoken of, by whomever and however it is interrupted."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from explorer_runner.errors import AlreadyExists, NotFinished
from explorer_runner.format.keys import round_key
from gencove_explorer.analysis import Analysis, AnalysisContext, JobDefinition
from gencove_explorer.executors.local.executor import LocalExecutor
from gencove_explorer.job_manager import JobManager
from gencove_explorer.monitoring.lookup import find_analysis
from gencove_explorer.monitoring.stored_analysis import StoredAnalysis
from gencove_explorer.session import Session
from gencove_explorer.submission.retry import retry_failed
from support.waiting import SECONDS

DYING = Path(__file__).with_name("dying_retry.py")
TESTS = str(DYING.parent.parent)
SMALL = JobDefinition(cpu=1, memory_mb=111)


def grows(ac: AnalysisContext) -> None:
    if ac.job_definition.memory_mb == 111:
        raise ValueError("too little")
    ac.output.value("with", ac.job_definition.memory_mb)


@pytest.fixture
def fail(home: Path) -> Callable[[], Analysis]:
    """A function that makes an array of which both jobs have failed, and would with 111 MiB."""

    def make() -> Analysis:
        an = Analysis(function=grows, input=[1, 2], job_definition=SMALL)
        an.run()
        an.wait_done(timeout=SECONDS)
        return JobManager().get_analysis(an.id)

    return make


class Pausing:
    """Something else, that waits before the n-th call of some of its methods until it may go on."""

    def __init__(self, of: Any, methods: tuple[str, ...], gate: "Gate") -> None:
        self._of, self._methods, self._gate = of, methods, gate

    def __getattr__(self, name: str) -> Any:
        if name in self._methods:
            self._gate.step()
        return getattr(self._of, name)


class Gate:
    """Stops whoever takes the n-th step until it is opened."""

    def __init__(self, steps: int) -> None:
        self.left = steps
        self.reached, self.opened = threading.Event(), threading.Event()

    def step(self) -> None:
        if self.left == 0:
            self.reached.set()
            assert self.opened.wait(SECONDS)
        self.left -= 1


def retry_through(gate: Gate, analysis: str, memory_mb: int) -> int:
    session = Session()
    executor = LocalExecutor(session.settings)
    executor.queue = Pausing(executor.queue, ("add",), gate)  # type: ignore[assignment]
    session.executor = executor
    stored = find_analysis(session, analysis)
    paused: StoredAnalysis = replace(stored, store=Pausing(stored.store, ("create",), gate))  # type: ignore[arg-type]
    try:
        return retry_failed(paused, JobDefinition(cpu=1, memory_mb=memory_mb), None, session)
    finally:
        gate.reached.set()


STEPS = 3
"""What a retry writes: its payload, the round's record, the queue's entry."""


@pytest.mark.parametrize("first", range(STEPS))
@pytest.mark.parametrize("second", range(STEPS + 1))
def test_of_two_at_once_one_runs_and_the_other_says_so(fail: Callable[[], Analysis], first: int, second: int):
    """One stops before each of its writes, then the other does, and they go on in this order."""
    an = fail()
    gates = {222: Gate(first), 333: Gate(second)}
    with ThreadPoolExecutor(2) as pool:
        calls = {}
        for memory_mb, gate in gates.items():
            calls[memory_mb] = pool.submit(retry_through, gate, an.id, memory_mb)
            assert gate.reached.wait(SECONDS)
        for memory_mb, gate in gates.items():
            gate.opened.set()
            calls[memory_mb].exception(SECONDS)
    ran = [memory_mb for memory_mb, call in calls.items() if call.exception() is None]
    refused = [call.exception() for call in calls.values() if call.exception() is not None]
    assert len(ran) == 1
    assert [type(error) for error in refused] in ([AlreadyExists], [NotFinished])
    assert "job_definition is" in str(refused[0])
    an.wait_done(timeout=SECONDS)
    assert an.values("with") == ran * 2
    assert len(an.status()["rounds"]) == 2


def test_killed_at_every_point_it_can_be_made_again(fail: Callable[[], Analysis]):
    steps = 0
    while True:
        an = fail()
        done = subprocess.run(
            [sys.executable, str(DYING), an.id, "222", str(steps)],
            env={**os.environ, "PYTHONPATH": TESTS},
            capture_output=True,
            text=True,
            timeout=SECONDS,
        )
        assert done.returncode in (0, -signal.SIGKILL), done.stderr
        age_unqueued(an._submitted())
        again = JobManager().get_analysis(an.id)
        try:
            again.retry_failed(job_definition=JobDefinition(cpu=1, memory_mb=333))
        except NotFinished:
            pass  # it was in the queue: it runs
        again.wait_done(timeout=SECONDS)
        assert again.values("with") in ([222, 222], [333, 333]), steps
        if done.returncode == 0:
            break
        steps += 1
    assert steps >= 2 * STEPS


def age_unqueued(stored: StoredAnalysis) -> None:
    """Let a round that is in no queue look as old as it is when nobody can be about to queue it."""
    path = stored.store.local_path(round_key(stored.id, 1))
    queue = LocalExecutor(Session().settings).queue
    if path is not None and path.exists() and not queue.has_round(f"{stored.id}.1"):
        data = json.loads(path.read_bytes())
        path.write_text(json.dumps({**data, "submitted": data["submitted"] - 100}))


# -- what is given is used, or spoken of --------------------------------------------------------------


def waits(ac: AnalysisContext) -> None:
    import os
    import time

    while not os.path.exists(ac.input):
        time.sleep(0.01)
    raise ValueError("the old one")


def good(ac: AnalysisContext) -> None:
    ac.output.value("x", 1)


def test_a_function_for_what_still_runs_is_refused_and_the_advice_works(home: Path, tmp_path: Path):
    flag = tmp_path / "flag"
    an = Analysis(function=waits, input=[str(flag)] * 2, job_definition=SMALL)
    an.run()
    assert an.retry_failed() == 0
    message = r"2 of 2 have not ended: the function is used for none.* wait_done\(\), then retry_failed\(\)"
    with pytest.raises(NotFinished, match=message):
        an.retry_failed(function=good)
    flag.touch()
    an.wait_done(timeout=SECONDS)
    assert an.retry_failed(function=good) == 2
    an.wait_done(timeout=SECONDS)
    assert an.values("x") == [1, 1]


def test_what_need_not_go_on_may_be_ended_before(home: Path, tmp_path: Path):
    an = Analysis(function=waits, input=str(tmp_path / "never"), job_definition=SMALL)
    an.run()
    with pytest.raises(NotFinished, match=r"1 of 1 .*terminate_all\(\) before"):
        an.retry_failed(function=good, job_definition=JobDefinition(cpu=1, memory_mb=222))
    an.terminate_all()
    an.wait_done(timeout=SECONDS)
    assert an.retry_failed(function=good) == 1
    an.wait_done(timeout=SECONDS)
    assert an.values("x") == [1]


def test_failed_jobs_beside_running_ones_are_run_again_and_the_others_named(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    first, second = tmp_path / "first", tmp_path / "second"
    first.touch()
    an = Analysis(function=waits, input=[str(first), str(second)], job_definition=SMALL)
    an.run()
    wait_for_a_failure(an)
    assert an.retry_failed(function=good) == 1
    shown = capsys.readouterr().err
    assert "running 1 failed job again" in shown
    assert "1 job had not ended, and the function is not used for those" in shown
    second.touch()
    an.wait_done(timeout=SECONDS)
    assert an.status()["jobs"] == {"SUCCEEDED": 1, "FAILED": 1}
    assert an.retry_failed(function=good) == 1
    an.wait_done(timeout=SECONDS)
    assert an.values("x") == [1, 1]


def wait_for_a_failure(an: Analysis) -> None:
    from gencove_explorer.monitoring.waiting import wait

    wait(an._submitted(), lambda observed: "FAILED" in observed.counts, SECONDS)


def test_where_all_succeeded_what_is_given_is_not_used_and_that_is_said(
    home: Path, capsys: pytest.CaptureFixture[str]
):
    an = Analysis(function=good, job_definition=SMALL)
    an.run()
    an.wait_done(timeout=SECONDS)
    capsys.readouterr()
    assert an.retry_failed() == 0
    assert capsys.readouterr().err == ""
    found = JobManager().get_analysis(an.id)
    assert found.retry_failed(function=grows) == 0
    assert "no job has failed, so the function is not used: set it and run()" in capsys.readouterr().err
    found.function, found.job_definition = grows, JobDefinition(cpu=1, memory_mb=222)
    found.run()
    found.wait_done(timeout=SECONDS)
    assert found.values("with") == [222]
