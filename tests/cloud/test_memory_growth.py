"""On AWS Batch a job that was killed for its memory goes on as a further round, by whoever looks."""

from pathlib import Path

from explorer_runner.stores.uri import open_store
from gencove_explorer.analysis import Analysis, JobDefinition
from localcloud.run import RunningCloud
from support.waiting import WAIT, eventually


def waits(ac):
    """Runs until it is ended, unless it has more memory than at first."""
    import time

    from explorer_runner.stores.uri import open_store

    if ac.job_definition.memory_mb > 300:
        ac.output.value("had", ac.job_definition.memory_mb)
        return
    open_store(ac.input).create(f"{ac.job_index}", b"")
    time.sleep(60)


KILLED = "OutOfMemoryError: Container killed due to memory usage"


def test_on_batch_whoever_looks_submits_a_further_round(
    cloud_home: Path, cloud: RunningCloud, tmp_path: Path
):
    signals = str(tmp_path / "signals")
    definition = JobDefinition(cpu=1, memory_mb=300, memory_mb_max=1000)
    an = Analysis(function=waits, input=[signals, signals], job_definition=definition)
    total = Analysis(
        function=lambda ac: ac.output.value("all", ac.dependency("waits").values("had")),
        name="total",
        depends_on=[an],
        job_definition=JobDefinition(cpu=1, memory_mb=300),
    )
    total.run()
    store = open_store(signals)
    eventually(lambda: store.exists("0") and store.exists("1"))
    job = an._submitted().executor.jobs.ids(an._submitted().rounds)[0]
    for child in (f"{job}:0", f"{job}:1"):
        cloud.tell("reclaim", jobId=child, lost=True, text=KILLED)
    an.wait_done(timeout=WAIT)
    assert an.values("had") == [600, 600]
    assert an.status()["rounds"][1]["changed"] == ["memory_mb 300 -> 600"]
    total.wait_done(timeout=WAIT)  # Batch has failed it with the first round
    assert total.get_output().value("all") == [600, 600]
    assert len(total._submitted().rounds) == 2
