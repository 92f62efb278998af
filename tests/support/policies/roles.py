"""Roles that the modules make, and all that these give them, read from Terraform's text."""

import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from support import terraform

_BLOCK = re.compile(r'^resource "(aws_iam_\w+)" "(\w+)" \{\n(.*?)^\}', re.DOTALL | re.MULTILINE)
_ROLE = r'aws_iam_role\.(?:this\["(\w+)"\]|(\w+))'
_OURS = re.compile(rf"^  role   = {_ROLE}\.id\n  policy = var\.(\w+)_policy$", re.MULTILINE)
_OF_AWS = re.compile(
    rf'^  role       = {_ROLE}\.name\n  policy_arn = "\$\{{local\.managed\}}/(\w+)"$', re.MULTILINE
)
_TRUST = re.compile(r"^  assume_role_policy = var\.trust\[(?:each\.key|\"(\w+)\")\]$", re.MULTILINE)
_INSIDE = re.compile(r"^  (inline_policy|managed_policy_arns)\b", re.MULTILINE)
_NO_RIGHTS = ("aws_iam_instance_profile", "aws_iam_openid_connect_provider")


class Given(NamedTuple):
    """What a role has: names of documents of modules/policies, and of AWS's own policies."""

    ours: list[str]
    of_aws: list[str]


def given(modules: Path = terraform.MODULES) -> dict[str, Given]:
    """Role -> what it is given, by any file. ValueError: one in a form that is not known here."""
    roles: dict[str, Given] = defaultdict(lambda: Given([], []))
    for kind, name, body in _resources(modules):
        where = f"{kind}.{name}"
        if kind == "aws_iam_role":
            trust = _TRUST.search(body)
            if trust is None or trust[1] not in (None, name) or _INSIDE.search(body):
                raise ValueError(
                    f"{where}: who takes it is in modules/policies, what it may is not in the role"
                )
        elif kind == "aws_iam_role_policy":
            one, role, document = _match(_OURS, body, where)
            roles[one or role].ours.append(document)
        elif kind == "aws_iam_role_policy_attachment":
            one, role, policy = _match(_OF_AWS, body, where)
            roles[one or role].of_aws.append(policy)
        elif kind not in _NO_RIGHTS:
            raise ValueError(f"{where}: say in {__name__} what it allows whom, and ask about it in tests")
    return dict(roles)


def _resources(modules: Path) -> Iterator[tuple[str, str, str]]:
    for path in sorted(modules.rglob("*.tf")):
        yield from _BLOCK.findall(path.read_text())


def _match(form: re.Pattern[str], body: str, where: str) -> tuple[str, ...]:
    if (found := form.search(body)) is None:
        raise ValueError(f"{where}: write it as the others are, so that tests find role and policy")
    return found.groups()
