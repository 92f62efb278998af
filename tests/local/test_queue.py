"""What waits on this machine says for what."""

import os
import signal
import time
from pathlib import Path

import pytest

from gencove_explorer.analysis import Analysis, JobDefinition, each
from gencove_explorer.executors.local.executor import LocalExecutor
from gencove_explorer.settings import Settings
from support.waiting import eventually


def slow(ac):
    import time

    time.sleep(ac.input)


def test_a_job_that_waits_for_its_turn_says_why(home: Path):
    a1 = Analysis(function=slow, input=100, job_definition=JobDefinition(cpu=2, memory_mb=300))
    a2 = Analysis(function=slow, input=0.1, name="queued")
    a1.run()
    a2.run()
    a1.wait_running_or_done(timeout=60)
    deadline = time.monotonic() + 60
    while a2.status()["status"] != "RUNNABLE" or "reason" not in a2.status():
        assert time.monotonic() < deadline
    assert "2 of 2 CPUs" in a2.status()["reason"]
    a1.terminate()
    a2.wait_done(timeout=60)
    assert a2.status()["status"] == "SUCCEEDED"


def test_the_last_submitter_does_not_decide_for_all(home: Path, monkeypatch: pytest.MonkeyPatch):
    a1 = Analysis(function=slow, input=100, name="first", job_definition=JobDefinition(cpu=2, memory_mb=300))
    a2 = Analysis(function=slow, input=0.1, name="two", job_definition=JobDefinition(cpu=2, memory_mb=300))
    a3 = Analysis(function=slow, input=0.1, name="one", job_definition=JobDefinition(cpu=1, memory_mb=200))
    a1.run()
    a1.wait_running_or_done(timeout=60)
    a2.run()
    monkeypatch.setenv("EXPLORER_CPUS", "1")
    monkeypatch.setenv("EXPLORER_MEMORY_MB", "200")
    a3.run()
    queue = LocalExecutor(Settings.load()).queue
    eventually(lambda: queue.read_state().get("waiting") == 2)
    assert (queue.read_state()["cpus"], queue.read_state()["memory_mb"]) == (2, 4000)
    a1.terminate()
    for an in (a2, a3):
        an.wait_done(timeout=60)
        assert an.status() == {"status": "SUCCEEDED"}


@pytest.mark.parametrize("cpus", [1, 2])
def test_a_small_analysis_starts_beside_a_large_array(home: Path, cpus: int):
    definition = JobDefinition(cpu=cpus, memory_mb=200)
    array = Analysis(function=slow, input=[0.01] * 3_000, name="array", job_definition=definition)
    array.run()
    eventually(lambda: array.status()["jobs"].get("SUCCEEDED", 0) > 20)
    small = Analysis(function=slow, input=0, name="small", job_definition=definition)
    small.run()
    small.wait_done(timeout=60)
    assert small.status() == {"status": "SUCCEEDED"}
    assert array.status()["jobs"].get("RUNNABLE", 0) > 0  # and did not wait for all of them
    array.terminate_all()
    array.wait_done(timeout=60)


def test_what_does_not_fit_says_so_though_nothing_runs(home: Path):
    executor = LocalExecutor(Settings.load())
    executor.queue.make()
    used = {"cpus_in_use": 0, "memory_mb_in_use": 0, "running": 0}
    executor.queue.write_state({"cpus": 1, "memory_mb": 4000, **used})
    reason = executor._why_runnable(JobDefinition(cpu=2, memory_mb=300))
    assert reason == ("waits for 2 CPUs and 300 MiB: 0 of 1 CPUs and 0 of 4000 MiB are in use")
    assert executor._why_runnable(JobDefinition(cpu=1, memory_mb=300)) is None


def test_a_terminate_that_was_fulfilled_leaves_the_retry_alone(home: Path):
    executor = LocalExecutor(Settings.load())
    an = Analysis(function=slow, input=300, job_definition=JobDefinition(cpu=1, memory_mb=200))
    an.run()
    an.wait_running_or_done(timeout=60)
    an.terminate()
    an.wait_done(timeout=60)
    an.retry_failed()  # so soon that the request may still be there
    an.wait_running_or_done(timeout=60)
    eventually(lambda: not executor.queue.read_requests())
    executor.queue.add_request({"terminate": an.id, "round": 0, "indices": None, "reason": "late"})
    executor.stop()
    executor.start()
    eventually(lambda: not executor.queue.read_requests())
    assert an.status()["status"] == "RUNNING"
    an.terminate()
    an.wait_done(timeout=60)
    assert an.status()["status"] == "FAILED"


def test_a_job_waits_for_its_own_job_alone_though_the_scheduler_was_restarted(home: Path):
    one_cpu = JobDefinition(cpu=1, memory_mb=200)
    first = Analysis(function=slow, input=[0, 300], name="first", job_definition=one_cpu)
    first.run()
    eventually(lambda: first.status()["jobs"] == {"SUCCEEDED": 1, "RUNNING": 1})
    LocalExecutor(Settings.load()).stop()
    second = Analysis(
        function=slow, input=[0, 0], name="second", depends_on=[each(first)], job_definition=one_cpu
    )
    second.run()
    eventually(lambda: second.status(0)["status"] == "SUCCEEDED")
    assert second.status(1)["status"] == "PENDING"
    first.terminate_all()
    second.wait_done(timeout=60)
    assert second.status()["jobs"] == {"SUCCEEDED": 1, "FAILED": 1}


def test_a_job_whose_forker_is_killed_before_it_hears_of_its_end_is_ended(home: Path):
    an = Analysis(function=slow, input=300, job_definition=JobDefinition(cpu=1, memory_mb=200))
    an.run()
    an.wait_running_or_done(timeout=60)
    queue = LocalExecutor(Settings.load()).queue
    eventually(lambda: queue.read_state().get("forkers"))
    [forker] = queue.read_state()["forkers"]
    os.kill(forker, signal.SIGSTOP)
    an.terminate()
    time.sleep(2)  # by now it is told
    os.kill(forker, signal.SIGKILL)
    an.wait_done(timeout=60)
    assert an.status()["status"] == "FAILED"
    assert "Terminated" in an.status()["reason"]
