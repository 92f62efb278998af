"""Entries and requests that cannot be read are put aside: they stop nothing else, and somebody says so."""

import json
import os
import signal
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from gencove_explorer.analysis import Analysis, JobDefinition
from gencove_explorer.cli import explorer
from gencove_explorer.executors.host.processes import end_holders, owner_of
from gencove_explorer.executors.local.executor import LocalExecutor
from gencove_explorer.executors.local.queue import Entry, Queue
from gencove_explorer.settings import Settings
from support.servers import serve_moto
from support.waiting import eventually

SMALL = JobDefinition(cpu=1, memory_mb=200)


def executor() -> LocalExecutor:
    return LocalExecutor(Settings.load())


def one(ac):
    ac.output.value("x", 1)


def slow(ac):
    import time

    print("begun", flush=True)
    time.sleep(300)


@pytest.mark.parametrize("text", ["", '{"store": "/tmp/st', "[]", "3", "{}"])
@pytest.mark.parametrize("folder", ["accepted", "new", "requests"])
def test_what_cannot_be_read_stops_nothing(home: Path, text: str, folder: str):
    queue = executor().queue
    queue.make()
    name = f"{time.time_ns():020d}-2026-11-25T080000_work_17eb494f3d5349c88959bace7a6b7873.0.json"
    (queue.folder / folder / name).write_text(text)
    assert executor().unfinished_rounds() == []
    an = Analysis(function=one, job_definition=SMALL)
    an.run()
    an.wait_done(timeout=60)
    assert an.values("x") == [1]
    if (folder, text) == ("requests", "{}"):
        return  # it asks for nothing
    assert [each.name for each in queue.broken.iterdir()] == [name]
    assert f"{name} cannot be read" in queue.log.read_text()
    said = CliRunner().invoke(explorer, ["doctor"])
    assert said.exit_code == 1
    assert f"FAIL queue: cannot be read: {name} in {queue.broken}" in said.output


def test_jobs_whose_entry_cannot_be_read_fail_and_can_be_run_again(home: Path):
    holder = Analysis(function=slow, name="holder", job_definition=JobDefinition(cpu=2, memory_mb=200))
    holder.run()
    holder.wait_running_or_done(timeout=60)
    an = Analysis(function=one, input=[1, 2, 3], job_definition=SMALL)
    an.run()
    queue = executor().queue
    eventually(lambda: list(queue.accepted.glob(f"*-{an.id}.0.json")))
    executor().stop()
    next(queue.accepted.glob(f"*-{an.id}.0.json")).write_bytes(b"")
    executor().start()
    an.wait_done(timeout=60)
    assert an.status()["jobs"] == {"FAILED": 3}
    assert f"its entry in the executor's queue cannot be read ({queue.broken}" in an.status(1)["reason"]
    assert holder.status()["status"] == "RUNNING"
    holder.terminate()
    assert an.retry_failed() == 3
    an.wait_done(timeout=60)
    assert an.values("x") == [1, 1, 1]


def test_an_entry_of_a_newer_version_that_says_more_is_read(home: Path):
    an = Analysis(function=one, job_definition=SMALL)
    executor().queue.make()
    lock = executor().queue.lock()  # no scheduler starts
    assert lock is not None
    queue = Queue(home)
    bell = queue.open_wake_pipe()
    an.run()
    path = next(queue.new.glob("*.json"))
    assert (
        Entry.from_json(json.dumps({**json.loads(path.read_bytes()), "later": 1}).encode()).record.id == an.id
    )
    os.close(bell)
    os.close(lock)
    an.wait_done(timeout=60)


def test_a_dependency_that_cannot_be_read_stops_its_dependents_alone(home: Path):
    first = Analysis(function=slow, name="first", job_definition=SMALL)
    second = Analysis(function=one, name="second", depends_on=[first], job_definition=SMALL)
    second.run()
    first.wait_running_or_done(timeout=60)
    executor().stop()
    path = home / "store" / "analyses" / first.id / "closed" / "0-0.json"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"")
    executor().start()
    other = Analysis(function=one, name="other", job_definition=SMALL)
    other.run()
    other.wait_done(timeout=60)
    assert other.values("x") == [1]
    queue, said = executor().queue, "closed/0-0.json cannot be read"
    eventually(lambda: said in queue.read_state().get("troubles", {}).get(f"{second.id}.0", ""))
    path.unlink()
    first.terminate()
    second.wait_done(timeout=60)
    assert "Dependency failed" in second.status()["reason"]


def test_a_runtime_that_is_gone_stops_its_own_rounds_alone(home: Path):
    holder = Analysis(function=slow, name="holder", job_definition=JobDefinition(cpu=2, memory_mb=200))
    holder.run()
    holder.wait_running_or_done(timeout=60)
    an = Analysis(function=one, input=list(range(50)), job_definition=SMALL)
    an.run()
    queue = executor().queue
    eventually(lambda: list(queue.accepted.glob(f"*-{an.id}.0.json")))
    executor().stop()
    path = next(queue.accepted.glob(f"*-{an.id}.0.json"))
    data = json.loads(path.read_bytes())
    path.write_text(json.dumps({**data, "runtime": str(home / "gone" / "bin" / "python")}))
    executor().start()
    holder.terminate()
    other = Analysis(function=one, name="other", job_definition=SMALL)
    other.run()
    other.wait_done(timeout=60)
    eventually(lambda: "gone/bin/python" in an.status().get("reason", ""))
    said = CliRunner().invoke(explorer, ["doctor"])
    assert said.exit_code == 1
    assert f"FAIL queue: {an.id}.0 cannot go on" in said.output
    an.terminate_all()
    an.wait_done(timeout=60)


def test_a_store_that_does_not_answer_stops_its_own_rounds_alone(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    import boto3

    queue = executor().queue
    with serve_moto(tmp_path) as address, monkeypatch.context() as aws:
        for name, value in {
            "AWS_ENDPOINT_URL": address,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_REGION": "us-east-1",
            "AWS_DEFAULT_REGION": "us-east-1",
            "EXPLORER_STORE": "s3://explorer/x",
        }.items():
            aws.setenv(name, value)
        boto3.client("s3").create_bucket(Bucket="explorer")
        away = Analysis(function=slow, job_definition=SMALL)
        away.run()
        away.wait_running_or_done(timeout=60)
        eventually(lambda: queue.read_state().get("forkers"))
        scratch = next((home / "scratch" / "forkers").glob("*/*.0-1"))
        state = queue.read_state()
        for pid in (state["pid"], *state["forkers"]):
            os.kill(pid, signal.SIGKILL)
        eventually(lambda: not queue.alive())
    an = Analysis(function=one, job_definition=SMALL)
    an.run()
    an.wait_done(timeout=60)
    assert an.values("x") == [1]
    eventually(lambda: "s3://explorer/x" in queue.read_state().get("troubles", {}))
    assert list(queue.accepted.glob(f"*-{away.id}.0.json"))
    assert scratch.is_dir()  # its job goes on
    claim = str(queue.folder / "claims" / away.id / "0.0-1.txt")
    assert owner_of(claim) is not None
    assert end_holders(claim, signal.SIGKILL)
