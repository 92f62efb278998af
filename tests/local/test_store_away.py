"""A store whose folder goes away, since its disk was unmounted or it was renamed, and comes back."""

import os
import re
import shlex
import signal
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner

from explorer_runner.errors import StoreError
from explorer_runner.stores.folder import MARK
from gencove_explorer.analysis import Analysis, AnalysisContext, JobDefinition
from gencove_explorer.cli import explorer
from gencove_explorer.executors.local.executor import LocalExecutor
from gencove_explorer.job_manager import JobManager
from gencove_explorer.settings import Settings
from support.waiting import SECONDS, eventually

SMALL = JobDefinition(cpu=1, memory_mb=100)


def one(ac: AnalysisContext) -> None:
    ac.output.value("x", 1)


def waits(ac: AnalysisContext) -> None:
    import os
    import time

    while not os.path.exists(ac.input):
        time.sleep(0.01)
    ac.output.file("file").as_local().write_text("kept")
    ac.output.value("x", 1)


def executor() -> LocalExecutor:
    return LocalExecutor(Settings.load())


@pytest.fixture
def store(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a store outside of the home folder, as on a disk of its own."""
    folder = tmp_path / "disk" / "store"
    monkeypatch.setenv("EXPLORER_STORE", str(folder))
    return folder


def run(function: object = one, **more: object) -> Analysis:
    an = Analysis(function=function, **{"job_definition": SMALL, **more})  # type: ignore[arg-type]
    an.run()
    return an


def done(an: Analysis) -> object:
    an.wait_done(timeout=SECONDS)
    return an.get_output().value("x")


@pytest.mark.parametrize("mount_point", [False, True])
def test_jobs_and_executor_wait_until_it_is_back(store: Path, tmp_path: Path, mount_point: bool):
    flag, away = tmp_path / "flag", tmp_path / "away"
    first = run(waits, input=str(flag), job_definition=JobDefinition(cpu=2, memory_mb=100))
    first.wait_running_or_done(timeout=SECONDS)
    second = run(name="second")
    third = run(name="third", depends_on=[second])
    executor().stop()  # so that the next one has to take everything in while the store is away
    store.rename(away)
    if mount_point:
        store.mkdir()
    executor().start()
    queue = executor().queue
    eventually(lambda: f"{store} is not there" in str(queue.read_state().get("troubles")))
    flag.touch()
    log = away / "analyses" / first.id / "logs" / "0.0-1.txt"
    eventually(lambda: "waits for the store" in log.read_text())
    shown = CliRunner().invoke(explorer, ["doctor"]).output
    assert re.search(rf"FAIL store: .*{store} is not there", shown)
    assert re.search(rf"FAIL queue: .*cannot go on: .*{store} is not there", shown)
    for call in (first.status, second.retry_failed, first.terminate_all, run, JobManager().list_jobs):
        with pytest.raises(StoreError, match=r"is not there: it was made"):
            call()
    assert list(store.parent.glob("store/*")) == []
    if mount_point:
        store.rmdir()
    assert not store.exists()
    away.rename(store)
    assert [done(an) for an in (first, second, third)] == [1, 1, 1]
    assert first.get_output().file("file").as_local().read_text() == "kept"


def test_one_that_is_gone_for_good_is_made_again_by_hand_alone(store: Path):
    done(run())
    assert (store / MARK).is_dir()
    store.rename(store.with_name("old"))
    with pytest.raises(StoreError) as caught:
        run()
    advice = re.search(r"makes an empty one: (.*)", str(caught.value))
    assert advice is not None
    subprocess.run(shlex.split(advice[1]), check=True)
    assert list(JobManager().list_jobs()) == []
    assert done(run()) == 1


def test_one_that_was_made_before_there_were_marks_is_marked(home: Path, store: Path):
    first = run()
    done(first)
    (store / MARK).rmdir()
    for note in (home / "stores").iterdir():
        note.unlink()
    assert JobManager().get_analysis(first.id).status()["status"] == "SUCCEEDED"
    store.rename(store.with_name("away"))
    with pytest.raises(StoreError, match="is not there"):  # it was seen
        run()
    store.with_name("away").rename(store)
    assert done(run()) == 1
    assert (store / MARK).is_dir()


def test_that_of_the_home_folder_is_made_where_it_is_not_there(home: Path):
    done(run())
    (home / "store").rename(home / "old")
    assert list(JobManager().list_jobs()) == []
    assert done(run()) == 1


def test_run_local_ends_and_what_it_ran_is_lost(store: Path):
    def moves(ac: AnalysisContext) -> None:
        import os

        if os.path.exists(ac.input):
            os.rename(ac.input, f"{ac.input}-away")

    an = Analysis(function=moves, input=str(store), job_definition=SMALL)
    with pytest.raises(StoreError, match="is not there: it was made"):
        an.run_local()
    assert not store.exists()
    store.with_name("store-away").rename(store)
    assert an.status()["status"] == "FAILED"
    assert an.retry_failed(function=one) == 1
    assert done(an) == 1


def test_a_payload_that_was_to_be_opened_meanwhile_is_opened_when_it_is_back(store: Path, tmp_path: Path):
    flag, away = tmp_path / "flag", tmp_path / "away"
    first = run(waits, input=str(flag))
    first.wait_running_or_done(timeout=SECONDS)
    queue = executor().queue
    eventually(lambda: queue.read_state().get("running") == 1)
    [forker] = queue.read_state()["forkers"]
    os.kill(forker, signal.SIGSTOP)
    try:
        second = run(name="second")
        eventually(lambda: queue.read_state().get("waiting") == 1)  # the forker was told of it
        store.rename(away)
    finally:
        os.kill(forker, signal.SIGCONT)
    eventually(lambda: f"{store} is not there" in str(queue.read_state().get("troubles")))
    away.rename(store)
    flag.touch()
    assert [done(an) for an in (first, second)] == [1, 1]
