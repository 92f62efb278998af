"""run(canary=N): N jobs first, and the others when all of these succeeded."""

from dataclasses import replace
from pathlib import Path

import pytest

from explorer_runner.format.keys import round_key
from gencove_explorer.analysis import Analysis, JobDefinition, each
from gencove_explorer.job_manager import JobManager
from gencove_explorer.session import Session
from gencove_explorer.submission.commit import index_record, with_canary, write_round
from gencove_explorer.submission.prepare import prepare
from support.waiting import WAIT, eventually

SMALL = JobDefinition(cpu=1, memory_mb=100)


def square(ac):
    ac.output.value("x", ac.input**2)


def fails_at_the_end(ac):
    if ac.input == 9:
        raise ValueError(f"no {ac.input}")
    ac.output.value("x", ac.input**2)


def rest_fails(ac):
    if ac.input == 1:
        raise ValueError("no")
    ac.output.value("x", ac.input**2)


def total(ac):
    ac.output.value("total", sum(ac.dependency("squares").values("x")))


def same(ac):
    ac.output.value("y", ac.dependency("squares").get_output().value("x"))


def indices(an: Analysis) -> list[list[int]]:
    return [list(record.all_indices()) for record in an._submitted().rounds]


def test_all_jobs_run_those_of_the_canary_first(home: Path):
    an = Analysis(function=square, name="squares", input=list(range(10)), job_definition=SMALL)
    an.run(canary=3)
    an.wait_done(timeout=WAIT)
    assert an.values("x") == [number**2 for number in range(10)]
    first, others = indices(an)
    assert (first, others) == ([0, 4, 9], [1, 2, 3, 5, 6, 7, 8])
    stored = an._submitted()
    observed = stored.observe()
    ended = max(stored.outcome(observed, index).ended for index in first)
    assert all(stored.outcome(observed, index).started >= ended for index in others)
    assert [record["jobs"] for record in an.status()["rounds"]] == [3, 7]
    an.delete()


def test_the_others_never_start_when_it_fails_and_one_retry_runs_all(home: Path):
    an = Analysis(function=fails_at_the_end, name="squares", input=list(range(10)), job_definition=SMALL)
    an.run(canary=3)
    an.wait_done(timeout=WAIT)
    assert an.status()["jobs"] == {"SUCCEEDED": 2, "FAILED": 8}
    reason = an.status(1)["reason"]
    assert reason.startswith("not started: the canary failed (1 of 3 jobs): job 9: ")
    assert "no 9" in reason
    assert "no 9" in an.status(9)["reason"]
    assert JobManager().get_analysis(an.id).retry_failed(function=square) == 8
    an.wait_done(timeout=WAIT)
    assert an.values("x") == [number**2 for number in range(10)]
    assert indices(an)[2:] == [[9], [1, 2, 3, 5, 6, 7, 8]]
    assert [record.canary for record in an._submitted().rounds] == [[], [0, 4, 9], [], [9]]


def test_a_retry_that_fails_again_starts_nothing_either(home: Path):
    an = Analysis(function=fails_at_the_end, name="squares", input=[9, 1, 2], job_definition=SMALL)
    an.run(canary=1)
    an.wait_done(timeout=WAIT)
    assert an.retry_failed() == 3
    an.wait_done(timeout=WAIT)
    assert an.status()["jobs"] == {"FAILED": 3}
    assert an.status(2)["reason"].startswith("not started: the canary failed (1 of 1 jobs): job 0: ")


def test_what_fails_behind_it_is_retried_alone(home: Path):
    an = Analysis(function=rest_fails, name="squares", input=list(range(4)), job_definition=SMALL)
    an.run(canary=2)
    an.wait_done(timeout=WAIT)
    assert an.status()["jobs"] == {"SUCCEEDED": 3, "FAILED": 1}
    assert an.retry_failed(function=square) == 1
    an.wait_done(timeout=WAIT)
    assert an.values("x") == [0, 1, 4, 9]
    assert an._submitted().rounds[-1].canary == []


def test_what_depends_on_it_waits_for_all_jobs(home: Path):
    first = Analysis(function=square, name="squares", input=list(range(6)), job_definition=SMALL)
    first.run(canary=2)
    gather = Analysis(function=total, depends_on=[first], job_definition=SMALL)
    gather.run()
    paired = Analysis(function=same, depends_on=[each(first)], input=list(range(6)), job_definition=SMALL)
    paired.run(canary=2)
    gather.wait_done(timeout=WAIT)
    paired.wait_done(timeout=WAIT)
    assert gather.values("total") == [55]
    assert paired.values("y") == [0, 1, 4, 9, 16, 25]


