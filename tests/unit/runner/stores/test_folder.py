"""A store in a folder: private, whole or not at all, nothing left behind, one winner."""

import errno
import os
import stat
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from explorer_runner.errors import AlreadyExists, NotFound, StoreError
from explorer_runner.stores.base import RAISE, WAIT
from explorer_runner.stores.folder import MARK, FolderStore


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    return FolderStore(str(tmp_path / "store"))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "file"
    path.write_bytes(b"content")
    path.chmod(0o664)
    return path


def modes(root: str) -> dict[str, int]:
    """Path below the root -> rights, of all that there is."""
    found = {".": stat.S_IMODE(os.stat(root).st_mode)}
    for parent, folders, names in os.walk(root):
        for name in folders + names:
            path = os.path.join(parent, name)
            found[os.path.relpath(path, root)] = stat.S_IMODE(os.stat(path).st_mode)
    return found


def leftovers(store: FolderStore) -> list[str]:
    return os.listdir(f"{store.root}/.tmp")


@pytest.mark.parametrize("umask", [0o000, 0o022])
def test_everything_is_private_whatever_the_umask(store: FolderStore, file: Path, umask: int):
    old = os.umask(umask)
    try:
        store.create("a/b/created", b"x")
        store.put_file("a/kept", file)
        store.put_file("a/moved", file, move=True)
        store.make_folders("made/early")
    finally:
        os.umask(old)
    assert modes(store.root) == {
        ".": 0o700,
        ".explorer-store": 0o700,
        ".tmp": 0o700,
        "a": 0o700,
        "a/b": 0o700,
        "a/b/created": 0o600,
        "a/kept": 0o400,
        "a/moved": 0o400,
        "made": 0o700,
        "made/early": 0o700,
    }


@pytest.mark.parametrize("move", [False, True])
def test_an_executable_file_stays_one(store: FolderStore, file: Path, move: bool):
    file.chmod(0o755)
    store.put_file("tool", file, move=move)
    assert modes(store.root)["tool"] == 0o500


def test_moving_a_file_copies_nothing(store: FolderStore, file: Path):
    inode = file.stat().st_ino
    store.put_file("k", file, move=True)
    assert store.local_path("k").stat().st_ino == inode
    assert not file.exists()


def test_a_file_of_another_file_system_is_copied_though_it_may_be_moved(store: FolderStore):
    other = Path("/dev/shm", f"explorer-test-{os.getpid()}")
    other.write_bytes(b"content")
    try:
        store.put_file("k", other, move=True)
        assert store.read("k") == b"content"
        assert modes(store.root)["k"] == 0o400
        assert leftovers(store) == []
    finally:
        other.unlink(missing_ok=True)


@pytest.mark.parametrize("move", [False, True])
def test_a_file_is_kept_once_and_the_second_one_stays_where_it_is(store: FolderStore, file: Path, move: bool):
    store.create("k", b"first")
    with pytest.raises(AlreadyExists, match="k is in the store"):
        store.put_file("k", file, move=move)
    assert store.read("k") == b"first"
    assert file.read_bytes() == b"content"
    assert leftovers(store) == []


def test_nothing_is_left_after_failures(store: FolderStore, file: Path):
    store.create("k", b"")
    store.create("folder/x", b"")
    for key in ("k", "k/below", "folder"):
        with pytest.raises(StoreError, match=key):
            store.create(key, b"x")
        with pytest.raises(StoreError, match=key):
            store.put_file(key, file)
    with pytest.raises(StoreError):
        store.put_file("new", file.with_name("gone"))
    assert leftovers(store) == []
    assert not store.exists("new")


def test_a_write_that_fails_halfway_leaves_nothing(store: FolderStore):
    code = f"""
import resource, sys
from pathlib import Path
from explorer_runner.errors import StoreError
from explorer_runner.stores.folder import FolderStore
store = FolderStore({store.root!r})
Path(sys.argv[1]).write_bytes(bytes(5000))
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
for attempt in (lambda: store.create("k", bytes(5000)), lambda: store.put_file("k", Path(sys.argv[1]))):
    try:
        attempt()
    except StoreError as error:
        print(error)
"""
    done = subprocess.run(
        [sys.executable, "-c", code, f"{store.root}.data"],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert done.stdout.count(f"k in the store {store.root}: [Errno {errno.EFBIG}]") == 2
    assert leftovers(store) == []
    assert not store.exists("k")


def test_a_full_disk_is_said_with_what_is_needed_and_free(store: FolderStore):
    store.create("k", b"")
    said = str(store._translate(OSError(errno.ENOSPC, "No space left on device"), "k", 12345))
    assert said.startswith(f"k in the store {store.root}: the disk is full (12,345 bytes needed, ")
    assert said.endswith(" free): make room, then retry")


def test_an_object_is_never_seen_half_written(store: FolderStore):
    watch = """
import sys
from explorer_runner.errors import NotFound
from explorer_runner.stores.folder import FolderStore
store = FolderStore(sys.argv[1])
print("ready", flush=True)
for n in range(40):
    while True:
        try:
            found = store.read(f"k/{n}")
            break
        except NotFound:
            pass
    if len(found) != 1 << 20:
        sys.exit(f"{len(found)} bytes")
"""
    with subprocess.Popen(
        [sys.executable, "-c", watch, store.root], stdout=subprocess.PIPE, text=True
    ) as watcher:
        assert watcher.stdout is not None
        watcher.stdout.readline()
        for n in range(40):
            store.create(f"k/{n}", bytes(1 << 20))
        assert watcher.wait(60) == 0


def test_of_many_processes_that_create_one_key_one_wins(store: FolderStore):
    code = """
import sys
from explorer_runner.errors import AlreadyExists
from explorer_runner.stores.folder import FolderStore
store = FolderStore(sys.argv[1])
print("ready", flush=True)
sys.stdin.readline()
for n in range(200):
    try:
        store.create(f"k/{n}", sys.argv[2].encode())
        print(n, flush=True)
    except AlreadyExists:
        pass
"""
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", code, store.root, str(number)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(4)
    ]
    for racer in racers:
        assert racer.stdout is not None
        assert racer.stdout.readline() == "ready\n"
    won: dict[int, str] = {}
    for racer in racers:
        assert racer.stdin is not None
        racer.stdin.write("\n")
        racer.stdin.flush()
    for number, racer in enumerate(racers):
        out, _ = racer.communicate(timeout=60)
        assert racer.returncode == 0
        for n in map(int, out.split()):
            assert n not in won
            won[n] = str(number)
    assert {n: store.read(f"k/{n}").decode() for n in range(200)} == won
    assert leftovers(store) == []


