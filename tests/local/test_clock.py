"""A clock that jumps: by a day forwards and back while jobs run, under scheduler, forker and jobs."""

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from gencove_explorer.analysis import Analysis, GlobalConfig, JobDefinition
from gencove_explorer.executors.host.runtime import find_runtime
from gencove_explorer.executors.local.executor import LocalExecutor
from gencove_explorer.settings import Settings
from support.waiting import eventually

DAY = 86_400

# Imported by every interpreter below: the system's clock, as much too late as the file beside this says.
_JUMPING = """
import pathlib, time

_true, _offset = time.time, pathlib.Path(__file__).with_name("offset")

def _jumping():
    return _true() + float(_offset.read_text())

time.time = _jumping
time.time_ns = lambda: int(1e9 * _jumping())
"""


def works(ac):
    import os
    import pathlib
    import time

    folder = pathlib.Path(ac.global_config.folder)
    with open(folder / "executed", "a") as file:
        file.write(f"{ac.job_index} {int(time.time())}\n")
    while not (folder / "end").exists():
        time.sleep(0.02)
    ac.output.value("pid", os.getpid())


@pytest.fixture
def jump(
    environment: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[int], None]:
    """A function that sets how many seconds every clock of a new home is too late."""
    home = tmp_path / "own"
    home.mkdir(mode=0o700)
    runtime = Path(find_runtime(home))
    environment("own")
    clock = tmp_path / "clock"
    clock.mkdir()
    (clock / "sitecustomize.py").write_text(_JUMPING)
    (clock / "offset").write_text("0")
    [packages] = runtime.parent.parent.glob("lib/*/site-packages")
    (packages / "jumping.pth").write_text(
        f"import sys; sys.path.insert(0, {str(clock)!r}); import sitecustomize\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(clock))

    def set_offset(seconds: int) -> None:
        part = clock / "part"
        part.write_text(str(seconds))
        part.rename(clock / "offset")

    return set_offset


def test_a_clock_that_jumps_ends_no_job_and_runs_none_twice(jump: Callable[[int], None], tmp_path: Path):
    definition = JobDefinition(cpu=1, memory_mb=300, timeout_seconds=600)
    an = Analysis(
        function=works,
        input=[0, 1, 2, 3],
        global_config=GlobalConfig(folder=str(tmp_path)),
        job_definition=definition,
    )
    an.run()
    executed = tmp_path / "executed"
    eventually(lambda: executed.exists() and len(executed.read_text().splitlines()) == 2)
    jump(DAY)
    queue = LocalExecutor(Settings.load()).queue
    first = queue.read_state()["pid"]
    os.kill(first, signal.SIGKILL)  # the next one adopts what runs, and reckons how long it has run
    eventually(lambda: an.status() and queue.read_state().get("pid", first) != first)
    eventually(lambda: queue.read_state().get("running") == 2)
    jump(-DAY)
    (tmp_path / "end").touch()
    an.wait_done(timeout=60)
    assert an.status()["jobs"] == {"SUCCEEDED": 4}
    lines = [line.split() for line in executed.read_text().splitlines()]
    assert sorted(index for index, _ in lines) == ["0", "1", "2", "3"]
    days = [int(when) // DAY for _, when in lines]
    assert max(days) - min(days) >= 1  # the jobs' clock did jump
    assert len(set(an.values("pid"))) == 4
