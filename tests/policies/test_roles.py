"""No role has rights that tests do not know of: a policy cannot be attached past them."""

import re
from pathlib import Path

import pytest

from support import terraform
from support.policies.roles import Given, given

ROLE = """
resource "aws_iam_role" "lab" {
  name               = "lab"
  assume_role_policy = var.trust["lab"]
}
"""
OURS = """
resource "aws_iam_role_policy" "lab" {
  name   = "lab"
  role   = aws_iam_role.lab.id
  policy = var.read_policy
}
"""
OF_AWS = """
resource "aws_iam_role_policy_attachment" "lab" {
  role       = aws_iam_role.lab.name
  policy_arn = "${local.managed}/AmazonECSTaskExecutionRolePolicy"
}
"""


def test_policies_are_found_wherever_they_are_attached(tmp_path: Path):
    (tmp_path / "main.tf").write_text(ROLE + OURS)
    (tmp_path / "modules").mkdir()
    (tmp_path / "modules" / "more.tf").write_text(OF_AWS)
    assert given(tmp_path) == {"lab": Given(["read"], ["AmazonECSTaskExecutionRolePolicy"])}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (ROLE.replace('trust["lab"]', 'trust["job"]'), "aws_iam_role.lab: who takes it"),
        (ROLE.replace('var.trust["lab"]', "local.everybody"), "aws_iam_role.lab: who takes it"),
        (ROLE.replace('"lab"\n', '"lab"\n  managed_policy_arns = ["x"]\n'), "what it may is not in the role"),
        (
            ROLE.replace("\n}", '\n  inline_policy {\n    name = "x"\n  }\n}'),
            "what it may is not in the role",
        ),
        (OURS.replace("var.read_policy", "jsonencode({})"), "aws_iam_role_policy.lab: write it"),
        (OURS.replace("aws_iam_role.lab.id", '"admin"'), "aws_iam_role_policy.lab: write it"),
        (OF_AWS.replace("${local.managed}", "arn:aws:iam::aws:policy"), "_attachment.lab: write it"),
        ('resource "aws_iam_policy_attachment" "all" {\n}\n', "aws_iam_policy_attachment.all: say in"),
        ('resource "aws_iam_user_policy" "key" {\n}\n', "aws_iam_user_policy.key: say in"),
    ],
)
def test_what_would_not_be_found_is_told_of(tmp_path: Path, text: str, told: str):
    (tmp_path / "main.tf").write_text(text)
    with pytest.raises(ValueError, match=re.escape(told)):
        given(tmp_path)


def test_modules_get_the_documents_that_their_variables_name():
    text = (terraform.MODULES / "main.tf").read_text()
    handed = re.findall(r"^  (\w+)_policy += (.*)$", text, re.MULTILINE)
    assert {name for each in given().values() for name in each.ours} == {name for name, _ in handed}
    assert [(name, value) for name, value in handed if value != f"module.policies.{name}"] == []
