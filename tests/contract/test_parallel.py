"""run(parallel=N): at most so many jobs of an analysis at once."""

from pathlib import Path

from gencove_explorer.analysis import Analysis, JobDefinition
from support.waiting import WAIT

SMALL = JobDefinition(cpu=1, memory_mb=100)


def overlaps(an: Analysis) -> int:
    """The most jobs that ran at the same time, as their outcomes have it."""
    stored = an._submitted()
    observed = stored.observe()
    events = []
    for index in range(stored.record.jobs):
        outcome = stored.outcome(observed, index)
        events += [(outcome.started, 1), (outcome.ended, -1)]
    most = now = 0
    for _, change in sorted(events):
        now += change
        most = max(most, now)
    return most


def work(ac):
    import time

    time.sleep(0.05)
    if ac.input == "bad":
        raise ValueError("no")


def good(ac):
    import time

    time.sleep(0.05)


def test_no_more_run_at_once_in_retries_neither(home: Path):
    an = Analysis(function=work, input=["bad"] * 3 + list(range(4)), job_definition=SMALL)
    an.run(parallel=1)
    an.wait_done(timeout=WAIT)
    assert an.status()["jobs"] == {"SUCCEEDED": 4, "FAILED": 3}
    assert overlaps(an) == 1
    assert an.retry_failed(function=good) == 3
    an.wait_done(timeout=WAIT)
    assert an.status()["status"] == "SUCCEEDED"
    assert overlaps(an) == 1
    an.delete()


def test_it_is_not_one_for_all(home: Path):
    an = Analysis(function=work, input=list(range(6)), job_definition=SMALL)
    an.run(parallel=2)
    an.wait_done(timeout=WAIT)
    assert overlaps(an) <= 2
    assert [record.parallel for record in an._submitted().rounds] == [2]
