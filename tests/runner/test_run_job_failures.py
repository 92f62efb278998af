"""What can go wrong in a job, by the runner as a process: an outcome that says so, an honest exit code, no scratch."""

import signal

import pytest
from explorer_runner import logs, payload
from explorer_runner.errors import NotFound
from explorer_runner.keys import FAILED, inputs_key, log_key, outcomes_prefix, payload_key
from explorer_runner.outcome import Outcome


def failed(job, done, code: int, index: int = 0) -> Outcome:
    """The outcome of a job that must have failed with this exit code and left no scratch."""
    outcome = job.outcome(index)
    assert (outcome.status, done.returncode, outcome.exit_code) == (FAILED, code, code), done.stderr
    assert outcome.files == outcome.folders == []
    assert outcome.values == {}
    assert job.left() == []
    return outcome


def test_an_exception_is_told_with_its_line_and_leaves_no_outputs(submit):
    def work(ac):
        print("begun")
        ac.output.value("x", 1)
        ac.output.file("f").as_local().write_text("1")
        raise ValueError(f"bad sample {ac.input}")

    job = submit(work, 7)
    done = job.run()
    outcome = failed(job, done, 1)
    line = job.spec.function["line"] + 4
    assert outcome.reason == f"ValueError: bad sample 7 (line {line}, in work)"
    assert (outcome.failure.type, outcome.failure.message, outcome.failure.line) == ("ValueError", "bad sample 7", line)
    assert 'raise ValueError(f"bad sample {ac.input}")' in outcome.failure.traceback
    assert "explorer_runner" not in outcome.failure.traceback
    assert outcome.failure.traceback == done.stderr
    assert job.log() == f"begun\n{done.stderr}"
    assert outcome.setup_seconds > 0


@pytest.mark.parametrize(
    ("code", "said"), [(3, "3"), (1, "1"), (255, "255"), ("no luck", "'no luck'"), (True, "True"), ([1], "[1]")]
)
def test_sys_exit_fails_with_that_code(submit_here, code: object, said: str):
    def work(ac):
        import sys

        sys.exit(ac.input)

    job = submit_here(work, code)
    outcome = failed(job, job.run(), code if type(code) is int else 1)
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
    assert outcome.reason.startswith(f"its process ended itself with exit code {code} before the work function returned")
    assert (outcome.values, job.log(), job.left()) == ({}, "going\n", [])


def test_a_segfault_is_told(submit):
    def work(ac):
        import ctypes

        print("before")
        ctypes.string_at(0)

    job = submit(work)
    outcome = failed(job, job.run(), 139)
    assert outcome.signal == signal.SIGSEGV
    assert outcome.reason.startswith("killed by signal 11 (SIGSEGV): a crash inside compiled code")
    assert job.log().startswith("before\n")


@pytest.mark.parametrize(("number", "name"), [(9, "SIGKILL"), (6, "SIGABRT"), (15, "SIGTERM"), (10, "SIGUSR1")])
def test_a_job_that_is_killed_says_by_which_signal(submit_here, number: int, name: str):
    def work(ac):
        import os

        os.kill(os.getpid(), ac.input)

    job = submit_here(work, number)
    outcome = failed(job, job.run(), 128 + number)
    assert outcome.signal == number
    assert outcome.reason.startswith(f"killed by signal {number} ({name})")


def test_endless_recursion_is_an_exception_like_others(submit_here):
    def work(ac):
        def again(n):
            return again(n + 1)

        again(0)

    job = submit_here(work)
    outcome = failed(job, job.run(), 1)
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
    done = job.run(stdout=open("/dev/null", "w"))  # noqa: SIM115
    assert done.returncode == 0
    assert job.outcome().succeeded
    log = job.log()
    assert logs.LIMIT - 2000 < len(log) < logs.LIMIT + 1000
    assert log.startswith("the first line\n")
    assert log.endswith("\nthe last line\n")
    assert "bytes of this log were left out here]" in log


@pytest.mark.parametrize("how", ["sys.stdout.close()", "os.close(1); os.close(2)", "sys.stdout = sys.stderr = None"])
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
    assert failed(job, job.run(), 1).reason.startswith("ValueError: told all the same")


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
    outcome = failed(job, job.run(), 1)
    assert outcome.failure.type.endswith("Unshowable")
    assert "(its message cannot be shown: RuntimeError)" in outcome.reason
    assert "Unshowable" in outcome.failure.traceback


