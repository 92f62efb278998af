"""Files that jobs write, and large inputs."""

import tempfile
from typing import Any

from benchmarks.harness import fresh_home, python, result, timed

_FILES = 200
_BYTES = 1 << 20

# The same files, written and hashed by a pool of processes: outcomes carry a digest of each file.
_POOL = """
import hashlib, multiprocessing, os, sys, time

def job(arguments):
    folder, index = arguments
    data = os.urandom(4096) * 256
    with open(f"{folder}/{index}", "wb") as file:
        file.write(data)
    with open(f"{folder}/{index}", "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

if __name__ == "__main__":
    folder, count = sys.argv[1], int(sys.argv[2])
    begin = time.perf_counter()
    with multiprocessing.get_context("fork").Pool(2) as pool:
        pool.map(job, [(folder, index) for index in range(count)], chunksize=1)
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
    """200 jobs that each write a file of 1 MB; beside it, a process pool that does the same."""
    from gencove_explorer.analysis import Analysis, JobDefinition

    def work(ac: Any) -> None:
        import os

        with open(ac.output.file("data.bin").as_local(), "wb") as file:
            file.write(os.urandom(4096) * 256)

    work.__module__ = "__main__"
    with tempfile.TemporaryDirectory(prefix="explorer-bench-") as folder:
        floor = float(python(_POOL, folder, str(_FILES)))
    with fresh_home():
        Analysis(function=lambda ac: None, name="warm").run()
        analysis = Analysis(
            function=work, input=list(range(_FILES)), job_definition=JobDefinition(cpu=1, memory_mb=500)
        )

        def run() -> None:
            analysis.run()
            analysis.wait_done()

        seconds, _ = timed(run)
        sizes = {output.file("data.bin").as_local().stat().st_size for output in analysis.get_outputs()}
    if sizes != {_BYTES}:
        raise RuntimeError("the files are wrong")
    return result("files", seconds, "s", floor)


def inputs() -> dict[str, Any]:
    """Memory that submitting 1,000 inputs of 1 MB takes beyond the caller's own, in MiB."""
    with fresh_home(), tempfile.NamedTemporaryFile() as bare:
        floor = float(python(_BARE, bare.name))
        value = float(python(_SUBMIT))
    return result("inputs", value, "MiB", max(floor, 1.0))
