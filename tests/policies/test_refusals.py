"""What each role may do, and above all what it may not."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from policies.conftest import BATCH, IMAGES, LOGS, PARAMETER, REGION, ROLES, SECRET
from policies.documents import attached, given
from policies.simulator import ACCOUNT, Question, may

STORE = "arn:aws:s3:::lab-store"
OUTPUT = f"{STORE}/explorer/analyses/an-id/files/0/0-1/table.csv"
PACKAGE = f"{STORE}/explorer/packages/0123abcd/mine-1-py3-none-any.whl"
INDEX = f"{STORE}/explorer/index/2026-11-25/an-id.json"
QUEUE = f"{BATCH}:job-queue/lab-jobs"
DEFINITION = f"{BATCH}:job-definition/explorer-0123abcd"
JOB = f"{BATCH}:job/6e28d2e9-5a1f-4c49-9b0c-3b7d0d2c8f11"
STREAM = f"{LOGS}:log-stream:explorer/default/0123"
TO_TASKS = (("iam:PassedToService", "ecs-tasks.amazonaws.com"),)
OURS = (("aws:ResourceTag/explorer:analysis", "an-id"),)
WITH_TAG = (("aws:RequestTag/explorer:analysis", "an-id"),)


def listing(prefix: str) -> tuple[tuple[str, str], ...]:
    return (("s3:prefix", prefix),)


LOOKING = [
    Question("s3:GetObject", OUTPUT),
    Question("s3:GetObject", PACKAGE),
    Question("s3:GetObject", "arn:aws:s3:::lab-data/reads/1.bam"),
    Question("s3:ListBucket", STORE, listing("explorer/index/")),
    Question("s3:ListBucket", STORE),  # HeadBucket
    Question("s3:ListBucket", "arn:aws:s3:::lab-data", listing("reads/")),
]
OBSERVING = [
    *(Question(f"batch:{each}", "*") for each in ("DescribeJobs", "ListJobs", "DescribeJobDefinitions")),
    Question("logs:GetLogEvents", STREAM),
    Question("ecr:DescribeImages", IMAGES),
    Question("ecr:DescribeImages", f"arn:aws:ecr:{REGION}:{ACCOUNT}:repository/samtools"),
]
SUBMITTING = [
    Question("s3:PutObject", INDEX),
    Question("s3:PutObject", PACKAGE),
    Question("s3:DeleteObject", OUTPUT),
    Question("s3:DeleteObject", INDEX),
    Question("s3:DeleteObject", f"{STORE}/explorer/doctor/1"),
    Question("batch:SubmitJob", QUEUE),
    Question("batch:SubmitJob", f"{DEFINITION}:3"),
    Question("batch:RegisterJobDefinition", DEFINITION),
    Question("batch:TagResource", f"{DEFINITION}:3"),
    Question("batch:TagResource", JOB, WITH_TAG),
    Question("batch:TerminateJob", JOB, OURS),
    Question("batch:TerminateJob", f"{JOB}:7"),
    Question("iam:GetRole", f"{ROLES}/lab-job"),
    Question("iam:PassRole", f"{ROLES}/lab-job", TO_TASKS),
    Question("iam:PassRole", f"{ROLES}/lab-execution", TO_TASKS),
]
PUSHING = [
    Question("ecr:GetAuthorizationToken", "*"),
    *(Question(f"ecr:{each}", IMAGES) for each in ("PutImage", "InitiateLayerUpload", "UploadLayerPart")),
]

NOBODY = [
    Question("s3:GetObject", f"{STORE}/terraform.tfstate"),
    Question("s3:GetObject", "arn:aws:s3:::other-bucket/explorer/analyses/x"),
    Question("s3:PutObject", f"{STORE}/explorer-2/analyses/x"),
    Question("s3:PutObject", "arn:aws:s3:::lab-data/reads/1.bam"),
    Question("s3:DeleteObject", "arn:aws:s3:::lab-data/reads/1.bam"),
    Question("s3:DeleteObject", PACKAGE),
    Question("s3:DeleteObjectVersion", OUTPUT),
    Question("s3:ListBucket", STORE, listing("")),
    Question("s3:ListBucket", STORE, listing("other/")),
    Question("s3:ListBucket", "arn:aws:s3:::other-bucket"),
    *(
        Question(f"s3:{each}", STORE)
        for each in ("DeleteBucket", "PutBucketPolicy", "DeleteBucketPolicy", "PutLifecycleConfiguration")
    ),
    *(Question(f"s3:{each}", STORE) for each in ("PutBucketVersioning", "PutBucketPublicAccessBlock")),
    Question("batch:SubmitJob", f"{BATCH}:job-queue/other"),
    Question("batch:SubmitJob", f"{BATCH}:job-definition/other:1"),
    Question("batch:RegisterJobDefinition", f"{BATCH}:job-definition/other"),
    Question("batch:DeregisterJobDefinition", f"{DEFINITION}:3"),
    Question("batch:TerminateJob", JOB),
    Question("batch:TerminateJob", JOB, (("aws:ResourceTag/team", "another"),)),
    Question("batch:TagResource", JOB, (("aws:RequestTag/team", "another"),)),
    Question("batch:TagResource", QUEUE, WITH_TAG),
    Question("batch:UpdateJobQueue", QUEUE),
    Question("batch:DeleteJobQueue", QUEUE),
    Question("iam:PassRole", f"{ROLES}/admin", TO_TASKS),
    Question("iam:PassRole", f"{ROLES}/lab-instance", TO_TASKS),
    Question("iam:PassRole", f"{ROLES}/lab-job", (("iam:PassedToService", "ec2.amazonaws.com"),)),
    Question("iam:PassRole", f"{ROLES}/lab-job", (("iam:PassedToService", "lambda.amazonaws.com"),)),
    *(
        Question(f"iam:{each}", f"{ROLES}/lab-job")
        for each in ("PutRolePolicy", "AttachRolePolicy", "UpdateAssumeRolePolicy", "DeleteRole")
    ),
    Question("iam:CreateUser", f"arn:aws:iam::{ACCOUNT}:user/x"),
    Question("sts:AssumeRole", f"{ROLES}/lab-github-apply"),
    Question("secretsmanager:GetSecretValue", SECRET),
    Question("ssm:GetParameters", PARAMETER),
    Question("ec2:RunInstances", f"arn:aws:ec2:{REGION}:{ACCOUNT}:instance/*"),
    Question("ecr:BatchDeleteImage", IMAGES),
    Question("ecr:PutImage", f"arn:aws:ecr:{REGION}:{ACCOUNT}:repository/other"),
    Question("logs:GetLogEvents", f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:other:log-stream:x"),
    Question("logs:DeleteLogGroup", LOGS),
]
"""Refused to jobs, to whoever looks and to whoever submits or pushes."""

WRITING = [
    Question("s3:PutObject", OUTPUT),
    Question("s3:AbortMultipartUpload", OUTPUT),
]


def evaluate(policies: Sequence[Mapping[str, Any]], questions: Sequence[Question]) -> dict[str, bool]:
    answers = may([dict(each) for each in policies], questions)
    return {str(question): answer for question, answer in zip(questions, answers, strict=True)}


ALLOWED = {
    "job": [*LOOKING, *WRITING],
    "plan": [*LOOKING, *OBSERVING],
    "submit": [*LOOKING, *OBSERVING, *WRITING, *SUBMITTING],
    "apply": [*LOOKING, *OBSERVING, *WRITING, *SUBMITTING, *PUSHING],
}
REFUSED = {
    "job": [*NOBODY, *OBSERVING, *SUBMITTING, *PUSHING],
    "plan": [*NOBODY, *WRITING, *SUBMITTING, *PUSHING],
    "submit": [*NOBODY, *PUSHING],
    "apply": NOBODY,
}


def documents_of(role: str, documents: Mapping[str, Any]) -> list[Any]:
    # People have roles of their own, with the document that the stack puts out.
    return [documents[name] for name in (["submit"] if role == "submit" else given(role))]


@pytest.mark.parametrize("role", ALLOWED)
def test_a_role_may_do_its_work(documents: dict[str, Any], role: str):
    answers = evaluate(documents_of(role, documents), ALLOWED[role])
    assert [question for question, allowed in answers.items() if not allowed] == []


@pytest.mark.parametrize("role", REFUSED)
def test_a_role_may_do_nothing_else(documents: dict[str, Any], role: str):
    answers = evaluate(documents_of(role, documents), REFUSED[role])
    assert [question for question, allowed in answers.items() if allowed] == []


# -- roles with a policy of AWS's: which may do more than we would write ------------------------------------

PULLING = [
    Question("ecr:GetAuthorizationToken", "*"),
    Question("ecr:BatchGetImage", IMAGES),
    Question("logs:PutLogEvents", STREAM),
]
NO_MACHINE = [
    Question("s3:GetObject", OUTPUT),
    Question("s3:PutObject", OUTPUT),
    Question("s3:DeleteObject", OUTPUT),
    Question("batch:SubmitJob", QUEUE),
    Question("ecr:PutImage", IMAGES),
    Question("iam:PutRolePolicy", f"{ROLES}/lab-job"),
    Question("secretsmanager:GetSecretValue", f"{SECRET[:-6]}other-AbCdEf"),
    Question("ssm:GetParameters", f"{PARAMETER}-2"),
]
"""Refused to those that start containers, and to machines."""

WITH_AWS = {
    "execution": (
        [
            *PULLING,
            Question("secretsmanager:GetSecretValue", SECRET),
            Question("ssm:GetParameters", PARAMETER),
        ],
        [*NO_MACHINE, Question("iam:PassRole", f"{ROLES}/lab-job", TO_TASKS)],
    ),
    "instance": (
        [*PULLING, Question("ecs:RegisterContainerInstance", f"arn:aws:ecs:{REGION}:{ACCOUNT}:cluster/x")],
        [
            *NO_MACHINE,
            Question("iam:PassRole", f"{ROLES}/lab-job", TO_TASKS),
            Question("secretsmanager:GetSecretValue", SECRET),
            Question("ec2:RunInstances", f"arn:aws:ec2:{REGION}:{ACCOUNT}:instance/*"),
        ],
    ),
}


@pytest.mark.parametrize("role", WITH_AWS)
def test_roles_of_machines_have_what_aws_gives_them_and_no_data(documents: dict[str, Any], role: str):
    own = documents_of(role, documents) if role == "execution" else []
    allowed, refused = WITH_AWS[role]
    policies = [attached(role), *own]
    assert set(evaluate(policies, allowed).values()) == {True}, evaluate(policies, allowed)
    assert set(evaluate(policies, refused).values()) == {False}, evaluate(policies, refused)
