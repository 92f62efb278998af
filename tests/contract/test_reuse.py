"""run(reuse=True): what succeeded before is not run again, and reads as the analysis's own."""

import logging
import os
from pathlib import Path

import pytest

from explorer_runner.stores.uri import open_store
from gencove_explorer.analysis import Analysis, GlobalConfig, JobDefinition, each
from gencove_explorer.errors import InUse, JobFailed
from gencove_explorer.job_manager import JobManager
from gencove_explorer.models import File
from support.waiting import WAIT

SMALL = JobDefinition(cpu=1, memory_mb=300)


def double(ac):
    print("doubling", ac.input)
    if ac.input == "bad":
        raise ValueError("no number")
    ac.output.value("twice", ac.input * 2)
    ac.output.file("deep/twice.txt").as_local().write_text(str(ac.input * 2))
    ac.output.value("made by", ac.id)


def total(ac):
    ac.output.value("total", sum(ac.dependency("double").values("twice")))


def add_one(ac):
    ac.output.value("more", ac.dependency("double").get_output().value("twice") + 1)


def done(an: Analysis) -> Analysis:
    an.wait_done(timeout=WAIT)
    return an


def run(function, *inputs, **more) -> Analysis:
    an = Analysis(function=function, input=list(inputs) or None, job_definition=SMALL, **more)
    an.run(reuse=True)
    return done(an)


def reused(an: Analysis) -> list[str | None]:
    return [an.status(index).get("reused") for index in range(an._submitted().record.jobs)]


def test_only_what_is_new_runs_and_all_reads_as_its_own(home: Path, caplog, capsys):
    first = Analysis(function=double, input=[1, 2, 3], job_definition=SMALL)
    first.run()  # an analysis of any kind is reused, one without reuse too
    done(first)
    caplog.set_level(logging.INFO)
    an = run(double, 3, 4, 1)
    assert "2 reused, 1 to run: job 1 (its input is new)" in caplog.text
    assert reused(an) == [f"job 2 of {first.id}", None, f"job 0 of {first.id}"]
    status = an.status()
    assert (status["status"], status["jobs"], status["reused"]) == ("SUCCEEDED", {"SUCCEEDED": 3}, 2)
    assert an.values("twice") == [6, 8, 2]
    assert [output.index for output in an.get_outputs()] == [0, 1, 2]
    assert an.get_output(0).file("deep/twice.txt").as_local().read_text() == "6"
    assert an.values("made by") == [first.id, an.id, first.id]
    capsys.readouterr()
    an.logs(0, since="1d")
    shown = capsys.readouterr()
    assert "doubling 3" in shown.out
    assert f"reused from job 2 of {first.id}" in shown.err
    found = JobManager().get_analysis(an.id)
    assert found.values("twice") == [6, 8, 2]
    assert found.input == [3, 4, 1]


def test_all_of_it_may_have_succeeded_before(home: Path):
    first = run(double, 1, 2)
    again = run(double, 1, 2)
    assert reused(again) == [f"job {index} of {first.id}" for index in (0, 1)]
    assert again.status()["status"] == "SUCCEEDED"
    third = run(double, 2)
    assert reused(third) == [f"job 1 of {first.id}"]  # of the attempt that made it, whoever else borrows
    found = JobManager().get_analysis(again.id)
    found.run(reuse=True)  # its code and inputs as bytes, nothing unpickled
    assert found.status()["reused"] == 2
    assert found.values("twice") == [2, 4]


def test_failures_run_again_and_are_retried(home: Path):
    first = run(double, 1, "bad")
    again = run(double, 1, "bad")
    assert reused(again) == [f"job 0 of {first.id}", None]
    with pytest.raises(JobFailed, match="no number"):
        again.get_output(1)
    assert again.failures()[0].indices == [1]

    def mended(ac):
        ac.output.value("twice", "mended")

    assert again.retry_failed(function=mended) == 1
    done(again)
    assert again.values("twice") == [2, "mended"]
    assert again.status()["status"] == "SUCCEEDED"
    later = run(mended, "bad")  # what a retry made is found by the function that made it
    assert reused(later) == [f"job 1 of {again.id}"]


