"""Variables that a process reads when it starts hold in every job, however that is run."""

import importlib.util
import os
import select
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from gencove_explorer.analysis import Analysis, JobDefinition
from gencove_explorer.errors import JobFailed
from gencove_explorer.executors.host.runtime import find_runtime
from gencove_explorer.executors.local.executor import LocalExecutor
from gencove_explorer.executors.local.forkers import ForkerHandle
from gencove_explorer.executors.local.rounds import Ground
from gencove_explorer.settings import Settings
from support.waiting import eventually

TOKYO = "XYZ-9"
"""A time zone that needs no database."""


def job(**environment: str) -> JobDefinition:
    return JobDefinition(cpu=1, memory_mb=300, environment=environment)


def look(ac):
    import ctypes
    import importlib.util
    import os
    import subprocess
    import sys
    import time

    try:
        library = bool(ctypes.CDLL("libgiven.so"))
    except OSError:
        library = False
    ac.output.value("hash", hash("abc"))
    ac.output.value("zone", time.timezone)
    ac.output.value("utf8", sys.flags.utf8_mode)
    ac.output.value("optimize", sys.flags.optimize)
    ac.output.value("module", importlib.util.find_spec("given") is not None)
    ac.output.value("library", library)
    ac.output.value("greeting", os.environ.get("GREETING"))
    code = "import given, time; print(hash('abc'), time.timezone)"
    ac.output.value(
        "child", subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout
    )


@pytest.fixture
def given(tmp_path: Path) -> dict[str, str]:
    """Variables, of which no one has an effect once a process has started."""
    folder = tmp_path / "site-packages"  # as people's folders are called
    folder.mkdir()
    (folder / "given.py").touch()
    (folder / "sitecustomize.py").write_text(
        "import os\nprint('hello', flush=True)\nos.environ['GREETING'] = os.environ['NAME'] + '!'\n"
    )
    compiled = importlib.util.find_spec("_ctypes")
    assert compiled is not None
    if compiled.origin and os.path.exists(compiled.origin):
        shutil.copy(compiled.origin, folder / "libgiven.so")
    return {
        "PYTHONPATH": str(folder),
        "LD_LIBRARY_PATH": str(folder),
        "TZ": TOKYO,
        "NAME": "you",
        "PYTHONHASHSEED": "7",
        "PYTHONUTF8": "1",
        "PYTHONOPTIMIZE": "1",
    }


def expected(given: dict[str, str]) -> dict[str, object]:
    code = "import given, time; print(hash('abc'), time.timezone)"
    child = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=given)
    printed = child.stdout.removeprefix("hello\n")
    has_library = os.path.exists(f"{given['LD_LIBRARY_PATH']}/libgiven.so") and sys.platform == "linux"
    return {
        "hash": int(printed.split()[0]),
        "zone": -9 * 3600,
        "utf8": 1,
        "optimize": 1,
        "module": True,
        "library": has_library,
        "greeting": "you!",
        "child": child.stdout,
    }


@pytest.mark.parametrize("packages", [[], ["iniconfig==2.1.0"]])
def test_they_hold_in_background_and_foreground(home: Path, given: dict[str, str], packages: list[str]):
    an = Analysis(function=look, input=[0, 1], job_definition=job(**given), pip_packages=packages)
    an.run()
    an.wait_done(timeout=120)
    assert an.get_output(0).values() == an.get_output(1).values() == expected(given), an.failures()
    an.run_local(0)
    assert an.get_output(0).values() == expected(given)


def test_and_with_the_store_on_s3(
    home: Path, given: dict[str, str], make_bucket: Callable[[str], str], monkeypatch
):
    monkeypatch.setenv("EXPLORER_STORE", f"s3://{make_bucket('moto')}/store")
    an = Analysis(function=look, job_definition=job(**given))
    an.run()
    an.wait_done(timeout=60)
    assert an.get_output().values() == expected(given), an.failures()


def test_those_of_the_caller_that_travel_hold_too(home: Path, monkeypatch):
    def zone(ac):
        import time

        ac.output.value("zone", time.timezone)

    monkeypatch.setenv("TZ", TOKYO)
    an = Analysis(function=zone, job_definition=job())
    an.run()
    an.wait_done(timeout=60)
    assert an.get_output().value("zone") == -9 * 3600
    an.run_local()
    assert an.get_output().value("zone") == -9 * 3600


