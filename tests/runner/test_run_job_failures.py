"""What can go wrong in a job: an outcome that says so, an honest exit code, nothing left behind."""

import signal
import subprocess
import sys
import types
from pathlib import Path
from typing import Any

import pytest

from explorer_runner.attempt import log_file
from explorer_runner.format.keys import FAILED


def test_an_exception_is_told_with_its_line_and_leaves_no_outputs(submit):
    def work(ac):
        print("begun")
        ac.output.value("x", 1)
        ac.output.file("f").as_local().write_text("1")
        raise ValueError(f"bad sample {ac.input}")

    job = submit(work, 7)
    done = job.run()
    outcome = job.failed(done, 1)
    line = job.spec.function["line"] + 4
    assert outcome.reason == f"ValueError: bad sample 7 (line {line}, in work)"
    assert (outcome.failure.type, outcome.failure.message, outcome.failure.line) == (
        "ValueError",
        "bad sample 7",
        line,
    )
    assert 'raise ValueError(f"bad sample {ac.input}")' in outcome.failure.traceback
    assert "explorer_runner" not in outcome.failure.traceback
    assert outcome.failure.traceback == done.stderr
    assert "begun\n" in job.log()
    assert done.stderr in job.log()
    assert outcome.setup_seconds > 0


@pytest.mark.parametrize(
    ("code", "said"),
    [(3, "3"), (1, "1"), (255, "255"), ("no luck", "'no luck'"), (True, "True"), ([1], "[1]")],
)
def test_sys_exit_fails_with_that_code(submit_here, code: object, said: str):
    def work(ac):
        import sys

        sys.exit(ac.input)

    job = submit_here(work, code)
    outcome = job.failed(job.run(), code if type(code) is int else 1)
    assert outcome.reason == f"the work function called sys.exit({said})"


@pytest.mark.parametrize("code", [0, None])
def test_sys_exit_without_a_code_is_success(submit_here, code: object):
    def work(ac):
        import sys

        ac.output.value("x", 1)
        sys.exit(ac.input)

    job = submit_here(work, code)
    assert job.run().returncode == 0
    assert job.output().value("x") == 1


@pytest.mark.parametrize(("code", "exit_code"), [(0, 1), (9, 9)])
def test_os_exit_is_no_success_whatever_its_code(submit, code: int, exit_code: int):
    def work(ac):
        import os

        ac.output.value("x", 1)
        print("going")
        os._exit(ac.input)

    job = submit(work, code)
    done = job.run()
    outcome = job.outcome()
    assert (outcome.status, outcome.exit_code, done.returncode) == (FAILED, code, exit_code)
    assert outcome.reason.startswith(
        f"its process ended itself with exit code {code} before the work function returned"
    )
    assert (outcome.values, job.log(), job.left()) == ({}, "going\n", [])


def test_a_segfault_is_told(submit):
    def work(ac):
        import ctypes

        print("before")
        ctypes.string_at(0)

    job = submit(work)
    outcome = job.failed(job.run(), 139)
    assert outcome.signal == signal.SIGSEGV
    assert outcome.reason.startswith("killed by signal 11 (SIGSEGV): a crash inside compiled code")
    assert "before\n" in job.log()


@pytest.mark.parametrize(
    ("number", "name"), [(9, "SIGKILL"), (6, "SIGABRT"), (15, "SIGTERM"), (10, "SIGUSR1")]
)
def test_a_job_that_is_killed_says_by_which_signal(submit_here, number: int, name: str):
    def work(ac):
        import os

        os.kill(os.getpid(), ac.input)

    job = submit_here(work, number)
    outcome = job.failed(job.run(), 128 + number)
    assert outcome.signal == number
    assert outcome.reason.startswith(f"killed by signal {number} ({name})")


def test_endless_recursion_is_an_exception_like_others(submit_here):
    def work(ac):
        def again(n):
            return again(n + 1)

        again(0)

    job = submit_here(work)
    outcome = job.failed(job.run(), 1)
    assert outcome.reason.startswith("RecursionError: maximum recursion depth exceeded")
    assert outcome.failure.function == "again"
    assert "more times" in outcome.failure.traceback
    assert len(outcome.failure.traceback) < 10_000


