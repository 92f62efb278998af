"""Checkpoints in a store: whole or the one before, whatever happens in between."""

import json
import os
from pathlib import Path

import pytest

from explorer_runner.errors import StoreError
from explorer_runner.files.checkpoint import Checkpoint, save_left
from explorer_runner.format.keys import AttemptId, checkpoint_key, checkpoints_prefix
from explorer_runner.stores.base import Store
from explorer_runner.stores.uri import open_store

ID = "2026-11-22T145052_measure_75d748fa8ac940789e3008256fc814ce"


def attempt_at(store: Store, folder: Path, number: int, round: int = 0) -> Checkpoint:
    checkpoint = Checkpoint(store, ID, AttemptId(4, round, number), str(folder / f"{round}.{number}"))
    checkpoint.interval_seconds = 0
    return checkpoint


def stored(store: Store) -> tuple[list[str], int]:
    prefix = checkpoints_prefix(ID, 4)
    return store.list_names(prefix), len(store.list_names(f"{prefix}/files"))


def test_the_next_attempt_finds_all_of_it_and_the_newest_counts(store_uri: str, tmp_path: Path):
    store = open_store(store_uri)
    first = attempt_at(store, tmp_path, 1)
    assert not first.restored
    (first.path / "tree").mkdir()
    (first.path / "tree" / "a").write_text("a")
    script = first.path / "run.sh"
    script.write_text("#!")
    script.chmod(0o700)
    first.save()
    (first.path / "tree" / "a").write_text("b")
    first.save()
    first.save()  # nothing has changed
    second = attempt_at(store, tmp_path, 2)
    assert second.restored
    assert (second.path / "tree" / "a").read_text() == "b"
    assert os.access(second.path / "run.sh", os.X_OK)
    assert not os.access(second.path / "tree" / "a", os.X_OK)
    (second.path / "tree" / "a").unlink()
    second.save()
    later = attempt_at(store, tmp_path, 1, round=1)
    assert [path.name for path in later.path.iterdir() if path.is_file()] == ["run.sh"]


def test_what_has_not_changed_is_not_stored_again_and_old_ones_go(tmp_path: Path):
    store = open_store(str(tmp_path / "store"))
    checkpoint = attempt_at(store, tmp_path, 1)
    for name in "abc":
        (checkpoint.path / name).write_text("same")
    checkpoint.save()
    assert stored(store) == (["0-1-1.json"], 1)
    (checkpoint.path / "a").write_text("other")
    checkpoint.save()
    assert stored(store) == (["0-1-2.json"], 2)


def test_a_damaged_one_is_left_for_the_one_before(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    store = open_store(str(tmp_path / "store"))
    first = attempt_at(store, tmp_path, 1)
    (first.path / "state").write_text("good")
    first.save()
    for number, record in enumerate(
        [b"{", b'{"format": 1, "files": [{"path": "../out", "size": 1, "sha256": "00"}]}',
         json.dumps({"format": 1, "files": [{"path": "x", "size": 1, "sha256": "ab" * 32}]}).encode()]
    ):  # fmt: skip
        store.create(checkpoint_key(ID, AttemptId(4, 0, 2), number + 1), record)
    again = attempt_at(store, tmp_path, 3)
    assert (again.path / "state").read_text() == "good"
    assert capsys.readouterr().err.count("cannot be restored") == 3
    assert not (tmp_path / "out").exists()


def test_links_are_left_out(tmp_path: Path):
    store = open_store(str(tmp_path / "store"))
    secret = tmp_path / "secret"
    secret.write_text("secret")
    first = attempt_at(store, tmp_path, 1)
    (first.path / "link").symlink_to(secret)
    (first.path / "state").write_text("s")
    first.save()
    assert [path.name for path in attempt_at(store, tmp_path, 2).path.iterdir()] == ["state"]


def test_who_survives_saves_what_was_left(tmp_path: Path):
    store = open_store(str(tmp_path / "store"))
    first = attempt_at(store, tmp_path, 1)
    (first.path / "state").write_text("saved")
    first.save()
    (first.path / "more").write_text("left")
    save_left(store, ID, AttemptId(4, 0, 1), str(tmp_path / "0.1"))
    save_left(store, ID, AttemptId(4, 0, 9), str(tmp_path / "none"))
    again = attempt_at(store, tmp_path, 2)
    assert {path.name: path.read_text() for path in again.path.iterdir()} == {
        "state": "saved",
        "more": "left",
    }


def test_what_was_being_restored_is_not_taken_for_a_newer_one(tmp_path: Path):
    store = open_store(str(tmp_path / "store"))
    first = attempt_at(store, tmp_path, 1)
    (first.path / "state").write_text("saved")
    first.save()
    (tmp_path / "0.2" / "checkpoint.new").mkdir(parents=True)  # its process was killed just then
    save_left(store, ID, AttemptId(4, 0, 2), str(tmp_path / "0.2"))
    assert (attempt_at(store, tmp_path, 3).path / "state").read_text() == "saved"


def test_a_save_that_fails_leaves_the_one_before(tmp_path: Path):
    class Full:
        def __init__(self, store: Store) -> None:
            self._store = store

        def __getattr__(self, name: str) -> object:
            return getattr(self._store, name)

        def put_file(self, *arguments: object, **more: object) -> None:
            raise StoreError("the disk is full")

    store = open_store(str(tmp_path / "store"))
    first = attempt_at(store, tmp_path, 1)
    (first.path / "state").write_text("good")
    first.save()
    (first.path / "state").write_text("better")
    first._store = Full(store)  # type: ignore[assignment]
    with pytest.raises(StoreError, match="disk is full"):
        first.save()
    assert (attempt_at(store, tmp_path, 2).path / "state").read_text() == "good"


def test_it_saves_itself_now_and_then(tmp_path: Path):
    store = open_store(str(tmp_path / "store"))
    first = attempt_at(store, tmp_path, 1)
    (first.path / "state").write_text("s")
    first.interval_seconds = 0.01
    while not stored(store)[0]:
        first._changed.wait(0.01)
    first.interval_seconds = 0
