"""What killed processes left behind is removed, and nothing that may be under way."""

import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from explorer_runner.format.keys import index_key
from explorer_runner.format.names import new_id, parse_id
from explorer_runner.stores.folder import FolderStore
from gencove_explorer.analysis import Analysis, JobDefinition
from gencove_explorer.cli import explorer
from gencove_explorer.executors.local.executor import LocalExecutor
from gencove_explorer.executors.local.queue import Queue
from gencove_explorer.executors.local.sweeper import DAY_SECONDS, Sweeper, never_submitted, old_parts
from gencove_explorer.settings import Settings
from support.waiting import eventually

SMALL = JobDefinition(cpu=1, memory_mb=300)


def queue() -> Queue:
    return LocalExecutor(Settings.load()).queue


def age(path: Path, seconds: float) -> Path:
    """Let a file, or all of a folder, be so old."""
    for each in [path, *path.rglob("*")]:
        os.utime(each, (time.time() - seconds,) * 2, follow_symlinks=False)
    return path


KILLED = """
import os, sys
from gencove_explorer.analysis import Analysis, JobDefinition
def kill(event, args):
    if event == "os.rename" and "/executor/new/" in str(args[1]):
        os.kill(os.getpid(), 9)
sys.addaudithook(kill)
definition = JobDefinition(cpu=1, memory_mb=300, secrets={"TOKEN": "arn:aws:ssm:eu-west-1:1:parameter/x"})
Analysis(function=lambda ac: None, job_definition=definition).run()
"""


@pytest.fixture
def killed(home: Path) -> Path:
    """What is left of a submission that was killed as it was about to be queued."""
    done = subprocess.run(
        [sys.executable, "-c", KILLED], env={**os.environ, "TOKEN": "very secret"}, check=False
    )
    assert done.returncode == -signal.SIGKILL
    [left] = queue().new.iterdir()
    assert "very secret" in left.read_text()
    return left


def test_secrets_of_a_killed_submission_are_told_of_and_removed(killed: Path):
    assert queue().abandoned() == []  # it may be under way
    age(killed, 2 * 60)
    said = CliRunner().invoke(explorer, ["doctor"])
    assert said.exit_code == 1
    assert f"FAIL queue: left by a submission that was killed: {killed.name}" in said.output
    assert "explorer executor start" in said.output
    assert CliRunner().invoke(explorer, ["executor", "start"]).exit_code == 0
    eventually(lambda: not killed.exists())
    assert "ok   queue" in CliRunner().invoke(explorer, ["doctor"]).output