def test_dependents_are_reused_while_what_they_read_is_the_same(home: Path):
    first = run(total, depends_on=[Analysis(function=double, input=[1, 2], job_definition=SMALL)])
    same = run(total, depends_on=[Analysis(function=double, input=[1, 2], job_definition=SMALL)])
    assert reused(same) == [f"job 0 of {first.id}"]
    more = run(total, depends_on=[Analysis(function=double, input=[1, 2, 3], job_definition=SMALL)])
    assert reused(more) == [None]
    assert more.values("total") == [12]
    assert more.dependency("double").status()["reused"] == 2


def test_outputs_that_were_made_anew_and_are_the_same_count_as_such(home: Path):
    def sized(ac):
        ac.output.value("twice", ac.input * ac.global_config.by)
        ac.output.file("text").as_local().write_text(str(ac.input))

    def upstream(by: int) -> Analysis:
        config = GlobalConfig(by=by, stamp=object.__hash__(object()))  # so that it runs each time
        return Analysis(
            function=sized, name="double", input=[1, 2], global_config=config, job_definition=SMALL
        )

    first = run(total, depends_on=[upstream(2)])
    assert reused(run(total, depends_on=[upstream(3)])) == [None]
    before = upstream(2)
    before.run()
    done(before)
    assert reused(run(total, depends_on=[before])) == [f"job 0 of {first.id}"]


def test_job_by_job_each_goes_with_its_own(home: Path):
    first = run(
        add_one, 0, 0, depends_on=[each(Analysis(function=double, input=[1, 2], job_definition=SMALL))]
    )
    swapped = Analysis(function=double, input=[2, 5], job_definition=SMALL)
    an = run(add_one, 0, 0, depends_on=[each(swapped)])
    assert an.values("more") == [5, 11]
    assert reused(an) == [f"job 1 of {first.id}", None]


def test_what_others_read_is_not_deleted(home: Path):
    first = run(double, 1, 2)
    second = run(double, 2, 3)
    third = run(double, 3)
    with pytest.raises(InUse, match=f"{second.id} reused results of {first.id}"):
        first.delete()
    assert reused(run(double, 1)) == [f"job 0 of {first.id}"]  # a refused deletion leaves no trace
    last = JobManager().get_analysis(JobManager().list_jobs()[0].id)
    last.delete()
    with pytest.raises(InUse):
        second.delete()  # the third reads its job 1
    third.delete()
    second.delete()
    first.delete()
    assert reused(run(double, 2)) == [None]


def test_files_count_by_what_they_hold(home: Path, tmp_path: Path):
    place = os.environ.get("EXPLORER_STORE", "")
    store = open_store(place if place.startswith("s3://") else str(tmp_path / "data"))

    def write(name: str, text: str) -> File:
        made = tmp_path / "made"
        made.write_text(text)
        if store.local_path("") is not None:
            store.delete(f"data/{name}")  # in a bucket it is written over
        store.put_file(f"data/{name}", made)
        return File(str(store.local_path(f"data/{name}") or f"{store.uri}/data/{name}"))

    def read(ac):
        ac.output.value("text", ac.input.as_local().read_text())

    first = run(read, *(write(f"{name}.txt", name) for name in "abcdef"))
    assert first.values("text") == list("abcdef")
    moved = write("moved/a.txt", "a")
    others = [write(f"{name}.txt", name) for name in "cdef"]  # written anew, with the same in them
    an = run(read, moved, write("b.txt", "B"), *others)
    assert an.values("text") == ["a", "B", *"cdef"]
    assert [text is None for text in reused(an)] == [False, True, False, False, False, False]
