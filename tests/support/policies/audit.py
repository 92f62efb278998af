"""All that was asked of a local cloud, against the policies of whoever asked."""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from localcloud.provision import LOG_GROUP, QUEUE, REGION, REPOSITORY
from support.policies.documents import render
from support.policies.questions import questions
from support.policies.simulator import ACCOUNT, Question, may

STORE = "store"
NAMES: dict[str, Any] = {
    "bucket_arn": "arn:aws:s3:::explorer",
    "store_prefix": STORE,
    "data_buckets": ["data", "far"],
    "kms_key_arns": [],
    "secret_arns": [],
    "queue_arn": f"arn:aws:batch:{REGION}:{ACCOUNT}:job-queue/{QUEUE}",
    "repository_arn": f"arn:aws:ecr:{REGION}:{ACCOUNT}:repository/{REPOSITORY}",
    "log_group_arn": f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{LOG_GROUP}",
    "job_role_arn": f"arn:aws:iam::{ACCOUNT}:role/explorer-job",
    "execution_role_arn": f"arn:aws:iam::{ACCOUNT}:role/explorer-execution",
    "host": None,
    "host_instance_arn": None,
    "github": None,
}
"""Of the local cloud; see localcloud.provision."""

ROLES = {"job": "job", "submitter": "submit", "reader": "read"}
"""Access key -> the policy that it has to do with."""

_OWN_STORE = re.compile(r"^(arn:aws:s3:::explorer/)?\d+/")


def check(requests: Iterable[dict[str, Any]], folder: Path) -> None:
    """Raise AssertionError if one of them would be refused on AWS; ``folder`` is not there yet."""
    asked = collect(requests)
    if asked:
        refused = find_refused(asked, render(folder, NAMES))
        text = "\n".join(f"  {role}: {question}" for role, question in refused)
        assert not refused, (
            "infra/terraform/modules/policies refuses what tests asked of the local cloud; which one it "
            f"was is not known. Allow it there, or do not ask:\n{text}"
        )


def collect(requests: Iterable[dict[str, Any]]) -> list[tuple[str, Question]]:
    """Who asked what, each once. What the cloud itself refused, for what is not there, is left out."""
    found: dict[tuple[str, Question], None] = {}
    for request in requests:
        if request["key"] in ROLES and 200 <= request["status"] < 300:
            for each in questions(request):
                found[ROLES[request["key"]], _in_one_store(each)] = None
    return list(found)


def find_refused(asked: list[tuple[str, Question]], documents: dict[str, Any]) -> list[tuple[str, Question]]:
    """Those of them that the policies do not allow."""
    refused = []
    for role in {role for role, _ in asked}:
        own = [question for one, question in asked if one == role]
        answers = may([documents[role]], own)
        refused += [(role, each) for each, allowed in zip(own, answers, strict=True) if not allowed]
    return refused


def _in_one_store(question: Question) -> Question:
    """Each test has a store of its own, named by a number; the policies know one."""
    context = tuple((key, _OWN_STORE.sub(f"{STORE}/", value)) for key, value in question.context)
    resource = _OWN_STORE.sub(rf"\g<1>{STORE}/", question.resource)
    return Question(question.action, resource, context)
