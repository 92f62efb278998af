"""retry_failed(): where jobs run again, and what it needs of their dependencies."""

from pathlib import Path

import pytest

from gencove_explorer.analysis import Analysis, JobDefinition
from gencove_explorer.errors import CaptureError, DependencyError, JobFailed
from gencove_explorer.job_manager import JobManager
from gencove_explorer.session import Session
from support.waiting import WAIT, eventually

SMALL = JobDefinition(cpu=1, memory_mb=300)


def bad(ac):
    raise ValueError("no")


def good(ac):
    ac.output.value("x", 1)


def test_what_run_local_left_runs_again_on_this_machine(home: Path):
    an = Analysis(function=bad, job_definition=SMALL)
    with pytest.raises(JobFailed):
        an.run_local()
    assert an.retry_failed(function=good) == 1
    an.wait_done(timeout=WAIT)
    assert an.values("x") == [1]
    assert [each.executor for each in an._submitted().rounds] == ["foreground", "local"]


def test_the_image_is_recorded_and_the_one_asked_for_is_asked_for_again(home: Path):
    an = Analysis(function=bad, job_definition=SMALL)
    an.run()
    an.wait_done(timeout=WAIT)
    with pytest.raises(CaptureError, match="rich"):  # the usual image has nothing that nobody named
        an.retry_failed(function=imports)
    assert an.retry_failed(function=good) == 1
    an.wait_done(timeout=WAIT)
    found = JobManager().get_analysis(an.id)
    assert found.job_definition == SMALL
    first, again = found._submitted().rounds
    assert first.job_definition == again.job_definition
    assert (first.image, again.image) == (None, None)
    assert (first.job_definition.image is None) == (first.executor == "local")


def imports(ac):
    import rich

    rich.print("x")


def test_a_dependency_that_was_deleted_matters_only_to_what_failed(home: Path):
    first = Analysis(function=good, name="first", job_definition=SMALL)
    fine = Analysis(function=good, name="fine", depends_on=[first], job_definition=SMALL)
    broken = Analysis(function=bad, name="broken", depends_on=[first], job_definition=SMALL)
    for each in (fine, broken):
        each.run()
    for each in (fine, broken):
        each.wait_done(timeout=WAIT)
    deleted = first.id
    first.delete()
    assert fine.retry_failed() == 0
    with pytest.raises(DependencyError, match=rf"first \({deleted}\), .* was deleted.*anew"):
        broken.retry_failed()


def test_an_ended_job_whose_outcome_is_gone_runs_again(home: Path):
    an = Analysis(function=good, input=[1, 2], job_definition=SMALL)
    an.run()
    an.wait_done(timeout=WAIT)
    store = an._submitted().store
    eventually(lambda: not Session().unfinished_rounds())
    [name] = [name for name in store.list_names(f"analyses/{an.id}/outcomes") if name.startswith("1.0-")]
    store.delete(f"analyses/{an.id}/outcomes/{name}")
    assert an.status()["jobs"] == {"SUCCEEDED": 1, "FAILED": 1}
    assert an.status(1)["reason"].startswith("its outcome is missing from the store")
    assert an.retry_failed() == 1
    an.wait_done(timeout=WAIT)
    assert an.values("x") == [1, 1]
