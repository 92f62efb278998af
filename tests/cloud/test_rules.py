"""The local cloud keeps AWS's rules: each test is one of them, with the page that it stands on."""

import time
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from localcloud.jobs import DEPENDENT_FAILED, Ended, Job, make_job
from localcloud.provision import LOG_GROUP, open_client
from localcloud.run import RunningCloud
from support.waiting import eventually


@pytest.fixture
def batch(cloud: RunningCloud) -> Any:
    return open_client("batch", cloud.endpoint)


@pytest.fixture
def submit(batch: Any) -> Callable[..., str]:
    """A function that submits a shell command; returns the job's id."""
    made = batch.register_job_definition(
        jobDefinitionName=f"shell-{time.monotonic_ns()}",
        type="container",
        containerProperties={
            "image": "any",
            "command": ["true"],
            "resourceRequirements": [{"type": "MEMORY", "value": "64"}, {"type": "VCPU", "value": "1"}],
            "logConfiguration": {
                "logDriver": "awslogs",
                "options": {"awslogs-group": LOG_GROUP, "awslogs-stream-prefix": "shell"},
            },
        },
    )

    def run(script: str, **more: Any) -> str:
        overrides = {"command": ["sh", "-c", script], **more.pop("overrides", {})}
        asked = {"jobName": "test", "jobQueue": "explorer", "jobDefinition": made["jobDefinitionArn"], **more}
        return str(batch.submit_job(containerOverrides=overrides, **asked)["jobId"])

    return run


def described(batch: Any, job: str) -> dict[str, Any]:
    return dict(batch.describe_jobs(jobs=[job])["jobs"][0])


def ended(batch: Any, job: str) -> dict[str, Any]:
    eventually(lambda: described(batch, job)["status"] in ("SUCCEEDED", "FAILED"))
    return described(batch, job)


def log(cloud: RunningCloud, detail: dict[str, Any]) -> list[str]:
    found = open_client("logs", cloud.endpoint).get_log_events(
        logGroupName=LOG_GROUP, logStreamName=detail["container"]["logStreamName"], startFromHead=True
    )
    assert all(isinstance(each["timestamp"], int) for each in found["events"])
    return [each["message"] for each in found["events"]]


def test_a_job_has_its_variables(cloud: RunningCloud, batch: Any, submit: Callable[..., str]):
    """https://docs.aws.amazon.com/batch/latest/userguide/job_env_vars.html"""
    script = (
        'echo "$AWS_BATCH_JOB_ID $AWS_BATCH_JQ_NAME $AWS_BATCH_JOB_ATTEMPT $AWS_BATCH_JOB_ARRAY_INDEX $X"'
    )
    given = {"environment": [{"name": "X", "value": "given"}]}
    array = submit(script, arrayProperties={"size": 2}, overrides=given)
    assert ended(batch, array)["arrayProperties"]["statusSummary"]["SUCCEEDED"] == 2
    child = described(batch, f"{array}:1")
    assert child["arrayProperties"] == {"index": 1}
    assert log(cloud, child) == [f"{array}:1 explorer 1 1 given"]


def test_an_array_fails_with_one_child(batch: Any, submit: Callable[..., str]):
    """https://docs.aws.amazon.com/batch/latest/userguide/array_jobs.html"""
    array = submit("exit $AWS_BATCH_JOB_ARRAY_INDEX", arrayProperties={"size": 2})
    assert (ended(batch, array)["status"], described(batch, f"{array}:1")["container"]["exitCode"]) == (
        "FAILED",
        1,
    )
    assert described(batch, f"{array}:0")["status"] == "SUCCEEDED"


def test_dependencies(batch: Any, submit: Callable[..., str]):
    """https://docs.aws.amazon.com/batch/latest/userguide/job_dependencies.html"""
    first = submit("sleep 0.2; exit $AWS_BATCH_JOB_ARRAY_INDEX", arrayProperties={"size": 2})
    paired = submit("true", arrayProperties={"size": 2}, dependsOn=[{"jobId": first, "type": "N_TO_N"}])
    plain = submit("true", dependsOn=[{"jobId": first}])
    after = submit("true", dependsOn=[{"jobId": plain}])
    assert described(batch, after)["status"] in ("PENDING", "FAILED")
    assert ended(batch, after)["statusReason"] == DEPENDENT_FAILED
    assert ended(batch, paired)["arrayProperties"]["statusSummary"]["SUCCEEDED"] == 1
    chain = submit("true", arrayProperties={"size": 3}, dependsOn=[{"type": "SEQUENTIAL"}])
    assert ended(batch, chain)["status"] == "SUCCEEDED"
    started = [described(batch, f"{chain}:{index}")["startedAt"] for index in range(3)]
    assert started == sorted(started)


