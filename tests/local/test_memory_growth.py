"""A job that was killed for its memory goes on with more, by the scheduler itself."""

from pathlib import Path

from gencove_explorer.analysis import Analysis, JobDefinition
from support.waiting import WAIT


def hungry(ac):
    """Takes so many MiB; where it has less it waits to be killed for that."""
    import time

    taken = bytearray(ac.input << 20)
    taken[::4096] = b"x" * len(taken[::4096])
    if ac.input > ac.job_definition.memory_mb:
        time.sleep(60)
    ac.output.value("had", ac.job_definition.memory_mb)


def failing(ac):
    raise MemoryError("of Python's own")


def test_it_is_doubled_up_to_the_limit(home: Path):
    definition = JobDefinition(cpu=1, memory_mb=100, memory_mb_max=500)
    an = Analysis(function=hungry, input=[10, 300, 900], job_definition=definition)
    following = Analysis(
        function=lambda ac: ac.output.value("all", len(ac.dependency("hungry").failures())),
        name="following",
        depends_on=[an],
        job_definition=JobDefinition(cpu=1, memory_mb=100),
    )
    following.run()
    an.wait_done(timeout=WAIT)
    assert an.get_output(0).value("had") == 100
    assert an.get_output(1).value("had") == 400
    assert "500 MiB asked for (memory_mb_max)" in an.status(2)["reason"]
    assert an.status()["rounds"][1]["changed"] == ["memory_mb 100 -> 200"]
    asked = {record.job_definition.memory_mb for record in an._submitted().rounds}
    assert asked == {100, 200, 400, 500}
    following.wait_done(timeout=WAIT)
    assert "Dependency failed: hungry" in following.status()["reason"]  # of its last word, and not before
