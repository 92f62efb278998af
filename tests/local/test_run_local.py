"""run_local: in the foreground, in processes of its own."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from gencove_explorer.analysis import Analysis, JobDefinition, each
from gencove_explorer.errors import DependencyError, JobFailed, NotFinished
from gencove_explorer.executors.foreground.round_lock import GONE, NEVER_STARTED
from gencove_explorer.job_manager import JobManager
from support.waiting import eventually


def shout(ac):
    import sys

    print("out", ac.input)
    print("err", ac.input, file=sys.stderr)
    ac.output.value("x", ac.input)


def test_a_single_job_prints_as_it_is(home: Path, capsys: pytest.CaptureFixture[str]):
    an = Analysis(function=shout, input="é")
    assert an.run_local() is None
    shown = capsys.readouterr()
    assert shown.out == "out é\n"
    assert shown.err == "err é\n"
    assert an.get_output().value("x") == "é"
    assert an.status() == {"status": "SUCCEEDED"}
    an.logs()
    assert sorted(capsys.readouterr().out.splitlines()) == ["err é", "out é"]
    first = an.id
    an.run_local()
    assert an.id != first
    assert [each.id for each in JobManager().list_jobs()][1:] == [first]


def test_an_arrays_lines_are_marked(home: Path, capsys: pytest.CaptureFixture[str]):
    an = Analysis(function=shout, input=["a", "b", "c"])
    an.run_local()
    assert capsys.readouterr().out == "[0] out a\n[1] out b\n[2] out c\n"
    assert an.values("x") == ["a", "b", "c"]
    an.run_local(parallel=3)
    assert sorted(capsys.readouterr().out.splitlines()) == ["[0] out a", "[1] out b", "[2] out c"]


def test_one_job_of_an_array(home: Path, capsys: pytest.CaptureFixture[str]):
    an = Analysis(function=shout, input=["a", "b", "c"])
    an.run_local(job_index=1)
    assert capsys.readouterr().out == "[1] out b\n"
    assert an.get_output(1).value("x") == "b"
    assert an.status() == {"status": "SUCCEEDED", "jobs": {"SUCCEEDED": 1, "NOT_RUN": 2}}
    assert re.search(r"1 of 3 +SUCCEEDED$", str(JobManager().list_jobs()))
    with pytest.raises(NotFinished, match=r"ran 1 of 3 jobs .*missing=None"):
        an.values("x")
    assert an.values("x", missing=None) == [None, "b", None]
    with pytest.raises(Exception, match=r"job 0 of .* was not run"):
        an.get_output(0)
    with pytest.raises(IndexError, match="0 to 2"):
        an.run_local(job_index=3)
    for wrong in (0, -1, "2", True):
        with pytest.raises(ValueError, match="parallel="):
            an.run_local(parallel=wrong)  # type: ignore[arg-type]


def test_a_failure_stops_the_rest_and_is_raised_with_its_traceback(
    home: Path, capsys: pytest.CaptureFixture[str]
):
    def work(ac):
        print("job", ac.input)
        if ac.input == 1:
            raise ValueError("bad one")

    an = Analysis(function=work, input=[0, 1, 2, 3])
    with pytest.raises(JobFailed) as caught:
        an.run_local()
    assert 'raise ValueError("bad one")' in str(caught.value)
    assert capsys.readouterr().out == "[0] job 0\n[1] job 1\n"
    assert an.status()["jobs"] == {"SUCCEEDED": 1, "FAILED": 3}
    assert "never started" in an.status(3)["reason"]
    assert "bad one" in an.status(1)["reason"]


def test_dependencies_run_first_and_only_if_they_have_not_succeeded(
    home: Path, capsys: pytest.CaptureFixture[str]
):
    def second(ac):
        print("second sees", ac.dependency("shout").get_output().value("x"))

    a1 = Analysis(function=shout, input=[1, 2])
    a2 = Analysis(function=second, input=[0, 0], depends_on=[each(a1)])
    a2.run_local()
    assert capsys.readouterr().out == "[0] out 1\n[1] out 2\n[0] second sees 1\n[1] second sees 2\n"
    first = a1.id
    a2.run_local()
    assert capsys.readouterr().out == "[0] second sees 1\n[1] second sees 2\n"
    assert a1.id == first

    def slow(ac):
        import time

        time.sleep(100)

    a3 = Analysis(function=slow)
    a3.run()
    a4 = Analysis(function=second, depends_on=[a3])
    with pytest.raises(DependencyError, match=r"wait_done\(\) first"):
        a4.run_local()
    a3.terminate_all()
    a3.wait_done(timeout=60)


def test_what_was_found_needs_dependencies_that_succeeded(home: Path):
    def bad(ac):
        raise ValueError("no")

    a1 = Analysis(function=bad)
    a2 = Analysis(function=shout, depends_on=[a1])
    a2.run()
    a2.wait_done(timeout=60)
    with pytest.raises(DependencyError, match=rf"{a1.id}, .* is FAILED: .*retry_failed\(\)"):
        JobManager().get_analysis(a2.id).run_local()


def test_what_ran_in_the_foreground_serves_what_is_submitted(home: Path):
    def second(ac):
        ac.output.value("x", ac.dependency("shout").get_output().value("x") + 1)

    a1 = Analysis(function=shout, input=1)
    a1.run_local()
    a2 = Analysis(function=second, depends_on=[a1])
    a2.run()
    a2.wait_done(timeout=60)
    assert a2.get_output().value("x") == 2
    assert len(JobManager().list_jobs()) == 2


def test_a_crash_has_its_reason(home: Path):
    def work(ac):
        import ctypes
        import os

        print("before", flush=True)
        if ac.input == "exit":
            os._exit(5)
        ctypes.string_at(0)

    with pytest.raises(JobFailed, match="ended itself with exit code 5"):
        Analysis(function=work, input="exit").run_local()
    with pytest.raises(JobFailed, match="SIGSEGV"):
        Analysis(function=work, input="crash").run_local()


def test_bytes_that_are_no_text_and_lines_without_an_end(home: Path, capsys: pytest.CaptureFixture[str]):
    def work(ac):
        import os

        os.write(1, b"\xff\xfe caf\xc3")
        os.write(1, b"\xa9 no newline")

    an = Analysis(function=work)
    an.run_local()
    assert capsys.readouterr().out == "\ufffd\ufffd café no newline"
    an = Analysis(function=work, input=[1, 2])
    an.run_local()
    assert capsys.readouterr().out == "[0] \ufffd\ufffd café no newline\n[1] \ufffd\ufffd café no newline\n"


SLOW = """
import os, sys, time
from gencove_explorer.analysis import Analysis
def work(ac):
    import os, time
    print("pid", os.getpid(), flush=True)
    time.sleep(100)