def test_what_is_terminated_does_not_start_or_ends(batch: Any, submit: Callable[..., str]):
    """https://docs.aws.amazon.com/batch/latest/APIReference/API_TerminateJob.html"""
    array = submit("sleep 100", arrayProperties={"size": 20})
    after = submit("true", dependsOn=[{"jobId": array}])
    eventually(lambda: described(batch, array)["arrayProperties"]["statusSummary"]["RUNNING"])
    batch.terminate_job(jobId=array, reason="enough")
    assert ended(batch, array)["arrayProperties"]["statusSummary"]["FAILED"] == 20
    assert described(batch, f"{array}:0")["statusReason"] == "enough"
    assert described(batch, f"{array}:19")["attempts"] == []
    assert ended(batch, after)["statusReason"] == DEPENDENT_FAILED


def test_what_is_cancelled_does_not_start_and_what_has_started_goes_on(
    batch: Any, submit: Callable[..., str]
):
    """https://docs.aws.amazon.com/batch/latest/APIReference/API_CancelJob.html"""
    first = submit("sleep 1", arrayProperties={"size": 20})
    eventually(lambda: described(batch, first)["arrayProperties"]["statusSummary"]["RUNNING"])
    batch.cancel_job(jobId=first, reason="enough")
    summary = ended(batch, first)["arrayProperties"]["statusSummary"]
    assert summary["SUCCEEDED"]
    assert summary["FAILED"]
    assert described(batch, f"{first}:19")["statusReason"] == "enough"


def test_a_timeout_ends_an_attempt_for_good(batch: Any, submit: Callable[..., str]):
    """https://docs.aws.amazon.com/batch/latest/userguide/job_timeouts.html"""
    slow = {"timeout": {"attemptDurationSeconds": 60}, "retryStrategy": {"attempts": 3}}
    found = ended(batch, submit("echo begun; sleep 100", **slow))
    assert (found["statusReason"], len(found["attempts"])) == ("Job attempt duration exceeded timeout", 1)
    assert "logStreamName" in found["container"]


def attempted(strategy: dict[str, Any], *ends: Ended) -> Job:
    request = {"retryStrategy": strategy, "timeout": {}, "arrayProperties": {}, "tags": {}}
    job = make_job(request, [])
    for each in ends:
        job.attempted(each)
    return job


def test_a_retry_strategy_decides_by_its_first_rule_that_matches():
    """https://docs.aws.amazon.com/batch/latest/APIReference/API_EvaluateOnExit.html"""
    rules = [
        {"onStatusReason": "Host EC2*", "action": "RETRY"},
        {"onExitCode": "7", "action": "retry"},
        {"onReason": "*", "action": "EXIT"},
    ]
    strategy = {"attempts": 3, "evaluateOnExit": rules}
    lost = Ended(143, "", "Host EC2 (instance i-1) terminated.")
    assert attempted(strategy, lost).status == "RUNNABLE"
    assert attempted(strategy, Ended(7)).status == "RUNNABLE"
    assert attempted(strategy, Ended(1)).status == "FAILED"
    assert attempted(strategy, lost, lost, lost).status == "FAILED"
    assert attempted({"attempts": 2}, Ended(1)).status == "RUNNABLE"  # no rule at all: tried again
    assert attempted({}, Ended(1)).status == "FAILED"


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"arrayProperties": {"size": 1}}, "between 2 and 10,000"),
        ({"arrayProperties": {"size": 10_001}}, "between 2 and 10,000"),
        ({"overrides": {"environment": [{"name": "X", "value": "x" * 8200}]}}, "8192"),
        ({"timeout": {"attemptDurationSeconds": 59}}, "60 seconds"),
        ({"dependsOn": [{"jobId": "none"}]}, "does not exist"),
        ({"dependsOn": [{"type": "SEQUENTIAL"}] * 21}, "at most 20"),
        ({"jobName": "x" * 129}, "name"),
        ({"jobQueue": "none"}, "does not exist"),
        ({"tags": {str(number): "x" for number in range(51)}}, "50 tags"),
        ({"retryStrategy": {"attempts": 11}}, "10 attempts"),
    ],
)
def test_limits(submit: Callable[..., str], asked: dict[str, Any], said: str):
    """https://docs.aws.amazon.com/batch/latest/userguide/service_limits.html"""
    with pytest.raises(ClientError, match=said):
        submit("true", **asked)


