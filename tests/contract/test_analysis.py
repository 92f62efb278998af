"""What an analysis does on an executor: the contract that every executor keeps."""

import os
import signal
import threading
import time
import warnings
from pathlib import Path

import pytest

from explorer_runner.stores.uri import open_store
from gencove_explorer.analysis import Analysis, AnalysisContext, GlobalConfig, JobDefinition, each
from gencove_explorer.aws.clients import AwsClients
from gencove_explorer.errors import (
    DependencyError,
    ExplorerError,
    JobFailed,
    NoSuchJob,
    NotFinished,
    NotSubmitted,
    WaitTimeout,
)
from gencove_explorer.executors.batch.images import Images
from gencove_explorer.job_manager import JobManager
from gencove_explorer.settings import Settings
from support.waiting import WAIT

SMALL = JobDefinition(cpu=1, memory_mb=300)


def double(ac: AnalysisContext):
    print("input", ac.input)
    ac.output.value("double", ac.input * 2)


def test_a_single_job(home: Path):
    an = Analysis(function=double, input=4)
    assert an.run() == an.id
    an.wait_done()
    assert an.status() == {"status": "SUCCEEDED"}
    assert an.get_output().value("double") == 8
    assert an.values("double") == [8]


def test_a_list_of_one_is_a_single_job(home: Path):
    an = Analysis(function=double, input=["a"])
    an.run()
    an.wait_done()
    assert an.status() == {"status": "SUCCEEDED"}
    assert an.get_output().value("double") == "aa"


def test_a_list_in_a_dictionary_is_one_input(home: Path):
    def work(ac):
        ac.output.value("got", ac.input["i"])

    an = Analysis(function=work, input={"i": ["foo", "bar"]})
    an.run()
    an.wait_done()
    assert an.get_output().value("got") == ["foo", "bar"]


@pytest.mark.in_containers
def test_an_array(home: Path):
    an = Analysis(function=double, input=["foo", "bar", "baz"], job_definition=SMALL)
    an.run()
    an.wait_done()
    assert an.status() == {"status": "SUCCEEDED", "jobs": {"SUCCEEDED": 3}}
    assert an.status(1) == {"status": "SUCCEEDED"}
    assert an.values("double") == ["foofoo", "barbar", "bazbaz"]
    assert sorted((out.index, out.value("double")) for out in an.get_outputs()) == [
        (0, "foofoo"),
        (1, "barbar"),
        (2, "bazbaz"),
    ]


def test_an_index_is_asked_for_on_an_array(home: Path):
    an = Analysis(function=double, input=[1, 2, 3], job_definition=SMALL)
    an.run()
    an.wait_done()
    for call in (an.logs, an.terminate):
        with pytest.raises(NoSuchJob, match=r"\(0\) to .*\(2\)"):
            call()
    with pytest.raises(NoSuchJob, match="0 to 2"):
        an.status(3)
    with pytest.raises(IndexError, match="0 to 2") as caught:
        an.get_output(-1)
    # So that a notebook shows the user's lines alone.
    assert isinstance(caught.value, ExplorerError)
    with pytest.raises(TypeError, match="whole number"):
        an.get_output("1")  # type: ignore[arg-type]
    with pytest.warns(UserWarning, match="reads job 0") as warned:
        assert an.get_output().value("double") == 2
    assert warned[0].filename == __file__


@pytest.mark.in_containers
def test_the_context_has_all_that_the_description_lists(home: Path):
    def work(ac):
        import os

        ac.output.value("index", ac.job_index)
        ac.output.value("age", ac.global_context.age_map["human"])
        ac.output.value("same", ac.global_context is ac.global_config)
        ac.output.value(
            "definition",
            [ac.job_definition.cpu, ac.job_definition.memory_mb, ac.job_definition.timeout_seconds],
        )
        ac.output.value("image", ac.job_definition.image)
        ac.output.value("id", ac.id)
        ac.output.value("name", ac.name)
        ac.output.value("attempt", ac.attempt)
        ac.output.value(
            "folder", [os.listdir("."), os.path.samefile(os.environ["TMPDIR"], "."), os.environ["COLOUR"]]
        )

    definition = JobDefinition(cpu=1, memory_mb=200, timeout_seconds=60, environment={"COLOUR": "blue"})
    an = Analysis(
        function=work,
        input=[0, 1],
        name="given",
        job_definition=definition,
        global_config=GlobalConfig(age_map={"human": 20}),
    )
    an.run()
    an.wait_done()
    assert an.get_output(1).values() == {
        "index": 1,
        "age": 20,
        "same": True,
        "definition": [1, 200, 60],
        "image": _runner_image(),
        "id": an.id,
        "name": "given",
        "attempt": 1,
        "folder": [[], True, "blue"],
    }


