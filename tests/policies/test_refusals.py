"""What each role may do, and above all what it may not."""

import re
from collections.abc import Sequence
from typing import Any

import pytest

from support import terraform
from support.policies.documents import Document, of_aws
from support.policies.opening import NO_OPENING, OPENING
from support.policies.roles import given
from support.policies.simulator import ACCOUNT, Question, may
from support.policies.stack import (
    BATCH,
    CONFIG,
    HOST,
    IMAGE,
    IMAGES,
    KEY,
    LOGS,
    NOTEBOOKS,
    PARAMETER,
    REGION,
    ROLES,
    SECRET,
    TOKEN,
)

STORE = "arn:aws:s3:::lab-store"
OUTPUT = f"{STORE}/explorer/analyses/an-id/files/0/0-1/table.csv"
PACKAGE = f"{STORE}/explorer/packages/0123abcd/mine-1-py3-none-any.whl"
INDEX = f"{STORE}/explorer/index/2026-11-25/an-id.json"
QUEUE = f"{BATCH}:job-queue/lab-jobs"
DEFINITION = f"{BATCH}:job-definition/explorer-0123abcd"
JOB = f"{BATCH}:job/6e28d2e9-5a1f-4c49-9b0c-3b7d0d2c8f11"
STREAM = f"{LOGS}:log-stream:explorer/default/0123"
OURS = (("aws:ResourceTag/explorer:analysis", "an-id"),)
WITH_TAG = (("aws:RequestTag/explorer:analysis", "an-id"),)


def listing(prefix: str) -> tuple[tuple[str, str], ...]:
    return (("s3:prefix", prefix),)


def through(service: str) -> tuple[tuple[str, str], ...]:
    return (("kms:ViaService", f"{service}.{REGION}.amazonaws.com"),)


LOOKING = [
    Question("s3:GetObject", OUTPUT),
    Question("s3:GetObject", PACKAGE),
    Question("s3:GetObject", "arn:aws:s3:::lab-data/reads/1.bam"),
    Question("s3:ListBucket", STORE, listing("explorer/index/")),
    Question("s3:ListBucket", STORE),  # HeadBucket
    Question("s3:ListBucket", "arn:aws:s3:::lab-data", listing("reads/")),
    Question("kms:Decrypt", KEY, through("s3")),
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
    Question("batch:CancelJob", JOB, OURS),
    Question("iam:GetRole", f"{ROLES}/lab-job"),
    Question("iam:PassRole", f"{ROLES}/lab-job"),
    Question("iam:PassRole", f"{ROLES}/lab-execution"),
]
LOGIN = Question("ecr:GetAuthorizationToken", "*")
PUSHING = [
    *(Question(f"ecr:{each}", IMAGES) for each in ("PutImage", "InitiateLayerUpload", "UploadLayerPart")),
]

SESSIONS = [
    Question("ssm:UpdateInstanceInformation", HOST),
    *(
        Question(f"ssmmessages:{each}{channel}Channel", "*")
        for each in ("Create", "Open")
        for channel in ("Control", "Data")
    ),
]
COMMANDS = {
    "aws ssm get-parameter": [Question("ssm:GetParameter", each) for each in (CONFIG, IMAGE)],
    "aws ssm put-parameter": [Question("ssm:PutParameter", TOKEN)],
    "aws ecr get-login-password": [LOGIN],
    # https://docs.aws.amazon.com/AmazonECR/latest/userguide/security-iam-awsmanpol.html, of whoever pulls
    "docker pull": [
        Question(f"ecr:{each}", NOTEBOOKS) for each in ("BatchGetImage", "GetDownloadUrlForLayer")
    ],
}
"""What the host's scripts (infra/terraform/modules/host/files) run, and what that asks for."""
HOSTING = [*SESSIONS, *(question for asked in COMMANDS.values() for question in asked)]
NO_HOST = [
    Question("ssm:GetParameter", TOKEN),
    Question("ssm:GetParameter", PARAMETER),
    Question("ssm:GetParametersByPath", f"arn:aws:ssm:{REGION}:{ACCOUNT}:parameter/explorer/lab"),
    Question("ssm:PutParameter", CONFIG),
    Question("ssm:PutParameter", IMAGE),
    Question("ssm:DeleteParameter", TOKEN),
    Question("ssm:SendCommand", HOST),
    Question("ssm:StartSession", HOST),
    Question("ecr:BatchGetImage", IMAGES),
    Question("ecr:PutImage", NOTEBOOKS),
    Question("ecr:BatchDeleteImage", NOTEBOOKS),
    Question("ec2:StartInstances", HOST),
    Question("ec2:TerminateInstances", HOST),
    Question("ec2:ModifyInstanceAttribute", HOST),
    Question("iam:PutRolePolicy", f"{ROLES}/lab-host"),
    Question("sts:AssumeRole", f"{ROLES}/lab-job"),
]
"""Refused to the host, beside what is refused to everybody."""

