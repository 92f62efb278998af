"""finished(a): runs once all jobs of another analysis have ended, however; and what a failure names."""

from pathlib import Path

import pytest

from gencove_explorer.analysis import Analysis, JobDefinition, each, finished
from gencove_explorer.errors import JobFailed
from support.waiting import WAIT

SMALL = JobDefinition(cpu=1, memory_mb=300)


def check(ac):
    if ac.input == "bad":
        raise ValueError(f"bad row {ac.job_index}")
    if ac.input == "dead":
        import os

        os._exit(3)
    ac.output.value("x", ac.input)


def gather(ac):
    upstream = ac.dependency("check")
    ac.output.value(
        "failed", [[failure.index, failure.type, failure.reason] for failure in upstream.failures()]
    )
    ac.output.value("values", upstream.values("x", missing=None))
    ac.output.value("outputs", [[output.index, output.value("x")] for output in upstream])


def after(ac):
    ac.output.value("all", [output.value("x") for output in ac.dependency("check").get_outputs()])


def told(reason: str) -> str:
    """A reason without the line, which is this file's."""
    return reason.partition(" (line")[0]


def done(an: Analysis) -> Analysis:
    an.wait_done(timeout=WAIT)
    return an


def test_it_runs_when_all_have_ended_and_sees_which_failed(home: Path):
    first = Analysis(function=check, input=[1, "bad", 3, "dead"], job_definition=SMALL)
    an = Analysis(function=gather, depends_on=[finished(first)], job_definition=SMALL)
    an.run()
    done(an)
    assert an.status() == {"status": "SUCCEEDED"}
    assert first.status()["jobs"] == {"SUCCEEDED": 2, "FAILED": 2}
    output = an.get_output()
    assert output.value("values") == [1, None, 3, None]
    assert output.value("outputs") == [[0, 1], [2, 3]]
    (bad, kind, reason), (dead, none, code) = output.value("failed")
    assert (bad, kind, told(reason)) == (1, "ValueError", "ValueError: bad row 1")
    assert (dead, none) == (3, None)
    assert "3" in code
    with pytest.raises(JobFailed, match="bad row 1"):
        first.get_output(1)


def test_one_that_was_submitted_later_runs_too(home: Path):
    first = Analysis(function=check, input=["bad", 2], job_definition=SMALL)
    first.run()  # nothing knows yet who waits for it
    an = Analysis(function=gather, depends_on=[finished(first)], job_definition=SMALL)
    an.run()
    done(an)
    assert an.get_output().value("values") == [None, 2]
    again = Analysis(function=gather, depends_on=[finished(first)], job_definition=SMALL)
    again.run()  # all has ended
    assert done(again).get_output().value("failed")[0][:2] == [0, "ValueError"]


def test_success_is_enough_where_nothing_failed_and_retries_touch_nothing(home: Path):
    def broken(ac):
        raise KeyError("mine")

    first = Analysis(function=check, input=[1, "bad"], job_definition=SMALL)
    an = Analysis(function=broken, name="broken", depends_on=[finished(first)], job_definition=SMALL)
    an.run()
    done(an)
    assert an.retry_failed(function=gather) == 1
    assert done(an).get_output().value("values") == [1, None]
    assert len(first._submitted().rounds) == 1


def test_what_never_ran_has_ended_as_well(home: Path):
    root = Analysis(function=check, input="bad", name="root", job_definition=SMALL)
    first = Analysis(function=check, input=[1, 2], depends_on=[root], job_definition=SMALL)
    an = Analysis(function=gather, depends_on=[finished(first)], job_definition=SMALL)
    an.run()
    done(an)
    assert an.get_output().value("values") == [None, None]
    reasons = {told(reason) for _, _, reason in an.get_output().value("failed")}
    assert reasons == {f"Dependency failed: root ({root.id}): ValueError: bad row 0"}


def test_a_failed_dependency_names_the_first_that_failed_through_any_depth(home: Path):
    first = Analysis(function=check, input=[1, "bad"], name="clean", job_definition=SMALL)
    second = Analysis(function=after, name="merge", depends_on=[first], job_definition=SMALL)
    third = Analysis(function=after, name="plot", input=[1, 2], depends_on=[second], job_definition=SMALL)
    third.run()
    done(third)
    root = f"Dependency failed: clean ({first.id}): job 1: ValueError: bad row 1"
    assert told(third.status(0)["reason"]) == root
    assert told(second.status()["reason"]) == root
    assert told(third.failures()[0].reason) == root
    with pytest.raises(JobFailed, match="bad row 1"):
        third.get_output(0)


def test_job_by_job_each_names_its_own(home: Path):
    first = Analysis(function=check, input=[1, "bad", "bad"], name="clean", job_definition=SMALL)
    an = Analysis(
        function=check, input=[1, 2, 3], name="next", depends_on=[each(first)], job_definition=SMALL
    )
    an.run()
    done(an)
    reasons = [told(an.status(index).get("reason", "")) for index in range(3)]
    root = f"Dependency failed: clean ({first.id}): job"
    assert reasons == ["", f"{root} 1: ValueError: bad row 1", f"{root} 2: ValueError: bad row 2"]


def test_run_local_goes_on_too(home: Path):
    first = Analysis(function=check, input=["bad", 2], job_definition=SMALL)
    an = Analysis(function=gather, depends_on=[finished(first)], job_definition=SMALL)
    an.run_local()
    assert an.get_output().value("values") == [None, 2]
