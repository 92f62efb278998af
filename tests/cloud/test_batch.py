"""Analyses on AWS Batch: what differs from this machine, against the local cloud."""

import re
import time
from pathlib import Path
from typing import Any

import pytest

from explorer_runner.results import outcome_names
from gencove_explorer.analysis import Analysis, JobDefinition
from gencove_explorer.aws.clients import AwsClients
from gencove_explorer.errors import ConfigError, DependencyError, ExecutorError, SubmissionError
from gencove_explorer.executors.batch.images import Images
from gencove_explorer.job_manager import JobManager
from gencove_explorer.models import File
from gencove_explorer.records.closed import read_closed
from gencove_explorer.records.states import SUBMISSION_SECONDS
from gencove_explorer.session import Session
from localcloud.provision import LOG_GROUP, open_client
from localcloud.run import RunningCloud
from support.waiting import eventually


def double(ac):
    print("input", ac.input)
    ac.output.value("double", ac.input * 2)


def slow(ac):
    import time

    print("begun", flush=True)
    time.sleep(ac.input)
    ac.output.value("ended", True)


@pytest.fixture
def batch(cloud: RunningCloud) -> Any:
    return open_client("batch", cloud.endpoint)


def jobs_of(batch: Any, an: Analysis) -> list[dict[str, Any]]:
    """What Batch says of the jobs of an analysis, the oldest first."""
    named = [{"name": "JOB_NAME", "values": [an.id]}]
    found = batch.list_jobs(jobQueue="explorer", filters=named)["jobSummaryList"]
    return list(batch.describe_jobs(jobs=[each["jobId"] for each in reversed(found)])["jobs"])


def running(batch: Any, an: Analysis) -> str:
    """The id of its job, once it runs."""
    an.run()
    an.wait_running_or_done(timeout=60)
    eventually(lambda: an.status()["status"] == "RUNNING")
    return str(jobs_of(batch, an)[0]["jobId"])