def _runner_image() -> str | None:
    """What jobs run in: on AWS Batch an image by its digest."""
    settings = Settings.load()
    return Images(AwsClients()).pin(settings.batch.image) if settings.batch.image else None


def test_the_global_config_is_read_only(home: Path):
    def work(ac):
        try:
            ac.global_config.x = 2
        except AttributeError as error:
            ac.output.value("said", str(error))
        try:
            print(ac.global_config.y)
        except AttributeError as error:
            ac.output.value("missing", str(error))

    an = Analysis(function=work, global_config=GlobalConfig(x=1))
    an.run()
    an.wait_done()
    assert "read-only" in an.get_output().value("said")
    assert "'y'" in an.get_output().value("missing")
    assert "it has x" in an.get_output().value("missing")


def test_outputs_of_every_kind(home: Path):
    def work(ac):
        import os
        from pathlib import Path

        ac.output.file("written").as_local().write_text("123")
        Path("local.json").write_text("{}")
        ac.output.file("handed/over.json", path_local="local.json")
        tree = ac.output.file("tree").as_local()
        (tree / "deep").mkdir(parents=True)
        (tree / "a").write_text("a")
        (tree / "deep" / "b").write_text("b")
        (tree / "deep" / "b").chmod(0o755)
        (tree / "nothing").mkdir()
        os.mkdir("kept")
        ac.output.file("empty", path_local="kept")
        for key, value in {
            "text": "é\n",
            "number": 1.5,
            "nan": float("nan"),
            "none": None,
            "list": [1, {"a": [True]}],
        }.items():
            ac.output.value(key, value)
        ac.output.value("tuple", (1, {2}))
        ac.output.value("large", list(range(100_000)))

    an = Analysis(function=work)
    an.run()
    an.wait_done()
    out = an.get_output()
    assert out.file("written").as_local().read_text() == "123"
    assert out.file("handed/over.json").as_local().read_text() == "{}"
    tree = out.file("tree").as_local()
    assert (tree / "a").read_text() + (tree / "deep" / "b").read_text() == "ab"
    assert [os.access(tree / name, os.X_OK) for name in ("deep/b", "a")] == [True, False]
    assert list((tree / "nothing").iterdir()) == []
    assert list(out.file("empty").as_local().iterdir()) == []
    assert set(out.files()) == {"written", "handed/over.json", "tree/a", "tree/deep/b"}
    assert out.file("tree").size == 2
    assert out.value("text") == "é\n"
    assert out.value("nan") != out.value("nan")
    assert out.value("list") == [1, {"a": [True]}]
    assert out.value("tuple") == (1, {2})
    assert out.value("large") == list(range(100_000))
    with pytest.raises(KeyError, match=r"no value 'x'; it kept: 'large', 'list'"):
        out.value("x")
    with pytest.raises(KeyError, match="no file 'x'"):
        out.file("x")


def test_a_diamond_runs_each_once(home: Path):
    def count(ac):
        ac.output.value("seen", ac.input)

    def join(ac):
        left, right = ac.dependency("left").get_output(), ac.dependency("right").get_output()
        ac.output.value("both", [left.value("seen"), right.value("seen")])

    top = Analysis(function=count, input="top", name="top")
    left = Analysis(function=count, input="left", name="left", depends_on=[top])
    right = Analysis(function=count, input="right", name="right", depends_on=[top])
    bottom = Analysis(function=join, depends_on=[left, right])
    bottom.run()
    bottom.wait_done()
    assert bottom.get_output().value("both") == ["left", "right"]
    assert len(JobManager().list_jobs()) == 4
    assert left.dependency("top").get_output().value("seen") == "top"
    with pytest.raises(KeyError, match="there are: 'left', 'right'"):
        bottom.dependency("top")


