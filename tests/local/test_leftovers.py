"""What was found to go wrong at the edges: each stays mended."""

import dataclasses
import json
import os
import shutil
import signal
import threading
import time
from pathlib import Path

import psutil
import pytest

from gencove_explorer.analysis import Analysis, GlobalConfig, JobDefinition
from gencove_explorer.errors import CaptureError, JobFailed, NoSuchAnalysis, SubmissionError
from gencove_explorer.executors.local.executor import LocalExecutor
from gencove_explorer.session import Session
from gencove_explorer.settings import Settings
from gencove_explorer.submission.commit import Submission, make_spec, write_round
from gencove_explorer.submission.retry import _contents_of
from support.waiting import eventually

SMALL = JobDefinition(cpu=1, memory_mb=300)


def test_a_file_of_the_users_own_is_copied_never_taken_away(home: Path, tmp_path: Path):
    (tmp_path / "precious.txt").write_text("mine")

    def work(ac):
        ac.output.file("copy.txt", path_local=ac.input)
        with open("made.txt", "w") as file:
            file.write("the job's")
        ac.output.file("made.txt", path_local="made.txt")

    an = Analysis(function=work, input=str(tmp_path / "precious.txt"), job_definition=SMALL)
    an.run()
    an.run_local()
    an.wait_done(timeout=30)
    assert (tmp_path / "precious.txt").read_text() == "mine"
    assert an.get_output().file("copy.txt").as_local().read_text() == "mine"
    assert an.get_output().file("made.txt").as_local().read_text() == "the job's"


def test_a_retry_beside_a_running_job_leaves_that_alone(home: Path, bucket: str, monkeypatch, tmp_path: Path):
    monkeypatch.setenv("EXPLORER_STORE", f"s3://{bucket}/store")

    def work(ac):
        import pathlib
        import time

        folder = pathlib.Path(ac.global_config.folder)
        if ac.input == 0 and not (folder / "mended").exists():
            raise ValueError("not yet")
        while ac.input == 1 and not (folder / "end").exists():
            time.sleep(0.02)
        ac.output.value("x", ac.input)

    an = Analysis(
        function=work, input=[0, 1], global_config=GlobalConfig(folder=str(tmp_path)), job_definition=SMALL
    )
    an.run()
    eventually(lambda: an.status(0)["status"] == "FAILED" and an.status(1)["status"] == "RUNNING")
    (tmp_path / "mended").touch()
    assert an.retry_failed() == 1
    eventually(lambda: an.status(0)["status"] == "SUCCEEDED")
    time.sleep(1)  # for the scheduler to forget the retry
    assert an.status(1)["status"] == "RUNNING"
    (tmp_path / "end").touch()
    an.wait_done(timeout=60)
    assert an.values("x") == [0, 1]


@pytest.fixture
def failed(home: Path) -> Analysis:
    an = Analysis(function=lambda ac: 1 / ac.input, input=[0, 1], job_definition=SMALL)
    an.run()
    an.wait_done(timeout=30)
    return an


def half_a_retry(an: Analysis, *, age: float) -> None:
    """What a retry leaves that is killed before it is in the queue."""
    stored, session = an._submitted(), Session()
    loaded = stored.payload(0)
    contents = _contents_of(stored, session, stored.rounds[0], loaded, [0])
    spec = make_spec(
        contents,
        id=stored.id,
        name=stored.record.name,
        jobs=2,
        array=True,
        indices=[0],
        job_definition=SMALL,
        depends_on=[],
        pip_packages=[],
        round=1,
    )
    submission = Submission(spec=spec, contents=contents, executor=session.executor, store=stored.store)
    record = write_round(submission, session)
    path = stored.store.local_path(f"analyses/{an.id}/rounds/1.json")
    assert path is not None
    aged = dataclasses.replace(record, submitted=record.submitted - age)
    path.write_bytes(aged.to_json())
    an._submitted()._rounds = None


def test_a_retry_that_was_killed_before_it_was_queued_ends_and_can_be_repeated(failed: Analysis):
    half_a_retry(failed, age=0)
    assert failed.status(0)["status"] == "RUNNABLE"  # it may be under way
    path = failed._submitted().store.local_path(f"analyses/{failed.id}/rounds/1.json")
    assert path is not None
    data = json.loads(path.read_bytes())
    path.write_text(json.dumps({**data, "submitted": data["submitted"] - 100}))
    failed._submitted()._rounds = None
    assert failed.status(0)["status"] == "FAILED"
    assert "never submitted" in failed.status(0)["reason"]
    assert failed.retry_failed(function=lambda ac: ac.output.value("x", 1)) == 1
    failed.wait_done(timeout=30)
    assert failed.status()["jobs"] == {"SUCCEEDED": 2}


def test_a_retry_that_was_killed_after_its_payload_is_in_nobodys_way(failed: Analysis):
    half_a_retry(failed, age=0)
    path = failed._submitted().store.local_path(f"analyses/{failed.id}/rounds/1.json")
    assert path is not None
    path.unlink()
    failed._submitted()._rounds = None
    assert failed.retry_failed(function=lambda ac: ac.output.value("x", 1)) == 1
    failed.wait_done(timeout=30)
    assert failed.status()["jobs"] == {"SUCCEEDED": 2}


