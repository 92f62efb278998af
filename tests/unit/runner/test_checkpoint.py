"""Checkpoints in a store: whole or the one before, whatever happens in between."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from explorer_runner.errors import InvalidArgument, StoreError
from explorer_runner.files.checkpoint import Checkpoint, close, forget, save_left
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
         json.dumps({"format": 1, "files": [{"path": "x", "size": 1, "sha256": "ab" * 32}]}).encode(),
         json.dumps({"format": 1, "files": [{"path": path, "size": 1, "sha256": "ab" * 32}
                                            for path in ("x", "x/y")]}).encode()]
    ):  # fmt: skip
        store.create(checkpoint_key(ID, AttemptId(4, 0, 2), number + 1), record)
    again = attempt_at(store, tmp_path, 3)
    assert (again.path / "state").read_text() == "good"
    assert capsys.readouterr().err.count("cannot be restored") == 4
    assert not (tmp_path / "out").exists()


def test_links_are_left_out_and_the_log_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    store = open_store(str(tmp_path / "store"))
    secret = tmp_path / "secret"
    secret.write_text("secret")
    first = attempt_at(store, tmp_path, 1)
    (first.path / "link").symlink_to(secret)
    (first.path / "folder").symlink_to(tmp_path)
    (first.path / "state").write_text("s")
    first.save()
    first.save()
    said = capsys.readouterr().err.splitlines()
    assert sorted(line for line in said if "links are not kept" in line) == [
        "explorer: links are not kept in a checkpoint: folder",
        "explorer: links are not kept in a checkpoint: link",
    ]
    assert said[-1] == "explorer: saved a checkpoint of 1 file, 1 bytes"
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
    first._records._store = Full(store)  # type: ignore[assignment]
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


SAVES_AND_DIES = """
import os, signal, sys
from pathlib import Path
from explorer_runner.files.checkpoint import Checkpoint
from explorer_runner.format.keys import AttemptId
from explorer_runner.stores.folder import FolderStore

class Dies(FolderStore):
    left = 1 << 30
    def step(self):
        self.left -= 1
        if self.left < 0:
            os.kill(os.getpid(), signal.SIGKILL)
    def put_file(self, *arguments, **more):
        self.step()
        super().put_file(*arguments, **more)
        self.step()
    def create(self, *arguments):
        self.step()
        super().create(*arguments)
        self.step()
    def delete(self, *arguments):
        self.step()
        super().delete(*arguments)

store = Dies(sys.argv[1])
checkpoint = Checkpoint(store, sys.argv[2], AttemptId(4, 0, 1), sys.argv[3])
for text in ("old", "new"):
    for name in "abc":
        (checkpoint.path / name).write_text(text + name)
    store.left = 1 << 30 if text == "old" else int(sys.argv[4])
    checkpoint.save()