def test_what_is_given_twice_is_one_dependency(home: Path):
    def read(ac):
        ac.output.value("x", ac.dependency("double").get_output().value("double"))

    a1 = Analysis(function=double, input=3, job_definition=SMALL, depends_on=None)
    a2 = Analysis(function=read, depends_on=[a1, a1], job_definition=SMALL)
    a2.run()
    a2.wait_done(timeout=WAIT)
    assert a2.get_output().value("x") == 6
    assert len(a2._submitted().record.depends_on) == 1
    a3 = Analysis(function=double, input=[1, 2], job_definition=SMALL)
    a4 = Analysis(function=read, input=[1, 2], depends_on=[a3, each(a3)])
    with pytest.raises(DependencyError, match=r"'double' in two ways"):
        a4.run()
    with pytest.raises(DependencyError, match="two analyses called 'double'"):
        Analysis(function=read, depends_on=[a1, Analysis(function=double, input=3)]).run()


def test_each_reads_and_waits_for_the_same_index(home: Path):
    def second(ac):
        ac.output.value("sum", ac.dependency("double").get_output().value("double") + ac.input)

    a1 = Analysis(function=double, input=[1, 2, 3], job_definition=SMALL)
    a2 = Analysis(function=second, input=[10, 20, 30], depends_on=[each(a1)], job_definition=SMALL)
    a2.run()
    a2.wait_done()
    assert a2.values("sum") == [12, 24, 36]


@pytest.mark.in_containers
def test_each_goes_on_beside_a_failure(home: Path):
    def first(ac):
        if ac.input == 1:
            raise ValueError("no")

    def second(ac):
        ac.output.value("ran", True)

    a1 = Analysis(function=first, input=[0, 1, 2], job_definition=SMALL)
    a2 = Analysis(function=second, input=[0, 1, 2], depends_on=[each(a1)], job_definition=SMALL)
    a2.run()
    a2.wait_done()
    assert a2.status()["jobs"] == {"SUCCEEDED": 2, "FAILED": 1}
    assert a2.status(1)["reason"].startswith("Dependency failed: first")
    assert a2.values("ran", missing=None) == [True, None, True]


@pytest.mark.in_containers
def test_a_failure_cascades(home: Path):
    def bad(ac):
        raise ValueError("broken")

    def good(ac):
        pass

    a1 = Analysis(function=bad)
    a2 = Analysis(function=good, name="second", input=[1, 2], depends_on=[a1])
    a3 = Analysis(function=good, name="third", depends_on=[a2])
    a3.run()
    a3.wait_done()
    assert a3.status()["status"] == "FAILED"
    assert a2.status(0)["reason"].startswith(f"Dependency failed: bad ({a1.id}): ValueError: broken")


def test_a_dependency_of_the_past_serves(home: Path):
    def read(ac):
        ac.output.value("x", ac.dependency("double").get_output().value("double"))

    first = Analysis(function=double, input=3)
    first.run()
    first.wait_done()
    again = JobManager().get_analysis(job_id=first.id)
    second = Analysis(function=read, depends_on=[again])
    second.run()
    second.wait_done()
    assert second.get_output().value("x") == 6
    assert len(JobManager().list_jobs()) == 2


@pytest.mark.in_containers
def test_retries_are_attempts_of_one_job(home: Path):
    def flaky(ac):
        print("attempt", ac.attempt)
        if ac.attempt < 3:
            raise RuntimeError(f"attempt {ac.attempt}")
        ac.output.value("attempt", ac.attempt)

    an = Analysis(function=flaky, job_definition=JobDefinition(cpu=1, memory_mb=300, retries=2))
    an.run()
    an.wait_done()
    assert an.get_output().value("attempt") == 3
    few = Analysis(function=flaky, job_definition=JobDefinition(cpu=1, memory_mb=300, retries=1))
    few.run()
    few.wait_done()
    assert few.status()["reason"].startswith("RuntimeError: attempt 2")