an = Analysis(function=work, input=[1, 2])
an.run_local()
"""


def start_slow() -> tuple["subprocess.Popen[str]", int]:
    process = subprocess.Popen(
        [sys.executable, "-c", SLOW], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    return process, int(process.stdout.readline().split()[-1])


def gone(pid: int) -> None:
    deadline = time.monotonic() + 60
    while psutil.pid_exists(pid):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_an_interrupt_ends_the_jobs_and_is_written_down(home: Path):
    process, pid = start_slow()
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert "KeyboardInterrupt" in err
    gone(pid)
    an = JobManager().list_jobs()[0]
    assert an.status()["jobs"] == {"FAILED": 2}
    assert "never started" in an.status(1)["reason"]
    assert "ended with its run_local" in an.status(0)["reason"]


def test_a_killed_notebook_takes_its_foreground_jobs_along(home: Path):
    process, pid = start_slow()
    process.kill()
    process.communicate(timeout=60)
    gone(pid)
    an = JobManager().list_jobs()[0]
    deadline = time.monotonic() + 60
    while an.status()["status"] != "FAILED":
        assert time.monotonic() < deadline
    assert an.status()["jobs"] == {"FAILED": 2}


def test_another_process_sees_it_run_and_can_end_it(home: Path):
    process, pid = start_slow()
    an = JobManager().list_jobs()[0]
    assert an.status()["jobs"] == {"RUNNABLE": 1, "RUNNING": 1}
    an.terminate(0)
    _, err = process.communicate(timeout=60)
    assert "JobFailed" in err
    gone(pid)
    assert an.status()["jobs"] == {"FAILED": 2}


def test_it_runs_again_from_the_store_alone(home: Path, capsys: pytest.CaptureFixture[str]):
    first = Analysis(function=shout, input=["a", "b"], job_definition=JobDefinition(cpu=1, memory_mb=200))
    first.run()
    first.wait_done(timeout=60)
    again = JobManager().get_analysis(first.id)
    again.run_local()
    shown = capsys.readouterr()
    assert shown.out == "[0] out a\n[1] out b\n"
    assert again.id == first.id
    *_, logged = re.findall(r"Analysis ID: (\S+)", shown.err)
    again = JobManager().get_analysis(logged)
    assert again.id != first.id
    again.run()
    again.wait_done(timeout=60)
    assert again.values("x") == ["a", "b"]
    assert len(JobManager().list_jobs()) == 3


def test_what_was_tried_with_one_job_of_a_dependency_needs_all_of_it_to_be_submitted(home: Path):
    def reads(ac):
        ac.output.value("x", ac.dependency("shout").get_output(0).value("x"))

    first = Analysis(function=shout, input=["a", "b"])
    second = Analysis(function=reads, depends_on=[first])
    first.run_local(0)
    second.run_local(0)
    assert second.values("x") == ["a"]
    found = JobManager().get_analysis(second.id)
    with pytest.raises(DependencyError, match=rf"{first.id}, .* one job of an array .* run\(\) it, and set"):
        found.run()
    first.run()
    found.depends_on = [first]
    found.run()
    found.wait_done(timeout=60)
    assert found.values("x") == ["a"]


def test_scratch_of_foreground_jobs_is_removed(home: Path):
    def work(ac):
        open("x", "w").close()
        ac.output.file("y").as_local().write_text("1")

    Analysis(function=work).run_local()
    assert os.listdir(home / "scratch" / "foreground") == []


def test_a_timeout_holds_here_too(home: Path):
    def work(ac):
        import time

        time.sleep(100)

    an = Analysis(function=work, job_definition=JobDefinition(timeout_seconds=1))
    with pytest.raises(JobFailed, match="Job attempt duration exceeded timeout"):
        an.run_local()


def test_an_interrupt_while_it_makes_ready_leaves_nothing(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    docker = tmp_path / "bin" / "docker"
    docker.parent.mkdir()
    docker.write_text(f"#!/bin/sh\ntouch {tmp_path}/asked\nexec sleep 60\n")
    docker.chmod(0o755)
    monkeypatch.setenv("PATH", f"{docker.parent}:{os.environ['PATH']}")
    code = f"import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n{IN_A_CONTAINER}"
    process = subprocess.Popen(
        [sys.executable, "-c", code], stderr=subprocess.DEVNULL, start_new_session=True
    )
    eventually((tmp_path / "asked").exists)
    os.killpg(process.pid, signal.SIGINT)
    assert process.wait(60) != 0
    assert JobManager().list_jobs() == []
    assert list((home / "store" / "analyses").iterdir()) == []


DOCKER = """#!/bin/sh
echo "$1" >> {calls}
case "$1" in
    image) sleep 1.5; exit {found} ;;
    pull) echo "no such host" >&2; exit 1 ;;
    run) sleep 0.5; exit 3 ;;
