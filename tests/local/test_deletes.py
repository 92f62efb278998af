"""A deletion that is killed in the middle: the next one, or the scheduler's sweep, removes the rest."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from explorer_runner.stores.base import Store
from explorer_runner.stores.folder import FolderStore
from explorer_runner.stores.uri import open_store
from gencove_explorer.cli import explorer
from gencove_explorer.executors.local.queue import Queue
from gencove_explorer.executors.local.sweeper import DAY_SECONDS, Sweeper
from gencove_explorer.job_manager import JobManager

KEPT = Path(__file__).parents[1] / "data" / "store-format-1"
MEASURE = "2026-11-22T145052_measure_75d748fa8ac940789e3008256fc814ce"


@pytest.fixture(params=["folder", "moto"])
def store(
    request: pytest.FixtureRequest,
    home: Path,
    tmp_path: Path,
    make_bucket: Callable[[str], str],
    monkeypatch: pytest.MonkeyPatch,
) -> Store:
    """A store with analyses that have ended."""
    if request.param == "folder":
        uri = str(shutil.copytree(KEPT, tmp_path / "store"))
        (tmp_path / "store" / ".tmp").mkdir()
    else:
        uri = f"s3://{make_bucket('moto')}/team"
        for path in sorted(each for each in KEPT.rglob("*") if each.is_file()):
            open_store(uri).create(path.relative_to(KEPT).as_posix(), path.read_bytes())
    monkeypatch.setenv("EXPLORER_STORE", uri)
    return open_store(uri)


@dataclass
class Dying:
    """A store in which one can delete so many times, and then no more."""

    store: Store
    times: int

    def __getattr__(self, name: str) -> Any:
        return getattr(self.store, name)

    def delete(self, key: str) -> None:
        self._count()
        self.store.delete(key)

    def delete_tree(self, prefix: str) -> None:
        self._count()
        self.store.delete_tree(prefix)

    def _count(self) -> None:
        if self.times == 0:
            raise KeyboardInterrupt
        self.times -= 1


def run(*arguments: str) -> str:
    done = CliRunner().invoke(explorer, arguments)
    return f"{done.output}{done.exception or ''}"


def keys(store: Store) -> list[str]:
    below = [f"analyses/{MEASURE}/{each}" for each in ("rounds", "outcomes", "logs", "payloads")]
    return [f"{prefix}/{name}" for prefix in below for name in store.list_names(prefix)]


@pytest.mark.parametrize("times", [0, 1, 2])
def test_is_finished_by_the_next_one(store: Store, times: int):
    stored = JobManager().get_analysis(MEASURE)._submitted()
    last = times == 2 and store.local_path("") is not None  # a folder's tree goes at once
    if not last:
        with pytest.raises(KeyboardInterrupt):
            replace(stored, store=Dying(store, times)).delete(list)
        listed = next(line for line in run("list").splitlines() if line.startswith(MEASURE))
        assert ("?" if times else "SUCCEEDED") in listed
        if times:
            assert f"explorer delete {MEASURE}" in run("status", MEASURE)
        assert bool(keys(store)) == (times == 0 or (times == 1 and store.local_path("") is None))
    assert "deleted" in run("delete", MEASURE, "--yes")
    assert keys(store) == []
    assert MEASURE not in run("list")
    assert {an.name for an in JobManager().list_jobs()} == {"stop", "follow"}


def test_what_was_set_aside_is_swept(home: Path, tmp_path: Path):
    folder = shutil.copytree(KEPT, tmp_path / "store")
    (folder / ".tmp").mkdir()
    killed = (
        "import os, sys\n"
        "sys.addaudithook(lambda event, _: event == 'shutil.rmtree' and os.kill(os.getpid(), 9))\n"
        "from gencove_explorer.job_manager import JobManager\n"
        f"JobManager().get_analysis({MEASURE!r}).delete()"
    )
    done = subprocess.run(
        [sys.executable, "-c", killed], env={**os.environ, "EXPLORER_STORE": str(folder)}, check=False
    )
    assert done.returncode == -signal.SIGKILL
    assert not (folder / "analyses" / MEASURE).exists()
    [left] = (folder / ".tmp").iterdir()
    (left / "files").chmod(0o500)
    Sweeper(Queue(home)).sweep_stores([FolderStore(str(folder))])
    assert left.exists()
    Sweeper(Queue(home), lambda: time.time() + DAY_SECONDS + 1).sweep_stores([FolderStore(str(folder))])
    assert list((folder / ".tmp").iterdir()) == []
