"""Claims, between real processes: one wins, everybody sees how far it is, and its end lets go."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from explorer_runner.attempt import claim
from explorer_runner.attempt.claim import AlreadyClaimed, ClaimState

CLAIMER = """
import sys
from explorer_runner.attempt import claim
folder, log = sys.argv[1:3]
try:
    lock = claim.claim(folder, log)
except claim.AlreadyClaimed:
    print("claimed", flush=True)
    sys.exit(75)
print("starting", flush=True)
for line in sys.stdin:
    exec(line)
    print("done", flush=True)
"""
RUNNING = "claim.running(lock)"

LOOK = """
import sys
from explorer_runner.attempt import claim
def look(event, args):
    if event == "os.link":
        print(claim.inspect(args[0]).value)
sys.addaudithook(look)
claim.claim(*sys.argv[1:3])
"""


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "0.0-1.txt"


@pytest.fixture
def start(log: Path) -> Iterator[Callable[[], subprocess.Popen[str]]]:
    """A function that starts a process which claims the log and then does what it is told."""
    started = []

    def begin() -> subprocess.Popen[str]:
        command = [sys.executable, "-c", CLAIMER, str(log.parent), str(log)]
        started.append(subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True))
        return started[-1]

    yield begin
    for process in started:
        process.kill()
        process.communicate()


def said(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def tell(process: subprocess.Popen[str], line: str) -> None:
    assert process.stdin is not None
    process.stdin.write(f"{line}\n")
    process.stdin.flush()
    assert said(process) == "done"


def test_a_log_that_nobody_made_is_unclaimed(log: Path):
    assert claim.inspect(str(log)) is ClaimState.UNCLAIMED


def test_the_life_of_a_claim_is_seen_from_another_process(
    log: Path, start: Callable[[], subprocess.Popen[str]]
):
    process = start()
    assert said(process) == "starting"
    assert claim.inspect(str(log)) is ClaimState.STARTING
    tell(process, RUNNING)
    assert claim.inspect(str(log)) is ClaimState.RUNNING
    process.communicate()
    assert claim.inspect(str(log)) is ClaimState.GONE


@pytest.mark.parametrize("running", [False, True])
def test_killing_the_process_lets_go(log: Path, start: Callable[[], subprocess.Popen[str]], running: bool):
    process = start()
    said(process)
    if running:
        tell(process, RUNNING)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert claim.inspect(str(log)) is ClaimState.GONE


def test_looking_does_not_disturb_what_is_seen(log: Path, start: Callable[[], subprocess.Popen[str]]):
    process = start()
    said(process)
    assert {claim.inspect(str(log)) for _ in range(100)} == {ClaimState.STARTING}
    tell(process, RUNNING)
    assert {claim.inspect(str(log)) for _ in range(100)} == {ClaimState.RUNNING}


def test_of_many_processes_one_claims(log: Path, start: Callable[[], subprocess.Popen[str]]):
    processes = [start() for _ in range(8)]
    assert sorted(map(said, processes)) == ["claimed"] * 7 + ["starting"]
    assert claim.inspect(str(log)) is ClaimState.STARTING


def test_an_attempt_is_claimed_once_though_its_process_is_gone(
    log: Path, start: Callable[[], subprocess.Popen[str]]
):
    first = start()
    said(first)
    first.kill()
    first.communicate()
    second = start()
    assert said(second) == "claimed"
    assert second.wait() == 75
    with pytest.raises(AlreadyClaimed, match=str(log)):
        claim.claim(str(log.parent), str(log))
    assert claim.inspect(str(log)) is ClaimState.GONE


def test_another_attempt_is_another_claim(log: Path, start: Callable[[], subprocess.Popen[str]]):
    said(start())
    other = log.with_name("0.0-2.txt")
    os.close(claim.claim(str(log.parent), str(other)))
    assert claim.inspect(str(other)) is ClaimState.GONE
    assert claim.inspect(str(log)) is ClaimState.STARTING


def test_a_claim_is_the_log_empty_private_and_nothing_else_is_left(log: Path):
    descriptor = claim.claim(str(log.parent), str(log))
    assert os.listdir(log.parent) == [log.name]
    assert (log.stat().st_size, log.stat().st_mode & 0o777, log.stat().st_nlink) == (0, 0o600, 1)
    os.write(descriptor, b"a line\n")
    os.close(descriptor)
    assert log.read_bytes() == b"a line\n"


def test_it_is_locked_before_anybody_can_see_it(log: Path):
    """Else whoever looks in between takes the job for one whose process is gone."""
    command = [sys.executable, "-c", LOOK, str(log.parent), str(log)]
    assert subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout == "starting\n"


def test_what_is_no_log_keeps_nobody_waiting(log: Path):
    os.mkfifo(log)
    assert claim.inspect(str(log)) is ClaimState.GONE


def test_losing_leaves_nothing_behind(log: Path):
    log.write_text("the first one's")
    before = os.listdir("/dev/fd")
    with pytest.raises(AlreadyClaimed):
        claim.claim(str(log.parent), str(log))
    assert os.listdir("/dev/fd") == before
    assert os.listdir(log.parent) == [log.name]
    assert log.read_text() == "the first one's"


def test_a_folder_that_is_not_there_is_an_error_and_no_claim(log: Path):
    with pytest.raises(FileNotFoundError):
        claim.claim(str(log.parent / "gone"), str(log.parent / "gone" / log.name))
    with pytest.raises(FileNotFoundError):
        claim.claim(str(log.parent), str(log.parent / "gone" / log.name))
    assert os.listdir(log.parent) == []


def test_a_program_that_the_job_started_does_not_hold_the_claim(
    log: Path, start: Callable[[], subprocess.Popen[str]]
):
    process = start()
    said(process)
    tell(process, "import subprocess; child = subprocess.Popen(['sleep', '60'], close_fds=False)")
    tell(process, "open(log + '.pid', 'w').write(str(child.pid))")
    process.kill()
    process.wait()
    try:
        assert claim.inspect(str(log)) is ClaimState.GONE
    finally:
        os.kill(int(Path(f"{log}.pid").read_text()), signal.SIGKILL)