NOBODY = [
    Question("kms:Decrypt", KEY),
    Question("kms:Decrypt", KEY, through("secretsmanager")),
    Question("kms:Decrypt", KEY.replace("key/6e", "key/7e"), through("s3")),
    Question("kms:GenerateDataKey", KEY, through("s3")),
    Question("kms:ScheduleKeyDeletion", KEY),
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
    Question("batch:CancelJob", JOB),
    Question("batch:TerminateJob", JOB, (("aws:ResourceTag/team", "another"),)),
    Question("batch:TagResource", JOB, (("aws:RequestTag/team", "another"),)),
    Question("batch:TagResource", QUEUE, WITH_TAG),
    Question("batch:UpdateJobQueue", QUEUE),
    Question("batch:DeleteJobQueue", QUEUE),
    Question("iam:PassRole", f"{ROLES}/admin"),
    Question("iam:PassRole", f"{ROLES}/lab-instance"),
    Question("iam:PassRole", f"{ROLES}/lab-host"),
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
"""Refused to jobs, to whoever looks, to whoever submits or pushes, and to the host."""

WRITING = [
    Question("s3:PutObject", OUTPUT),
    Question("s3:AbortMultipartUpload", OUTPUT),
]


# Roles with a policy of AWS's may do more than we would write: what starts containers, and machines.
PULLING = [
    LOGIN,
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
    Question("iam:PassRole", f"{ROLES}/lab-job"),
    Question("secretsmanager:GetSecretValue", f"{SECRET[:-6]}other-AbCdEf"),
    Question("ssm:GetParameters", f"{PARAMETER}-2"),
]
READING_SECRETS = [
    Question("secretsmanager:GetSecretValue", SECRET),
    Question("ssm:GetParameters", PARAMETER),
]

ALLOWED = {
    "job": [*LOOKING, *WRITING],
    "execution": [*PULLING, *READING_SECRETS],
    "instance": [
        *PULLING,
        Question("ecs:RegisterContainerInstance", f"arn:aws:ecs:{REGION}:{ACCOUNT}:cluster/x"),
    ],
    "host": [*LOOKING, *OBSERVING, *WRITING, *SUBMITTING, *HOSTING],
    "plan": [*LOOKING, *OBSERVING],
    "apply": [*LOOKING, *OBSERVING, *WRITING, *SUBMITTING, LOGIN, *PUSHING],
    "people": [*LOOKING, *OBSERVING, *WRITING, *SUBMITTING],
    "opening": OPENING,
}
REFUSED = {
    "job": [*NOBODY, *OBSERVING, *SUBMITTING, LOGIN, *PUSHING],
    "execution": NO_MACHINE,
    "instance": [
        *NO_MACHINE,
        *READING_SECRETS,
        Question("ec2:RunInstances", f"arn:aws:ec2:{REGION}:{ACCOUNT}:instance/*"),
    ],
    "host": [*NOBODY, *NO_HOST, *PUSHING],
    "plan": [*NOBODY, *WRITING, *SUBMITTING, LOGIN, *PUSHING],
    "apply": NOBODY,
    "people": [*NOBODY, LOGIN, *PUSHING],
    "opening": [*NOBODY, *LOOKING, *OBSERVING, *WRITING, *SUBMITTING, *NO_OPENING, LOGIN, *PUSHING],
}


PEOPLE = {"people": "submit", "opening": "notebook"}


def policies_of(role: str, documents: dict[str, Any]) -> list[Document]:
    """All that a role has. People have roles of their own, with the documents that the stack puts out."""
    if role in PEOPLE:
        return [documents[PEOPLE[role]]]
    ours, others = given()[role]
    return [documents[name] for name in ours] + [of_aws(name) for name in others]


def allowed(policies: Sequence[Document], questions: Sequence[Question]) -> list[Question]:
    """Those of the questions that are answered with yes."""
    return [each for each, yes in zip(questions, may(policies, questions), strict=True) if yes]


def test_every_role_that_the_modules_make_is_asked_about(documents: dict[str, Any]):
    assert {*given(), *PEOPLE} == ALLOWED.keys() == REFUSED.keys()
    assert given().keys() == documents["trust"].keys()


@pytest.mark.parametrize("role", ALLOWED)
def test_a_role_may_do_its_work(documents: dict[str, Any], role: str):
    assert allowed(policies_of(role, documents), ALLOWED[role]) == ALLOWED[role]


@pytest.mark.parametrize("role", REFUSED)
def test_a_role_may_do_nothing_else(documents: dict[str, Any], role: str):
    assert allowed(policies_of(role, documents), REFUSED[role]) == []


# -- the host: what is in its policy is what its scripts and sessions need ----------------------------------


def test_all_that_the_hosts_scripts_ask_of_aws_is_asked_about():
    scripts = (terraform.MODULES / "modules" / "host" / "files").glob("*.sh")
    code = re.sub(r"^\s*#.*$", "", "\n".join(each.read_text() for each in scripts), flags=re.MULTILINE)
    assert {*re.findall(r"\baws [a-z0-9]+ [a-z-]+|\bdocker pull\b", code)} == COMMANDS.keys()


def test_the_host_needs_each_action_of_its_policy(documents: dict[str, Any]):
    own, others = documents["host"], [documents["submit"]]
    single = [{**each, "Action": action} for each in own["Statement"] for action in _listed(each["Action"])]
    for statement in single:
        left = {**own, "Statement": [each for each in single if each is not statement]}
        assert allowed([left, *others], HOSTING) != HOSTING, statement


def _listed(actions: str | list[str]) -> list[str]:
    return [actions] if isinstance(actions, str) else actions


def test_what_the_library_does_not_know_of_sessions(documents: dict[str, Any]):
    """That documents of AWS's own belong to no account, and that data channels are of a session."""
    said = {each["Sid"]: each for each in documents["notebook"]["Statement"]}
    own = f"arn:aws:ssm:{REGION}::document/AWS-StartPortForwardingSession"
    assert sorted(said["Forward"]["Resource"]) == sorted([HOST, own])
    assert "ssmmessages:OpenDataChannel" in said["OwnSessions"]["Action"]
    assert said["OwnSessions"]["Resource"] == "arn:aws:ssm:*:*:session/${aws:userid}-*"
