"""What a job leaves behind, of processes and files, is gone when its runner has ended."""

import os
import signal
import threading
from pathlib import Path

import psutil
import pytest

from explorer_runner.attempt import scratch
from explorer_runner.format.keys import outcomes_prefix
from support.waiting import SECONDS


def alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_daemon_threads_hold_nothing_up(submit_here):
    def work(ac):
        import threading
        import time

        threading.Thread(target=time.sleep, args=[300], daemon=True).start()
        ac.output.value("x", 1)

    job = submit_here(work)
    assert job.run().returncode == 0
    assert job.output().value("x") == 1


def test_a_job_that_waits_for_a_thread_says_so(submit_here, tmp_path: Path):
    def work(ac):
        import os
        import threading
        import time

        def wait() -> None:
            while not os.path.exists(ac.input):
                time.sleep(0.05)

        threading.Thread(target=wait, name="uploader").start()

    job = submit_here(work, str(tmp_path / "go"))
    with job.start() as running:
        line = running.stderr.readline()
        (tmp_path / "go").touch()
        assert running.wait(SECONDS) == 0
    assert "the work function has returned; the job waits for its threads (uploader)" in line
    assert job.outcome().succeeded


@pytest.mark.parametrize("fails", [False, True])
def test_a_daemon_is_dead_when_the_runner_has_ended(submit, tmp_path: Path, fails: bool):
    def work(ac):
        import os
        import time

        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                os.setsid()
                with open(ac.input[0], "w") as file:
                    file.write(f"{os.getpid()}\n")
                time.sleep(300)
            os._exit(0)
        os.wait()
        while not os.path.exists(ac.input[0]) or not os.path.getsize(ac.input[0]):
            time.sleep(0.01)
        if ac.input[1]:
            os._exit(7)

    job = submit(work, (str(tmp_path / "note"), fails))
    assert job.run().returncode == (7 if fails else 0)
    assert not alive(int((tmp_path / "note").read_text()))


def test_a_command_left_running_is_dead_when_the_runner_has_ended(submit_here):
    def work(ac):
        import subprocess

        ac.output.value(
            "pid", subprocess.Popen(["sh", "-c", "sleep 300 & sleep 300"], start_new_session=True).pid
        )

    job = submit_here(work)
    assert job.run().returncode == 0
    assert not alive(job.output().value("pid"))


@pytest.mark.parametrize("raises", [False, True])
def test_a_work_function_that_returns_in_two_processes_ends_once(submit, raises: bool):
    def work(ac):
        import os

        pid = os.fork()
        ac.output.value("pid", os.getpid())
        if pid == 0:
            print("in the child")
            if ac.input:
                raise ValueError("in the child only")
        else:
            os.waitpid(pid, 0)
            ac.output.value("parent", pid)

    job = submit(work, raises)
    assert job.run().returncode == 0
    assert set(job.output().values()) == {"pid", "parent"}
    assert job.log() == "in the child\n"
    assert len(job.store.list_names(outcomes_prefix(job.spec.id))) == 1


def test_scratch_is_removed_though_the_job_took_its_rights_away(submit_here):
    def work(ac):
        import os

        os.makedirs("a/b")
        open("a/b/c", "w").close()
        os.chmod("a/b", 0)
        os.chmod(".", 0o500)

    job = submit_here(work)
    assert job.run().returncode == 0
    assert job.left() == []


def test_a_job_may_remove_its_own_scratch(submit_here):
    def work(ac):
        import os

        ac.output.value("x", 1)
        os.rmdir(os.getcwd())

    job = submit_here(work)
    assert job.run().returncode == 0
    assert job.output().value("x") == 1
    assert os.listdir(job.home / "scratch") == []


def test_a_job_killed_by_its_group_leaves_its_runner_alone(submit_here):
    def work(ac):
        import os
        import signal

        os.killpg(0, signal.SIGKILL)

    job = submit_here(work)
    assert job.run().returncode == 137
    assert job.outcome().signal == signal.SIGKILL


def test_a_sibling_that_ends_just_then_takes_no_folder_away(submit, tmp_path: Path):
    def work(ac):
        ac.output.value("x", ac.input)

    job = submit(work, *range(6))
    over = threading.Event()

    def forget() -> None:
        while not over.is_set():  # as whoever was the last of an analysis on this host
            scratch.forget(
                scratch.logs_folder(str(tmp_path / "scratch"), job.spec.id), str(tmp_path / "no-log")
            )

    sibling = threading.Thread(target=forget)
    sibling.start()
    try:
        done = [job.run(position) for position in range(6)]
    finally:
        over.set()
        sibling.join()
    assert [each.returncode for each in done] == [0] * 6, done[0].stderr
