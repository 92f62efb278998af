"""What a job left behind and that holds its claim, when nobody is there any more who knows it."""

import os
import signal
import subprocess
from pathlib import Path

import psutil
import pytest

from gencove_explorer.analysis import Analysis, JobDefinition
from gencove_explorer.executors.local.executor import LocalExecutor
from gencove_explorer.executors.local.queue import Queue
from gencove_explorer.settings import Settings
from support.waiting import eventually

SMALL = JobDefinition(cpu=1, memory_mb=300)


def forks(ac):
    """Leave a child, which inherits the claim, in a session of its own or in the job's."""
    import os
    import time

    note, detached = ac.input
    if os.fork() == 0:
        if detached:
            os.setsid()
        with open(note + ".part", "w") as file:
            file.write(f"{os.getppid()} {os.getpid()}")
        os.rename(note + ".part", note)
    time.sleep(300)


def queue() -> Queue:
    return LocalExecutor(Settings.load()).queue


@pytest.fixture(params=[True, False], ids=["detached", "attached"])
def stray(request: pytest.FixtureRequest, home: Path, tmp_path: Path) -> tuple[Analysis, psutil.Process]:
    """A job whose process and forker were killed, and the child that it left."""
    note = tmp_path / "note"
    an = Analysis(function=forks, input=[(str(note), request.param)], job_definition=SMALL)
    an.run()
    eventually(lambda: note.exists() and queue().read_state().get("forkers"))
    job, child = map(int, note.read_text().split())
    for pid in (*queue().read_state()["forkers"], job):
        os.kill(pid, signal.SIGKILL)
    eventually(lambda: not _lives(job))
    assert _lives(child)
    return an, psutil.Process(child)


def _lives(pid: int) -> bool:
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


def test_a_stray_that_holds_the_claim_is_ended(stray: tuple[Analysis, psutil.Process]):
    an, child = stray
    assert an.status(0)["status"] == "RUNNING"
    an.terminate_all()
    an.wait_done(timeout=60)
    assert an.status(0)["status"] == "FAILED"
    assert an.status(0)["reason"].startswith("Terminated by ")
    assert not _lives(child.pid)


def test_also_by_whoever_has_lost_its_entry(stray: tuple[Analysis, psutil.Process]):
    an, child = stray
    executor = LocalExecutor(Settings.load())
    executor.stop()
    for path in executor.queue.accepted.iterdir():
        path.unlink()
    assert an.status(0)["status"] == "RUNNING"
    an.terminate_all()
    an.wait_done(timeout=60)
    assert an.status(0)["status"] == "FAILED"
    assert not _lives(child.pid)


def test_who_reads_the_log_is_left_alone(stray: tuple[Analysis, psutil.Process], home: Path):
    an, _ = stray
    [log] = home.glob("store/analyses/*/logs/0.0-1.txt")
    with psutil.Popen(["tail", "-f", str(log)], start_new_session=True, stdout=subprocess.DEVNULL) as reader:
        eventually(lambda: str(log) in {each.path for each in reader.open_files()})
        an.terminate_all()
        an.wait_done(timeout=60)
        assert _lives(reader.pid)
        reader.kill()


def test_a_stray_has_no_more_time_than_its_job(home: Path, tmp_path: Path):
    note = tmp_path / "note"
    limited = JobDefinition(cpu=1, memory_mb=300, timeout_seconds=3)
    an = Analysis(function=forks, input=[(str(note), False)], job_definition=limited)
    an.run()
    eventually(lambda: note.exists() and queue().read_state().get("forkers"))
    job, child = map(int, note.read_text().split())
    for pid in (*queue().read_state()["forkers"], job):
        os.kill(pid, signal.SIGKILL)
    an.wait_done(timeout=60)
    assert "timeout" in an.status(0)["reason"]
    assert not _lives(child)
