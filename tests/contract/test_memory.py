"""memory_mb_max: only a job that was killed for its memory is tried again with more."""

from pathlib import Path

from gencove_explorer.analysis import Analysis, JobDefinition
from support.waiting import WAIT


def failing(ac):
    raise MemoryError("of Python's own")


def test_an_exception_never_grows_it(home: Path):
    definition = JobDefinition(cpu=1, memory_mb=300, memory_mb_max=600)
    an = Analysis(function=failing, job_definition=definition)
    an.run()
    an.wait_done(timeout=WAIT)
    assert "MemoryError" in an.status()["reason"]
    assert len(an._submitted().rounds) == 1
