"""Who may take a role: which service of AWS, which workflows of which repository."""

import json
from collections.abc import Sequence
from typing import Any

import pytest

from policies.conftest import ISSUER, PROVIDER, ROLES
from policies.simulator import Question, trusts

SUBJECTS = {
    "plan": "repo:lab/analyses:pull_request",
    "apply": "repo:lab/analyses:environment:production",
}
OTHERS = [
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


@pytest.mark.parametrize("role", SUBJECTS)
def test_a_workflow_takes_its_own_role_alone(documents: dict[str, Any], role: str):
    own = (PROVIDER, AUDIENCE, SUBJECTS[role])
    tokens = [
        own,
        *((PROVIDER, AUDIENCE, subject) for subject in [*OTHERS, *SUBJECTS.values()] if subject != own[2]),
        (PROVIDER, "https://github.com/lab", SUBJECTS[role]),
        (PROVIDER.replace(ISSUER, "gitlab.com"), AUDIENCE, SUBJECTS[role]),
    ]
    assert takers(documents["trust"][role], tokens) == [own]


@pytest.mark.parametrize("role", SERVICES)
def test_a_service_takes_the_roles_that_are_for_it(documents: dict[str, Any], role: str):
    services = sorted({*SERVICES.values(), "lambda.amazonaws.com"})
    asked = [Question("sts:AssumeRole", f"{ROLES}/lab-{role}")] * len(services)
    answers = dict(zip(services, trusts(documents["trust"][role], services, asked), strict=True))
    assert [service for service, allowed in answers.items() if allowed] == [SERVICES[role]]
