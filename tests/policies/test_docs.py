"""The policies on the page about AWS are those that Terraform makes."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from support.policies.documents import Document, render

PAGE = Path(__file__).parents[2] / "docs" / "aws.md"
HERE = "REGION:ACCOUNT"
NAMES = {
    "bucket_arn": "arn:aws:s3:::BUCKET",
    "store_prefix": "PREFIX",
    "data_buckets": ["DATA-BUCKET"],
    "kms_key_arns": [f"arn:aws:kms:{HERE}:key/KEY"],
    "secret_arns": [f"arn:aws:secretsmanager:{HERE}:secret:NAME", f"arn:aws:ssm:{HERE}:parameter/NAME"],
    "queue_arn": f"arn:aws:batch:{HERE}:job-queue/QUEUE",
    "repository_arn": f"arn:aws:ecr:{HERE}:repository/REPOSITORY",
    "log_group_arn": f"arn:aws:logs:{HERE}:log-group:LOG-GROUP",
    "job_role_arn": "arn:aws:iam::ACCOUNT:role/JOB-ROLE",
    "execution_role_arn": "arn:aws:iam::ACCOUNT:role/EXECUTION-ROLE",
    "host": None,
    "host_instance_arn": None,
    "github": None,
}


def shown(documents: dict[str, Any]) -> dict[str, Document]:
    """Heading -> the document that stands below it."""
    looking = documents["read"]["Statement"]
    submitting = [each for each in documents["submit"]["Statement"] if each not in looking]
    return {
        "The job's role": documents["job"],
        "The execution role": documents["secrets"],
        "Whoever looks": documents["read"],
        "Whoever submits": {**documents["submit"], "Statement": submitting},
        "Whoever pushes images": documents["push"],
    }


def written(page: str) -> dict[str, Document]:
    """Likewise, as the page has them."""
    parts = re.findall(r"^### ([^\n]*)\n(?:(?!^#).)*?^```json\n(.*?)^```$", page, re.DOTALL | re.MULTILINE)
    return {heading: json.loads(text) for heading, text in parts}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Document]:
    return shown(render(tmp_path_factory.mktemp("page") / "stack", NAMES))


def test_the_page_has_the_policies_that_terraform_makes(made: dict[str, Document]):
    found = written(PAGE.read_text())
    assert list(found) == list(made)
    for heading, document in made.items():
        assert found[heading] == document, f"write below {heading}:\n{json.dumps(document, indent=2)}"
