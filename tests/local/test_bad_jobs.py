"""Jobs that go wrong in every way: each FAILED with a reason for a person, its siblings going on."""

import os
import re
import time
from pathlib import Path

import psutil
import pytest

from explorer_runner.attempt import log_file
from explorer_runner.format.keys import payload_key
from gencove_explorer.analysis import Analysis, GlobalConfig, JobDefinition
from gencove_explorer.errors import JobFailed
from gencove_explorer.job_manager import JobManager

SMALL = JobDefinition(cpu=1, memory_mb=300)


def bad(ac):
    import ctypes
    import os
    import sys

    kind = ac.input
    print("job", kind, flush=True)
    if kind == "raises":
        raise ValueError("no good\nsecond line")
    if kind == "exits":
        os._exit(3)
    if kind == "exits as if all were well":
        os._exit(0)
    if kind == "exits as if claimed":
        os._exit(75)
    if kind == "segfault":
        ctypes.string_at(0)
    if kind == "killed":
        os.kill(os.getpid(), 9)
    if kind == "recursion":

        def forever(n):
            return forever(n + 1)

        forever(0)
    if kind == "strange exception":

        class Strange(Exception):
            def __reduce__(self):
                raise TypeError("no pickle")

            def __str__(self):
                raise RuntimeError("no text")

        raise Strange
    if kind == "sys.exit":
        sys.exit(4)
    if kind == "sys.exit with words":
        sys.exit("no more samples")
    if kind.startswith("key "):
        ac.output.file(kind.removeprefix("key "))
    if kind == "never written":
        ac.output.file("never")
    if kind == "no such file":
        ac.output.file("x", path_local="missing.txt")
    if kind == "no pickle":
        import threading

        ac.output.value("lock", threading.Lock())
    if kind == "no package":
        __import__("nosuchpackage")
    if kind == "no dependency":
        ac.dependency("nobody")
    if kind == "interrupt":
        raise KeyboardInterrupt
    if kind == "half a file":
        ac.output.file("half").as_local().write_text("x")
        raise OSError(28, "No space left on device")


REASONS = {
    "raises": "ValueError: no good (line 19, in bad)",
    "exits": "ended itself with exit code 3",
    "exits as if all were well": "ended itself with exit code 0",
    "exits as if claimed": "ended itself with exit code 75",
    "segfault": "signal 11 (SIGSEGV)",
    "killed": "signal 9 (SIGKILL)",
    "recursion": "RecursionError",
    "strange exception": "Strange",
    "sys.exit": "sys.exit(4)",
    "sys.exit with words": "no more samples",
    "key ../x": "'../x' has '..' as a part",
    "key /absolute": "is absolute",
    "key ": "is empty",
    "key a/": "has an empty part",
    "never written": "'never' was asked for and never written",
    "no such file": "'missing.txt'): no such file",
    "no pickle": "'lock' cannot be kept",
    "no package": "add the package of 'nosuchpackage' there",
    "no dependency": "no dependency is called 'nobody'",
    "interrupt": "KeyboardInterrupt",
    "half a file": "No space left on device",
}


def test_each_kind_of_failure_has_its_reason_and_the_others_go_on(home: Path):
    kinds = [*REASONS, "well"]
    an = Analysis(function=bad, input=kinds, job_definition=SMALL)
    an.run()
    an.wait_done(timeout=120)
    first = bad.__code__.co_firstlineno
    assert an.status()["jobs"] == {"SUCCEEDED": 1, "FAILED": len(REASONS)}
    for index, (kind, expected) in enumerate(REASONS.items()):
        found = an.status(index)["reason"]
        assert expected.replace("line 19", f"line {first + 8}") in found, kind
        assert "explorer_runner" not in found
    assert "in bad)" in an.status(kinds.index("segfault"))["reason"]
    failed = an._submitted().outcome(an._submitted().observe(), kinds.index("sys.exit"))
    assert failed.exit_code == 4
    killed = an._submitted().outcome(an._submitted().observe(), kinds.index("killed"))
    assert (killed.exit_code, killed.signal) == (137, 9)


