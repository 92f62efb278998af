"""Reconcile killed at every point between two writes or calls: the next one leaves everything right."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from gencove_explorer.job_manager import JobManager
from support.repository import FLAKY, Repository

DYING = Path(__file__).with_name("dying.py")
NOTED = """\
def note(ac):
    import os, uuid
    # Each time that a job runs is a file: one that ran twice has two.
    name = f"{ac.global_config.version}.{ac.name}.{ac.job_index}.{uuid.uuid4().hex}"
    open(os.path.join(ac.global_config.folder, name), "x").close()
    ac.output.value("version", ac.global_config.version)
"""
BODY = "version: 1\nfunction: noted.py:note\njob_definition: {cpu: 1, memory_mb: 100}\n"


def write(study: Repository, notes: Path, version: int, options: str = "") -> None:
    config = f"global_config: {{version: {version}, folder: {notes}}}\n"
    study.write("noted.py", NOTED)
    study.write("first.yaml", f"{BODY}{config}{options}name: first\ninput: [1, 2]\n")
    study.write("second.yaml", f"{BODY}{config}name: second\ndepends_on: [first]\n")
    study.commit()


def killed_at(study: Repository, steps: int) -> bool:
    """Whether a reconcile that dies after so many steps did die."""
    done = subprocess.run(
        [sys.executable, str(DYING), str(study.folder), str(steps)],
        cwd=study.root,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode in (0, -signal.SIGKILL), done.stderr
    return done.returncode != 0


def walk(study: Repository, notes: Path, options: str = "") -> int:
    """Kill at step 0, 1, 2, ... of a reconcile that changes everything; returns how many steps there are.

    ``options``: further lines of the first manifest.
    """
    notes.mkdir()
    write(study, notes, -1, options)
    study.reconcile(wait=True)
    steps = 0
    while True:
        write(study, notes, steps, options)
        died = killed_at(study, steps)
        study.reconcile(wait=True)
        assert set(study.plan().values()) == {"unchanged"}, steps
        ran = sorted(path.name.split(".")[1:3] for path in notes.glob(f"{steps}.*"))
        assert ran == [["first", "0"], ["first", "1"], ["second", "0"]], steps
        for name in ("first", "second"):
            assert JobManager().get_analysis(manifest=name).status()["status"] == "SUCCEEDED"
        if not died:
            return steps
        steps += 1


def test_killed_at_every_point_on_this_machine(study: Repository, tmp_path: Path):
    assert walk(study, tmp_path / "notes") > 20


def test_killed_at_every_point_on_aws_batch(
    cloud_study: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    assert walk(cloud_study, tmp_path / "notes") > 15


def test_killed_at_every_point_between_a_canary_and_the_others(study: Repository, tmp_path: Path):
    assert walk(study, tmp_path / "notes", "canary: 1\n") > 20


def test_killed_at_every_point_between_a_canary_and_the_others_on_aws_batch(
    cloud_study: Repository, tmp_path: Path
):
    assert walk(cloud_study, tmp_path / "notes", "canary: 1\n") > 15


def test_killed_while_failed_jobs_are_run_again(study: Repository, tmp_path: Path):
    flag = tmp_path / "flag"
    study.write("flaky.py", FLAKY)
    for name in ("first.yaml", "second.yaml"):
        (study.folder / name).unlink()
    steps = 0
    while True:
        flag.unlink(missing_ok=True)
        study.write(
            "flaky.yaml",
            "version: 1\nname: flaky\nfunction: flaky.py:work\ninput: 1\non_failure: retry_failed\n"
            f"job_definition: {{cpu: 1, memory_mb: 100}}\nglobal_config: {{flag: {flag}, step: {steps}}}\n",
        )
        study.reconcile(wait=True)
        flag.touch()
        died = killed_at(study, steps)
        study.reconcile(wait=True)
        study.reconcile(wait=True)
        flaky = JobManager().get_analysis(manifest="flaky")
        assert flaky.status()["status"] == "SUCCEEDED", steps
        if not died:
            break
        steps += 1
    assert steps > 5