def test_what_a_killed_process_left_is_no_hindrance(store: FolderStore):
    os.makedirs(f"{store.root}/.tmp")
    for n in range(1000):
        Path(f"{store.root}/.tmp/{os.getpid()}-{n}").write_bytes(b"left")
    store.create("k", b"x")
    assert store.read("k") == b"x"


def test_the_temporary_folder_may_be_swept_away(store: FolderStore):
    store.create("a", b"1")
    os.rmdir(f"{store.root}/.tmp")
    store.create("b", b"2")
    assert store.list_names("") == ["a", "b"]


# -- a root that is away ------------------------------------------------------------------------------

READS = [
    lambda store: store.read("a"),
    lambda store: store.read_range("a", 0, 1),
    lambda store: store.get_file("a", Path(store.root).with_name("fetched")),
    lambda store: store.exists("a"),
    lambda store: store.list_names("a"),
    lambda store: store.list_folders("a"),
    lambda store: store.delete("a"),
    lambda store: store.delete_tree("a"),
]
WRITES = [
    lambda store: store.create("a/b", b""),
    lambda store: store.put_file("a/c", Path(__file__)),
    lambda store: store.make_folders("a"),
]


def away(store: FolderStore, *, mount_point: bool) -> None:
    os.rename(store.root, f"{store.root}-away")
    if mount_point:
        os.mkdir(store.root)


@pytest.mark.parametrize("mount_point", [False, True])
@pytest.mark.parametrize("step", [*READS, *WRITES])
def test_of_one_that_is_away_nothing_is_missing_and_nothing_is_made(
    store: FolderStore, step: Callable[[FolderStore], object], mount_point: bool
):
    store.create("first", b"")
    others = [FolderStore(store.root), FolderStore(store.root, RAISE)]
    away(store, mount_point=mount_point)
    for opened in (store, *others, FolderStore(store.root, RAISE), FolderStore(store.root, WAIT)):
        with pytest.raises(StoreError, match="is not there: it was made") as caught:
            step(opened)
        assert not isinstance(caught.value, NotFound)
    assert os.path.exists(store.root) == mount_point
    assert not mount_point or os.listdir(store.root) == []


@pytest.mark.parametrize("mount_point", [False, True])
def test_whoever_may_wait_goes_on_when_it_is_back(store: FolderStore, mount_point: bool):
    store.create("here", b"1")
    waiting = FolderStore(store.root, WAIT)
    away(store, mount_point=mount_point)
    steps: list[Callable[[], object]] = [
        lambda: waiting.read("here"),
        lambda: waiting.exists("here"),
        lambda: waiting.exists("nowhere"),
        lambda: waiting.list_names("nowhere"),
        lambda: waiting.create("later/one", b"2"),
        lambda: waiting.put_file("later/two", Path(__file__)),
    ]
    with ThreadPoolExecutor(len(steps)) as pool:
        futures = [pool.submit(step) for step in steps]
        early = [future.done() for future in futures]
        if mount_point:
            os.rmdir(store.root)
        os.rename(f"{store.root}-away", store.root)
        results = [future.result(60) for future in futures]
    assert not any(early)
    assert results[:4] == [b"1", True, False, []]
    assert store.read("later/one") == b"2"
    with pytest.raises(NotFound):
        waiting.read("nowhere")


def test_one_that_nobody_has_made_is_empty_and_made_once(store: FolderStore):
    other = FolderStore(store.root)
    assert (store.list_names("a"), store.exists("a"), os.path.exists(store.root)) == ([], False, False)
    store.create("a/b", b"")
    assert other.exists("a/b")
    assert not other.exists("a/c")  # it sees that it was made
    away(store, mount_point=False)
    for opened in (store, other):
        with pytest.raises(StoreError, match="is not there"):
            opened.create("a/d", b"")


class Overtaken(FolderStore):
    """A store whose first look finds no root, which another thread makes before the look is judged."""

    overtaken = True  # the look that opens the store is nobody's race

    def is_there(self) -> bool:
        there = super().is_there()
        if not there and not self.overtaken:
            self.overtaken = True
            self.create("other", b"first")
        return there


def test_threads_that_make_one_at_once_do_not_take_it_for_away(tmp_path: Path):
    store = Overtaken(str(tmp_path / "store"))
    store.overtaken = False
    store.create("key", b"second")
    assert [store.read("other"), store.read("key")] == [b"first", b"second"]


def test_one_of_before_there_were_marks_is_there(store: FolderStore):
    os.makedirs(f"{store.root}/index")
    old = FolderStore(store.root, RAISE)
    old.create("index/a", b"")
    assert old.list_names("index") == ["a"]
    old.make_folders("analyses/a")
    assert os.path.isdir(f"{store.root}/{MARK}")
