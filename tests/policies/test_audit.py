"""The audit of a cloud's requests: what it asks of the policies, what it leaves out, what it finds."""

from pathlib import Path
from typing import Any

import pytest

from support.policies.audit import check, collect
from support.policies.questions import questions
from support.policies.simulator import Question

BATCH = "arn:aws:batch:us-east-1:123456789012"


def logged(service: str, action: str, key: str = "submitter", **given: Any) -> dict[str, Any]:
    """A request as the cloud logs it."""
    asked = {"service": service, "action": action, "key": key, "status": 200, "query": "", "parameters": {}}
    return {**asked, **given}


@pytest.mark.parametrize(
    ("request_", "asked"),
    [
        (
            logged("s3", "ListObjectsV2", path="/explorer", query="list-type=2&prefix=7%2Findex%2F"),
            [Question("s3:ListBucket", "arn:aws:s3:::explorer", (("s3:prefix", "7/index/"),))],
        ),
        (
            logged("s3", "UploadPart", path="/explorer/7/analyses/\xc3\xa4"),
            [Question("s3:PutObject", "arn:aws:s3:::explorer/7/analyses/ä")],
        ),
        (
            logged("s3", "DeleteObjects", path="/explorer", parameters={"keys": ["7/a", "7/b"]}),
            [Question("s3:DeleteObject", f"arn:aws:s3:::explorer/7/{each}") for each in "ab"],
        ),
        (
            logged(
                "batch",
                "SubmitJob",
                parameters={
                    "jobQueue": "explorer",
                    "jobDefinition": f"{BATCH}:job-definition/explorer-1:2",
                    "tags": {"label": "x", "explorer:analysis": "an-id"},
                },
            ),
            [
                Question("batch:SubmitJob", f"{BATCH}:job-queue/explorer"),
                Question("batch:SubmitJob", f"{BATCH}:job-definition/explorer-1:2"),
                Question("batch:SubmitJob", f"{BATCH}:job/new"),
                Question(
                    "batch:TagResource", f"{BATCH}:job/new", (("aws:RequestTag/explorer:analysis", "an-id"),)
                ),
            ],
        ),
        (
            logged(
                "batch",
                "RegisterJobDefinition",
                parameters={
                    "jobDefinitionName": "explorer-1",
                    "containerProperties": {"jobRoleArn": "arn:aws:iam::123456789012:role/job"},
                },
            ),
            [
                Question("batch:RegisterJobDefinition", f"{BATCH}:job-definition/explorer-1"),
                Question("iam:PassRole", "arn:aws:iam::123456789012:role/job"),
            ],
        ),
    ],
)
def test_a_request_asks_for_all_that_it_touches(request_: dict[str, Any], asked: list[Question]):
    assert questions(request_) == asked


def test_a_request_that_nobody_has_described_is_told_of():
    with pytest.raises(LookupError, match="batch:DeleteJobQueue is asked for"):
        questions(logged("batch", "DeleteJobQueue"))
    with pytest.raises(LookupError, match="s3:CreateBucket is asked for"):
        questions(logged("s3", "CreateBucket", path="/x"))


def test_stores_of_all_tests_are_one_and_refused_requests_count_for_nothing():
    path = "/explorer/{}/analyses/x"
    assert collect(
        [
            logged("s3", "GetObject", "job", path=path.format(17)),
            logged("s3", "GetObject", "job", path=path.format(18)),
            logged("s3", "GetObject", "admin", path="/other/x"),
            logged("s3", "GetObject", path="/missing/x", status=404),
            logged("s3", "GetObject", path="/lost/x", status=0),
        ]
    ) == [("job", Question("s3:GetObject", "arn:aws:s3:::explorer/store/analyses/x"))]


def test_what_is_refused_is_named_with_its_role(tmp_path: Path):
    asked = [
        logged("s3", "PutObject", "job", path="/explorer/17/analyses/x"),
        logged("s3", "DeleteObject", "job", path="/explorer/17/analyses/x"),
        logged("s3", "PutObject", "reader", path="/explorer/17/analyses/y"),
    ]
    with pytest.raises(AssertionError) as caught:
        check(asked, tmp_path / "stack")
    assert sorted(str(caught.value).splitlines()[1:3]) == [
        "  job: s3:DeleteObject on arn:aws:s3:::explorer/store/analyses/x",
        "  read: s3:PutObject on arn:aws:s3:::explorer/store/analyses/y",
    ]


def test_actions_that_aws_does_not_have_are_no_answers(documents: dict[str, Any]):
    from support.policies.simulator import may

    for wrong in (
        Question("s3:HeadBucket", "arn:aws:s3:::lab-store"),
        Question("s3:GetObject", "arn:aws:s3:::lab-store"),
        Question("s3:GetObject", "arn:aws:s3:::lab-store/x", (("s3:prefix", "x"),)),
    ):
        with pytest.raises(ValueError, match="s3:"):
            may([documents["job"]], [wrong])