def test_a_dependency_that_fails_keeps_both_rounds_from_running(home: Path):
    first = Analysis(function=rest_fails, name="squares", input=[0, 1], job_definition=SMALL)
    gather = Analysis(function=total_of_each, depends_on=[first], input=list(range(4)), job_definition=SMALL)
    gather.run(canary=2)
    gather.wait_done(timeout=WAIT)
    assert gather.status()["jobs"] == {"FAILED": 4}
    assert "Dependency failed: squares" in gather.status(0)["reason"]
    assert "Dependency failed: squares" in gather.status(1)["reason"]
    assert gather.retry_failed() == 4


def total_of_each(ac):
    ac.output.value("total", sum(ac.dependency("squares").values("x")))


@pytest.mark.parametrize("canary", [2, 5])
def test_as_many_as_there_are_run_at_once(home: Path, canary: int):
    an = Analysis(function=square, name="squares", input=[1, 2], job_definition=SMALL)
    an.run(canary=canary)
    an.wait_done(timeout=WAIT)
    assert indices(an) == [[0, 1]]


def waits(ac):
    import time

    time.sleep(600)


def test_terminating_ends_both(home: Path):
    an = Analysis(function=waits, input=list(range(5)), job_definition=SMALL)
    an.run(canary=2)
    eventually(lambda: an.status()["jobs"].get("RUNNING"))
    status = an.status(1)
    assert status["status"] in ("PENDING", "SUBMITTED")
    an.terminate_all()
    an.wait_done(timeout=WAIT)
    assert an.status()["jobs"] == {"FAILED": 5}
    assert "Terminated by" in an.status(1)["reason"]
    an.delete()


def measures(ac):
    ac.output.value("x", len(ac.input))


def test_large_inputs_lie_in_the_store_once_for_both(home: Path):
    inputs = ["a" * (300_000 + number) for number in range(5)]
    an = Analysis(function=measures, input=inputs, job_definition=SMALL)
    an.run(canary=2)
    an.wait_done(timeout=WAIT)
    assert an.values("x") == [300_000 + number for number in range(5)]
    again = JobManager().get_analysis(an.id)
    again.run()
    again.wait_done(timeout=WAIT)
    assert again.values("x") == an.values("x")


def test_only_what_is_not_reused_has_a_canary(home: Path):
    name = f"squares_{home.name}"
    first = Analysis(function=square, name=name, input=list(range(4)), job_definition=SMALL)
    first.run(canary=2)
    first.wait_done(timeout=WAIT)
    more = Analysis(function=square, name=name, input=list(range(8)), job_definition=SMALL)
    more.run(reuse=True, canary=2)
    more.wait_done(timeout=WAIT)
    assert more.values("x") == [number**2 for number in range(8)]
    assert more.status()["reused"] == 4
    assert indices(more) == [[4, 7], [5, 6]]


def test_a_submitter_that_was_killed_before_the_others_is_mended_by_a_retry(home: Path):
    an = Analysis(function=square, name="squares", input=list(range(4)), job_definition=SMALL)
    session = Session()
    [request] = an._requests({"canary": 2})
    submission = prepare(request, session, session.executor, [])
    first, others = [write_round(part, session) for part in with_canary(submission)]
    index = index_record(submission.spec, first, submission.spec.job_definition, {})
    session.executor.submit(submission.store, first, index)
    found = JobManager().get_analysis(first.id)
    eventually(lambda: found.status()["jobs"].get("SUCCEEDED") == 2)
    age(submission.store, others)
    found = JobManager().get_analysis(first.id)
    eventually(lambda: found.status()["jobs"] == {"SUCCEEDED": 2, "FAILED": 2})
    assert found.status(1)["reason"].startswith("never submitted")
    assert found.retry_failed() == 2
    found.wait_done(timeout=WAIT)
    assert found.values("x") == [0, 1, 4, 9]


def age(store, record) -> None:
    """Let a round have been written ten minutes ago."""
    key = round_key(record.id, record.round)
    store.delete(key)
    store.create(key, replace(record, submitted=record.submitted - 600).to_json())