def test_jobs_see_the_same_locale_everywhere(home: Path, monkeypatch):
    def locale(ac):
        import locale
        import os

        names = {name: value for name, value in os.environ.items() if name.startswith(("LC_", "LANG"))}
        ac.output.value("locale", [locale.setlocale(locale.LC_CTYPE), names])

    for name in [name for name in os.environ if name.startswith(("LC_", "LANG"))]:
        monkeypatch.delenv(name)
    an = Analysis(function=locale, job_definition=job())
    an.run()
    an.wait_done(timeout=60)
    background = an.get_output().value("locale")
    an.run_local()
    assert an.get_output().value("locale") == background
    assert "UTF-8" in background[0]


def test_rounds_share_a_forker_unless_such_variables_differ(home: Path):
    def pid(ac):
        import os

        ac.output.value("forker", os.getppid())

    def forker_of(**environment: str) -> int:
        an = Analysis(function=pid, job_definition=job(**environment))
        an.run()
        an.wait_done(timeout=60)
        return an.get_output().value("forker")

    usual = forker_of()
    assert forker_of(COLOUR="blue", OMP_NUM_THREADS="3") == usual
    one = forker_of(TZ="ABC1")
    assert one != usual
    assert forker_of(TZ="ABC1", COLOUR="blue") == one
    others = {forker_of(TZ=f"ABC{hours}") for hours in range(2, 6)}
    assert len(others) == 4
    queue = LocalExecutor(Settings.load()).queue
    # Of those that no open round needs the last two are kept, for whoever comes next.
    eventually(lambda: len(queue.read_state()["forkers"]) == 2)
    assert forker_of(TZ="ABC5") in others
    eventually(lambda: sorted(os.listdir(queue.scratch)) == sorted(map(str, queue.read_state()["forkers"])))


@pytest.fixture(params=["hash seed", "shadowed module"])
def unfit(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[dict[str, str], str]:
    """Variables with which Python does not start, and what it says."""
    if request.param == "hash seed":
        return {"PYTHONHASHSEED": "abc"}, "PYTHONHASHSEED must be"
    (tmp_path / "shadow").mkdir()
    (tmp_path / "shadow" / "json.py").touch()
    return {"PYTHONPATH": str(tmp_path / "shadow")}, "Error: "


def test_variables_with_which_python_does_not_start_fail_their_own_jobs_in_words(
    home: Path, tmp_path: Path, unfit: tuple[dict[str, str], str]
):
    def wait(ac):
        import os
        import time

        while not os.path.exists(ac.input):
            time.sleep(0.02)
        ac.output.value("x", 1)

    beside = Analysis(function=wait, input=str(tmp_path / "go"), job_definition=job())
    beside.run()
    beside.wait_running_or_done(timeout=60)
    variables, said = unfit
    an = Analysis(function=lambda ac: ac.output.value("x", 2), input=[0, 1], job_definition=job(**variables))
    an.run()
    an.wait_done(timeout=60)
    reason = an.status(0)["reason"]
    (name,) = variables
    assert reason.startswith("Python does not start with the job's environment variables (")
    assert name in reason
    assert said in reason
    assert beside.status()["status"] == "RUNNING"
    (tmp_path / "go").touch()
    beside.wait_done(timeout=60)
    assert beside.get_output().value("x") == 1
    # as the reason advises
    assert "Leave the one at fault out of JobDefinition(environment=...)" in reason
    assert an.retry_failed(job_definition=job()) == 2
    an.wait_done(timeout=60)
    assert an.values("x") == [2, 2]


def test_so_it_is_in_the_foreground(home: Path, unfit: tuple[dict[str, str], str]):
    variables, said = unfit
    an = Analysis(function=lambda ac: ac.output.value("x", 2), job_definition=job(**variables))
    with pytest.raises(JobFailed) as failed:
        an.run_local()
    assert "Python does not start with the job's environment variables" in str(failed.value)
    assert said in str(failed.value)
    an.job_definition = job()
    an.run_local()
    assert an.get_output().value("x") == 2


def test_a_forker_that_does_not_get_ready_is_killed_and_says_so(home: Path, tmp_path: Path):
    (tmp_path / "sitecustomize.py").write_text("import time\ntime.sleep(600)")
    ground = Ground(find_runtime(home), (("PYTHONPATH", str(tmp_path)),))
    forker = ForkerHandle(ground, tmp_path / "log.txt")
    poll = select.poll()
    poll.register(forker.reports)
    eventually(lambda: forker.kill_if_late(0.2) or poll.poll(10))
    forker.reap()
    assert forker.late
    assert "(PYTHONPATH): it did not get ready. Leave the one at fault out of" in forker.why_gone()
