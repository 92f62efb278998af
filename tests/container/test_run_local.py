"""run_local in containers: the image, the limits and the packages that the cluster would have."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from explorer_runner.format.payload import python_minor
from gencove_explorer.analysis import Analysis, JobDefinition
from gencove_explorer.errors import ExecutorError, JobFailed
from gencove_explorer.executors.host.container import default_tag
from gencove_explorer.job_manager import JobManager
from localcloud.images import docker

SMALL = JobDefinition(cpu=1, memory_mb=200)


@pytest.fixture
def image_home(
    environment: Callable[[str], Path], runner_image: str, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """A home folder on this machine, and the runner's image under its own name."""
    home = environment("home")
    docker("tag", runner_image, f"explorer-tried:{default_tag(python_minor())}")
    monkeypatch.setenv("EXPLORER_BATCH__IMAGE", "explorer-tried")
    monkeypatch.setenv("EXPLORER_EXECUTOR", "local")
    return home


def test_it_runs_in_the_image_as_the_caller(image_home: Path, capsys: pytest.CaptureFixture[str]):
    def work(ac):
        import os
        import sys

        import pendulum

        print("input", ac.input, flush=True)
        ac.output.value(
            "facts", [sys.executable.startswith("/explorer/"), os.getuid(), os.path.exists("/.dockerenv")]
        )
        ac.output.value("version", pendulum.__version__)
        ac.output.file("note").as_local().write_text(f"job {ac.job_index}")

    an = Analysis(function=work, input=["a", "b"], pip_packages=["pendulum"], job_definition=SMALL)
    an.run_local(container=True, parallel=2)
    assert sorted(capsys.readouterr().out.splitlines()) == ["[0] input a", "[1] input b"]
    assert an.values("facts") == [[True, os.getuid(), True]] * 2
    path = an.get_output(1).file("note").as_local()
    assert (path.read_text(), path.stat().st_uid) == ("job 1", os.getuid())
    found = JobManager().get_analysis(an.id)
    assert found.status() == {"status": "SUCCEEDED", "jobs": {"SUCCEEDED": 2}}
    assert docker("ps", "--all", "--quiet", "--filter", f"label=explorer.analysis={an.id}") == ""


def test_variables_that_a_process_reads_when_it_starts_hold(image_home: Path):
    def work(ac):
        import sys
        import time

        ac.output.value("facts", [time.timezone, sys.flags.optimize])

    environment = {"TZ": "XYZ-9", "PYTHONOPTIMIZE": "1"}
    an = Analysis(function=work, job_definition=JobDefinition(cpu=1, memory_mb=200, environment=environment))
    an.run_local(container=True)
    assert an.get_output().value("facts") == [-9 * 3600, 1]


def test_the_limits_of_the_definition_hold(image_home: Path):
    def greedy(ac):
        taken = []
        while True:
            taken.append(bytearray(20 << 20))

    an = Analysis(function=greedy, job_definition=JobDefinition(cpu=1, memory_mb=100))
    with pytest.raises(
        JobFailed, match=r"OutOfMemoryError: Container killed due to memory usage: \d+ MiB used, 100 MiB"
    ):
        an.run_local(container=True)

    def slow(ac):
        import time

        time.sleep(100)

    an = Analysis(function=slow, job_definition=JobDefinition(cpu=1, memory_mb=100, timeout_seconds=1))
    with pytest.raises(JobFailed, match="Job attempt duration exceeded timeout"):
        an.run_local(container=True)


def test_a_missing_image_says_how_to_get_it(image_home: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("EXPLORER_BATCH__IMAGE", "nobodys/image")
    with pytest.raises(ExecutorError, match=r"nobodys/image:.*make image"):
        Analysis(function=lambda ac: None).run_local(container=True)
