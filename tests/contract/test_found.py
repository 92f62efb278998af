"""What get_analysis() gives: it shows what was submitted, and runs again as that was."""

import re
from pathlib import Path

import pytest

from explorer_runner.models import Sample
from gencove_explorer.analysis import Analysis, GlobalConfig, JobDefinition, each
from gencove_explorer.errors import DependencyError, JobFailed, NoSuchAnalysis, PayloadError, SubmissionError
from gencove_explorer.job_manager import JobManager
from support.waiting import WAIT

SMALL = JobDefinition(cpu=1, memory_mb=300)


def up(ac):
    ac.output.value("v", ac.input)


def down(ac):
    ac.output.value("got", [ac.input, ac.global_config.scale, ac.dependency("up").get_output().value("v")])


@pytest.fixture
def found(home: Path) -> Analysis:
    """An array that was found, with a dependency job by job."""
    first = Analysis(function=up, input=[1, 2], job_definition=SMALL)
    second = Analysis(
        function=down,
        input=["a", "b"],
        depends_on=[each(first)],
        job_definition=SMALL,
        global_config=GlobalConfig(scale=3),
    )
    second.run()
    second.wait_done(timeout=WAIT)
    return JobManager().get_analysis(second.id)


def test_it_runs_again_with_its_dependencies(found: Analysis):
    first = found.id
    found.run()
    found.wait_done(timeout=WAIT)
    assert found.id != first
    assert found.values("got") == [["a", 3, 1], ["b", 3, 2]]


def test_it_shows_what_it_was_given(found: Analysis):
    assert found.input == ["a", "b"]
    assert found.global_config == GlobalConfig(scale=3)
    [dependency] = found.depends_on
    assert dependency.analysis.values("v") == [1, 2]
    found.run()  # looked at, it is the same
    found.wait_done(timeout=WAIT)
    assert found.values("got") == [["a", 3, 1], ["b", 3, 2]]


def test_looking_at_it_changes_no_class_of_the_notebook(home: Path):
    Scale = type("Scale", (), {"__module__": "__main__", "factor": 1})
    an = Analysis(function=up, input={"scale": Scale()}, global_config=GlobalConfig(scale=Scale()))
    an.run()
    an.wait_done(timeout=WAIT)
    Scale.factor = 2
    found = JobManager().get_analysis(an.id)
    read = [found.input["scale"], found.global_config.scale, found.get_output().value("v")["scale"]]
    assert [type(each) for each in read] == [Scale] * 3
    assert Scale.factor == 2


def test_what_is_changed_of_it_runs_changed(found: Analysis):
    found.input = ["x", "y"]
    found.global_config = GlobalConfig(scale=4)
    found.run()
    found.wait_done(timeout=WAIT)
    assert found.values("got") == [["x", 4, 1], ["y", 4, 2]]
    found.input = ["x"]
    with pytest.raises(DependencyError, match="two arrays of one size"):
        found.run()

    def other(ac):
        given = [ac.input, ac.global_config.scale, ac.dependency("up").get_output().value("v")]
        ac.output.value("got", given[::-1])

    again = JobManager().get_analysis(found.id)
    again.function = other
    again.run()
    again.wait_done(timeout=WAIT)
    assert again.values("got") == [[1, 4, "x"], [2, 4, "y"]]


def test_a_single_jobs_list_stays_one_input(home: Path):
    an = Analysis(function=up, input=[[1, 2]], job_definition=SMALL)
    an.run()
    an.wait_done(timeout=WAIT)
    found = JobManager().get_analysis(an.id)
    assert found.input == [[1, 2]]
    found.run()
    found.wait_done(timeout=WAIT)
    assert found.values("v") == [[1, 2]]


def test_a_dependency_in_a_notebook_is_an_analysis(found: Analysis, capsys: pytest.CaptureFixture[str]):
    dependency = found.dependency("up")
    assert dependency.status(1) == {"status": "SUCCEEDED"}
    assert dependency.values("v") == [1, 2]
    dependency.logs(0)
    assert dependency.input == [1, 2]
    assert repr(dependency) == f"<Analysis {dependency.id}>"


def test_what_is_changed_in_place_is_no_change_of_what_was_found(found: Analysis):
    found.pip_packages.append("six")
    found.labels["a"] = "b"
    again = JobManager().get_analysis(found.id)
    assert (again.pip_packages, again.labels) == ([], {})
    assert (found._origin.record.pip_packages, found._origin.record.labels) == ([], {})


