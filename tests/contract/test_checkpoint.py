"""ac.checkpoint: a folder that the next attempt at the same job finds as it was saved."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from explorer_runner.stores.uri import open_store
from gencove_explorer.analysis import Analysis, JobDefinition
from gencove_explorer.errors import JobFailed
from localcloud.run import RunningCloud
from support.waiting import WAIT, eventually

SMALL = JobDefinition(cpu=1, memory_mb=300)


def signals_of(home: Path) -> str:
    """The URI of a store in which a job says that it has begun: where the roles of jobs may write."""
    store = os.environ.get("EXPLORER_STORE", "")
    return f"{store}/analyses/signals" if store.startswith("s3://") else str(home.parent / "signals")


def counts(ac):
    """Counts its attempts, and succeeds with the third."""
    state = ac.checkpoint.path / "deep" / "count"
    count = int(state.read_text()) + 1 if state.exists() else 1
    state.parent.mkdir(exist_ok=True)
    state.write_text(str(count))
    (ac.checkpoint.path / "same").write_text("unchanged")
    ac.checkpoint.save()
    if count < 3:
        raise ValueError(f"count {count}")
    ac.output.value("count", count)
    ac.output.value("restored", ac.checkpoint.restored)


def test_a_retry_goes_on_where_the_attempt_before_it_was(home: Path):
    an = Analysis(
        function=counts, input=[0, 1], job_definition=JobDefinition(cpu=1, memory_mb=300, retries=2)
    )
    an.run()
    an.wait_done(timeout=WAIT)
    assert (an.values("count"), an.values("restored")) == ([3, 3], [True, True])


def test_retry_failed_goes_on_too_with_another_function_as_well(home: Path):
    def mended(ac):
        ac.output.value("count", (ac.checkpoint.path / "deep" / "count").read_text())

    an = Analysis(function=counts, job_definition=SMALL)
    an.run()
    an.wait_done(timeout=WAIT)
    with pytest.raises(JobFailed, match="count 1"):
        an.get_output()
    an.retry_failed()
    an.wait_done(timeout=WAIT)
    an.retry_failed(function=mended)
    an.wait_done(timeout=WAIT)
    assert an.values("count") == ["2"]


def waits(ac):
    """Writes into its checkpoint, never saves it, and is told to end."""
    import time

    from explorer_runner.stores.uri import open_store

    if ac.checkpoint.restored:
        ac.output.value("found", (ac.checkpoint.path / "state").read_text())
        return
    (ac.checkpoint.path / "state").write_text("unsaved")
    open_store(ac.input).create("begun", b"")
    time.sleep(60)


@pytest.mark.in_containers
def test_what_was_not_saved_is_when_the_job_is_told_to_end(home: Path):
    signals = signals_of(home)
    an = Analysis(function=waits, input=signals, job_definition=SMALL)
    an.run()
    eventually(lambda: open_store(signals).exists("begun"))
    an.terminate_all()
    an.wait_done(timeout=WAIT)
    assert an.status()["status"] == "FAILED"
    an.retry_failed()
    an.wait_done(timeout=WAIT)
    assert an.values("found") == ["unsaved"]


def reclaim(an: Analysis, cloud: RunningCloud) -> None:
    """Take the machine of an analysis's one job away."""
    stored = an._submitted()
    assert cloud.tell("reclaim", jobId=stored.executor.jobs.ids(stored.rounds)[0])["reclaimed"]


def test_a_reclaimed_machine_costs_nothing(
    cloud_home: Path, cloud: RunningCloud, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    signals = str(tmp_path / "signals")
    an = Analysis(function=waits, input=signals, job_definition=SMALL)
    an.run()
    eventually(lambda: open_store(signals).exists("begun"))
    reclaim(an, cloud)
    an.wait_done(timeout=WAIT)
    assert an.values("found") == ["unsaved"]
    assert an.status() == {"status": "SUCCEEDED"}
    an.logs()
    assert "restored a checkpoint of 1 file, 7 bytes" in capsys.readouterr().out


@pytest.mark.container
def test_a_reclaimed_container_costs_nothing(container_home: Path, container_cloud: RunningCloud):
    signals = signals_of(container_home)
    an = Analysis(function=waits, input=signals, job_definition=SMALL)
    an.run()
    eventually(lambda: open_store(signals).exists("begun"))
    reclaim(an, container_cloud)
    an.wait_done(timeout=WAIT)
    assert an.values("found") == ["unsaved"]


def handles(ac):
    """Takes the wish to end as an exception, as many a library does."""
    import signal
    import sys
    import time

    from explorer_runner.stores.uri import open_store

    if ac.checkpoint.restored:
        ac.output.value("found", (ac.checkpoint.path / "state").read_text())
        return
    (ac.checkpoint.path / "state").write_text("before")
    ac.checkpoint.save()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(3))
    try:
        open_store(ac.input).create("begun", b"")
        time.sleep(60)
    finally:
        (ac.checkpoint.path / "state").write_text("tidied up")


def test_a_job_that_handles_the_signal_is_saved_as_it_left_all(home: Path):
    signals = signals_of(home)
    an = Analysis(function=handles, input=signals, job_definition=SMALL)
    an.run()
    eventually(lambda: open_store(signals).exists("begun"))
    an.terminate_all()
    an.wait_done(timeout=WAIT)
    an.retry_failed()
    an.wait_done(timeout=WAIT)
    assert an.values("found") == ["tidied up"]


def test_on_this_machine_none_is_left_of_a_job_that_succeeded(environment: Callable[[str], Path]):
    environment("home")
    an = Analysis(function=counts, job_definition=JobDefinition(cpu=1, memory_mb=300, retries=2))
    an.run()
    an.wait_done(timeout=WAIT)
    assert an.values("count") == [3]
    stored = an._submitted()
    assert stored.store.list_folders(f"analyses/{stored.id}/checkpoints") == []


def test_run_local_has_one_too(home: Path):
    an = Analysis(function=counts, job_definition=SMALL)
    with pytest.raises(JobFailed, match="count 1"):
        an.run_local()
