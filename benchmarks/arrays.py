"""Arrays of 10,000 trivial jobs: running, submitting, looking at them."""

import json
import os
import pickle
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.harness import JOBS, fresh_home, median_of, python, result, timed

# The least that keeps what we keep: a process a job, with its own log, status and value on disk.
_BARE = """
import json, os, sys, time
folder, jobs = sys.argv[1], int(sys.argv[2])
outcome = json.dumps({"status": "SUCCEEDED", "values": {"double": {"json": 4}}, "more": "x" * 420}).encode()
os.mkdir(f"{folder}/logs"); os.mkdir(f"{folder}/outcomes")
begin = time.perf_counter()
running = started = 0
while started < jobs or running:
    while running < 2 and started < jobs:
        if os.fork() == 0:
            log = os.open(f"{folder}/logs/{started}", os.O_CREAT | os.O_WRONLY, 0o600)
            os.write(log, b"input 2\\n")
            part = os.open(f"{folder}/outcomes/.{started}", os.O_CREAT | os.O_WRONLY, 0o600)
            os.write(part, outcome)
            os.rename(f"{folder}/outcomes/.{started}", f"{folder}/outcomes/{started}")
            os._exit(0)
        started += 1
        running += 1
    os.wait()
    running -= 1
for index in range(jobs):
    with open(f"{folder}/outcomes/{index}", "rb") as file:
        json.loads(file.read())["values"]["double"]
print(time.perf_counter() - begin)
"""


def work(ac: Any) -> None:
    print("input", ac.input)
    ac.output.value("double", ac.input * 2)


def _analysis() -> Any:
    from gencove_explorer.analysis import Analysis, JobDefinition

    work.__module__ = "__main__"
    definition = JobDefinition(cpu=1, memory_mb=500)
    return Analysis(function=work, input=list(range(JOBS)), job_definition=definition)


def _run() -> Any:
    analysis = _analysis()
    analysis.run()
    analysis.wait_done()
    return analysis


def array() -> dict[str, Any]:
    """10,000 jobs from run() to the last value read back, in milliseconds a job."""
    with tempfile.TemporaryDirectory(prefix="explorer-bench-") as folder:
        floor = float(python(_BARE, folder, str(JOBS)))
    with fresh_home():
        seconds, values = timed(lambda: _run().values("double"))
    if values != [2 * each for each in range(JOBS)]:
        raise RuntimeError("the values are wrong")
    return result("array", 1000 * seconds / JOBS, "ms/job", 1000 * floor / JOBS)


def submit() -> dict[str, Any]:
    """run() of 10,000 inputs; beside it, pickling them and writing one file."""
    with fresh_home() as home:
        floor = median_of(5, lambda: timed(lambda: _write_inputs(home))[0])
        warm = _analysis()
        warm.input = [1, 2]
        warm.run()
        warm.wait_done()
        before = _files(home)
        analysis = _analysis()
        analysis.depends_on = [_sleeper()]
        analysis.depends_on[0].run()
        before = _files(home)
        seconds, _ = timed(analysis.run)
        files = _files(home) - before
        analysis.terminate_all()
        analysis.depends_on[0].terminate_all()
        analysis.wait_done()
    return result("submit", seconds, "s", floor, files=files)


def status() -> dict[str, Any]:
    """The state of 10,000 jobs; beside it, listing the two folders that tell it."""
    with fresh_home() as home:
        analysis = _run()
        folder = home / "store" / "analyses" / analysis.id
        floor = median_of(
            9, lambda: timed(lambda: [os.listdir(folder / each) for each in ("outcomes", "logs")])[0]
        )
        value = median_of(9, lambda: timed(analysis.status)[0])
    return result("status", 1000 * value, "ms", 1000 * floor)


def values() -> dict[str, Any]:
    """All 10,000 values; beside it, opening and parsing the files that hold them."""
    with fresh_home() as home:
        analysis = _run()
        folder = home / "store" / "analyses" / analysis.id / "outcomes"
        floor = median_of(5, lambda: timed(lambda: [_load(path) for path in os.scandir(folder)])[0])
        value = median_of(5, lambda: timed(lambda: analysis.values("double"))[0])
    return result("values", value, "s", floor)


def _load(path: Any) -> Any:
    with open(path, "rb") as file:
        return json.loads(file.read())


def _write_inputs(home: Path) -> None:
    with open(home / "inputs", "wb") as file:
        for each in range(JOBS):
            file.write(pickle.dumps(each))


def _files(home: Path) -> int:
    return sum(len(names) for folder, _, names in os.walk(home / "store") if "/.tmp" not in folder)


def _sleeper() -> Any:
    from gencove_explorer.analysis import Analysis, JobDefinition

    return Analysis(
        function=lambda ac: __import__("time").sleep(60),
        name="sleeper",
        job_definition=JobDefinition(cpu=2, memory_mb=500),
    )
