"""The documents of infra/terraform/modules/policies, rendered by Terraform alone: no cloud is asked."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from moto.iam.aws_managed_policies import aws_managed_policies_data

from support import terraform

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


def of_aws(name: str) -> Document:
    """A policy of AWS's own; moto has those of AWS."""
    policy: Document = json.loads(aws_managed_policies_data)[name]["Document"]
    return policy