def test_closing_the_streams_and_leaving_daemon_threads_are_no_failures(home: Path):
    def work(ac):
        import os
        import sys
        import threading
        import time

        ac.output.value("kind", ac.input)
        if ac.input == "closes stdout":
            sys.stdout.close()
        if ac.input == "closes descriptors":
            for number in range(3):
                os.close(number)
        if ac.input == "threads":
            threading.Thread(target=time.sleep, args=(1000,), daemon=True).start()
        if ac.input == "forks":
            os.fork()
        if ac.input == "removes its folder":
            os.rmdir(os.getcwd())
        if ac.input == "locks its folder":
            os.mkdir("x")
            os.chmod("x", 0)
            os.chmod(".", 0)

    kinds = [
        "closes stdout",
        "closes descriptors",
        "threads",
        "forks",
        "removes its folder",
        "locks its folder",
        "last",
    ]
    an = Analysis(function=work, input=kinds, job_definition=SMALL)
    an.run()
    an.wait_done(timeout=60)
    assert an.values("kind") == kinds


def test_what_a_job_leaves_behind_ends_with_it(home: Path, tmp_path: Path):
    def work(ac):
        import os
        import subprocess
        import time

        subprocess.Popen(["sleep", "1000"], start_new_session=True)
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                with open(ac.global_config.note, "w") as note:
                    note.write(str(os.getpid()))
                time.sleep(1000)
            os._exit(0)
        while not os.path.exists(ac.global_config.note) or not open(ac.global_config.note).read():
            time.sleep(0.01)
        if ac.input == "dies":
            os._exit(1)

    for ending in ("returns", "dies"):
        note = tmp_path / ending
        an = Analysis(function=work, input=ending, global_config=GlobalConfig(note=str(note)))
        an.run()
        an.wait_done(timeout=60)
        deadline = time.monotonic() + 30
        while psutil.pid_exists(int(note.read_text())):
            assert time.monotonic() < deadline
            time.sleep(0.01)
    sleeping = [
        each for each in psutil.process_iter(["cmdline"]) if each.info["cmdline"] == ["sleep", "1000"]
    ]
    assert not [each for each in sleeping if each.create_time() > time.time() - 60]


def test_a_hundred_megabytes_of_log_are_cut_to_a_bound(home: Path, capsys: pytest.CaptureFixture[str]):
    def work(ac):
        print("first line")
        for _ in range(1000):
            print("x" * 99_999 + "\n", end="")
        print("last line")

    an = Analysis(function=work)
    an.run()
    an.wait_done(timeout=120)
    assert an.status() == {"status": "SUCCEEDED"}
    an.logs()
    shown = capsys.readouterr().out
    assert shown.startswith("first line\n")
    assert shown.endswith("last line\n")
    assert "bytes of this log were left out here" in shown
    assert len(shown) <= log_file.LIMIT + 100


def test_a_job_beyond_its_memory_is_ended_and_both_numbers_are_told(home: Path):
    def work(ac):
        import time

        held = []
        for _ in range(200 if ac.input else 2):
            held.append(bytearray(b"x") * (20 << 20))
            time.sleep(0.05)

    an = Analysis(function=work, input=[True, False], job_definition=JobDefinition(cpu=1, memory_mb=250))
    an.run()
    an.wait_done(timeout=60)
    told = re.fullmatch(
        r"OutOfMemoryError: killed for its memory: (\d+) MiB used, 250 MiB asked for \(memory_mb\)",
        an.status(0)["reason"],
    )
    assert told is not None
    assert 250 <= int(told[1]) <= peak_of(an, 0) + 1  # it grows until it is killed
    assert an.status(1) == {"status": "SUCCEEDED"}
    assert 40 <= peak_of(an, 1) < 250


def peak_of(an: Analysis, index: int) -> float:
    stored = an._submitted()
    return stored.outcome(stored.observe(), index).peak_memory_mb


def hold_memory_in_children(ac):
    import multiprocessing
    import time

    def child(end):
        held = bytearray(b"y") * (60 << 20)
        end.wait()
        return held

    context = multiprocessing.get_context("fork")
    end = context.Event()
    children = [context.Process(target=child, args=[end]) for _ in range(3)]
    for each in children:
        each.start()
    time.sleep(2)  # for longer than whoever looks at it takes
    end.set()
    for each in children:
        each.join()


