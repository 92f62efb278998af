"""What the benchmarks share: a home folder of their own, clocks, bare processes."""

import atexit
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

JOBS = 10_000


def result(name: str, value: float, unit: str, floor: float, **more: Any) -> dict[str, Any]:
    """One benchmark's line."""
    return {
        "name": name,
        "value": round(value, 4),
        "unit": unit,
        "floor": round(floor, 4),
        "ratio": round(value / floor, 2) if floor else None,
        **more,
    }


@contextmanager
def fresh_home() -> Iterator[Path]:
    """A home folder of the benchmark's own, with nothing configured; its executor is ended after it.

    It is removed when all benchmarks are done: ext4 takes several times as long to create a file while
    many were deleted in the minutes before.
    """
    for name in list(os.environ):
        if name.startswith("EXPLORER_"):
            del os.environ[name]
    home = fresh_folder()
    os.environ.update(EXPLORER_HOME=str(home), EXPLORER_CPUS="2", EXPLORER_MEMORY_MB="8000")
    try:
        yield home
    finally:
        stop_executor()


def fresh_folder() -> Path:
    """A folder that is removed when all benchmarks are done."""
    folder = Path(tempfile.mkdtemp(prefix="explorer-bench-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def stop_executor() -> None:
    """End scheduler and forkers; nothing runs any more when a benchmark calls this."""
    from gencove_explorer.executors.local.executor import LocalExecutor
    from gencove_explorer.settings import Settings

    executor = LocalExecutor(Settings.load())
    forkers = executor.queue.read_state().get("forkers", [])
    executor.stop()
    deadline = time.monotonic() + 30
    while any(_runs(pid) for pid in forkers) and time.monotonic() < deadline:
        time.sleep(0.01)


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def timed(call: Callable[[], Any]) -> tuple[float, Any]:
    """Seconds that a call takes, and what it returns."""
    begin = time.perf_counter()
    found = call()
    return time.perf_counter() - begin, found


def median_of(count: int, call: Callable[[], float]) -> float:
    return statistics.median(call() for _ in range(count))


def python(code: str, *arguments: str) -> str:
    """Run code in a Python of its own; returns what it printed."""
    command = [sys.executable, "-c", textwrap.dedent(code), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def python_seconds(code: str, *arguments: str) -> float:
    """Seconds that running code in a Python of its own takes, from its start to its end."""
    return timed(lambda: python(code, *arguments))[0]