def test_a_hundred_megabytes_of_output_do_no_harm(submit):
    def work(ac):
        line = "x" * 999
        print("the first line")
        for _ in range(100_000):
            print(line)
        print("the last line")

    job = submit(work)
    done = job.run(stdout=subprocess.DEVNULL)
    assert done.returncode == 0
    assert job.outcome().succeeded
    log = job.log()
    assert log_file.LIMIT - 2000 < len(log) < log_file.LIMIT + 1000
    assert log.startswith("the first line\n")
    assert log.endswith("\nthe last line\n")
    assert "bytes of this log were left out here]" in log


@pytest.mark.parametrize(
    "how", ["sys.stdout.close()", "os.close(1); os.close(2)", "sys.stdout = sys.stderr = None"]
)
def test_a_job_may_close_its_output(submit_here, how: str):
    def work(ac):
        import os  # noqa: F401
        import sys  # noqa: F401

        print("before", flush=True)
        exec(ac.input)
        ac.output.value("x", 1)

    job = submit_here(work, how)
    assert job.run().returncode == 0
    assert job.output().value("x") == 1
    assert job.log() == "before\n"


@pytest.mark.parametrize("how", ["sys.stderr.close()", "os.close(2)", "sys.stderr = 3"])
def test_a_job_that_closed_its_output_still_tells_its_error(submit_here, how: str):
    def work(ac):
        import os  # noqa: F401
        import sys  # noqa: F401

        exec(ac.input)
        raise ValueError("told all the same")

    job = submit_here(work, how)
    assert job.failed(job.run(), 1).reason.startswith("ValueError: told all the same")


def test_an_exception_that_cannot_be_shown_or_pickled_is_told_by_its_type(submit_here):
    def work(ac):
        import threading

        class Unshowable(Exception):
            def __init__(self):
                self.lock = threading.Lock()

            def __str__(self):
                raise RuntimeError("no text")

            __repr__ = __str__

        raise Unshowable

    job = submit_here(work)
    outcome = job.failed(job.run(), 1)
    assert outcome.failure.type.endswith("Unshowable")
    assert "(its message cannot be shown: RuntimeError)" in outcome.reason
    assert "Unshowable" in outcome.failure.traceback


def test_a_message_of_any_length_and_letters_is_told(submit_here):
    def work(ac):
        raise ValueError("\ud800é\0" + "x" * 1_000_000)

    job = submit_here(work)
    outcome = job.failed(job.run(), 1)
    assert outcome.reason.startswith("ValueError: \\ud800é\0xxx")
    assert len(outcome.reason) < 3000
    assert len(outcome.failure.traceback) < 200_000


def test_an_output_that_cannot_be_kept_fails_the_job(submit):
    def work(ac):
        ac.output.value("x", 1)
        ac.output.file("table.csv")

    job = submit(work)
    outcome = job.failed(job.run(), 1)
    assert outcome.reason.startswith("the output file 'table.csv' was asked for and never written")
    assert job.log() == f"{outcome.reason}\n"


def test_a_package_that_the_job_lacks_is_named(submit_here):
    def work(ac):
        pass

    absent = types.ModuleType("absent_package")
    exec("class Frame: pass", absent.__dict__)
    sys.modules["absent_package"] = absent
    try:
        job = submit_here(work, absent.Frame())
    finally:
        del sys.modules["absent_package"]
    outcome = job.failed(job.run(), 1)
    assert outcome.reason.startswith("the input of job 0 needs the package 'absent_package'")
    # Whose package that is nobody knows here: a name that is guessed may be anybody's.
    assert outcome.reason.endswith("submit it with the package that brings it in pip_packages")


def test_the_lines_of_helpers_in_the_same_file_are_shown_too(submit_here, tmp_path: Path):
    file = tmp_path / "mine.py"
    file.write_text("def helper():\n    raise ValueError('in helper')\n\n\ndef work(ac):\n    helper()\n")
    code = compile(file.read_text(), str(file), "exec")
    module: dict[str, Any] = {"__name__": "__main__"}
    exec(code, module)
    job = submit_here(module["work"])
    assert job.run().returncode == 1
    traceback = job.outcome().failure.traceback
    assert "    helper()\n" in traceback
    assert "    raise ValueError('in helper')\n" in traceback