def test_a_message_of_any_length_and_letters_is_told(submit_here):
    def work(ac):
        raise ValueError("\ud800é\0" + "x" * 1_000_000)

    job = submit_here(work)
    outcome = failed(job, job.run(), 1)
    assert outcome.reason.startswith("ValueError: \\ud800é\0xxx")
    assert len(outcome.reason) < 3000
    assert len(outcome.failure.traceback) < 200_000


def test_an_output_that_cannot_be_kept_fails_the_job(submit):
    def work(ac):
        ac.output.value("x", 1)
        ac.output.file("table.csv")

    job = submit(work)
    outcome = failed(job, job.run(), 1)
    assert outcome.reason.startswith("the output file 'table.csv' was asked for and never written")
    assert job.log() == f"{outcome.reason}\n"


def test_a_package_that_the_job_lacks_is_answered_with_the_line_to_add(submit_here):
    def work(ac):
        pass

    work.__defaults__ = None
    job = submit_here(work, _Missing())
    outcome = failed(job, job.run(), 1)
    assert outcome.reason.startswith("the input of job 0 needs the package 'package_that_nobody_has'")
    assert "pip_packages=['package_that_nobody_has']" in outcome.reason


class _Missing:
    def __reduce__(self):
        return _import, ("package_that_nobody_has.inner",)


def _import(name):
    return __import__(name)


# -- what was submitted is not what is there --------------------------------------------------------


def submit_witness(submit, *inputs, **spec):
    """A job that leaves a trace when anything of it is unpickled or called."""

    def work(ac):
        ac.output.value("ran", True)

    return submit(work, *inputs, **spec)


def damage(job, key: str, change) -> None:
    raw = job.store.read(key)
    job.store.delete(key)
    job.store.create(key, change(raw))


def test_a_corrupt_payload_is_refused(submit):
    job = submit_witness(submit)
    damage(job, payload_key(job.spec.id, 0), lambda raw: raw.replace(b"work", b"walk"))
    done = job.run()
    outcome = failed(job, done, 1)
    assert outcome.reason.startswith("the payload in the store is not the one that was submitted")
    assert f"{job.digest[:12]}... was submitted" in done.stderr


def test_a_swapped_payload_is_refused(submit):
    job, other = submit_witness(submit), submit_witness(submit)
    damage(job, payload_key(job.spec.id, 0), lambda raw: other.store.read(payload_key(other.spec.id, 0)))
    assert failed(job, job.run(), 1).reason.startswith("the payload in the store is not the one that was submitted")


def test_a_missing_payload_is_told(submit):
    job = submit_witness(submit)
    job.store.delete(payload_key(job.spec.id, 0))
    assert "payloads/0.zip in the store" in failed(job, job.run(), 1).reason


@pytest.mark.parametrize("change", [lambda raw: raw[:-1] + b"!", lambda raw: raw[:-1]], ids=["changed", "cut short"])
def test_a_corrupt_input_is_refused_and_the_others_run(submit, change):
    job = submit_witness(submit, "a" * 100, "b" * 100, inputs_inside=False)
    damage(job, inputs_key(job.spec.id), change)
    assert job.run(0).returncode == 0
    outcome = failed(job, job.run(1), 1, index=1)
    assert outcome.reason.startswith("the input of job 1 in the store is not the one that was submitted")
    assert job.log(1) == f"{outcome.reason}\n"


def test_another_python_is_refused_before_anything_is_unpickled(submit):
    job = submit_witness(submit, python="3.9")
    outcome = failed(job, job.run(), 1)
    assert outcome.reason.startswith(f"the analysis was submitted from Python 3.9, this job runs Python {payload.python_minor()}")
    assert job.log() == f"{outcome.reason}\n"


def test_a_corrupt_payload_of_a_retry_fails_the_job_that_it_was_for(submit_here):
    job = submit_witness(submit_here, 1, 2, round=1, jobs=10, array=True, indices=[3, 7])
    damage(job, payload_key(job.spec.id, 1), lambda raw: raw + b"!")
    failed(job, job.run(1), 1, index=7)


@pytest.mark.parametrize("position", [1, 99])
def test_a_position_outside_the_round_is_refused(submit_here, position: int):
    job = submit_witness(submit_here)
    assert "is outside round 0, which runs 1 jobs" in failed(job, job.run(position), 1, index=position).reason


def test_a_store_that_cannot_be_reached_is_no_success(submit_here):
    job = submit_witness(submit_here)
    job.store.delete_tree(f"analyses/{job.spec.id}")
    done = job.run()
    assert done.returncode == 74
    assert "in the store" in done.stderr
    assert job.store.names(outcomes_prefix(job.spec.id)) == []
    with pytest.raises(NotFound):
        job.store.read(log_key(job.spec.id, job.of()))
