"""run_local as other processes see it: held before it is listed, and nothing that runs is closed."""

import os
from pathlib import Path
from typing import Any

import pytest

from explorer_runner.attempt import claim
from explorer_runner.format.keys import AttemptId, logs_prefix, round_key
from explorer_runner.stores.folder import FolderStore
from gencove_explorer.executors.foreground.executor import ForegroundExecutor
from gencove_explorer.executors.foreground.round_lock import GONE, is_round_locked
from gencove_explorer.records.closed import read_closed
from gencove_explorer.records.index import IndexRecord
from gencove_explorer.records.round import RoundRecord, Rounds
from gencove_explorer.settings import Settings

ID = "2026-11-25T080000_work_17eb494f3d5349c88959bace7a6b7873"
RECORD = RoundRecord(
    id=ID, round=0, executor="foreground", indices=None, jobs=2, payload="0" * 64, submitted=1.0
)
INDEX = IndexRecord(
    id=ID, name="work", user="ada", submitted=1.0, jobs=2, array=True, executor="foreground", python="3.11"
)


class Watched(FolderStore):
    """Notes whether the round was held when its analysis was listed."""

    held_when_listed: bool | None = None

    def create(self, key: str, data: bytes) -> None:
        if key.startswith("index/"):
            self.held_when_listed = is_round_locked(self, RECORD)
        super().create(key, data)


@pytest.fixture
def store(tmp_path: Path) -> Watched:
    store = Watched(str(tmp_path / "store"))
    store.make_folders(logs_prefix(ID))
    store.create(round_key(ID, 0), RECORD.to_json())
    return store


@pytest.fixture
def executor(tmp_path: Path) -> Any:
    return ForegroundExecutor(Settings.load({"EXPLORER_HOME": str(tmp_path / "home")}, tmp_path))


def test_it_is_held_before_it_is_listed(executor: Any, store: Watched):
    executor._begin = lambda store, record, settings: lambda position: pytest.fail("nothing is started")
    executor.submit(store, RECORD, INDEX)
    assert store.held_when_listed is True
    _, lock = executor._ready[ID]
    lock.close()
    assert not is_round_locked(store, RECORD)


def test_when_it_is_gone_what_still_runs_is_not_closed(executor: Any, store: Watched):
    logs = f"{store.root}/{logs_prefix(ID)}"
    held = claim.claim(logs, f"{logs}/{AttemptId(0, 0, 1).stem}.txt")
    states, reason = executor.job_states(Rounds(store, ID, [RECORD]), [], [0, 1])
    assert (states, reason) == ({0: "STARTING", 1: "FAILED"}, GONE)
    assert list(read_closed(store, ID)[0]) == [1]
    os.close(held)
