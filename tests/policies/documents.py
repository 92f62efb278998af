"""The documents of infra/terraform/modules/policies, rendered by Terraform alone: no cloud is asked."""

import json
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from moto.iam.aws_managed_policies import aws_managed_policies_data

import terraform

Document = dict[str, Any]
_MODULES = terraform.MODULES / "modules"


def render(folder: Path, names: Mapping[str, Any]) -> dict[str, Any]:
    """The module's outputs, as documents, with these variables; ``folder`` is one that is not there yet."""
    shutil.copytree(_MODULES / "policies", folder / "policies")
    provider = {
        "region": "us-east-1",
        "access_key": "none",
        "secret_key": "none",
        "skip_credentials_validation": True,
        "skip_metadata_api_check": True,
        "skip_requesting_account_id": True,
    }
    stack = {
        "provider": {"aws": provider},
        "module": {"policies": {"source": "./policies", **names}},
        "output": {"documents": {"value": "${module.policies}"}},
    }
    (folder / "main.tf.json").write_text(json.dumps(stack))
    terraform.init(folder)
    terraform.run(folder, "apply", "-input=false", "-auto-approve", "-no-color")
    texts = terraform.outputs(folder)["documents"]
    trust = {role: json.loads(text) for role, text in texts.pop("trust").items()}
    return {**{name: json.loads(text) for name, text in texts.items() if text}, "trust": trust}


def given(role: str) -> list[str]:
    """Names of the documents that modules/batch, or modules/ci, gives to a role."""
    text = "".join((_MODULES / each).read_text() for each in ("batch/roles.tf", "ci/main.tf"))
    named = rf"(?:{role}|this\[\"{role}\"\])"
    found = re.findall(rf"role += aws_iam_role\.{named}\.id\s+policy = var\.(\w+)_policy", text)
    assert found, f"no policy of ours is given to {role}"
    return found


def attached(role: str) -> Document:
    """AWS's own policy that modules/batch attaches to a role; moto has those of AWS."""
    text = (_MODULES / "batch" / "roles.tf").read_text()
    found = re.search(rf"aws_iam_role\.{role}\.name\s+policy_arn = \"\$\{{local\.managed\}}/(\w+)\"", text)
    assert found, f"no policy of AWS's is attached to {role}"
    policy: Document = json.loads(aws_managed_policies_data)[found[1]]["Document"]
    return policy