"""


def test_killed_at_any_step_of_a_save_it_is_whole(tmp_path: Path):
    seen = []
    for step in range(14):
        uri = str(tmp_path / f"store{step}")
        done = subprocess.run(
            [sys.executable, "-c", SAVES_AND_DIES, uri, ID, str(tmp_path / f"job{step}"), str(step)],
            timeout=60,
        )
        restored = attempt_at(open_store(uri), tmp_path / f"then{step}", 2)
        texts = {path.name: path.read_text() for path in restored.path.iterdir()}
        assert {*texts} == {*"abc"}
        assert len({text[:3] for text in texts.values()}) == 1, "of two checkpoints"
        seen.append((done.returncode, texts["a"][:3]))
    assert seen[0] == (-signal.SIGKILL, "old")
    assert seen[-1] == (0, "new")
    assert (-signal.SIGKILL, "new") in seen


def test_of_two_attempts_at_once_the_later_counts_and_keeps_its_files(store_uri: str, tmp_path: Path):
    store = open_store(store_uri)
    first = attempt_at(store, tmp_path, 1)
    (first.path / "state").write_text("1")
    first.save()
    second = attempt_at(store, tmp_path, 2)
    (second.path / "state").write_text("2")
    (second.path / "more").write_text("of the second")
    second.save()
    (first.path / "state").write_text("late")  # its machine was taken away, and yet it goes on
    first.save()
    third = attempt_at(store, tmp_path, 3)
    assert {path.name: path.read_text() for path in third.path.iterdir()} == {
        "state": "2",
        "more": "of the second",
    }


def test_a_folder_that_is_about_to_go_is_not_saved(tmp_path: Path):
    store = open_store(str(tmp_path / "store"))
    first = attempt_at(store, tmp_path, 1)
    for name in "ab":
        (first.path / name).write_text(name)
    first.save()
    close(first)
    (first.path / "a").unlink()
    first.save()
    assert sorted(path.name for path in attempt_at(store, tmp_path, 2).path.iterdir()) == ["a", "b"]


def test_what_has_not_changed_is_not_read_again_unless_it_may_have_changed(tmp_path: Path):
    store = open_store(str(tmp_path / "store"))
    first = attempt_at(store, tmp_path, 1)
    large = first.path / "large"
    large.write_text("of before")
    first.save()
    os.utime(large, (1, 1))
    (first.path / "a").write_text("a")
    first.save()
    assert "large" not in first._records._settled  # it was touched just now
    with open(large, "r+") as file:
        file.write("OF")
    os.utime(large, (1, 1))  # as rsync and tar would
    first.save()
    assert (attempt_at(store, tmp_path, 2).path / "large").read_text() == "OF before"
    first._records.settled_seconds = -60.0
    first.save()
    assert sorted(first._records._settled) == ["a", "large"]
    (first.path / "a").rename(first.path / "b")
    first.save()
    assert sorted(first._records._settled) == ["b", "large"]
    assert (attempt_at(store, tmp_path, 3).path / "b").read_text() == "a"


def test_after_a_success_there_is_none_left_where_jobs_may_remove(tmp_path: Path):
    store = open_store(str(tmp_path / "store"))
    first = attempt_at(store, tmp_path, 1)
    (first.path / "state").write_text("s")
    first.save()
    forget(store, ID, AttemptId(4, 0, 1), str(tmp_path / "0.1"))
    assert stored(store) == ([], 0)


def test_a_full_disk_is_said_with_what_holds(tmp_path: Path):
    """A limit of the file's size stands in for it."""
    code = """
import resource, signal, sys
from explorer_runner.errors import StoreError
from explorer_runner.files.checkpoint import Checkpoint
from explorer_runner.format.keys import AttemptId
from explorer_runner.stores.folder import FolderStore
checkpoint = Checkpoint(FolderStore(sys.argv[1]), sys.argv[2], AttemptId(4, 0, 1), sys.argv[3])
(checkpoint.path / "state").write_text("s")
checkpoint.save()
(checkpoint.path / "large").write_bytes(bytes(1 << 20))
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 10, 1 << 10))
try:
    checkpoint.save()
except StoreError as error:
    print(error)
"""
    command = [sys.executable, "-c", code, str(tmp_path / "store"), ID, str(tmp_path / "job")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.stdout.startswith(
        "the checkpoint could not be saved, and the one before it holds: [Errno 27]"
    )
    assert not (tmp_path / "job" / "checkpoint.part").exists()
    again = attempt_at(open_store(str(tmp_path / "store")), tmp_path, 2)
    assert [path.name for path in again.path.iterdir()] == ["state"]


@pytest.mark.parametrize("seconds", [-1, float("nan"), float("inf"), True, "5"])
def test_seconds_that_are_none_are_refused(tmp_path: Path, seconds: float):
    checkpoint = Checkpoint(open_store(str(tmp_path)), ID, AttemptId(4, 0, 1), str(tmp_path / "job"))
    with pytest.raises(InvalidArgument, match="interval_seconds"):
        checkpoint.interval_seconds = seconds


def test_nothing_happens_before_its_folder_is_looked_at(tmp_path: Path):
    checkpoint = Checkpoint(
        open_store(str(tmp_path / "store")), ID, AttemptId(4, 0, 1), str(tmp_path / "job")
    )
    checkpoint.interval_seconds = 60
    close(checkpoint)
    assert list(tmp_path.iterdir()) == []


def test_a_second_process_of_the_job_is_told_to_use_the_first_ones(tmp_path: Path):
    store = open_store(str(tmp_path / "store"))
    (attempt_at(store, tmp_path, 1).path / "state").write_text("s")
    with pytest.raises(StoreError, match="hand them its path"):
        attempt_at(store, tmp_path, 1).path  # noqa: B018  looks at it