esac
"""
IN_A_CONTAINER = """
from gencove_explorer.analysis import Analysis
Analysis(function=lambda ac: None, name="contained").run_local(container=True)
"""


@pytest.mark.parametrize("found", [True, False])
def test_while_it_makes_ready_nobody_takes_it_for_ended(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, found: bool
):
    calls, docker = tmp_path / "calls", tmp_path / "bin" / "docker"
    docker.parent.mkdir()
    docker.write_text(DOCKER.format(calls=calls, found=0 if found else 1))
    docker.chmod(0o755)
    monkeypatch.setenv("PATH", f"{docker.parent}:{os.environ['PATH']}")
    process = subprocess.Popen([sys.executable, "-c", IN_A_CONTAINER], stderr=subprocess.PIPE, text=True)
    seen = []
    while process.poll() is None:
        seen += [each.status() for each in JobManager().list_jobs()]
        time.sleep(0.005)
    _, err = process.communicate(timeout=60)
    assert GONE not in [each.get("reason") for each in seen]
    if found:
        assert calls.read_text().split() == ["image", "run"]
        assert "RUNNABLE" in [each["status"] for each in seen]
        assert [each.status()["reason"] for each in JobManager().list_jobs()] == [NEVER_STARTED]
    else:
        assert "cannot be pulled: no such host" in err
        assert JobManager().list_jobs() == []
        assert list((home / "store" / "analyses").iterdir()) == []
