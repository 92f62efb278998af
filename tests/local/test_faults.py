"""Faults that the local executor survives: killed processes, full disks, two at once."""

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import psutil
import pytest

from gencove_explorer.analysis import Analysis, JobDefinition
from gencove_explorer.executors.local.executor import LocalExecutor
from gencove_explorer.executors.local.queue import Queue
from gencove_explorer.executors.local.scheduler import Scheduler
from gencove_explorer.job_manager import JobManager
from gencove_explorer.settings import Settings

SMALL = JobDefinition(cpu=1, memory_mb=300)


def executor() -> LocalExecutor:
    return LocalExecutor(Settings.load())


def victims(kind: str) -> list[int]:
    state = executor().queue.read_state()
    scheduler = [state["pid"]] if state else []
    forkers = [pid for pid in state.get("forkers", []) if psutil.pid_exists(pid)]
    return {"scheduler": scheduler, "forker": forkers, "both": scheduler + forkers}[kind]


def kill(pids: list[int]) -> int:
    killed = 0
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
            killed += 1
        except ProcessLookupError:
            pass
    return killed


@pytest.mark.parametrize("kind", ["scheduler", "forker", "both"])
def test_killed_at_random_moments_every_job_runs_at_most_once_and_the_array_ends(
    home: Path, tmp_path: Path, kind: str
):
    executed = tmp_path / "executed"

    def work(ac):
        import os
        import time

        descriptor = os.open(ac.global_config.executed, os.O_CREAT | os.O_APPEND | os.O_WRONLY)
        os.write(descriptor, f"{ac.job_index}\n".encode())
        os.close(descriptor)
        time.sleep((ac.input % 7) / 200)
        ac.output.value("index", ac.job_index)

    from gencove_explorer.analysis import GlobalConfig

    an = Analysis(
        function=work,
        input=list(range(500)),
        job_definition=SMALL,
        global_config=GlobalConfig(executed=str(executed)),
    )
    an.run()
    kills = 0
    dice = random.Random(kind)
    deadline = time.monotonic() + 120
    while an.status()["status"] not in ("SUCCEEDED", "FAILED"):
        assert time.monotonic() < deadline, an.status()
        if kills < 12:
            time.sleep(dice.random() * 0.25)
            kills += kill(victims(kind))
        else:
            an.wait_done(timeout=90)
    assert kills >= 3
    counts = an.status()["jobs"]
    assert sum(counts.values()) == 500
    runs = Counter(int(line) for line in executed.read_text().split())
    assert max(runs.values()) == 1
    finished = an.values("index", missing=None)
    assert [index for index in finished if index is not None] == [
        index for index in range(500) if an._submitted().observe().states[index] == "SUCCEEDED"
    ]
    lost = [index for index, value in enumerate(finished) if value is None]
    reasons = {an.status(index)["reason"] for index in lost}
    assert all("lost" in reason for reason in reasons), reasons
    # What ran to its end is there, whoever was killed meanwhile.
    assert len(lost) <= kills * 2


def test_jobs_go_on_when_their_notebook_dies_and_any_process_finds_them(home: Path):
    code = """
import os, sys
from gencove_explorer.analysis import Analysis, JobDefinition
def work(ac):
    import time
    time.sleep(1)
    ac.output.value("x", ac.input + 1)
an = Analysis(function=work, input=[1, 2, 3], job_definition=JobDefinition(cpu=1, memory_mb=300))
an.run()
print(an.id, flush=True)
os.kill(os.getpid(), 9)
"""
    notebook = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert notebook.returncode == -signal.SIGKILL
    an = JobManager().get_analysis(notebook.stdout.strip())
    an.wait_done(timeout=60)
    assert an.values("x") == [2, 3, 4]


