"""Files that jobs write, and large inputs."""

import os
import statistics
import tempfile
from typing import Any

from benchmarks.harness import fresh_folder, fresh_home, python, result, timed

_FILES = 200
_BYTES = 1 << 20
_TURNS = 5

# The same files, written and hashed by a pool of processes: outcomes carry a digest of each file.
_POOL = """
import concurrent.futures, hashlib, multiprocessing, os, sys, time

def job(arguments):
    folder, index = arguments
    path = f"{folder}/{index}"
    with open(path, "wb") as file:
        file.write(os.urandom(1 << 20))
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

if __name__ == "__main__":
    folder, count = sys.argv[1], int(sys.argv[2])
    begin = time.perf_counter()
    context = multiprocessing.get_context("fork")
    with concurrent.futures.ProcessPoolExecutor(2, context) as pool:
        list(pool.map(job, [(folder, index) for index in range(count)]))
    print(time.perf_counter() - begin)
"""

_INPUTS = """
import os, resource, sys

class Lazy:
    def __reduce__(self):
        return os.urandom, (1 << 20,)

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

inputs = [os.urandom(1 << 10) * 1024 for _ in range(1000)]
"""

_SUBMIT = (
    _INPUTS
    + """
from gencove_explorer.analysis import Analysis

def work(ac):
    pass

Analysis(function=work, input=[1, 2]).run()
before = peak()
Analysis(function=work, input=inputs).run()
print(peak() - before)
"""
)

_BARE = (
    _INPUTS
    + """
import pickle
before = peak()
with open(sys.argv[1], "wb") as file:
    for each in inputs:
        file.write(pickle.dumps(each))
print(peak() - before)
"""
)


def files() -> dict[str, Any]:
    """200 jobs that each write a file of 1 MB; beside it, a process pool that does the same.

    By turns and several times, because how fast the system hands out memory for files varies a lot.
    """
    from gencove_explorer.analysis import Analysis, JobDefinition

    def work(ac: Any) -> None:
        import os

        with open(ac.output.file("data.bin").as_local(), "wb") as file:
            file.write(os.urandom(1 << 20))

    work.__module__ = "__main__"
    analysis = Analysis(
        function=work, input=list(range(_FILES)), job_definition=JobDefinition(cpu=1, memory_mb=500)
    )

    def run() -> None:
        analysis.run()
        analysis.wait_done()

    seconds, floors = [], []
    folder = fresh_folder()
    with fresh_home():
        Analysis(function=lambda ac: None, name="warm").run()
        for turn in range(_TURNS):
            os.mkdir(f"{folder}/{turn}")
            floors.append(float(python(_POOL, f"{folder}/{turn}", str(_FILES))))
            seconds.append(timed(run)[0])
        sizes = {output.file("data.bin").as_local().stat().st_size for output in analysis.get_outputs()}
    if sizes != {_BYTES}:
        raise RuntimeError("the files are wrong")
    return result("files", statistics.median(seconds), "s", statistics.median(floors))


def inputs() -> dict[str, Any]:
    """Memory that submitting 1,000 inputs of 1 MB takes beyond the caller's own, in MiB."""
    with fresh_home(), tempfile.NamedTemporaryFile() as bare:
        floor = float(python(_BARE, bare.name))
        value = float(python(_SUBMIT))
    return result("inputs", value, "MiB", max(floor, 1.0))
