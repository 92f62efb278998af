"""What status() says of jobs that run while others wait for them."""

import os
from pathlib import Path

from gencove_explorer.analysis import Analysis, JobDefinition
from gencove_explorer.settings import Settings
from support.waiting import eventually


def test_only_a_job_that_waits_has_a_reason_to(home: Path, tmp_path: Path):
    def work(ac):
        import os
        import time

        while not os.path.exists(ac.input):
            time.sleep(0.05)

    end = str(tmp_path / "end")
    whole = JobDefinition(cpu=Settings.load().cpus, memory_mb=300)
    an = Analysis(function=work, input=[end, end], job_definition=whole)
    an.run()
    said = f"waits for {whole.cpu} CPUs and 300 MiB"
    eventually(lambda: an.status()["jobs"] == {"RUNNABLE": 1, "RUNNING": 1} and "reason" in an.status())
    running, waiting = sorted((an.status(0), an.status(1)), key=lambda found: found["status"], reverse=True)
    assert running == {"status": "RUNNING"}
    assert waiting["status"] == "RUNNABLE"
    assert waiting["reason"].startswith(said)
    assert an.status()["reason"].startswith(said)
    os.close(os.open(end, os.O_CREAT))
    an.wait_done(timeout=60)
