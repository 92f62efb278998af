"""The end of a job: asked for or not, nothing is left behind, and it happens once."""

import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from explorer_runner.attempt import claim
from explorer_runner.attempt.claim import ClaimState
from explorer_runner.format.keys import FAILED, outcomes_prefix

SECONDS = 60.0


def until(holds: Callable[[], object]) -> None:
    deadline = time.monotonic() + SECONDS
    while not holds():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.01)


def alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def written(path: Path) -> str:
    """What a job writes to a file, once it has."""
    until(lambda: path.exists() and path.read_text().endswith("\n"))
    return path.read_text().strip()


def submit_sleeper(submit, note: Path, **spec):
    """A job that notes its process and then sleeps for long."""

    def work(ac):
        import time

        ac.output.file("half").as_local().write_text("x")
        with open("in-scratch", "w") as file:
            file.write("x")
        with open(ac.input, "w") as file:
            file.write(f"{os.getpid()}\n")
        print("asleep", flush=True)
        time.sleep(300)

    return submit(work, str(note), **spec)


def test_sigterm_to_the_runner_ends_the_job_and_says_so(submit, tmp_path: Path):
    job = submit_sleeper(submit, tmp_path / "note")
    with job.start() as runner:
        pid = int(written(tmp_path / "note"))
        runner.terminate()
        runner.communicate(timeout=SECONDS)
    outcome = job.outcome()
    assert (runner.returncode, outcome.status, outcome.exit_code, outcome.signal) == (143, FAILED, 143, 15)
    assert outcome.reason.startswith("it was asked to end (SIGTERM)")
    assert not alive(pid)
    assert (job.log(), job.left(), outcome.files) == ("asleep\n", [], [])


@pytest.mark.parametrize("delay", [0.02 * step for step in range(1, 16)])
def test_sigterm_at_any_moment_ends_it(submit_here, tmp_path: Path, delay: float):
    job = submit_sleeper(submit_here, tmp_path / "note")
    with job.start() as runner:
        time.sleep(delay)
        runner.terminate()
        runner.communicate(timeout=SECONDS)
    assert runner.returncode in (143, -signal.SIGTERM)  # before its first line it just ends
    assert job.left() == []


def test_a_job_that_cleans_up_at_sigterm_has_the_time_to(submit_here, tmp_path: Path):
    def work(ac):
        import sys
        import time

        def clean_up(number, frame):
            print("cleaned up")
            sys.exit(5)

        signal.signal(signal.SIGTERM, clean_up)
        with open(ac.input, "w") as file:
            file.write("ready\n")
        time.sleep(300)

    job = submit_here(work, str(tmp_path / "note"))
    with job.start() as runner:
        written(tmp_path / "note")
        runner.terminate()
        runner.communicate(timeout=SECONDS)
    assert runner.returncode == job.outcome().exit_code == 5
    assert "cleaned up" in job.log()


def test_sigterm_reaches_what_the_job_has_started(submit_here, tmp_path: Path):
    def work(ac):
        import subprocess

        subprocess.run(["sh", "-c", f"echo $$ > {ac.input}; sleep 300; true"], check=True)

    job = submit_here(work, str(tmp_path / "note"))
    with job.start() as runner:
        pid = int(written(tmp_path / "note"))
        runner.terminate()
        runner.communicate(timeout=SECONDS)
    assert not alive(pid)
    assert job.outcome().reason.startswith("it was asked to end (SIGTERM)")


def test_in_the_foreground_closing_standard_input_ends_the_job(submit, tmp_path: Path):
    job = submit_sleeper(submit, tmp_path / "note")
    with job.start(options=("--foreground",), stdin=subprocess.PIPE) as runner:
        pid = int(written(tmp_path / "note"))
        runner.communicate(timeout=SECONDS)
    assert runner.returncode == 143
    assert job.outcome().reason == "ended with its run_local: that was interrupted, or its process is gone"
    assert not alive(pid)
    assert job.left() == []


def test_in_the_foreground_standard_input_may_speak_without_being_heard(submit_here):
    def work(ac):
        import sys

        ac.output.value("read", sys.stdin.read())

    job = submit_here(work)
    with job.start(options=("--foreground",), stdin=subprocess.PIPE) as runner:
        runner.stdin.write("words\n" * 1000)
        runner.stdin.flush()
        runner.stdout.read()
        assert runner.wait(SECONDS) == 0
        runner.stdin.close()
    assert job.output().value("read") == ""


def test_without_foreground_nobody_need_stay(submit_here):
    def work(ac):
        ac.output.value("x", 1)

    job = submit_here(work)
    with job.start(stdin=subprocess.PIPE) as runner:
        runner.stdin.close()
        assert runner.wait(SECONDS) == 0
    assert job.output().value("x") == 1


def test_nobody_need_listen_to_the_output(submit_here):
    def work(ac):
        for n in range(10_000):
            print("a line", n)
        ac.output.value("x", 1)

    job = submit_here(work)
    with job.start() as runner:
        runner.stdout.close()
        runner.stderr.close()
        assert runner.wait(SECONDS) == 0
    assert job.output().value("x") == 1
    assert job.log().endswith("a line 9999\n")


def test_an_attempt_is_made_once(submit, tmp_path: Path):
    def work(ac):
        with open(ac.input, "a") as file:
            file.write(f"attempt {ac.attempt}\n")

    job = submit(work, str(tmp_path / "note"))
    assert job.run().returncode == 0
    again = job.run()
    assert again.returncode == 75
    assert "explorer: " in again.stderr
    assert len(job.store.list_names(outcomes_prefix(job.spec.id))) == 1
    assert job.run(attempt=2).returncode == 0
    # On S3 nothing but its outcome tells that an attempt was made: on which host, nobody knows.
    made = ["attempt 1\n"] if job.store.local_path("") else ["attempt 1\n"] * 2
    assert (tmp_path / "note").read_text() == "".join([*made, "attempt 2\n"])


def test_an_attempt_that_somebody_makes_is_left_to_him(submit, tmp_path: Path):
    job = submit_sleeper(submit, tmp_path / "note")
    with job.start() as first:
        written(tmp_path / "note")
        assert job.run().returncode == 75
        assert job.store.list_names(outcomes_prefix(job.spec.id)) == []
        assert (job.scratch() / "in-scratch").exists()
        first.terminate()
        first.communicate(timeout=SECONDS)
    assert job.outcome().reason.startswith("it was asked to end")


def test_the_claim_is_held_while_the_job_runs_and_let_go_at_its_end(submit_here, tmp_path: Path):
    job = submit_sleeper(submit_here, tmp_path / "note")
    log = str(job.home / "store" / "analyses" / job.spec.id / "logs" / "0.0-1.txt")
    with job.start() as runner:
        written(tmp_path / "note")
        assert claim.inspect(log) is ClaimState.RUNNING
        runner.terminate()
        runner.communicate(timeout=SECONDS)
    assert claim.inspect(log) is ClaimState.GONE
