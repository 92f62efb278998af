"""What AWS Batch is known to answer (recorded/README.md): what our code makes of it, and the local cloud."""

import json
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.validate import ParamValidator

from explorer_runner.system import processes
from gencove_explorer.executors.batch import batch_states, submit_job
from localcloud.jobs import Ended, make_job

CASES = {
    case["name"]: case
    for case in json.loads(Path(__file__).with_name("recorded").joinpath("jobs.json").read_text())
}
ENDED = [name for name, case in CASES.items() if case["job"]["status"] == "FAILED"]
TRIED = [name for name in ENDED if "retried" in CASES[name]]
WAITING = [name for name in CASES if name not in ENDED]
PLAIN = {
    "jobName": "2023-05-08T154506_age_17eb494f3d5349c88959bace7a6b7873",
    "jobId": "4c2a1f4e-4bd5-4f6c-9f4a-1d0f6d4f1c11",
    "jobQueue": "arn:aws:batch:us-east-1:123456789012:job-queue/explorer",
    "jobDefinition": "arn:aws:batch:us-east-1:123456789012:job-definition/explorer:1",
    "startedAt": 1683560706000,
    "createdAt": 1683560700000,
}


def detail(name: str) -> dict[str, Any]:
    """The answer of a case, as one job of DescribeJobs."""
    return {**PLAIN, **CASES[name]["job"]}


@pytest.mark.parametrize("name", CASES)
def test_an_answer_is_one_that_botocore_knows(name: str):
    client = boto3.client("batch", region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="x")
    shape = client.meta.service_model.operation_model("DescribeJobs").output_shape
    assert ParamValidator().validate({"jobs": [detail(name)]}, shape).generate_report() == ""
    assert CASES[name]["source"].startswith("https://")


@pytest.mark.parametrize("name", ENDED)
def test_people_are_told_why_a_job_ended(name: str):
    assert CASES[name]["reason"] in batch_states.reason_of(detail(name))


@pytest.mark.parametrize("name", WAITING)
def test_people_are_told_why_a_job_waits(name: str):
    long_after = PLAIN["createdAt"] / 1000 + 3600
    reason = batch_states.waiting_reason(detail(name), now=long_after)
    assert reason is not None
    assert CASES[name]["reason"] in reason
    assert batch_states.waiting_reason(detail(name), now=PLAIN["createdAt"] / 1000 + 1) is None


@pytest.mark.parametrize("name", TRIED)
def test_an_attempt_is_retried_when_nothing_of_the_job_is_to_blame(name: str):
    """By the retry strategy that we submit, as the local cloud reads it."""
    answer = CASES[name]["job"]
    container = answer["container"]
    request = {
        "jobName": "x",
        "arrayProperties": {},
        "retryStrategy": {"attempts": processes.MAX_ATTEMPTS, "evaluateOnExit": submit_job.RETRIES},
    }
    job = make_job(request, [])
    job.attempted(Ended(container.get("exitCode"), container.get("reason", ""), answer["statusReason"]))
    assert (job.status == "RUNNABLE") is CASES[name]["retried"]


@pytest.mark.parametrize("facts", [{}, {"dependsOn": [{"jobId": "x"}]}])
def test_that_no_machine_is_large_enough_is_doubted_while_machines_start(facts: dict[str, Any]):
    waiting = {**detail("no machine is large enough"), **facts}

    def doubted(minutes: float) -> bool:
        now = PLAIN["createdAt"] / 1000 + 60 * minutes
        return "this may pass" in str(batch_states.waiting_reason(waiting, now=now))

    assert doubted(2)
    assert doubted(9)
    assert doubted(11) is bool(facts)  # when its dependencies ended Batch does not tell
    other = {**detail("the environments are too small"), **facts}
    assert "may pass" not in str(batch_states.waiting_reason(other, now=PLAIN["createdAt"] / 1000 + 120))


@pytest.mark.parametrize(("attempts", "said"), [([{}] * 3, "attempts: 3,"), ([], "attempts: up to 10,")])
def test_what_never_started_says_how_often_it_was_tried(attempts: list[dict[str, Any]], said: str):
    reason = batch_states.reason_of({**detail("image pull: timeout"), "attempts": attempts})
    assert reason.startswith("CannotPullContainerError: timeout (")
    assert said in reason
