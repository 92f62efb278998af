"""A home folder behind a symbolic link: the kernel names open files by what the link points to."""

import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from gencove_explorer.analysis import Analysis, JobDefinition
from gencove_explorer.executors.local.executor import LocalExecutor
from gencove_explorer.job_manager import JobManager
from gencove_explorer.settings import Settings
from support.waiting import eventually

FOREGROUND = """
from gencove_explorer.analysis import Analysis
def work(ac):
    import time
    print("begun", flush=True)
    time.sleep(100)
Analysis(function=work).run_local()
"""


@pytest.fixture
def linked(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    link = tmp_path / "link"
    link.symlink_to(home)
    monkeypatch.setenv("EXPLORER_HOME", str(link))
    return link


def test_run_local_can_be_ended_by_another_process(linked: Path):
    process = subprocess.Popen(
        [sys.executable, "-c", FOREGROUND], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "begun\n"
    an = JobManager().list_jobs()[0]
    an.terminate()
    _, err = process.communicate(timeout=60)
    assert "JobFailed" in err
    assert an.status()["status"] == "FAILED"


def test_jobs_whose_forker_is_gone_can_be_ended(linked: Path):
    def work(ac):
        import time

        time.sleep(100)

    an = Analysis(function=work, job_definition=JobDefinition(cpu=1, memory_mb=300))
    an.run()
    an.wait_running_or_done(timeout=60)
    queue = LocalExecutor(Settings.load()).queue
    eventually(lambda: queue.read_state().get("forkers"))
    for pid in queue.read_state()["forkers"]:
        psutil.Process(pid).kill()
    an.terminate()
    an.wait_done(timeout=60)
    assert "erminated" in an.status()["reason"]