def test_lists_take_one_filter_and_come_in_pages(batch: Any, submit: Callable[..., str]):
    """https://docs.aws.amazon.com/batch/latest/APIReference/API_ListJobs.html"""
    name = f"listed-{time.monotonic_ns()}"
    array = submit("true", jobName=name, arrayProperties={"size": 150})
    ended(batch, array)
    named = batch.list_jobs(jobQueue="explorer", filters=[{"name": "JOB_NAME", "values": [name.upper()]}])
    assert [each["jobId"] for each in named["jobSummaryList"]] == [array]
    page = batch.list_jobs(arrayJobId=array, jobStatus="SUCCEEDED")
    assert (len(page["jobSummaryList"]), "nextToken" in page) == (100, True)
    rest = batch.list_jobs(arrayJobId=array, jobStatus="SUCCEEDED", nextToken=page["nextToken"])
    assert (len(rest["jobSummaryList"]), "nextToken" in rest) == (50, False)
    assert batch.list_jobs(arrayJobId=array)["jobSummaryList"] == []  # only what is RUNNING
    with pytest.raises(ClientError, match="at most 100"):
        batch.describe_jobs(jobs=[f"{array}:{index}" for index in range(101)])


def test_a_job_that_no_machine_can_hold_says_so(batch: Any, submit: Callable[..., str]):
    """https://docs.aws.amazon.com/batch/latest/userguide/job_stuck_in_runnable.html"""
    job = submit("true", overrides={"resourceRequirements": [{"type": "VCPU", "value": "1000"}]})
    eventually(lambda: "statusReason" in described(batch, job))
    found = described(batch, job)
    assert (found["status"], found["statusReason"].split(" ")[0]) == (
        "RUNNABLE",
        "MISCONFIGURATION:JOB_RESOURCE_REQUIREMENT",
    )
    batch.terminate_job(jobId=job, reason="enough")


def test_logs_come_while_the_job_runs(cloud: RunningCloud, batch: Any, submit: Callable[..., str]):
    job = submit("echo one; printf tw; sleep 0.1; echo o; sleep 100")
    eventually(lambda: "logStreamName" in described(batch, job).get("container", {}))
    eventually(lambda: log(cloud, described(batch, job)) == ["one", "two"])
    batch.terminate_job(jobId=job, reason="enough")
    ended(batch, job)


def test_ten_thousand_jobs_end(batch: Any, submit: Callable[..., str]):
    array = submit("true", arrayProperties={"size": 10_000})
    assert ended(batch, array)["arrayProperties"]["statusSummary"]["SUCCEEDED"] == 10_000


def test_faults_are_made_as_often_as_asked_for(cloud: RunningCloud, batch: Any):
    import boto3
    from botocore.config import Config

    before = len(cloud.requests())
    cloud.tell("faults", service="batch", action="DescribeJobs", kind="throttle", times=2)
    once = boto3.client(
        "batch",
        endpoint_url=cloud.endpoint,
        region_name="us-east-1",
        aws_access_key_id="x",
        aws_secret_access_key="x",
        config=Config(retries={"total_max_attempts": 1}),
    )
    for _ in range(2):
        with pytest.raises(ClientError, match="TooManyRequests"):
            once.describe_jobs(jobs=["x"])
    assert once.describe_jobs(jobs=["x"])["jobs"] == []
    asked = [each for each in cloud.requests(before) if each["action"] == "DescribeJobs"]
    assert [each.get("fault") for each in asked] == ["throttle", "throttle", None]