def test_a_dependency_that_is_gone_is_named(found: Analysis):
    gone = found.dependency("up").id
    found.dependency("up").delete()
    for run in (found.run, found.run_local):
        with pytest.raises(DependencyError, match=rf"up \({gone}\), which is not in the store .*Set another"):
            run()
    with pytest.raises(NoSuchAnalysis, match=gone):
        found.dependency("up")
    other = Analysis(function=up, input=[5, 6], job_definition=SMALL)
    found.depends_on = [each(other)]
    found.run()
    found.wait_done(timeout=WAIT)
    assert found.values("got") == [["a", 3, 5], ["b", 3, 6]]


def tried(shown: pytest.CaptureFixture[str]) -> Analysis:
    """The analysis of the id that was logged last."""
    *_, logged = re.findall(r"Analysis ID: (\S+)", shown.readouterr().err)
    return JobManager().get_analysis(logged)


def test_one_job_of_it_may_be_tried_before_all_run(home: Path, capsys: pytest.CaptureFixture[str]):
    an = Analysis(function=up, input=[Sample(id="s"), "b"], job_definition=SMALL)
    an.run_local()
    found = JobManager().get_analysis(an.id)
    found.run_local(1)
    alone = tried(capsys)
    assert alone.values("v", missing=None) == [None, "b"]
    for call in (alone.run, lambda: alone.input):
        with pytest.raises(SubmissionError, match=r"the input of job 1 alone"):
            call()
    found.run_local()
    assert tried(capsys).values("v") == [Sample(id="s"), "b"]


def test_what_is_tried_of_it_leaves_it_what_it_was(home: Path, capsys: pytest.CaptureFixture[str]):
    def picky(ac):
        if ac.input == 2:
            raise ValueError("two")
        ac.output.value("v", ac.input)

    an = Analysis(function=picky, input=[1, 2, 3], job_definition=SMALL)
    an.run()
    an.wait_done(timeout=WAIT)
    found = JobManager().get_analysis(an.id)
    with pytest.raises(JobFailed, match="two"):
        found.run_local(1)
    status = tried(capsys).status()
    assert (status["status"], status["jobs"]) == ("FAILED", {"FAILED": 1, "NOT_RUN": 2})
    assert status["reason"].startswith("1 of 1 jobs failed; job 1: ValueError: two")
    found.function = up
    found.run_local(1)
    assert tried(capsys).get_output(1).value("v") == 2
    assert found.id == an.id
    assert found.status()["jobs"] == {"SUCCEEDED": 2, "FAILED": 1}
    assert found.values("v", missing=None) == [1, None, 3]
    assert found.retry_failed(function=up) == 1
    found.wait_done(timeout=WAIT)
    assert found.values("v") == [1, 2, 3]
    found.run()  # a new submission: the object speaks of it from here on, as of one that was made here
    assert found.id != an.id
    found.wait_done(timeout=WAIT)


def test_a_dependency_that_was_found_stays_what_it_was(home: Path, capsys: pytest.CaptureFixture[str]):
    an = Analysis(function=refuses, name="up", job_definition=SMALL)
    an.run()
    an.wait_done(timeout=WAIT)
    found = JobManager().get_analysis(an.id)
    found.function, found.input = up, 5
    other = Analysis(function=takes_up, depends_on=[found], job_definition=SMALL)
    other.run_local()
    assert other.values("got") == [5]
    assert tried(capsys).values("v") == [5]
    other.run_local()  # what was tried of it serves: it is not run again
    assert "Analysis ID" not in capsys.readouterr().err
    assert other.values("got") == [5]
    assert (found.id, found.status()["status"]) == (an.id, "FAILED")


def refuses(ac):
    raise ValueError("no")


def takes_up(ac):
    ac.output.value("got", ac.dependency("up").get_output().value("v"))


def test_one_job_alone_is_no_dependency_of_what_is_submitted(home: Path):
    first = Analysis(function=up, input=[1, 2], job_definition=SMALL)
    second = Analysis(function=takes_all, depends_on=[first], job_definition=SMALL)
    first.run_local(0)
    alone = first.id
    second.run()  # would never end: nobody runs the other job
    second.wait_done(timeout=WAIT)
    assert first.id != alone
    assert second.values("got") == [[1, 2]]


def takes_all(ac):
    ac.output.value("got", ac.dependency("up").values("v"))


def test_what_cannot_be_read_here_says_why(home: Path):
    class Unreadable:
        def __reduce__(self):
            return (int, ("no number",))

    an = Analysis(function=up, input=Unreadable(), job_definition=SMALL)
    an.run()
    an.wait_done(timeout=WAIT)
    found = JobManager().get_analysis(an.id)
    with pytest.raises(PayloadError, match=rf"the input of job 0 of {an.id} cannot be read here.*no number"):
        found.input  # noqa: B018
    assert found.global_config == GlobalConfig()
