"""What waits on this machine says for what."""

import time
from pathlib import Path

from gencove_explorer.analysis import Analysis, JobDefinition


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