def test_run_local_of_jobs_that_may_be_retried_keeps_their_reason(home: Path):
    def work(ac):
        raise ValueError("no good")

    an = Analysis(function=work, job_definition=JobDefinition(cpu=1, memory_mb=300, retries=2))
    with pytest.raises(JobFailed, match="ValueError: no good"):
        an.run_local()
    assert "ValueError: no good" in an.status()["reason"]


def test_a_crash_in_run_local_tells_the_line(home: Path):
    def work(ac):
        import ctypes

        ctypes.string_at(0)

    an = Analysis(function=work, job_definition=SMALL)
    with pytest.raises(JobFailed, match=r"SIGSEGV.*\(line 4, in work\)|SIGSEGV.*line \d+, in work"):
        an.run_local()


def test_a_work_function_ends_with_its_killed_runner(home: Path, tmp_path: Path):
    def work(ac):
        import os
        import time

        ac.output.value("x", 1)
        with open(ac.input, "w") as file:
            file.write(f"{os.getpid()} {os.getppid()}")
        time.sleep(100)

    note = tmp_path / "note"
    an = Analysis(function=work, input=str(note), job_definition=SMALL)

    def kill() -> None:
        eventually(lambda: note.exists() and len(note.read_text().split()) == 2)
        os.kill(int(note.read_text().split()[1]), signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    with pytest.raises(JobFailed, match="Host lost"):
        an.run_local()
    killer.join()
    eventually(lambda: not psutil.pid_exists(int(note.read_text().split()[0])))


def test_a_scheduler_whose_home_was_removed_ends_and_the_next_one_is_not_disturbed(home: Path):
    def run() -> list[int]:
        an = Analysis(function=lambda ac: ac.output.value("x", 1), input=[1, 2, 3], job_definition=SMALL)
        an.run()
        an.wait_done(timeout=30)
        return an.values("x")

    assert run() == [1, 1, 1]
    queue = LocalExecutor(Settings.load()).queue
    first = queue.read_state()["pid"]
    shutil.rmtree(home / "executor")
    shutil.rmtree(home / "store")
    shutil.rmtree(home / "scratch")
    assert run() == [1, 1, 1]
    assert queue.read_state()["pid"] != first
    eventually(lambda: not psutil.pid_exists(first))


async def asynchronous(ac):
    ac.output.value("x", 1)


def yields(ac):
    yield ac.output.value("x", 1)


class Callable:
    async def __call__(self, ac):
        ac.output.value("x", 1)


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (asynchronous, "is an async function"),
        (Callable(), "is an async function"),
        (yields, "yields, so calling it runs nothing"),
        (lambda: 1, "cannot be called with the context alone"),
        (lambda a, b: 1, "cannot be called with the context alone"),
        ("text", "cannot be called"),
    ],
)
def test_what_jobs_could_not_call_is_refused(failed: Analysis, function, message: str):
    with pytest.raises(SubmissionError, match=message):
        Analysis(function=function, name="x").run()
    with pytest.raises(SubmissionError, match=message):
        failed.retry_failed(function=function)
    with pytest.raises(SubmissionError, match="use JobDefinition"):
        failed.retry_failed(job_definition={"cpu": 1})  # type: ignore[arg-type]


def test_a_generator_that_comes_back_fails_the_job(home: Path):
    an = Analysis(function=lambda ac: (each for each in [ac.output]), job_definition=SMALL)
    with pytest.raises(JobFailed, match="of which nothing has run"):
        an.run_local()


def test_jobs_that_are_terminated_as_they_begin_end_at_once(home: Path):
    def work(ac):
        import time

        time.sleep(100)

    for delay in (0.0, 0.002, 0.004, 0.006, 0.01):
        an = Analysis(function=work, input=[1, 2, 3], job_definition=SMALL)
        an.run()
        time.sleep(delay)
        an.terminate_all()
        an.wait_done(timeout=15)  # and not only after the 20 seconds that a job has to clean up
        assert an.status()["jobs"] == {"FAILED": 3}


def test_pip_in_a_job_does_not_change_this_machine(home: Path):
    def work(ac):
        import os
        import subprocess
        import sys

        base = os.path.realpath(sys.executable)
        asked = [base, "-m", "pip", "install", "--no-index", "--dry-run", "anything"]
        done = subprocess.run(asked, capture_output=True, text=True)
        ac.output.value("said", done.stdout + done.stderr)

    an = Analysis(function=work, job_definition=SMALL)
    an.run()
    an.wait_done(timeout=60)
    assert "virtualenv" in an.get_output().value("said")


def test_an_open_file_is_refused(home: Path, tmp_path: Path):
    (tmp_path / "x").write_text("secret")
    with open(tmp_path / "x") as file:
        with pytest.raises(CaptureError, match="it is an open file"):
            Analysis(function=lambda ac: None, input={"file": file}).run()
        with pytest.raises(CaptureError, match="uses 'file': it is an open file"):
            Analysis(function=lambda ac: file.read()).run()


def test_outputs_of_a_deleted_dependency_say_so(home: Path):
    first = Analysis(function=lambda ac: None, name="first", job_definition=SMALL)
    second = Analysis(function=lambda ac: None, name="second", depends_on=[first], job_definition=SMALL)
    second.run()
    second.wait_done(timeout=30)
    first.delete()
    with pytest.raises(NoSuchAnalysis, match=r"first \(.*it was deleted"):
        second.dependency("first")
