"""The local executor with its store on S3: the same analyses, the same results."""

import dataclasses
import os
from pathlib import Path

import pytest

from gencove_explorer.analysis import Analysis, JobDefinition, each
from gencove_explorer.executors.local.executor import LocalExecutor
from gencove_explorer.executors.local.progress import ProgressTracker
from gencove_explorer.job_manager import JobManager
from gencove_explorer.settings import Settings
from support.waiting import eventually

SMALL = JobDefinition(cpu=1, memory_mb=300)


@pytest.fixture
def s3(home: Path, bucket: str, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("EXPLORER_STORE", f"s3://{bucket}/team")
    return bucket


def first(ac):
    print("input", ac.input)
    ac.output.value("x", ac.input * 2)
    ac.output.value("large", [ac.input] * 50_000)
    tree = ac.output.file("tree").as_local()
    tree.mkdir()
    (tree / "a").write_text(f"a{ac.input}")


def second(ac):
    out = ac.dependency("first").get_output()
    ac.output.value("y", [out.value("x"), (out.file("tree").as_local() / "a").read_text()])


def test_a_chain_of_arrays(s3: str, home: Path, capsys: pytest.CaptureFixture[str]):
    a1 = Analysis(function=first, input=[1, 2, 3], job_definition=SMALL)
    a2 = Analysis(function=second, input=[0, 0, 0], depends_on=[each(a1)], job_definition=SMALL)
    a2.run()
    a2.wait_done(timeout=90)
    assert a2.status() == {"status": "SUCCEEDED", "jobs": {"SUCCEEDED": 3}}, a2.failures()
    assert a2.values("y") == [[2, "a1"], [4, "a2"], [6, "a3"]]
    again = JobManager().get_analysis(a1.id)
    assert again.get_output(2).value("large") == [3] * 50_000
    assert (again.get_output(1).file("tree").as_local() / "a").read_text() == "a2"
    again.logs(1)
    assert capsys.readouterr().out == "input 2\n"
    assert [each.id for each in JobManager().list_jobs(since="1h")] == [a2.id, a1.id]
    assert not (home / "store").exists()


def test_large_inputs_failures_retries_and_deletion(s3: str, home: Path):
    def work(ac):
        if ac.attempt == 1 and ac.job_index == 1:
            import os

            os._exit(7)
        ac.output.value("n", len(ac.input))

    an = Analysis(function=work, input=["a" * 800_000, "b" * 800_001], job_definition=SMALL)
    an.run()
    an.wait_done(timeout=90)
    assert an.status()["jobs"] == {"SUCCEEDED": 1, "FAILED": 1}
    assert "exit code 7" in an.status(1)["reason"]

    def mended(ac):
        ac.output.value("n", len(ac.input))

    assert an.retry_failed(function=mended) == 1
    an.wait_done(timeout=90)
    assert an.values("n") == [800_000, 800_001]
    an.delete()
    assert JobManager().list_jobs() == []


def test_terminate_and_live_states(s3: str, home: Path):
    def slow(ac):
        import time

        print("begun", flush=True)
        time.sleep(100)

    an = Analysis(function=slow, input=[1, 2, 3], job_definition=SMALL)
    an.run()
    an.wait_running_or_done(timeout=90)
    assert an.status()["status"] == "RUNNING"
    an.terminate_all()
    an.wait_done(timeout=90)
    assert an.status()["jobs"] == {"FAILED": 3}


def test_run_local_stays_in_the_local_store(s3: str, home: Path):
    an = Analysis(function=first, input=4)
    an.run_local()
    assert an.get_output().value("x") == 8
    assert (home / "store" / "analyses" / an.id).is_dir()
    assert JobManager().get_analysis(an.id).get_output().value("x") == 8
    assert [each.id for each in JobManager().list_jobs()] == [an.id]


def test_a_job_that_is_killed_with_its_parent_leaves_its_log(
    s3: str, home: Path, capsys: pytest.CaptureFixture[str]
):
    def hungry(ac):
        import time

        print("begun", flush=True)
        held = []
        for _ in range(60):
            held.append(bytearray(20 << 20))
            time.sleep(0.05)
        time.sleep(60)

    an = Analysis(function=hungry, job_definition=JobDefinition(cpu=1, memory_mb=200))
    an.run()
    an.wait_done(timeout=90)
    assert "OutOfMemoryError" in an.status()["reason"]
    queue = LocalExecutor(Settings.load()).queue
    eventually(lambda: not queue.unfinished_rounds())
    assert not (queue.folder / "claims" / an.id).exists()
    an.logs(since="1h")
    assert capsys.readouterr().out == "begun\n"
    assert an._submitted().store.list_names(f"analyses/{an.id}/logs") == ["0.0-1.txt"]


def test_the_scheduler_takes_the_credentials_of_whoever_submitted_last(
    s3: str, home: Path, monkeypatch: pytest.MonkeyPatch
):
    def slow(ac):
        import time

        time.sleep(100)

    first = Analysis(function=slow, input=[1, 2, 3], job_definition=SMALL)
    first.run()
    first.wait_running_or_done(timeout=90)
    queue = LocalExecutor(Settings.load()).queue
    ledger = ProgressTracker(queue)
    old = queue.unfinished_rounds()[0]
    expired = dataclasses.replace(old, variables={**old.variables, "AWS_ACCESS_KEY_ID": "expired"})
    monkeypatch.setenv("AWS_PROFILE", "of-the-process")  # as the notebook had it that started the scheduler
    ledger.use_newest_credentials(expired)
    ledger.store_of(expired)
    assert os.environ["AWS_ACCESS_KEY_ID"] == "expired"
    assert "AWS_PROFILE" not in os.environ
    renewed = dataclasses.replace(
        old, record=dataclasses.replace(old.record, submitted=old.record.submitted + 1)
    )
    assert ledger.use_newest_credentials(renewed)
    assert not ledger.use_newest_credentials(expired)
    store = ledger.store_of(expired)
    assert os.environ["AWS_ACCESS_KEY_ID"] == "test"
    assert store.exists(f"analyses/{first.id}/rounds/0.json")
    first.terminate_all()
    first.wait_done(timeout=90)
