"""Attempts at jobs of AWS Batch while S3 has bad moments: what is started again, and what it costs."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from explorer_runner.definition import JobDefinition
from explorer_runner.format.keys import FAILED, STOPPED, SUCCEEDED, outcome_key
from explorer_runner.format.outcome import Outcome
from explorer_runner.stores.uri import open_store
from explorer_runner.system.processes import RETRY
from support.waiting import eventually
from support.weather import Weather, serve_weather

BATCH = ("--batch-job", "job", "--patience", "0.2")
MANY = 25
"""More than a job without patience rides out."""


@pytest.fixture
def weather(make_bucket: Callable[[str], str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Weather]:
    """The way to moto, which jobs take."""
    bucket = make_bucket("moto")
    with serve_weather(os.environ["AWS_ENDPOINT_URL"]) as sky:
        sky.store = open_store(f"s3://{bucket}/prefix")
        monkeypatch.setenv("AWS_ENDPOINT_URL", sky.address)
        yield sky


@pytest.fixture
def submitted(weather: Weather, submit_at: Callable[..., Any]) -> Callable[..., Any]:
    """A function that submits a work function, with retries."""

    def work(ac):
        ac.output.value("attempt", ac.attempt)

    def make(retries: int = 0, function: Callable[..., Any] = work) -> Any:
        definition = JobDefinition(cpu=1, memory_mb=500, retries=retries)
        return submit_at(weather.store, function, job_definition=definition)

    return make


def write(job: Any, attempt: int, status: str) -> None:
    """The outcome of an attempt, as that would have left it."""
    made = Outcome(analysis=job.spec.id, index=0, round=0, attempt=attempt, status=status)
    job.store.create(outcome_key(job.spec.id, job.of(0, attempt), status), made.to_json())


def has(job: Any, attempt: int, status: str) -> bool:
    return job.store.exists(outcome_key(job.spec.id, job.of(0, attempt), status))


def test_an_attempt_that_cannot_reach_s3_is_started_again_and_costs_no_retry(
    weather: Weather, submitted: Callable[..., Any]
):
    job = submitted(retries=1)
    weather.expect(503, 10_000, "SlowDown", path="payloads")
    done = job.run(options=BATCH)
    assert done.returncode == RETRY, done.stderr
    assert "SlowDown" in done.stderr
    assert not any(has(job, 1, status) for status in (SUCCEEDED, FAILED, STOPPED))
    assert job.left() == []
    weather.clear()
    assert job.run(attempt=2, options=BATCH).returncode == 0
    assert job.output(attempt=2).value("attempt") == 2


def test_the_work_is_not_lost_when_s3_fails_for_longer_than_a_job_waits_at_first(
    weather: Weather, submitted: Callable[..., Any]
):
    job = submitted()
    weather.expect(503, MANY, "SlowDown", method="PUT", path="outcomes")
    done = job.run(options=BATCH)
    assert done.returncode == 0, done.stderr
    assert weather.took(503) == MANY
    assert job.output().value("attempt") == 1


def test_a_job_whose_earlier_attempt_has_succeeded_is_not_run_again(
    weather: Weather, submitted: Callable[..., Any]
):
    job = submitted(retries=3)
    write(job, 1, FAILED)
    write(job, 2, SUCCEEDED)
    done = job.run(attempt=3, options=BATCH)
    assert (done.returncode, done.stdout) == (0, "")
    assert "an attempt before this one has ended job 0" in done.stderr
    assert not has(job, 3, SUCCEEDED)


@pytest.mark.parametrize(("retries", "code"), [(0, 1), (1, 0)])
def test_a_job_that_has_failed_as_often_as_it_may_is_not_run_again(
    weather: Weather, submitted: Callable[..., Any], retries: int, code: int
):
    job = submitted(retries)
    write(job, 1, FAILED)
    write(job, 2, STOPPED)
    assert job.run(attempt=3, options=BATCH).returncode == code
    assert has(job, 3, SUCCEEDED) is (code == 0)


def test_an_attempt_that_is_told_to_stop_before_its_function_is_called_is_started_again(
    weather: Weather, submitted: Callable[..., Any]
):
    job = submitted()
    weather.expect(503, 10_000, "SlowDown", path="payloads")
    with job.start(options=("--batch-job", "job", "--patience", "60")) as running:
        eventually(lambda: weather.took(503) > MANY)
        running.send_signal(signal.SIGTERM)
        assert running.wait(60) == RETRY


def test_an_attempt_that_is_told_to_stop_while_its_function_runs_is_started_again(
    weather: Weather, submitted: Callable[..., Any]
):
    def slow(ac):
        import time

        print("begun", flush=True)
        time.sleep(100)

    job = submitted(function=slow)
    with job.start(options=BATCH) as running:
        assert running.stdout is not None
        assert running.stdout.readline() == "begun\n"
        running.send_signal(signal.SIGTERM)
        assert running.wait(60) == RETRY
    assert has(job, 1, STOPPED)


LEAVE = """
import os, signal, sys, threading
from explorer_runner.attempt import grace
from explorer_runner.system.patience import Patience
from explorer_runner.stores.uri import open_store
signal.signal(signal.SIGTERM, lambda *_: None)
reader, writer = os.pipe()
os.set_blocking(writer, False)
signal.set_wakeup_fd(grace.watch(writer, 0.1, 100))
print("ready", flush=True)
open_store(sys.argv[1]).read("k")
"""


def test_a_container_ends_in_time_though_s3_is_silent(weather: Weather):
    weather.expect("hang", 100)
    command = [sys.executable, "-c", LEAVE, weather.store.uri]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        eventually(lambda: weather.took("hang"))
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 100