def test_the_peak_of_memory_is_that_of_all_processes(home: Path):
    an = Analysis(function=hold_memory_in_children, job_definition=JobDefinition(cpu=1, memory_mb=900))
    an.run()
    an.wait_done(timeout=60)
    assert 180 <= peak_of(an, 0) < 400
    an.run_local()
    assert 180 <= peak_of(an, 0) < 400
    assert list(home.rglob("*.peak")) == []


def test_the_peak_of_a_job_that_was_killed_is_known(home: Path):
    def work(ac):
        held = bytearray(b"y") * (100 << 20)
        os.kill(os.getpid(), 9)
        return held

    an = Analysis(function=work, job_definition=JobDefinition(cpu=1, memory_mb=900))
    an.run()
    an.wait_done(timeout=60)
    assert 100 <= peak_of(an, 0) < 200
    with pytest.raises(JobFailed):
        an.run_local()
    assert 100 <= peak_of(an, 0) < 250


def test_memory_of_a_jobs_children_counts_and_shared_memory_counts_once(home: Path):
    def work(ac):
        import multiprocessing
        import time

        held = bytearray(b"x") * (60 << 20)

        def child():
            own = bytearray(b"y") * (ac.input << 20)
            time.sleep(20 if ac.input > 1 else 1.5)
            return len(held) + len(own)

        children = [multiprocessing.get_context("fork").Process(target=child) for _ in range(4)]
        for each in children:
            each.start()
        for each in children:
            each.join()

    an = Analysis(function=work, input=[1, 80], job_definition=JobDefinition(cpu=1, memory_mb=250))
    an.run()
    an.wait_done(timeout=60)
    assert an.status(0) == {"status": "SUCCEEDED"}
    assert an.status(1)["reason"].startswith("OutOfMemoryError")


def test_a_job_beyond_its_time_is_ended_and_not_tried_again(home: Path):
    def work(ac):
        import time

        time.sleep(ac.input)

    definition = JobDefinition(cpu=1, memory_mb=300, timeout_seconds=1, retries=3)
    an = Analysis(function=work, input=[100, 0], job_definition=definition)
    an.run()
    an.wait_done(timeout=60)
    assert an.status(0) == {"status": "FAILED", "reason": "Job attempt duration exceeded timeout"}
    assert an.status(1) == {"status": "SUCCEEDED"}


def test_a_job_may_clean_up_when_it_is_terminated(home: Path):
    def work(ac):
        import signal
        import sys
        import time

        signal.signal(signal.SIGTERM, lambda *_: sys.exit("cleaned up"))
        print("ready", flush=True)
        try:
            time.sleep(100)
        finally:
            print("cleaning", flush=True)

    an = Analysis(function=work)
    an.run()
    log = None
    deadline = time.monotonic() + 30
    while log is None or "ready" not in log.read_text():
        assert time.monotonic() < deadline
        log = next(home.glob("store/analyses/*/logs/*.txt"), None)
    an.terminate()
    an.wait_done(timeout=60)
    assert an.status()["reason"].startswith("Terminated by ")
    assert "cleaning" in log.read_text()


def test_a_payload_that_was_changed_is_not_run(home: Path):
    def work(ac):
        ac.output.value("x", 1)

    def tamper(an: Analysis, data: bytes) -> None:
        path = home / "store" / payload_key(an.id, 0)
        path.chmod(0o600)
        path.write_bytes(data)

    blocker = Analysis(function=lambda ac: __import__("time").sleep(0.5), name="blocker")
    for change in (b"", b"PK garbage", None):
        victim = Analysis(function=work, input=[1, 2], depends_on=[blocker])
        blocker._stored = None
        victim.run()
        other = (home / "store" / payload_key(blocker.id, 0)).read_bytes()
        tamper(victim, other if change is None else change)
        victim.wait_done(timeout=60)
        assert victim.status()["jobs"] == {"FAILED": 2}
        assert "not the one that was submitted" in victim.status(0)["reason"]


