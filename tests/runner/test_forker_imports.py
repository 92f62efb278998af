"""The forker stays small: every fork would pay for what it loads, and some of that must not fork."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from explorer_runner.format.keys import payload_key
from gencove_explorer.executors.host.runtime import find_runtime
from gencove_explorer.executors.local.forkers import ForkerHandle
from gencove_explorer.executors.local.rounds import Ground

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
    """Modules and threads of a process that has loaded the forker as the scheduler starts it."""
    code = f"from explorer_runner.forker.start import main\n{WITNESS}"
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


def announce(forker: ForkerHandle, job, home: Path) -> None:
    """Tell a forker of a submission, as round "r"."""
    store = job.home / "store"
    (home / "scratch" / str(forker.pid)).mkdir(parents=True, exist_ok=True)
    for folder in ("logs", "outcomes"):
        (store / "analyses" / job.spec.id / folder).mkdir(exist_ok=True)
    forker.send("round", round_of(forker, job, home))


def round_of(forker: ForkerHandle, job, home: Path) -> dict[str, Any]:
    store = job.home / "store"
    return {
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


def reports_until(kind: str, forker: ForkerHandle, home: Path) -> dict[str, list]:
    """What a forker reports until there is one of a kind."""
    reports: dict[str, list] = {}
    deadline = time.monotonic() + SECONDS
    while kind not in reports:
        assert time.monotonic() < deadline, (home / "forker.log").read_text()
        for report in forker.read():
            for each, entries in report.items():
                reports.setdefault(each, []).extend(entries)
        time.sleep(0.01)
    return reports


def run_one(forker: ForkerHandle, job, home: Path) -> dict[str, list]:
    """Let a forker run the first job of a submission; returns its reports."""
    announce(forker, job, home)
    forker.send("start", ["r", 1, [[0, 1]]])
    return reports_until("ended", forker, home)


def test_the_forker_loads_nothing_heavy_and_has_one_thread(runtime: str):
    modules, threads = loaded(runtime)
    assert "explorer_runner.forker.server" in modules
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


def test_a_payload_that_was_opened_is_reported_though_no_job_may_start(
    submit_here, forker: ForkerHandle, tmp_path: Path
):
    job = submit_here(lambda ac: ac.output.value("x", 1))
    announce(forker, job, tmp_path)
    forker.send("start", ["r", 0, [[0, 1]]])
    assert reports_until("opened", forker, tmp_path) == {"opened": ["r"]}
    forker.send("start", ["r", 1, []])
    assert reports_until("ended", forker, tmp_path)["ended"] == [["r", 0, 1, True]]


def test_a_payload_whose_store_is_away_may_be_asked_for_again(
    submit_here, forker: ForkerHandle, tmp_path: Path
):
    job = submit_here(lambda ac: ac.output.value("x", 1))
    store, away = job.home / "store", job.home / "away"
    announce(forker, job, tmp_path)
    reports_until("opened", forker, tmp_path)
    forker.send("forget", "r")
    store.rename(away)
    forker.send("round", round_of(forker, job, tmp_path))
    [[key, reason, silent]] = reports_until("unopened", forker, tmp_path)["unopened"]
    assert (key, silent) == ("r", True)
    assert "is not there" in reason
    away.rename(store)
    assert run_one(forker, job, tmp_path)["ended"] == [["r", 0, 1, True]]


def test_a_payload_that_is_missing_is_never_opened(submit_here, forker: ForkerHandle, tmp_path: Path):
    job = submit_here(lambda ac: ac.output.value("x", 1))
    (job.home / "store" / payload_key(job.spec.id, 0)).unlink()
    announce(forker, job, tmp_path)
    [[key, reason]] = reports_until("broken", forker, tmp_path)["broken"]
    assert key == "r"
    assert "payloads/0.zip" in reason
