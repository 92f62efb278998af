"""A full disk, at each write: errors that say so, nothing half done, and all goes on when there is room.

A small file system is mounted in a mount namespace of the script's own, which needs Linux.
"""

import subprocess
import sys
from pathlib import Path

import pytest

from support.package_index import make_wheel

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="mount namespaces are Linux's")

PREAMBLE = """
import errno, os, sys, time
from pathlib import Path
disk = Path(os.environ["DISK"])
os.environ["EXPLORER_HOME"] = str(disk / "home")
(disk / "home").mkdir(mode=0o700)
(disk / "home" / "runtimes").symlink_to(os.environ["RUNTIMES"])
from gencove_explorer.analysis import Analysis, JobDefinition
from gencove_explorer.errors import ExplorerError
from gencove_explorer.job_manager import JobManager
from gencove_explorer.executors.local.executor import LocalExecutor
from gencove_explorer.settings import Settings
SMALL = JobDefinition(cpu=1, memory_mb=300)

def fill(leave):
    "Take all room but so many bytes; returns what gives it back."
    filler = disk / "filler"
    with open(filler, "wb") as file:
        room = os.statvfs(disk)
        size = max(0, room.f_bavail * room.f_frsize - leave)
        os.posix_fallocate(file.fileno(), 0, size) if size else None
    return filler.unlink

def finish():
    executor = LocalExecutor(Settings.load())
    executor.stop()
"""


