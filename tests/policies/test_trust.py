"""Who may take a role: which service of AWS, which workflows of which repository."""

import json
from collections.abc import Sequence
from typing import Any

import pytest

from support.policies.documents import render
from support.policies.simulator import Question, trusts
from support.policies.stack import ISSUER, NAMES, PROVIDER, ROLES

# https://docs.github.com/en/actions/reference/security/oidc#immutable-subject-claims
NUMBERS = {"owner_id": 123456, "repository_id": 1234567890}
BY_NAME = {
    "plan": "repo:lab/analyses:pull_request",
    "apply": "repo:lab/analyses:environment:production",
}
BY_NUMBER = {
    "plan": "repo:lab@123456/analyses@1234567890:pull_request",
    "apply": "repo:lab@123456/analyses@1234567890:environment:production",
}
OTHERS = [
    *BY_NAME.values(),
    *BY_NUMBER.values(),
    # A name that somebody else has taken over.
    "repo:lab@654321/analyses@1234567890:pull_request",
    "repo:lab@123456/analyses@987654321:environment:production",
    "repo:lab@123456/analyses@1234567890:ref:refs/heads/main",
    "repo:lab/analyses:ref:refs/heads/main",
    "repo:lab/analyses:ref:refs/heads/mine",
    "repo:lab/analyses:ref:refs/tags/v1",
    "repo:lab/analyses:environment:staging",
    "repo:lab/analyses-2:pull_request",
    "repo:lab/analyses-2:environment:production",
    "repo:else/analyses:pull_request",
    "repo:else/analyses:environment:production",
    "repo:lab/analyses:pull_request:environment:production",
]
SERVICES = {
    "job": "ecs-tasks.amazonaws.com",
    "execution": "ecs-tasks.amazonaws.com",
    "instance": "ec2.amazonaws.com",
    "host": "ec2.amazonaws.com",
}

# The library's data lists no aud and sub of GitHub's: those of an issuer that it lists stand for them. AWS
# has both of every issuer:
# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_iam-condition-keys.html
LISTED = "accounts.google.com"
AUDIENCE = "sts.amazonaws.com"


def takers(trust: dict[str, Any], tokens: Sequence[tuple[str, str, str]]) -> list[tuple[str, str, str]]:
    """Those of some tokens (provider, audience, subject) with which a role is taken."""
    renamed = json.loads(json.dumps(trust).replace(f"{ISSUER}:", f"{LISTED}:"))
    asked = [
        Question(
            "sts:AssumeRoleWithWebIdentity",
            f"{ROLES}/lab-github",
            ((f"{LISTED}:aud", audience), (f"{LISTED}:sub", subject)),
        )
        for _, audience, subject in tokens
    ]
    answers = trusts(renamed, [provider for provider, _, _ in tokens], asked)
    return [token for token, allowed in zip(tokens, answers, strict=True) if allowed]


def check_alone(trust: dict[str, Any], subject: str) -> None:
    """That a role is taken with this subject and no other, of GitHub alone, for AWS alone."""
    own = (PROVIDER, AUDIENCE, subject)
    tokens = [
        own,
        *((PROVIDER, AUDIENCE, each) for each in OTHERS if each != subject),
        (PROVIDER, "https://github.com/lab", subject),
        (PROVIDER.replace(ISSUER, "gitlab.com"), AUDIENCE, subject),
    ]
    assert takers(trust, tokens) == [own]


@pytest.fixture(scope="module")
def numbered(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The documents of a stack in China, whose repository's tokens have numbers."""
    names = {
        **NAMES,
        "bucket_arn": "arn:aws-cn:s3:::lab-store",
        "github": {**NAMES["github"], **NUMBERS},
    }
    return render(tmp_path_factory.mktemp("numbered") / "stack", names)


@pytest.mark.parametrize("role", BY_NAME)
def test_a_workflow_takes_its_own_role_alone(documents: dict[str, Any], role: str):
    check_alone(documents["trust"][role], BY_NAME[role])


@pytest.mark.parametrize("role", BY_NUMBER)
def test_a_workflow_is_known_by_number_where_its_tokens_have_one(numbered: dict[str, Any], role: str):
    check_alone(numbered["trust"][role], BY_NUMBER[role])


def test_ec2_has_another_name_in_china(numbered: dict[str, Any]):
    said = {role: each["Statement"][0]["Principal"] for role, each in numbered["trust"].items()}
    assert said["instance"] == said["host"] == {"Service": "ec2.amazonaws.com.cn"}
    assert said["job"] == said["execution"] == {"Service": "ecs-tasks.amazonaws.com"}


@pytest.mark.parametrize("role", SERVICES)
def test_a_service_takes_the_roles_that_are_for_it(documents: dict[str, Any], role: str):
    services = sorted({*SERVICES.values(), "lambda.amazonaws.com"})
    asked = [Question("sts:AssumeRole", f"{ROLES}/lab-{role}")] * len(services)
    answers = dict(zip(services, trusts(documents["trust"][role], services, asked), strict=True))
    assert [service for service, allowed in answers.items() if allowed] == [SERVICES[role]]
