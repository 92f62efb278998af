"""The largest array that there may be."""

from pathlib import Path

import pytest

from gencove_explorer.analysis import Analysis, JobDefinition
from gencove_explorer.job_manager import JobManager

JOBS = 10_000


@pytest.mark.timeout(280)
def test_an_array_of_ten_thousand(home: Path):
    def work(ac):
        print("input", ac.input)
        if ac.input == 7_777:
            raise ValueError("the unlucky one")
        ac.output.value("double", 2 * ac.input)

    an = Analysis(function=work, input=list(range(JOBS)), job_definition=JobDefinition(cpu=1, memory_mb=500))
    an.run()
    an.wait_done(timeout=250)
    assert an.status() == {
        "status": "FAILED",
        "reason": an.status()["reason"],
        "jobs": {"SUCCEEDED": JOBS - 1, "FAILED": 1},
    }
    expected = [2 * each for each in range(JOBS)]
    expected[7_777] = None
    assert an.values("double", missing=None) == expected
    found = JobManager().get_analysis(job_id=an.id)
    assert found.get_output(JOBS - 1).value("double") == 2 * (JOBS - 1)
    assert "the unlucky one" in found.status(7_777)["reason"]
    folder = home / "store" / "analyses" / an.id
    assert len(list((folder / "outcomes").iterdir())) == JOBS
    assert (folder / "logs" / "123.0-1.txt").read_text() == "input 123\n"
    # Outcomes, logs, payload and round. A log that was looked at while it grew, on a slow machine, has marks.
    files = [each for each in folder.rglob("*") if each.is_file() and each.suffix != ".marks"]
    assert len(files) == 2 * JOBS + 2
