"""Temporary files of jobs: TMPDIR is short wherever the home folder is, and nothing stays behind."""

import os
import signal
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from explorer_runner.system.temp_folder import LINKS
from gencove_explorer.analysis import Analysis, JobDefinition
from gencove_explorer.executors.local.executor import LocalExecutor
from gencove_explorer.settings import Settings
from support.waiting import eventually

SMALL = JobDefinition(cpu=1, memory_mb=300)


@pytest.fixture
def far_home(environment: Callable[[str], Path]) -> Path:
    return environment("h" * 100)


def work(ac):
    import multiprocessing
    import os
    import tempfile

    with multiprocessing.Manager() as manager:  # listens at a Unix socket below the temporary files
        ac.output.value("n", manager.list([1, 2])[1])
    with open(f"{tempfile.mkdtemp()}/left", "w") as file:
        file.write("behind")
    ac.output.value("same", os.path.samefile(tempfile.gettempdir(), os.getcwd()))


def links_to(home: Path) -> list[str]:
    """The links by which jobs of a home folder reach their temporary files."""
    try:
        paths = [f"{LINKS}/{name}" for name in os.listdir(LINKS)]
    except FileNotFoundError:
        return []
    return [path for path in paths if os.path.islink(path) and os.readlink(path).startswith(str(home))]


def files_in(folder: Path) -> list[Path]:
    """Files below a folder, of which parts may be removed meanwhile."""
    return [Path(parent, name) for parent, _, names in os.walk(folder) for name in names]


def test_sockets_fit_below_a_home_with_a_long_path(far_home: Path):
    an = Analysis(function=work, input=[0, 1, 2], job_definition=SMALL)
    an.run()
    an.wait_done(timeout=60)
    assert an.values("n") == [2, 2, 2], an.failures()
    assert an.values("same") == [True, True, True]
    eventually(lambda: files_in(far_home / "scratch") == [])  # removed after the outcome was written
    assert len(links_to(far_home)) == 1  # the forker's
    LocalExecutor(Settings.load()).stop()
    eventually(lambda: links_to(far_home) == [])
    assert list((far_home / "scratch" / "forkers").iterdir()) == []


def test_and_in_the_foreground(far_home: Path):
    an = Analysis(function=work, job_definition=SMALL)
    an.run_local()
    assert an.get_output().values() == {"n": 2, "same": True}
    assert list((far_home / "scratch" / "foreground").iterdir()) == []
    assert links_to(far_home) == []


def test_and_with_the_store_on_s3(far_home: Path, make_bucket: Callable[[str], str], monkeypatch):
    monkeypatch.setenv("EXPLORER_STORE", f"s3://{make_bucket('moto')}/store")
    an = Analysis(function=work, job_definition=SMALL)
    an.run()
    an.wait_done(timeout=60)
    assert an.get_output().values() == {"n": 2, "same": True}
    LocalExecutor(Settings.load()).stop()
    eventually(lambda: links_to(far_home) == [])
    assert files_in(far_home / "scratch") == []


def test_what_a_killed_forker_leaves_the_next_scheduler_removes(far_home: Path, tmp_path: Path):
    def wait(ac):
        import pathlib
        import tempfile
        import time

        pathlib.Path(tempfile.mkdtemp(), "left").touch()
        pathlib.Path(ac.input, "begun").touch()
        while not pathlib.Path(ac.input, "go").exists():
            time.sleep(0.02)
        ac.output.value("temporary", str(pathlib.Path(tempfile.mkdtemp()).exists()))

    executor = LocalExecutor(Settings.load())
    an = Analysis(function=wait, input=str(tmp_path), job_definition=SMALL)
    an.run()
    eventually((tmp_path / "begun").exists)
    eventually(lambda: executor.queue.read_state().get("forkers"))
    (forker,) = executor.queue.read_state()["forkers"]
    os.kill(forker, signal.SIGKILL)
    eventually(lambda: not psutil.pid_exists(forker) or forker not in executor.queue.read_state()["forkers"])
    (tmp_path / "go").touch()
    an.wait_done(timeout=60)
    assert an.get_output().value("temporary") == "True"  # its link outlives the forker
    eventually(lambda: links_to(far_home) == [])
    executor.stop()
