"""Payloads are opened beside all else, and again when that failed through no fault of theirs."""

import json
import os
import resource
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from gencove_explorer.analysis import Analysis, JobDefinition
from gencove_explorer.executors.local.executor import LocalExecutor
from gencove_explorer.executors.local.queue import Queue
from gencove_explorer.settings import Settings
from support.waiting import eventually
from support.weather import Weather, serve_weather

SMALL = JobDefinition(cpu=1, memory_mb=300)
DIES = """#!/bin/sh
[ -e {well} ] && exec {python} "$@"
sleep 300 &
echo $! >> {tries}
exit 1
"""
"""A forker that ends at once, and leaves a process which has its pipes open."""


def queue() -> Queue:
    return LocalExecutor(Settings.load()).queue


def forker() -> psutil.Process:
    eventually(lambda: queue().read_state().get("forkers"))
    [pid] = queue().read_state()["forkers"]
    return psutil.Process(pid)


def answer(ac):
    ac.output.value("x", len(ac.input))


class Held:
    """A submission to a store on S3, which waits: another has the whole machine until it is let go."""

    def __init__(self, home: Path, sky: Weather, store: str, monkeypatch: pytest.MonkeyPatch) -> None:
        self.sky = sky
        self.go = home / "go"
        self.blocker = Analysis(
            function=wait_for,
            input=str(self.go),
            name="blocker",
            job_definition=JobDefinition(cpu=2, memory_mb=300),
        )
        self.blocker.run()
        self.blocker.wait_running_or_done(timeout=60)
        self.analysis = Analysis(function=answer, input=["a" * 700_000, "b"], job_definition=SMALL)
        with monkeypatch.context() as context:
            context.setenv("EXPLORER_STORE", store)
            self.analysis.run()
        self.jobs = set(forker().children())

    def silence(self) -> None:
        """Let whoever asks for the payload get no answer."""
        self.sky.expect("hang", 1_000, method="GET", path="/payloads/")

    def let_go(self) -> None:
        self.go.touch()
        self.blocker.wait_done(timeout=60)

    def opener(self) -> psutil.Process:
        """The process that opens the payload."""
        eventually(lambda: set(forker().children()) - self.jobs)
        [process] = set(forker().children()) - self.jobs
        return process

    def reason(self) -> str:
        return self.analysis.status().get("reason", "")

    def succeeds(self) -> None:
        self.analysis.wait_done(timeout=60)
        assert self.analysis.values("x") == [700_000, 1], self.analysis.failures()


def wait_for(ac):
    import os
    import time

    while not os.path.exists(ac.input):
        time.sleep(0.01)