def test_a_job_is_tagged_and_its_definition_used_again(
    cloud_home: Path, batch: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    import subprocess

    monkeypatch.chdir(tmp_path)
    for command in (
        ["init", "-q"],
        ["-c", "user.name=x", "-c", "user.email=x@y", "commit", "-q", "--allow-empty", "-m", "x"],
    ):
        subprocess.run(["git", *command], check=True)
    ids = set()
    for memory in (500, 600):
        an = Analysis(
            function=double,
            input=1,
            labels={"team": "demo", "odd": "a&b"},
            job_definition=JobDefinition(cpu=1, memory_mb=memory, gpu=1, timeout_seconds=70),
        )
        an.run()
        an.wait_done(timeout=60)
        (job,) = jobs_of(batch, an)
        ids.add(job["jobDefinition"])
    assert len(ids) == 1
    assert re.fullmatch(r".*:job-definition/explorer-[0-9a-f]{20}:1", ids.pop())
    assert job["tags"].pop("explorer:commit") == subprocess.getoutput("git rev-parse HEAD")
    assert job["tags"].pop("explorer:user")
    assert job["tags"] == {
        "explorer:analysis": an.id,
        "explorer:name": "double",
        "team": "demo",
        "odd": "a_b",
    }
    assert job["timeout"] == {"attemptDurationSeconds": 70}
    needs = {each["type"]: each["value"] for each in job["container"]["resourceRequirements"]}
    assert needs == {"VCPU": "1", "MEMORY": "600", "GPU": "1"}
    assert re.search(r"explorer-runner@sha256:[0-9a-f]{64}$", job["container"]["image"])


def test_a_secret_reaches_the_job_and_nothing_else(cloud_home: Path, cloud: RunningCloud, batch: Any):
    secrets = open_client("secretsmanager", cloud.endpoint)
    arn = secrets.create_secret(Name=f"s{time.monotonic_ns()}", SecretString="hush-hush")["ARN"]

    def work(ac):
        import os

        ac.output.value("length", len(os.environ["TOKEN"]))

    an = Analysis(function=work, job_definition=JobDefinition(secrets={"TOKEN": arn}))
    an.run()
    an.wait_done(timeout=60)
    assert an.values("length") == [9]
    (job,) = jobs_of(batch, an)
    assert "hush" not in str(job)
    store = Session().store
    everything = [
        each["Key"]
        for page in open_client("s3", cloud.endpoint)
        .get_paginator("list_objects_v2")
        .paginate(Bucket="explorer", Prefix=store.uri.removeprefix("s3://explorer/"))
        for each in page["Contents"]
    ]
    for key in everything:
        body = open_client("s3", cloud.endpoint).get_object(Bucket="explorer", Key=key)["Body"].read()
        assert b"hush" not in body
        assert b"AWS_SECRET" not in body


def test_a_missing_secret_fails_the_job_with_batchs_reason(cloud_home: Path):
    arn = "arn:aws:secretsmanager:us-east-1:123456789012:secret:none"
    an = Analysis(function=lambda ac: None, job_definition=JobDefinition(secrets={"TOKEN": arn}))
    an.run()
    an.wait_done(timeout=60)
    assert "unable to pull secrets" in an.status()["reason"]


# -- ends ---------------------------------------------------------------------------------------------


def test_a_timeout_has_batchs_own_reason(cloud_home: Path):
    an = Analysis(function=slow, input=100, job_definition=JobDefinition(timeout_seconds=60, retries=3))
    an.run()
    an.wait_done(timeout=60)
    assert an.status() == {"status": "FAILED", "reason": "Job attempt duration exceeded timeout"}
    assert len(list(an.failures())) == 1


@pytest.mark.parametrize("lost", [False, True])
def test_a_reclaimed_machine_costs_no_retry(
    cloud_home: Path, cloud: RunningCloud, batch: Any, capsys: pytest.CaptureFixture[str], lost: bool
):
    def work(ac):
        import time

        print("attempt", ac.attempt, flush=True)
        if ac.attempt == 1:
            time.sleep(100)
        ac.output.value("attempt", ac.attempt)

    an = Analysis(function=work)
    assert cloud.tell("reclaim", jobId=running(batch, an), lost=lost)["reclaimed"]
    an.wait_done(timeout=60)
    assert an.status() == {"status": "SUCCEEDED"}
    assert an.values("attempt") == [2]
    an.logs()
    assert capsys.readouterr().out == "attempt 2\n"


def test_a_machine_that_goes_with_other_words_costs_no_retry(
    cloud_home: Path, cloud: RunningCloud, batch: Any, tmp_path: Path
):
    """Whatever AWS says of it, the job was told to stop and did not finish."""

    def work(ac):
        import time
        from pathlib import Path

        Path(ac.input).touch()
        if ac.attempt == 1:
            time.sleep(100)
        ac.output.value("attempt", ac.attempt)

    begun = tmp_path / "begun"
    an = Analysis(function=work, input=str(begun))
    job = running(batch, an)
    eventually(begun.exists)
    assert cloud.tell("reclaim", jobId=job, text="Essential container in task exited")["reclaimed"]
    an.wait_done(timeout=60)
    assert an.values("attempt") == [2]


UNSTARTABLE = "DockerTimeoutError: Could not transition to created; timed out after waiting 4m0s"


def test_an_analysis_rides_out_containers_that_cannot_be_started(
    cloud_home: Path, cloud: RunningCloud, batch: Any
):
    cloud.tell("unstartable", reason=UNSTARTABLE, times=4)
    an = Analysis(function=double, input=[1, 2])
    an.run()
    an.wait_done(timeout=60)
    assert an.values("double") == [2, 4]


def test_what_never_starts_ends_with_a_reason_that_says_how_often_it_was_tried(
    cloud_home: Path, cloud: RunningCloud, batch: Any
):
    cloud.tell("unstartable", reason=UNSTARTABLE, times=10)
    an = Analysis(function=double, input=1)
    an.run()
    an.wait_done(timeout=60)
    assert an.status()["reason"] == (
        f"{UNSTARTABLE} (attempts: 10, as that may pass; a wrong image or secret does not)"
    )
    assert len(jobs_of(batch, an)[0]["attempts"]) == 10
    assert an.retry_failed() == 1
    an.wait_done(timeout=60)
    assert an.values("double") == [2]


def test_a_job_whose_end_nobody_saw_is_not_run_again(cloud_home: Path, cloud: RunningCloud, batch: Any):
    cloud.tell("unseen", times=1)
    an = Analysis(function=lambda ac: ac.output.value("attempt", ac.attempt))
    an.run()
    an.wait_done(timeout=60)
    eventually(lambda: jobs_of(batch, an)[0]["status"] == "SUCCEEDED")
    assert len(jobs_of(batch, an)[0]["attempts"]) == 2
    assert an.values("attempt") == [1]
    assert [each.attempt for each in outcome_names(Session().store, an.id)] == [1]


def test_retries_are_for_the_jobs_own_failures(cloud_home: Path, cloud: RunningCloud, batch: Any):
    def work(ac):
        import time

        if ac.attempt == 1:
            time.sleep(100)
        raise ValueError(f"attempt {ac.attempt}")

    an = Analysis(function=work, job_definition=JobDefinition(retries=2))
    cloud.tell("reclaim", jobId=running(batch, an))
    an.wait_done(timeout=60)
    assert "attempt 4" in an.status()["reason"]  # one reclaimed, one failed, two more
    assert len(jobs_of(batch, an)[0]["attempts"]) == 4


def test_without_retries_a_failure_is_final(cloud_home: Path, batch: Any):
    def work(ac):
        import os

        os._exit(100)  # what the runner ends with when a job may be tried again

    an = Analysis(function=work)
    an.run()
    an.wait_done(timeout=60)
    (job,) = jobs_of(batch, an)
    assert len(job["attempts"]) == 1
    assert "exit code 100" in an.status()["reason"]


def test_a_runner_that_was_killed_leaves_batchs_reason(cloud_home: Path, batch: Any):
    def work(ac):
        import os

        os.kill(os.getppid(), 9)

    an = Analysis(function=work, input=[1, 2])
    an.run()
    an.wait_done(timeout=60)
    assert "left no outcome" in an.status(1)["reason"]
    assert "exit code 137" in an.status(1)["reason"]
    assert an.retry_failed(function=double) == 2
    an.wait_done(timeout=60)
    assert an.values("double") == [2, 4]


def test_one_failed_index_is_run_again_as_a_plain_job(cloud_home: Path, batch: Any):
    def work(ac):
        if ac.input == 1:
            raise ValueError("no")
        ac.output.value("double", 2 * ac.input)

    an = Analysis(function=work, input=[0, 1, 2])
    an.run()
    an.wait_done(timeout=60)
    assert an.retry_failed(function=double) == 1
    an.wait_done(timeout=60)
    assert an.values("double") == [0, 2, 4]
    first, second = jobs_of(batch, an)
    assert first["arrayProperties"]["size"] == 3
    assert "arrayProperties" not in second
    assert JobManager().get_analysis(an.id).status()["status"] == "SUCCEEDED"


def test_after_batch_forgot_a_job_everything_works(
    cloud_home: Path, cloud: RunningCloud, batch: Any, capsys: pytest.CaptureFixture[str]
):
    an = Analysis(function=double, input=[1, 2])
    an.run()
    an.wait_done(timeout=60)
    (job,) = jobs_of(batch, an)
    cloud.tell("forget", jobId=job["jobId"])
    logs = open_client("logs", cloud.endpoint)
    for each in logs.describe_log_streams(logGroupName=LOG_GROUP)["logStreams"]:
        logs.delete_log_stream(logGroupName=LOG_GROUP, logStreamName=each["logStreamName"])
    again = JobManager().get_analysis(an.id)
    assert again.status() == {"status": "SUCCEEDED", "jobs": {"SUCCEEDED": 2}}
    assert again.values("double") == [2, 4]
    again.logs(1)
    assert capsys.readouterr().out == "input 2\n"
    after = Analysis(function=lambda ac: ac.output.value("x", 1), depends_on=[again])
    after.run()
    after.wait_done(timeout=60)
    assert jobs_of(batch, after)[0]["dependsOn"] == []
    assert after.values("x") == [1]


def test_a_job_that_batch_lost_is_closed_once_it_is_run_again(
    cloud_home: Path, cloud: RunningCloud, batch: Any, monkeypatch: pytest.MonkeyPatch
):
    an = Analysis(function=slow, input=100)
    job = running(batch, an)
    batch.terminate_job(jobId=job, reason="x")
    eventually(lambda: jobs_of(batch, an)[0]["status"] == "FAILED")
    cloud.tell("forget", jobId=job)
    assert JobManager().get_analysis(an.id).status()["status"] == "SUBMITTED"  # it may be on its way
    monkeypatch.setattr(time, "time", lambda now=time.time: now() + SUBMISSION_SECONDS)
    found = JobManager().get_analysis(an.id)
    assert "never submitted" in found.status()["reason"]
    store = Session().store
    assert read_closed(store, an.id) == {}
    assert found.retry_failed(function=double) == 1
    assert list(read_closed(store, an.id)) == [0]
    found.wait_done(timeout=60)
    assert found.values("double") == [200]


def test_a_job_long_in_runnable_says_why(cloud_home: Path, cloud: RunningCloud, batch: Any):
    an = Analysis(function=double, input=[1, 2], job_definition=JobDefinition(cpu=1000))
    an.run()
    eventually(lambda: an.status()["status"] == "RUNNABLE")
    assert "reason" not in an.status()
    job = jobs_of(batch, an)[0]["jobId"]
    cloud.tell("age", jobId=job, seconds=500)
    assert "this may pass" in an.status()["reason"]
    cloud.tell("age", jobId=job, seconds=600)
    assert an.status()["reason"].startswith("MISCONFIGURATION:JOB_RESOURCE_REQUIREMENT")
    assert "may pass" not in an.status()["reason"]
    assert an.status(1)["reason"].startswith("MISCONFIGURATION:JOB_RESOURCE_REQUIREMENT")
    an.terminate_all()
    an.wait_done(timeout=60)
    assert an.status(1)["reason"].startswith("Terminated by ")


def test_a_job_that_was_terminated_says_by_whom(cloud_home: Path, batch: Any):
    an = Analysis(function=slow, input=[100, 100])
    running(batch, an)
    JobManager().get_analysis(an.id).terminate(1)
    eventually(lambda: an.status(1)["status"] == "FAILED")
    assert an.status(1)["reason"].startswith("Terminated by ")
    an.terminate_all()
    an.wait_done(timeout=60)


def test_a_retry_may_run_on_another_executor(
    cloud_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    def work(ac):
        import time

        if ac.input == 1:
            raise ValueError("no")
        print("begun", flush=True)
        time.sleep(100)

    an = Analysis(function=work, input=[0, 1])
    an.run()
    eventually(lambda: an.status(1)["status"] == "FAILED" and an.status(0)["status"] == "RUNNING")
    monkeypatch.setenv("EXPLORER_EXECUTOR", "local")
    here = JobManager().get_analysis(an.id)
    assert here.retry_failed(function=double) == 1
    eventually(lambda: here.status(1)["status"] == "SUCCEEDED")
    assert here.status(0) == {"status": "RUNNING"}
    here.logs(0)
    here.logs(1)
    assert capsys.readouterr().out == "begun\ninput 1\n"
    here.terminate_all()
    here.wait_done(timeout=60)
    assert here.status()["jobs"] == {"SUCCEEDED": 1, "FAILED": 1}
    here.delete()
    assert JobManager().list_jobs() == []


# -- what is refused ----------------------------------------------------------------------------------


def refused(error: type[Exception], match: str, an: Analysis) -> None:
    with pytest.raises(error, match=match):
        an.run()
    assert Session().store.list_folders("analyses") == []
    assert JobManager().list_jobs() == []


def test_what_batch_would_refuse_is_refused_before_anything_is_written(
    cloud_home: Path, cloud: RunningCloud, monkeypatch: pytest.MonkeyPatch
):
    refused(
        SubmissionError,
        "60 and more",
        Analysis(function=double, job_definition=JobDefinition(timeout_seconds=9)),
    )
    refused(
        SubmissionError,
        "not in ECR",
        Analysis(function=double, job_definition=JobDefinition(image="python:3")),
    )
    repository = cloud.variables["EXPLORER_BATCH__IMAGE"]
    refused(
        SubmissionError,
        r"there are: 0\.1\.0-py3",
        Analysis(function=double, job_definition=JobDefinition(image=f"{repository}:none")),
    )
    refused(
        SubmissionError,
        "no repository",
        Analysis(function=double, job_definition=JobDefinition(image=f"{repository}-other:none")),
    )
    refused(SubmissionError, "the label 'aws:x'", Analysis(function=double, labels={"aws:x": "y"}))
    refused(
        SubmissionError,
        "no bucket nobodys-bucket",
        Analysis(function=double, input=File("s3://nobodys-bucket/x")),
    )
    for name, match in (("QUEUE", "does not exist"), ("IMAGE", "explorer doctor")):
        with monkeypatch.context() as patch:
            patch.setenv(f"EXPLORER_BATCH__{name}", "123456789012.dkr.ecr.us-east-1.amazonaws.com/none")
            refused((ExecutorError, ConfigError, SubmissionError), match, Analysis(function=double))
    monkeypatch.setenv("EXPLORER_STORE", str(cloud_home / "store"))
    with pytest.raises(ConfigError, match="cannot reach"):
        Analysis(function=double).run()


def test_a_bucket_of_another_region_is_refused(cloud_home: Path, cloud: RunningCloud):
    open_client("s3", cloud.endpoint).create_bucket(
        Bucket="far", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"}
    )
    refused(SubmissionError, "region eu-west-1", Analysis(function=double, input=File("s3://far/x")))


@pytest.mark.parametrize(
    ("kind", "times", "match"),
    [
        ("kms", 1, r"key of KMS\. Name that key in Terraform's kms_key_arns.*kms:Decrypt on resource"),
        ("refuse", 1, r"requester pays.*copy what they need to a bucket of yours"),
        ("refuse", 2, r"s3://data/note\.txt may not be read; jobs may not read it either"),
    ],
)
def test_inputs_that_nobody_may_read_are_refused_by_one_object_a_bucket(
    cloud_home: Path, cloud: RunningCloud, kind: str, times: int, match: str
):
    s3 = open_client("s3", cloud.endpoint)
    if "data" not in [each["Name"] for each in s3.list_buckets()["Buckets"]]:
        s3.create_bucket(Bucket="data")
    s3.put_object(Bucket="data", Key="note.txt", Body=b"note")
    cloud.tell("faults", kind=kind, times=times, action="GetObject", path="/data/note.txt")
    inputs = [File("s3://data/note.txt")] * 3
    before = len(cloud.requests())
    refused(SubmissionError, match, Analysis(function=double, input=inputs))
    asked = [each for each in cloud.requests(before) if each["path"] == "/data/note.txt"]
    assert len(asked) == (1 if kind == "kms" else 2)
    an = Analysis(function=lambda ac: None, input=[*inputs, File("s3://data/missing")])
    before = len(cloud.requests())
    an.run()  # one object a bucket, whether it is there or may still come
    asked = [each for each in cloud.requests(before) if each["path"].startswith("/data/")]
    assert len([each for each in asked if each["key"] == "submitter"]) == 1
    an.wait_done(timeout=60)


def test_a_python_without_an_image_is_told_of(cloud_home: Path):
    found = Images(AwsClients(), python="3.99")
    with pytest.raises(SubmissionError, match=r"py3\.99.*there are: .*Python 3\.99"):
        found.pin(Session().settings.batch.image)


def test_a_dependency_that_runs_elsewhere_is_refused(
    cloud_home: Path, monkeypatch: pytest.MonkeyPatch, batch: Any
):
    here = Analysis(function=slow, input=100)
    with monkeypatch.context() as patch:
        patch.setenv("EXPLORER_EXECUTOR", "local")
        here.run()
    after = Analysis(function=double, input=1, depends_on=[here])
    with pytest.raises(DependencyError, match="local executor"):
        after.run()
    with monkeypatch.context() as patch:
        patch.setenv("EXPLORER_EXECUTOR", "local")
        here.terminate()
        here.wait_done(timeout=60)


def test_a_dependency_that_failed_fails_the_rest_at_once(cloud_home: Path, batch: Any):
    def bad(ac):
        raise ValueError("no")

    first = Analysis(function=bad)
    first.run()
    first.wait_done(timeout=60)
    after = Analysis(function=double, input=[1, 2], depends_on=[first])
    after.run()
    assert after.status(0)["reason"].startswith(f"Dependency failed: bad ({first.id}): ValueError: no")
    assert jobs_of(batch, after) == []