def test_a_submission_killed_between_any_two_writes_is_whole_or_not_listed(home: Path):
    """Walks over every write: the process that submits is killed right before the n-th."""
    code = """
import os, sys
from gencove_explorer.analysis import Analysis, JobDefinition
left = int(sys.argv[1])
def count(event, args):
    global left
    if event in ("os.link", "os.rename") and "/runtimes/" not in str(args[1]):
        if left == 0:
            os.kill(os.getpid(), 9)
        left -= 1
sys.addaudithook(count)
def work(ac):
    ac.output.value("x", len(ac.input))
Analysis(function=work, input=["a" * 700_000, "b" * 700_000]).run()
"""
    writes = 0
    while True:
        before = {each.id for each in JobManager().list_jobs()}
        done = subprocess.run(
            [sys.executable, "-c", code, str(writes)], capture_output=True, text=True, check=False
        )
        if done.returncode == 0:
            break
        assert done.returncode == -signal.SIGKILL, done.stderr
        executor().wake()  # the next call of anybody
        deadline = time.monotonic() + 30
        while executor().unfinished_rounds() and time.monotonic() < deadline:
            time.sleep(0.02)
        new = [each for each in JobManager().list_jobs() if each.id not in before]
        assert len(new) <= 1
        for each in new:
            each.wait_done(timeout=30)
            assert each.values("x") == [700_000, 700_000]
        writes += 1
    assert writes >= 5  # inputs, payload, round, queue, index


def test_two_processes_that_submit_at_once(home: Path):
    code = """
import sys
from gencove_explorer.analysis import Analysis, JobDefinition
def work(ac):
    ac.output.value("x", ac.input)
ids = []
for n in range(5):
    an = Analysis(function=work, input=[n, n + 1], job_definition=JobDefinition(cpu=1, memory_mb=300))
    an.run()
    ids.append(an.id)
print(*ids)
"""
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        for _ in range(4)
    ]
    ids = []
    for process in processes:
        out, err = process.communicate(timeout=120)
        assert process.returncode == 0, err
        ids += out.split()
    assert len(set(ids)) == 20
    for identifier in ids:
        an = JobManager().get_analysis(identifier)
        an.wait_done(timeout=60)
        assert an.status() == {"status": "SUCCEEDED", "jobs": {"SUCCEEDED": 2}}
    assert len(JobManager().list_jobs()) == 20
    assert len(victims("scheduler")) == 1


def test_a_scheduler_ends_when_idle_and_the_next_call_starts_another(
    home: Path, monkeypatch: pytest.MonkeyPatch
):
    def work(ac):
        ac.output.value("x", 1)

    monkeypatch.setenv("EXPLORER_IDLE_SECONDS", "0.2")
    for _ in range(3):
        an = Analysis(function=work)
        an.run()
        an.wait_done(timeout=60)
        state = executor().queue.read_state()
        deadline = time.monotonic() + 60
        while executor().queue.alive():
            assert time.monotonic() < deadline
            time.sleep(0.02)
        for pid in [state["pid"], *state["forkers"]]:
            while psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
                assert time.monotonic() < deadline
                time.sleep(0.02)


def test_stop_leaves_running_jobs_alone_and_start_goes_on(home: Path):
    def work(ac):
        import time

        time.sleep(0.7)
        ac.output.value("x", ac.input)

    an = Analysis(function=work, input=list(range(6)), job_definition=SMALL)
    an.run()
    an.wait_running_or_done(timeout=60)
    executor().stop()
    assert not executor().queue.alive()
    deadline = time.monotonic() + 60
    while an.status()["jobs"].get("SUCCEEDED", 0) < 2:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert "explorer executor start" in an.status()["reason"]
    assert not executor().queue.alive()
    executor().start()
    an.wait_done(timeout=60)
    assert an.values("x") == list(range(6))


def test_jobs_terminated_while_the_scheduler_looks_around_never_run(home: Path):
    an = Analysis(function=lambda ac: None, input=[1, 2, 3], job_definition=SMALL)

    class SubmittedAndTerminatedRightAfterTheLook(Queue):
        submitted = False

        def take_new(self) -> set[Path]:
            accepted = super().take_new()
            if not self.submitted:
                self.submitted = True
                an.run()
                an.terminate_all()
            return accepted

    queue = SubmittedAndTerminatedRightAfterTheLook(home)
    queue.make()
    lock = queue.lock()
    assert lock is not None
    scheduler = Scheduler(queue, idle_seconds=0)
    scheduler.poll_queue()
    scheduler.run()
    os.close(lock)
    assert an.status()["jobs"] == {"FAILED": 3}
    assert "erminated" in an.status(0)["reason"]