def in_small_disk(tmp_path: Path, runtimes: Path, code: str, size: str = "24m") -> str:
    disk = tmp_path / "disk"
    disk.mkdir(exist_ok=True)
    script = tmp_path / "script.py"
    script.write_text(PREAMBLE + code)
    mount = f'mount -t tmpfs -o size={size},mode=0700 none "{disk}" && exec "{sys.executable}" "{script}"'
    done = subprocess.run(
        ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", mount],
        capture_output=True,
        text=True,
        timeout=240,
        env={
            "DISK": str(disk),
            "RUNTIMES": str(runtimes),
            "PATH": "/usr/bin:/bin",
            "EXPLORER_CPUS": "2",
            "EXPLORER_MEMORY_MB": "2000",
            "HOME": str(tmp_path),
        },
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_a_submission_says_that_the_disk_is_full_and_leaves_nothing(tmp_path: Path, shared_runtimes: Path):
    """From no room at all, page by page, up to enough: refused whole, or run whole."""
    out = in_small_disk(
        tmp_path,
        shared_runtimes,
        """
def work(ac):
    ac.output.value("x", len(ac.input))

refused = accepted = 0
for pages in [*range(0, 40), 700, 1000]:
    before = {each.id for each in JobManager().list_jobs()}
    give_back = fill(pages * 4096)
    an = Analysis(function=work, input=["a" * 700_000, "b" * 700_000], job_definition=SMALL)
    try:
        an.run()
    except ExplorerError as error:
        refused += 1
        text = str(error)
        assert "disk is full" in text or "No space left" in text, text
        give_back()
        assert {each.id for each in JobManager().list_jobs()} == before
        left = [path for path in (disk / "home" / "store" / "analyses").glob("*") if path.name not in before]
        assert left == [], left
    else:
        accepted += 1
        give_back()
        an.wait_done(timeout=60)
        assert an.values("x") == [700_000, 700_000]
        an.delete()
assert refused >= 40 and accepted >= 1, (refused, accepted)
finish()
print("fine")
""",
    )
    assert out.endswith("fine\n")


def test_jobs_that_meet_a_full_disk_fail_with_the_reason_and_the_array_ends(
    tmp_path: Path, shared_runtimes: Path
):
    out = in_small_disk(
        tmp_path,
        shared_runtimes,
        """
def work(ac):
    ac.output.file("f").as_local().write_bytes(b"x" * 300_000)

an = Analysis(function=work, input=list(range(120)), job_definition=SMALL)
an.run()
deadline = time.monotonic() + 90
while True:
    counts = an.status()["jobs"]
    if an.status()["status"] in ("SUCCEEDED", "FAILED"):
        break
    if os.statvfs(disk).f_bavail < 3:  # full: jobs wait to write down that they failed
        time.sleep(1)
        first = next((disk / "home" / "store" / "analyses").glob("*/files/*"))
        import shutil
        shutil.rmtree(first)
    assert time.monotonic() < deadline, counts
assert sum(counts.values()) == 120
reasons = {group.reason for group in an.failures()}
assert counts["FAILED"] > 30, counts
said = ("No space left", "disk is full", "disk was full")
assert all(any(words in reason for words in said) for reason in reasons), reasons
finish()
print(counts)
""",
    )
    assert "FAILED" in out


def test_outcomes_wait_for_room_and_are_not_lost(tmp_path: Path, shared_runtimes: Path):
    out = in_small_disk(
        tmp_path,
        shared_runtimes,
        """
def work(ac):
    import time
    time.sleep(1.5)
    ac.output.value("x", 1)

an = Analysis(function=work, input=[0, 1], job_definition=SMALL)
an.run()
an.wait_running_or_done(timeout=60)
give_back = fill(0)
time.sleep(4)
assert not an.status()["jobs"].get("SUCCEEDED"), an.status()
give_back()
an.wait_done(timeout=60)
assert an.status()["jobs"] == {"FAILED": 2}, an.status()
assert "disk was full when its outputs or its outcome" in an.status(0)["reason"], an.status(0)
# And the next analysis is none the worse.
an.retry_failed()
an.wait_done(timeout=60)
assert an.values("x") == [1, 1]
finish()
print("fine")
""",
    )
    assert out.endswith("fine\n")


def test_a_full_disk_under_the_scheduler_stops_nothing_for_good(tmp_path: Path, shared_runtimes: Path):
    out = in_small_disk(
        tmp_path,
        shared_runtimes,
        """
def work(ac):
    ac.output.value("x", ac.input)

def hold(ac):
    import time
    time.sleep(2)

holder = Analysis(function=hold, job_definition=JobDefinition(cpu=2, memory_mb=300))
holder.run()
holder.wait_running_or_done(timeout=60)
an = Analysis(function=work, input=list(range(50)), job_definition=SMALL)
an.run()
cancelled = Analysis(function=work, input=[1, 2, 3], name="cancelled", job_definition=SMALL)
cancelled.run()
cancelled.terminate_all()
give_back = fill(0)
time.sleep(4)
give_back()
for each in (holder, an, cancelled):
    each.wait_done(timeout=60)
assert cancelled.status()["jobs"] == {"FAILED": 3}
total = an.status()["jobs"]
assert sum(total.values()) == 50, total
an.retry_failed()
an.wait_done(timeout=60)
assert an.values("x") == list(range(50))
finish()
print("fine")
""",
    )
    assert out.endswith("fine\n")


def test_a_disk_that_takes_no_further_file_is_told_from_a_full_one(tmp_path: Path, shared_runtimes: Path):
    out = in_small_disk(
        tmp_path,
        shared_runtimes,
        """
from explorer_runner.errors import StoreError
from explorer_runner.stores.folder import FolderStore
store = FolderStore(str(disk / "store"))
store.create("a/first", b"")
files = []
try:
    while True:
        files.append(disk / f"file-{len(files)}")
        files[-1].touch()
except OSError:
    pass
try:
    store.create("a/second", b"x")
    raise SystemExit("it was not refused")
except StoreError as error:
    assert "takes no further file, though it has room" in str(error), error
for path in files[:20]:
    path.unlink()
store.create("a/second", b"x")
print("fine")
""",
        size="24m,nr_inodes=200",
    )
    assert out.endswith("fine\n")


def test_packages_that_find_no_room_say_so_and_are_there_when_there_is(tmp_path: Path, shared_runtimes: Path):
    wheel = make_wheel("big", tmp_path, says="x" * (5 << 20))
    out = in_small_disk(
        tmp_path,
        shared_runtimes,
        f"""
def work(ac):
    import big
    ac.output.value("size", len(big.WORD))

an = Analysis(function=work, pip_packages=["big @ {wheel.as_uri()}"], job_definition=SMALL)
give_back = fill(2 << 20)
try:
    an.run()
    raise SystemExit("it was not refused")
except ExplorerError as error:
    assert "cannot be kept in" in str(error) and "bytes free" in str(error), error
give_back()
give_back = fill(8 << 20)
an.run()
an.wait_done(timeout=60)
assert "could not be installed" in an.status()["reason"], an.status()
give_back()
an.retry_failed()
an.wait_done(timeout=60)
assert an.get_output().value("size") == 5 << 20
assert list((disk / "home" / "tmp").iterdir()) == []
finish()
print("fine")
""",
    )
    assert out.endswith("fine\n")


def test_what_cannot_be_asked_of_the_executor_says_so_and_can_be_asked_again(
    tmp_path: Path, shared_runtimes: Path
):
    out = in_small_disk(
        tmp_path,
        shared_runtimes,
        """
def work(ac):
    import time
    time.sleep(600)

an = Analysis(function=work, input=[1, 2], job_definition=SMALL)
an.run()
an.wait_running_or_done(timeout=60)
executor = LocalExecutor(Settings.load())
give_back = fill(0)
for call in (an.terminate_all, lambda: an.terminate(0), executor.stop):
    try:
        call()
    except ExplorerError as error:
        assert "the disk is full. Make room, then do it again" in str(error), str(error)
    else:
        raise AssertionError("there was room")
give_back()
an.terminate_all()
an.wait_done(timeout=60)
assert an.status()["jobs"] == {"FAILED": 2}
finish()
print("fine")
""",
    )
    assert out.endswith("fine\n")