def test_a_failure_says_where_and_how_to_see_more(home: Path):
    def work(ac):
        if ac.input != 1:
            raise ValueError(f"bad sample {ac.input}")

    an = Analysis(function=work, input=[0, 1, 2], job_definition=SMALL)
    an.run()
    an.wait_done()
    with pytest.raises(JobFailed) as caught:
        an.get_output(2)
    text = str(caught.value)
    assert 'raise ValueError(f"bad sample {ac.input}")' in text
    assert "ValueError: bad sample 2" in text
    assert f'JobManager().get_analysis("{an.id}").logs(2' in text
    assert caught.value.outcome is not None
    assert caught.value.outcome.failure.line == work.__code__.co_firstlineno + 2
    groups = an.failures()
    assert len(groups) == 1
    assert groups[0].indices == [0, 2]
    assert "2 jobs (0, 2): ValueError: bad sample 0" in str(groups[0])
    with pytest.raises(JobFailed, match="1 more failed"):
        an.values("x")
    with pytest.raises(JobFailed):
        list(an.get_outputs())


@pytest.mark.in_containers
def test_retry_failed_runs_the_failed_jobs_again_under_the_same_id(home: Path):
    def work(ac):
        if ac.input % 2:
            raise MemoryError
        ac.output.value("made_with", ac.job_definition.memory_mb)

    def mended(ac):
        ac.output.value("made_with", ac.job_definition.memory_mb)

    an = Analysis(function=work, input=[0, 1, 2, 3], job_definition=SMALL)
    an.run()
    an.wait_done()
    identifier = an.id
    assert an.retry_failed(job_definition=JobDefinition(cpu=1, memory_mb=400)) == 2
    an.wait_done()
    assert an.status()["jobs"] == {"SUCCEEDED": 2, "FAILED": 2}
    assert an.retry_failed(function=mended) == 2
    an.wait_done()
    assert an.id == identifier
    assert an.status() == {
        "status": "SUCCEEDED",
        "jobs": {"SUCCEEDED": 4},
        "rounds": [
            {"round": 0, "jobs": 4, "changed": []},
            {"round": 1, "jobs": 2, "changed": ["memory_mb 300 -> 400"]},
            {"round": 2, "jobs": 2, "changed": ["another function"]},
        ],
    }
    assert an.values("made_with") == [300, 400, 300, 400]
    rounds = {out.index: out.outcome.round for out in an.get_outputs()}
    assert rounds == {0: 0, 1: 2, 2: 0, 3: 2}
    assert len({out.outcome.payload for out in an.get_outputs()}) == 2
    assert an.retry_failed() == 0


def test_retry_failed_begins_with_dependencies(home: Path, signals: str):
    def first(ac):
        if not open_store(ac.input).exists("mended"):
            raise FileNotFoundError("not yet")
        ac.output.value("x", 1)

    def second(ac):
        ac.output.value("y", ac.dependency("first").get_output().value("x") + 1)

    a1 = Analysis(function=first, input=signals)
    a2 = Analysis(function=second, depends_on=[a1])
    a2.run()
    a2.wait_done()
    assert a2.status()["status"] == "FAILED"
    open_store(signals).create("mended", b"")
    assert a2.retry_failed() == 1
    a2.wait_done()
    assert a2.get_output().value("y") == 2
    assert a1.status()["status"] == "SUCCEEDED"


def slow(ac: AnalysisContext):

    print("begun", flush=True)
    time.sleep(ac.input)


@pytest.mark.in_containers
def test_terminate_ends_one_job_of_an_array(home: Path):
    an = Analysis(function=slow, input=[0.1, 0.1, 100, 0.1], job_definition=SMALL)
    an.run()
    an.terminate(2)
    an.wait_done(timeout=WAIT)
    assert an.status()["jobs"] == {"SUCCEEDED": 3, "FAILED": 1}
    assert an.status(2)["reason"].startswith("Terminated by ")


@pytest.mark.in_containers
def test_terminate_all_ends_running_and_waiting_jobs(home: Path):
    def after(ac):
        pass

    an = Analysis(function=slow, input=[100] * 50, job_definition=SMALL)
    then = Analysis(function=after, depends_on=[an])
    then.run()
    an.wait_running_or_done(timeout=WAIT)
    an.terminate_all()
    then.wait_done(timeout=WAIT)
    assert an.status()["jobs"] == {"FAILED": 50}
    assert then.status()["reason"].startswith("Dependency failed")
    an.terminate_all()  # nothing is left to end: nothing happens


