"""run(max_failures=N): when N jobs have failed for good, no more are started; those that run go on."""

from pathlib import Path

from gencove_explorer.analysis import Analysis, JobDefinition
from support.waiting import WAIT

SMALL = JobDefinition(cpu=1, memory_mb=100)


def fails(ac):
    raise ValueError("no")


def good(ac):
    ac.output.value("x", 1)


def only_the_first_fails(ac):
    if ac.input == 0:
        raise ValueError("no")
    ac.output.value("x", 1)


def test_so_many_failures_close_what_has_not_started(home: Path):
    jobs = 40
    an = Analysis(function=fails, input=list(range(jobs)), job_definition=SMALL)
    an.run(max_failures=2, parallel=1)
    an.wait_done(timeout=WAIT)
    observed = an._submitted().observe()
    tried = set(observed.outcomes)
    assert 2 <= len(tried) < jobs
    assert observed.counts == {"FAILED": jobs}
    reasons = {an._submitted().reason_of(observed, index) for index in set(range(jobs)) - tried}
    assert len(reasons) == 1
    [reason] = reasons
    assert reason.startswith("not started: ")
    assert "jobs have failed, max_failures=2: job 0: " in reason
    assert an.retry_failed(function=good) == jobs
    assert an._submitted().rounds[-1].max_failures == 2
    an.wait_done(timeout=WAIT)
    assert an.values("x") == [1] * jobs


def test_fewer_failures_close_nothing(home: Path):
    an = Analysis(function=only_the_first_fails, input=list(range(8)), job_definition=SMALL)
    an.run(max_failures=0.25)
    an.wait_done(timeout=WAIT)
    assert an.status()["jobs"] == {"SUCCEEDED": 7, "FAILED": 1}


def slow(ac):
    import time

    if ac.input < 8:
        raise ValueError("no")
    time.sleep(2)
    ac.output.value("x", 1)


def test_a_job_that_runs_as_others_are_closed_goes_on(home: Path):
    an = Analysis(function=slow, input=list(range(40)), job_definition=SMALL)
    an.run(max_failures=1)
    an.wait_done(timeout=WAIT)
    observed = an._submitted().observe()
    assert all(observed.states[index] == "SUCCEEDED" for index in observed.outcomes if index >= 8)
    assert observed.states[-1] == "FAILED"
    assert an.status(39)["reason"].startswith("not started: ")
