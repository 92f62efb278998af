"""Arrays of 10,000 trivial jobs: running, submitting, looking at them."""

import json
import os
import pickle
from pathlib import Path
from typing import Any

from benchmarks.harness import JOBS, fresh_folder, fresh_home, median_of, python, result, timed

# A bare fork that does the same for the work function: the payload is loaded once; each job, a process of
# its own, unpickles function and input, prints to its own log, and writes its outcome by a rename.
_BARE = """
import json, os, pickle, sys, time
import cloudpickle

def work(context):
    print("input", context.input)
    context.values["double"] = context.input * 2

class Context:
    pass

folder, jobs = sys.argv[1], int(sys.argv[2])
os.mkdir(f"{folder}/logs")
os.mkdir(f"{folder}/outcomes")
begin = time.perf_counter()
function = cloudpickle.dumps(work)
inputs = [pickle.dumps(each) for each in range(jobs)]

def job(index):
    started = time.time()
    os.setsid()
    log = os.open(f"{folder}/logs/{index}.txt", os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600)
    os.dup2(log, 1)
    os.dup2(log, 2)
    context = Context()
    context.values = {}
    context.input = pickle.loads(inputs[index])
    pickle.loads(function)(context)
    sys.stdout.flush()
    outcome = {"status": "SUCCEEDED", "index": index, "started": started, "ended": time.time()}
    outcome |= {"values": context.values, "more": "x" * 400}
    part = os.open(f"{folder}/outcomes/.{index}", os.O_CREAT | os.O_WRONLY, 0o600)
    os.write(part, json.dumps(outcome).encode())
    os.rename(f"{folder}/outcomes/.{index}", f"{folder}/outcomes/{index}.json")
    os._exit(0)

running = started = 0
while started < jobs or running:
    while running < 2 and started < jobs:
        if os.fork() == 0:
            job(started)
        started += 1
        running += 1
    os.wait()
    running -= 1
for index in range(jobs):
    with open(f"{folder}/outcomes/{index}.json", "rb") as file:
        assert json.loads(file.read())["values"]["double"] == 2 * index
print(time.perf_counter() - begin)
"""

# The least a fork can be: a process that imports nothing forks one that writes two files.
_LEAST = """
import os, sys, time
folder, jobs = sys.argv[1], int(sys.argv[2])
os.mkdir(f"{folder}/logs")
os.mkdir(f"{folder}/outcomes")
begin = time.perf_counter()
running = started = 0
while started < jobs or running:
    while running < 2 and started < jobs:
        if os.fork() == 0:
            for name, data in (("logs", b"input 2"), ("outcomes", b"x" * 600)):
                file = os.open(f"{folder}/{name}/{started}", os.O_CREAT | os.O_WRONLY, 0o600)
                os.write(file, data)
            os._exit(0)
        started += 1
        running += 1
    os.wait()
    running -= 1
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
    """10,000 jobs from run() to the last value read back, in milliseconds a job.

    ``least`` is a fork that does nothing but write two files.
    """
    folder = fresh_folder()
    with fresh_home():
        seconds, values = timed(lambda: _run().values("double"))
        os.mkdir(f"{folder}/bare")
        os.mkdir(f"{folder}/least")
        floor = float(python(_BARE, f"{folder}/bare", str(JOBS)))
        least = float(python(_LEAST, f"{folder}/least", str(JOBS)))
    if values != [2 * each for each in range(JOBS)]:
        raise RuntimeError("the values are wrong")
    per_job = 1000 / JOBS
    return result("array", per_job * seconds, "ms/job", per_job * floor, least=round(per_job * least, 4))


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