@pytest.fixture
def held(home: Path, make_bucket: Callable[[str], str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Held]:
    store = f"s3://{make_bucket('moto')}/store"
    with serve_weather(os.environ["AWS_ENDPOINT_URL"]) as sky:
        monkeypatch.setenv("AWS_ENDPOINT_URL", sky.address)
        yield Held(home, sky, store, monkeypatch)


def test_other_rounds_run_while_a_payload_is_being_opened(held: Held):
    held.silence()
    held.let_go()
    silent = held.opener()
    for _ in range(2):
        other = Analysis(function=answer, input="abc", name="other", job_definition=SMALL)
        other.run()
        other.wait_done(timeout=60)
        assert other.values("x") == [3]
    assert silent.is_running()
    whole = JobDefinition(cpu=2, memory_mb=300)
    other = Analysis(function=answer, input="abc", name="whole", job_definition=whole)
    other.run()
    other.wait_done(timeout=60)  # none of the slots is kept for what cannot start
    held.sky.clear_up()
    held.succeeds()


def test_a_round_whose_opening_is_killed_is_opened_again(held: Held):
    held.silence()
    held.let_go()
    held.opener().kill()
    eventually(lambda: "killed by signal 9" in held.reason())
    assert held.reason().startswith("the local executor cannot go on with it, and tries again: ")
    held.sky.clear_up()
    held.succeeds()
    assert held.reason() == ""


def test_a_forker_that_is_killed_while_it_opens_is_replaced(held: Held):
    held.silence()
    held.let_go()
    process, parent = held.opener(), forker()
    process.suspend()
    parent.kill()
    eventually(lambda: "ended before it had opened their payload" in held.reason())
    eventually(lambda: not process.is_running() or process.status() == psutil.STATUS_ZOMBIE)
    held.sky.clear_up()
    held.succeeds()


def test_what_opens_a_payload_has_none_of_the_forkers_pipes(held: Held):
    held.silence()
    held.let_go()

    def pipes(pid: int) -> set[str]:
        folder = Path(f"/proc/{pid}/fd")
        return {os.readlink(each) for each in folder.iterdir() if os.readlink(each).startswith("pipe:")}

    if sys.platform != "linux":
        pytest.skip("descriptors of others cannot be looked at here")
    process, parent = held.opener(), forker()
    # That in which it sends the payload is the one that both have, each an end.
    eventually(lambda: len(pipes(process.pid) & pipes(parent.pid)) == 1)
    other = Analysis(function=wait_for, input="/nowhere", name="other", job_definition=SMALL)
    other.run()
    other.wait_running_or_done(timeout=60)
    [job] = [each for each in parent.children() if each != process]
    assert pipes(job.pid) == set()


def test_jobs_of_a_round_that_is_being_opened_can_be_terminated(held: Held):
    held.silence()
    held.let_go()
    process = held.opener()
    held.analysis.terminate_all()
    held.analysis.wait_done(timeout=60)
    assert held.analysis.status()["jobs"] == {"FAILED": 2}
    assert "Terminated" in held.analysis.status(0)["reason"]
    eventually(lambda: not process.is_running() or process.status() == psutil.STATUS_ZOMBIE)
    eventually(lambda: not queue().unfinished_rounds())


def limit_files(pid: int, number: int) -> Callable[[], None]:
    """Let a process open no file beyond ``number``; returns what lets it again."""
    before = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (number, before[1]))
    return lambda: resource.prlimit(pid, resource.RLIMIT_NOFILE, before) and None


@pytest.mark.skipif(sys.platform != "linux", reason="limits of others cannot be set here")
def test_a_forker_that_has_no_process_to_give_is_asked_again(held: Held):
    allow = limit_files(forker().pid, 3)
    held.let_go()
    eventually(lambda: "no process was to be had to open its payload" in held.reason())
    allow()
    held.succeeds()


@pytest.mark.skipif(sys.platform != "linux", reason="limits of others cannot be set here")
def test_a_scheduler_that_can_start_no_forker_tries_again(home: Path):
    executor = LocalExecutor(Settings.load())
    executor.start()
    eventually(lambda: executor.queue.read_state().get("pid"))
    open_now = psutil.Process(executor.queue.read_state()["pid"]).num_fds()
    allow = limit_files(executor.queue.read_state()["pid"], open_now + 3)  # a file may be read, no more
    an = Analysis(function=answer, input="abc", job_definition=SMALL)
    an.run()
    eventually(lambda: "Too many open files" in an.status().get("reason", ""))
    allow()
    an.wait_done(timeout=60)
    assert an.values("x") == [3]


def test_a_forker_that_dies_again_and_again_fails_no_round(held: Held, home: Path):
    executor = LocalExecutor(Settings.load())
    eventually(lambda: not executor.queue.is_new(f"{held.analysis.id}.0"))
    executor.stop()
    [path] = executor.queue.accepted.glob(f"*-{held.analysis.id}.0.json")
    entry = json.loads(path.read_bytes())
    script, well, tries = home / "runtime.sh", home / "well", home / "tries"
    script.write_text(DIES.format(well=well, tries=tries, python=entry["runtime"]))
    script.chmod(0o700)
    path.write_text(json.dumps({**entry, "runtime": str(script)}))
    executor.start()
    held.let_go()
    eventually(lambda: "ended before it had opened their payload" in held.reason())
    eventually(lambda: len(tries.read_text().split()) >= 2)
    well.touch()
    held.succeeds()
    assert executor.queue.log.read_text().count("ended before it had opened their payload") == 1
    for pid in tries.read_text().split():
        os.kill(int(pid), signal.SIGKILL)