def test_an_entry_that_is_being_written_stays_however_long_that_takes(killed: Path):
    age(killed, 2 * DAY_SECONDS)
    with open(killed, "rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert queue().abandoned() == []
    assert queue().abandoned() == [killed]


# -- stores -------------------------------------------------------------------------------------------


def half(store: FolderStore, **record: object) -> str:
    """A submission that ended before it was listed; returns its id."""
    analysis = new_id("half")
    store.create(f"analyses/{analysis}/payloads/0.zip", b"x")
    if record:
        [whole] = Path(store.root).glob("analyses/*_whole_*/rounds/0.json")
        data = {**json.loads(whole.read_bytes()), "id": analysis, **record}
        store.create(f"analyses/{analysis}/rounds/0.json", json.dumps(data).encode())
    return analysis


@pytest.fixture
def store(home: Path) -> FolderStore:
    """A store with an analysis that has run."""
    an = Analysis(function=lambda ac: None, name="whole", job_definition=SMALL)
    an.run()
    an.wait_done(timeout=60)
    eventually(lambda: not queue().unfinished_rounds())
    return FolderStore(str(home / "store"))


def tomorrow() -> float:
    return time.time() + DAY_SECONDS + 1


def test_submissions_that_ended_in_the_middle_are_removed_after_a_day(store: FolderStore):
    place = queue().location
    gone = {half(store), half(store, place=place), half(store, executor="batch", place="q")}
    gone.add(half(store, executor="foreground", place=place))
    half(store, place="elsewhere:/explorer")  # its executor may have an entry
    half(store, executor="foreground", place="elsewhere:/explorer")
    held = half(store, executor="foreground", place=place)  # its run_local is about to begin
    half(store, format=99)
    (Path(store.root) / "analyses" / "no id").mkdir()
    ran, listed, queued = half(store, place=place), half(store), half(store, place=place)
    store.create(f"analyses/{ran}/outcomes/0.0-1.FAILED.json", b"{}")
    store.create(index_key(parse_id(listed).date, listed), b"{}")
    (queue().accepted / f"{0:020d}-{queued}.0.json").write_text("{}")
    assert set(never_submitted(store, queue(), tomorrow() - 60)) == set()
    with open(store.local_path(f"analyses/{held}/rounds/0.json"), "rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert set(never_submitted(store, queue(), tomorrow())) == gone
        before = set(store.list_folders("analyses"))
        Sweeper(queue(), tomorrow).sweep_stores([])  # that of the home folder is always among them
    assert before - set(store.list_folders("analyses")) == gone


def test_what_is_being_written_into_a_store_stays(store: FolderStore):
    folder = Path(store.root) / ".tmp"
    with subprocess.Popen([sys.executable, "-c", "pass"]) as ended:
        pass
    (folder / f"{ended.pid}-7").write_text("left")
    (folder / f"{os.getpid()}-7").write_text("of a process that lives")
    (folder / "stray").write_text("nobody's")
    assert set(old_parts(store, time.time() + DAY_SECONDS - 60)) == set()
    assert {path.name for path in old_parts(store, tomorrow())} == {f"{ended.pid}-7", "stray"}
    Sweeper(queue(), tomorrow).sweep_stores([store])
    assert {path.name for path in folder.iterdir()} == {f"{os.getpid()}-7"}


def test_a_store_that_is_away_is_not_looked_at(store: FolderStore):
    Path(store.root).rename(f"{store.root}.away")
    Sweeper(queue(), tomorrow).sweep_stores([store])
    Path(f"{store.root}.away").rename(store.root)
    (Path(store.root) / ".tmp" / "stray").write_text("nobody's")
    sweeper = Sweeper(queue(), tomorrow)
    sweeper.sweep_stores([store])
    assert not (Path(store.root) / ".tmp" / "stray").exists()
    (Path(store.root) / ".tmp" / "stray").write_text("the next one's")
    sweeper.sweep_stores([store])  # once a day is enough
    assert (Path(store.root) / ".tmp" / "stray").exists()


def test_inputs_that_were_never_submitted_are_removed_after_a_day(store: FolderStore, home: Path):
    (home / "tmp").mkdir(exist_ok=True)
    (home / "tmp" / "inputs-x").write_text("secret")
    Sweeper(queue()).sweep_home()
    assert (home / "tmp" / "inputs-x").exists()
    Sweeper(queue(), tomorrow).sweep_home()
    assert not (home / "tmp" / "inputs-x").exists()


# -- claims -------------------------------------------------------------------------------------------

CLAIMS = """
import os, sys
from explorer_runner.attempt import claim
def kill(event, args):
    if event == "os.link":
        os.kill(os.getpid(), 9)
sys.addaudithook(kill)
claim.claim(sys.argv[1], sys.argv[1] + "/0.0-1.txt")
"""


@pytest.fixture
def half_a_claim() -> Callable[[Path], None]:
    """A function that leaves in a folder what a process does that is killed in the middle of a claim."""

    def leave(folder: Path) -> None:
        subprocess.run([sys.executable, "-c", CLAIMS, str(folder)], check=False)
        assert list(folder.glob(".claim-*"))

    return leave


def test_claims_that_were_never_made_go_with_their_round(
    home: Path, tmp_path: Path, half_a_claim: Callable[[Path], None]
):
    def waits(ac):
        import os
        import time

        while not os.path.exists(ac.input):
            time.sleep(0.01)

    an = Analysis(function=waits, input=str(tmp_path / "flag"), job_definition=SMALL)
    an.run()
    an.wait_running_or_done(timeout=60)
    [logs] = home.glob("store/analyses/*/logs")
    half_a_claim(logs)
    [left] = logs.glob(".claim-*")
    (logs / ".claim-1-1").write_text("")
    with open(logs / ".claim-1-1", "rb") as file:  # of one that lives
        fcntl.flock(file, fcntl.LOCK_EX)
        (tmp_path / "flag").touch()
        eventually(lambda: not left.exists())
        eventually(lambda: not queue().unfinished_rounds())
    assert {path.name for path in logs.iterdir()} == {"0.0-1.txt", ".claim-1-1"}


def test_those_of_run_local_go_with_it(home: Path):
    def work(ac):
        import pathlib

        [logs] = pathlib.Path(ac.input).glob("store/analyses/*/logs")
        (logs / ".claim-1-1").touch()

    Analysis(function=work, input=str(home)).run_local()
    [logs] = home.glob("store/analyses/*/logs")
    assert {path.name for path in logs.iterdir()} == {"0.0-1.txt"}
