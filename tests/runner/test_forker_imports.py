"""The forker stays small: every fork would pay for what it loads, and some of that must not fork."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from gencove_explorer.local.forkers import ForkerHandle
from gencove_explorer.local.rounds import Ground
from gencove_explorer.local.runtime import find_runtime

SECONDS = 60.0
HEAVY = {
    *("obstore", "sqlite3", "boto3", "pydantic", "asyncio", "shutil", "subprocess", "concurrent.futures"),
    *("zipfile", "IPython", "gencove_explorer", "ssl", "socket", "random"),
}
WITNESS = """
import sys
print(*sorted(sys.modules))
import threading
print(threading.active_count())
"""


@pytest.fixture
def runtime(tmp_path: Path, shared_runtimes: Path) -> str:
    """The Python that the scheduler starts forkers with."""
    (tmp_path / "runtimes").symlink_to(shared_runtimes)
    return find_runtime(tmp_path)


@pytest.fixture
def forker(runtime: str, tmp_path: Path) -> Iterator[ForkerHandle]:
    """A forker, started by the scheduler's own code."""
    handle = ForkerHandle(Ground(runtime, ()), tmp_path / "forker.log")
    yield handle
    handle.reap()


def loaded(interpreter: str) -> tuple[set[str], int]:
    """Modules and threads of a process that has loaded the forker as gencove_explorer.local.forkers does."""
    code = f"from explorer_runner.start_forker import main\n{WITNESS}"
    done = subprocess.run(
        [interpreter, "-P", "-s", "-c", code],
        capture_output=True,
        text=True,
        check=True,
        cwd="/",
        env={"LANG": "C.UTF-8"},
    )
    modules, threads = done.stdout.splitlines()
    return set(modules.split()), int(threads)


def run_one(forker: ForkerHandle, job, home: Path) -> dict[str, list]:
    """Let a forker run the first job of a submission; returns its reports."""
    store = job.home / "store"
    (home / "scratch" / str(forker.pid)).mkdir(parents=True)
    for folder in ("logs", "outcomes"):
        (store / "analyses" / job.spec.id / folder).mkdir(exist_ok=True)
    facts = {
        "key": "r",
        "store": str(store),
        "analysis": job.spec.id,
        "round": 0,
        "digest": job.digest,
        "claims": str(store / "analyses" / job.spec.id / "logs"),
        "scratch": str(home / "scratch" / str(forker.pid)),
        "environments": str(home / "environments"),
        "uv": "",
        "variables": {"PATH": os.defpath},
    }
    forker.send("round", facts)
    forker.send("start", ["r", 1, [[0, 1]]])
    reports: dict[str, list] = {}
    deadline = time.monotonic() + SECONDS
    while "ended" not in reports:
        assert time.monotonic() < deadline, (home / "forker.log").read_text()
        for report in forker.read():
            for kind, entries in report.items():
                reports.setdefault(kind, []).extend(entries)
        time.sleep(0.01)
    return reports


def test_the_forker_loads_nothing_heavy_and_has_one_thread(runtime: str):
    modules, threads = loaded(runtime)
    assert "explorer_runner.forker" in modules
    assert modules & HEAVY == set()
    assert threads == 1


def test_nor_does_it_where_all_of_that_is_installed():
    modules, threads = loaded(sys.executable)
    assert modules & HEAVY == set()
    assert threads == 1


def test_after_a_job_it_is_still_so(submit_here, forker: ForkerHandle, tmp_path: Path):
    def work(ac):
        import threading

        from obstore.store import MemoryStore

        MemoryStore().put("k", b"x")
        threading.Thread(target=print).start()
        ac.output.value("x", 1)

    job = submit_here(work)
    reports = run_one(forker, job, tmp_path)
    assert reports["ended"] == [["r", 0, 1, True]], job.outcome().reason
    assert job.output().value("x") == 1
    process = psutil.Process(forker.pid)
    assert process.num_threads() == 1
    if sys.platform == "linux":  # elsewhere a process cannot be asked
        libraries = {Path(each.path).name.split(".")[0] for each in process.memory_maps()}
        assert "_json" in libraries
        assert libraries & {"_obstore", "_sqlite3", "_ssl", "_asyncio", "_socket"} == set()


def test_jobs_draw_different_random_numbers(submit_here, forker: ForkerHandle, tmp_path: Path):
    def work(ac):
        import random

        ac.output.value("drawn", random.random())

    job = submit_here(work, 0, 1, 2)
    run_one(forker, job, tmp_path)
    forker.send("start", ["r", 2, [[1, 1], [2, 1]]])
    deadline = time.monotonic() + SECONDS
    outcomes = job.home / "store" / "analyses" / job.spec.id / "outcomes"
    while len(os.listdir(outcomes)) < 3:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    drawn = [json.loads(each.read_bytes())["values"]["drawn"]["json"] for each in outcomes.iterdir()]
    assert len(set(drawn)) == 3
