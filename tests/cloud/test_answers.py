"""What the local cloud answers is what botocore's models allow; the fixture asserts it of all answers."""

import json
from typing import Any

import pytest

from localcloud.answers import violations, without_nulls

JOB: dict[str, Any] = {
    "jobName": "work",
    "jobId": "4c2a1f4e-4bd5-4f6c-9f4a-1d0f6d4f1c11",
    "jobQueue": "arn:aws:batch:us-east-1:123456789012:job-queue/explorer",
    "jobDefinition": "arn:aws:batch:us-east-1:123456789012:job-definition/explorer:1",
    "status": "RUNNABLE",
    "createdAt": 1683560700000,
}


def found(**changed: Any) -> list[str]:
    """The violations of a described job."""
    job = {name: value for name, value in {**JOB, **changed}.items() if value is not ...}
    return violations("batch", "DescribeJobs", 200, json.dumps({"jobs": [job]}).encode())


def test_an_answer_that_aws_might_give_is_fine():
    assert found() == []
    assert found(startedAt=1683560706000, container={"exitCode": 0, "environment": []}) == []


@pytest.mark.parametrize(
    ("changed", "problem"),
    [
        ({"createdAt": 1683560700}, "no time in milliseconds"),
        ({"createdAt": "2023-05-08"}, "no long"),
        ({"status": "DONE"}, "one of SUBMITTED"),
        ({"statusReasons": "x"}, "no member of JobDetail"),
        ({"container": {"exitCode": "0"}}, "no integer"),
        ({"container": {"environment": {"a": "b"}}}, "no list"),
        ({"dependsOn": [{"jobId": "x", "type": "ALL"}]}, "one of N_TO_N"),
        ({"jobQueue": ...}, "has no jobQueue"),
    ],
)
def test_an_answer_that_aws_would_not_give_is_found(changed: dict[str, Any], problem: str):
    [said] = found(**changed)
    assert problem in said


def test_an_error_is_one_of_the_service():
    assert violations("batch", "SubmitJob", 400, b'{"message": "no"}', "ClientException") == []
    assert violations("batch", "SubmitJob", 429, b'{"__type": "TooManyRequestsException"}') == []
    [said] = violations("batch", "SubmitJob", 400, b'{"__type": "NoSuchQueue"}')
    assert "NoSuchQueue is no error" in said
    [said] = violations("ecr", "DescribeImages", 200, b"<html>")
    assert said.startswith("ecr DescribeImages: ")


def test_what_has_no_value_is_left_out():
    assert json.loads(without_nulls(b'{"a": null, "b": [{"c": null, "d": 0}]}')) == {"b": [{"d": 0}]}
