"""Who writes the outcome of a job that died, when that is killed too."""

import os
import signal
from pathlib import Path

import psutil

from explorer_runner.forker.rounds import ForkedJob
from explorer_runner.system import processes
from gencove_explorer.analysis import Analysis, AnalysisContext, JobDefinition
from gencove_explorer.executors.local.executor import LocalExecutor
from gencove_explorer.settings import Settings
from support.waiting import SECONDS, eventually

SMALL = JobDefinition(cpu=1, memory_mb=300)


def waits(ac: AnalysisContext) -> None:
    import os
    import time

    with open(ac.input + ".part", "w") as file:
        file.write(str(os.getpid()))
    os.rename(ac.input + ".part", ac.input)
    time.sleep(300)


def test_another_one_writes_it(home: Path, tmp_path: Path, monkeypatch):
    store, note = tmp_path / "disk" / "store", tmp_path / "note"
    monkeypatch.setenv("EXPLORER_STORE", str(store))
    an = Analysis(function=waits, input=str(note), job_definition=SMALL)
    an.run()
    queue = LocalExecutor(Settings.load()).queue
    eventually(lambda: note.exists() and queue.read_state().get("forkers"))
    [forker] = map(psutil.Process, queue.read_state()["forkers"])
    store.rename(tmp_path / "away")  # for which writers wait
    job = last = int(note.read_text())
    for number in (signal.SIGSEGV, signal.SIGKILL, signal.SIGKILL):
        os.kill(last, number)
        eventually(lambda last=last: [each.pid for each in forker.children() if each.pid != last])
        [last] = (each.pid for each in forker.children() if each.pid != last)
    assert last != job
    (tmp_path / "away").rename(store)
    an.wait_done(timeout=SECONDS)
    assert "SIGSEGV" in an.status(0)["reason"], an.status(0)  # how the job ended, not its writers


def test_but_not_for_ever_where_each_ends_with_an_error():
    job = ForkedJob(None, 0, (0, 0, 1), 0, 0.0)  # type: ignore[arg-type]
    assert not job.is_to_write_again(0)
    assert not job.is_to_write_again(processes.CLAIMED)
    job = ForkedJob(None, 0, (0, 0, 1), 0, 0.0)  # type: ignore[arg-type]
    assert [job.is_to_write_again(-signal.SIGKILL) for _ in range(100)] == [True] * 100
    tried = [job.is_to_write_again(processes.UNWRITTEN) for _ in range(30)]
    assert tried == [True] * 19 + [False] * 11
