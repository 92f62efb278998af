"""Which jobs of a round that is in no queue still have a process."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from explorer_runner.attempt import claim
from gencove_explorer.analysis import Analysis, AnalysisContext, JobDefinition
from gencove_explorer.errors import JobFailed
from gencove_explorer.executors.local.executor import LocalExecutor
from gencove_explorer.executors.local.lost_rounds import live_jobs
from gencove_explorer.job_manager import JobManager
from gencove_explorer.settings import Settings
from support.waiting import SECONDS, eventually

SMALL = JobDefinition(cpu=1, memory_mb=100)


def test_jobs_live_whose_claim_is_held_in_that_round(tmp_path: Path):
    for name in ("0.1-1", "2.1-1", "2.1-2", "3.0-1", "4.1-1", "12.1-1"):
        (tmp_path / f"{name}.txt").touch()
    (tmp_path / "0.1-1.marks").touch()
    held = [claim.claim(str(tmp_path), str(tmp_path / f"{name}.txt")) for name in ("1.1-1", "2.1-3", "5.1-1")]
    held.append(claim.claim(str(tmp_path), str(tmp_path / "3.0-2.txt")))  # of another round
    claim.running(held[0])
    assert live_jobs(str(tmp_path), 1, {0, 1, 2, 3, 4}) == {1, 2}
    for each in held:
        os.close(each)
    assert live_jobs(str(tmp_path), 1, {0, 1, 2, 3, 4}) == set()
    assert live_jobs(str(tmp_path / "none"), 1, {0}) == set()


# -- jobs that have ended and whose outcome is gone ---------------------------------------------------


def square(ac: AnalysisContext) -> None:
    ac.output.value("x", ac.input**2)


def executor() -> LocalExecutor:
    return LocalExecutor(Settings.load())


def ended() -> Analysis:
    """An analysis that has ended, and that no queue knows any more."""
    an = Analysis(function=square, input=[1, 2, 3], name="square", job_definition=SMALL)
    an.run()
    an.wait_done(timeout=SECONDS)
    eventually(lambda: not executor().queue.has_round(f"{an.id}.0"))
    return JobManager().get_analysis(an.id)


def folder_of(an: Analysis) -> Path:
    path = an._submitted().store.local_path(f"analyses/{an.id}")
    assert path is not None
    return path


def remove_outcome(folder: Path) -> None:
    next((folder / "outcomes").glob("1.0-*")).unlink()


def remove_outcome_and_claim(folder: Path) -> None:
    remove_outcome(folder)
    next((folder / "logs").glob("1.0-*.txt")).unlink()


@pytest.mark.parametrize("remove", [remove_outcome, remove_outcome_and_claim])
def test_an_ended_job_whose_outcome_is_gone_has_failed_and_runs_again(
    home: Path, remove: Callable[[Path], None]
):
    an = ended()
    remove(folder_of(an))
    assert an.status()["jobs"] == {"SUCCEEDED": 2, "FAILED": 1}
    assert an.status(1)["reason"].startswith("its outcome is missing from the store")
    an.wait_done(timeout=SECONDS)
    an.terminate_all()  # there is nothing to end
    with pytest.raises(JobFailed, match="its outcome is missing"):
        an.values("x")
    assert an.retry_failed() == 1
    an.wait_done(timeout=SECONDS)
    assert an.values("x") == [1, 4, 9]


def test_an_outcome_that_is_there_again_counts(home: Path, tmp_path: Path):
    an = ended()
    path = next((folder_of(an) / "outcomes").glob("1.0-*"))
    path.rename(tmp_path / path.name)
    assert an.status(1)["status"] == "FAILED"
    (tmp_path / path.name).rename(path)
    assert an.values("x") == [1, 4, 9]


def test_what_lost_all_outcomes_can_be_deleted(home: Path):
    an = ended()
    shutil.rmtree(folder_of(an) / "outcomes")
    assert an.status()["jobs"] == {"FAILED": 3}
    an.delete()
    assert not JobManager().list_jobs()


def test_what_depends_on_a_job_whose_outcome_is_gone_does_not_wait_for_it(home: Path):
    first = ended()
    remove_outcome(folder_of(first))
    second = Analysis(function=square, input=1, name="second", depends_on=[first], job_definition=SMALL)
    second.run()
    second.wait_done(timeout=SECONDS)
    assert second.status()["reason"].startswith("Dependency failed: square")


def waits(ac: AnalysisContext) -> None:
    import os
    import time

    while not os.path.exists(ac.input):
        time.sleep(0.01)
    ac.output.value("x", 1)


def test_what_may_still_run_is_not_taken_for_lost(home: Path, tmp_path: Path):
    """Jobs whose executor was stopped, or whose queue was removed, while they ran or waited."""
    flag = tmp_path / "flag"
    definition = JobDefinition(cpu=2, memory_mb=100)
    an = Analysis(function=waits, input=[str(flag)] * 2, job_definition=definition)
    an.run()
    eventually(lambda: an.status().get("jobs") == {"RUNNABLE": 1, "RUNNING": 1})
    executor().stop()
    assert an.status()["jobs"] == {"RUNNABLE": 1, "RUNNING": 1}
    [entry] = executor().queue.accepted.glob("*.json")
    entry.rename(tmp_path / entry.name)
    assert an.status()["jobs"] == {"RUNNING": 1, "FAILED": 1}  # nobody will start the one that waited
    flag.touch()
    eventually(lambda: an.status()["jobs"] == {"SUCCEEDED": 1, "FAILED": 1})
    assert an.retry_failed() == 1
    an.wait_done(timeout=SECONDS)
    assert an.values("x") == [1, 1]


def test_of_a_store_on_s3_likewise(
    home: Path, make_bucket: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("EXPLORER_STORE", f"s3://{make_bucket('moto')}/prefix")
    monkeypatch.setenv("EXPLORER_EXECUTOR", "local")
    an = ended()
    store = an._submitted().store
    [name] = [name for name in store.list_names(f"analyses/{an.id}/outcomes") if name.startswith("1.0-")]
    store.delete(f"analyses/{an.id}/outcomes/{name}")
    assert an.status(1)["reason"].startswith("its outcome is missing from the store")
    assert an.retry_failed() == 1
    an.wait_done(timeout=SECONDS)
    assert an.values("x") == [1, 4, 9]