def test_large_inputs_that_were_changed_fail_their_own_jobs_only(home: Path):
    def work(ac):
        ac.output.value("length", len(ac.input))

    blocker = Analysis(function=lambda ac: __import__("time").sleep(0.5), name="blocker")
    an = Analysis(function=work, input=["a" * 900_000, "b" * 900_000], depends_on=[blocker])
    an.run()
    inputs = next(home.glob(f"store/analyses/{an.id}/inputs.bin"))
    inputs.chmod(0o600)
    with open(inputs, "r+b") as file:
        file.seek(1_000_000)
        file.write(b"evil")
    an.wait_done(timeout=60)
    assert an.status()["jobs"] == {"SUCCEEDED": 1, "FAILED": 1}
    assert "the input of job 1 in the store is not the one that was submitted" in an.status(1)["reason"]


def test_inputs_do_not_reach_the_next_job_through_its_folder(home: Path):
    def work(ac):
        import os

        ac.output.value("found", os.listdir("."))
        ac.output.value("mode", oct(os.stat(".").st_mode))
        open("left behind", "w").close()
        os.mkdir("folder")
        os.chmod(".", 0o755)

    an = Analysis(function=work, input=list(range(8)), job_definition=SMALL)
    an.run()
    an.wait_done(timeout=60)
    assert an.values("found") == [[]] * 8
    assert an.values("mode") == ["0o40700"] * 8
    assert os.listdir(home / "scratch" / "forkers") != []
    deadline = time.monotonic() + 30
    # Cleaned up after the outcome was written; what glob() would do, folders vanish under it.
    while any(
        Path(folder).parts[-3] == "forkers" and (folders or files) for folder, folders, files in os.walk(home)
    ):
        assert time.monotonic() < deadline


def test_a_job_does_not_see_the_notebooks_packages_or_variables(home: Path, monkeypatch: pytest.MonkeyPatch):
    def work(ac):
        import importlib.util
        import os
        import subprocess
        import sys

        ac.output.value("there", [name for name in ac.input if importlib.util.find_spec(name)])
        ac.output.value("variables", sorted(os.environ))
        ac.output.value("main", sys.modules["__main__"].__dict__.get("__file__"))
        found = subprocess.run(
            ["python", "-c", "import sys; print(sys.executable)"], capture_output=True, text=True
        )
        ac.output.value("python", found.stdout.strip() == sys.executable)
        ac.output.value("umask", os.umask(0))

    monkeypatch.setenv("MY_NOTEBOOK_SECRET", "x")
    an = Analysis(
        function=work,
        input=[["pytest", "boto3", "gencove_explorer", "rich", "json", "explorer_runner", "cloudpickle"], []],
    )
    an.run()
    an.wait_done(timeout=60)
    out = an.get_output(0)
    assert out.value("there") == ["json", "explorer_runner", "cloudpickle"]
    assert "MY_NOTEBOOK_SECRET" not in out.value("variables")
    assert [name for name in out.value("variables") if name.startswith("EXPLORER_")] == [
        "EXPLORER_CACHE",
        "EXPLORER_CREDENTIALS",
    ]
    assert out.value("python") is True
    assert out.value("main") is None


def test_secrets_come_from_the_callers_environment_and_stand_in_no_record(
    home: Path, monkeypatch: pytest.MonkeyPatch
):
    def work(ac):
        import os

        ac.output.value("length", len(os.environ["TOKEN"]))

    secret = "s3cr3t-" + "x" * 20
    definition = JobDefinition(
        cpu=1, memory_mb=300, secrets={"TOKEN": "arn:aws:secretsmanager:us-east-1:123456789012:secret:token"}
    )
    an = Analysis(function=work, job_definition=definition)
    with pytest.raises(Exception, match="the secret 'TOKEN' is not set here"):
        an.run()
    assert len(JobManager().list_jobs()) == 0
    monkeypatch.setenv("TOKEN", secret)
    an.run()
    an.wait_done(timeout=60)
    assert an.get_output().value("length") == len(secret)
    deadline = time.monotonic() + 30
    while list(home.glob("executor/accepted/*")):
        assert time.monotonic() < deadline
    for path in home.rglob("*"):
        if path.is_file() and "runtimes" not in path.parts:
            assert secret.encode() not in path.read_bytes(), path