def test_unfinished_analyses_say_so(home: Path):
    never = Analysis(function=slow, input=1)
    for call in (
        never.status,
        never.logs,
        never.wait_done,
        never.get_output,
        never.terminate_all,
        never.delete,
    ):
        with pytest.raises(NotSubmitted, match="slow was not submitted"):
            call()
    an = Analysis(function=slow, input=100)
    an.run()
    with pytest.raises(NotFinished, match=r"wait_done\(\)"):
        an.get_output()
    with pytest.raises(NotFinished):
        an.values("x")
    with pytest.raises(WaitTimeout, match="its jobs go on"):
        an.wait_done(timeout=0.2)
    an.terminate()
    an.wait_done(timeout=WAIT)


def test_states_on_the_way(home: Path):
    a1 = Analysis(function=slow, input=100)
    a2 = Analysis(function=slow, input=1, name="waits", depends_on=[a1])
    a2.run()
    a1.wait_running_or_done(timeout=WAIT)
    assert a1.status()["status"] == "RUNNING"
    assert a2.status()["status"] in ("SUBMITTED", "PENDING")
    a1.terminate()
    a2.wait_done(timeout=WAIT)
    assert a2.status()["status"] == "FAILED"


def test_delete(home: Path):
    an = Analysis(function=double, input=1)
    an.run()
    an.wait_done()
    identifier = an.id
    blocked = Analysis(function=slow, input=100, depends_on=[an])
    blocked.run()
    with pytest.raises(Exception, match="depends on"):
        an.delete()
    with pytest.raises(Exception, match="terminate_all"):
        blocked.delete()
    blocked.terminate_all()
    blocked.wait_done(timeout=WAIT)
    an.delete()
    with pytest.raises(KeyError, match="no analysis"):
        JobManager().get_analysis(identifier)
    assert not any(home.glob(f"store/**/*{identifier}*"))


def test_lambdas_and_callables(home: Path):
    class Work:
        def __call__(self, ac):
            ac.output.value("x", 7)

    an = Analysis(function=lambda ac: print("Hello World"))
    assert an.name == "lambda"
    an.run()
    an.wait_done()
    assert an.status() == {"status": "SUCCEEDED"}
    other = Analysis(function=Work())
    other.run()
    other.wait_done()
    assert other.get_output().value("x") == 7
    assert other.name == "Work"


def test_the_warning_about_job_zero_is_a_warning_in_jobs_too(home: Path):
    def read(ac):
        ac.output.value("x", ac.dependency("double").get_output().value("double"))

    a1 = Analysis(function=double, input=[5, 6], job_definition=SMALL)
    a2 = Analysis(function=read, depends_on=[a1])
    a2.run()
    a2.wait_done()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert a2.get_output().value("x") == 10


def test_an_interrupt_ends_the_waiting_and_says_how_to_come_back(
    home: Path, capsys: pytest.CaptureFixture[str]
):
    an = Analysis(function=slow, input=1, job_definition=SMALL)
    an.run()
    threading.Timer(0.3, os.kill, [os.getpid(), signal.SIGINT]).start()
    with pytest.raises(KeyboardInterrupt):
        an.wait_done()
    said = capsys.readouterr().err
    assert f"the jobs go on. To come back, from anywhere: JobManager().get_analysis(job_id='{an.id}')" in said
    an.wait_done(timeout=WAIT)
    assert an.status()["status"] == "SUCCEEDED"


def test_what_is_shown_in_a_notebook_is_escaped(home: Path):
    def work(ac):
        ac.output.value("text", "<b>" * 100)
        ac.output.value("pair", (1, 2))
        ac.output.file("<i>").as_local().write_text("abc")
        if ac.input:
            raise ValueError("<script>")

    an = Analysis(function=work, input=[0, 1], job_definition=SMALL)
    an.run()
    an.wait_done()
    output = an.get_output(0)._repr_html_()
    assert "&lt;b&gt;" in output
    assert "[1, 2]" in output
    assert "3 bytes" in output
    status = an.status()._repr_html_()
    assert "<td style='text-align:left'>SUCCEEDED</td><td style='text-align:left'>1</td>" in status
    assert "ValueError: &lt;script&gt;" in status
    assert "<script>" not in f"{status}{an._repr_html_()}{an.failures()._repr_html_()}"
