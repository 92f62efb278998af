"""Job definitions: registered on demand, found again by their content, which is in their name."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from gencove_explorer._version import __version__
from gencove_explorer.aws.clients import AwsClients
from gencove_explorer.aws.errors import translate_errors
from gencove_explorer.executors.host.container import DISK
from gencove_explorer.settings import BatchSettings

HOST_DISK = "/mnt/explorer"
"""Where the machines of the compute environments have their disk for jobs; Terraform mounts it there."""
STREAM_PREFIX = "explorer"


def definition_body(image: str, secrets: Mapping[str, str], settings: BatchSettings) -> dict[str, Any]:
    """What we own of a job definition. What varies from run to run is overridden at submission."""
    container: dict[str, Any] = {
        "image": image,
        "command": ["explorer-runner"],
        "environment": [{"name": "EXPLORER_DISK", "value": DISK}],
        "secrets": [{"name": name, "valueFrom": secrets[name]} for name in sorted(secrets)],
        # Every submission says what it needs; a definition must name something.
        "resourceRequirements": [{"type": "VCPU", "value": "1"}, {"type": "MEMORY", "value": "512"}],
        "volumes": [{"name": "disk", "host": {"sourcePath": HOST_DISK}}],
        # As process 1 the runner would be deaf to a SIGTERM that comes while Python starts.
        "linuxParameters": {"initProcessEnabled": True},
        "mountPoints": [{"containerPath": DISK, "sourceVolume": "disk", "readOnly": False}],
    }
    if settings.job_role_arn:
        container["jobRoleArn"] = settings.job_role_arn
    if settings.execution_role_arn:
        container["executionRoleArn"] = settings.execution_role_arn
    if settings.log_group:
        container["logConfiguration"] = {
            "logDriver": "awslogs",
            "options": {"awslogs-group": settings.log_group, "awslogs-stream-prefix": STREAM_PREFIX},
        }
    return {"type": "container", "containerProperties": container, "propagateTags": True}


def definition_name(body: Mapping[str, Any]) -> str:
    """The name of a definition: what it holds, and so the same for the same."""
    digest = hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
    return f"explorer-{digest[:20]}"


class JobDefinitions:
    """Definitions that were found or registered, by name."""

    def __init__(self, aws: AwsClients) -> None:
        self._aws = aws
        self._found: dict[str, str] = {}

    def arn(self, body: Mapping[str, Any]) -> str:
        """The ARN of a definition with this content, registered if there is none. Raises ExecutorError."""
        name = definition_name(body)
        if name not in self._found:
            self._found[name] = self._find(name, body) or self._register(name, body)
        return self._found[name]

    def _find(self, name: str, body: Mapping[str, Any]) -> str | None:
        with translate_errors(f"the job definition {name}"):
            pages = self._aws.client("batch").get_paginator("describe_job_definitions")
            for page in pages.paginate(jobDefinitionName=name, status="ACTIVE"):
                for definition in page["jobDefinitions"]:
                    if contains(definition, body):
                        return str(definition["jobDefinitionArn"])
        return None

    def _register(self, name: str, body: Mapping[str, Any]) -> str:
        with translate_errors(f"the job definition {name}"):
            made = self._aws.client("batch").register_job_definition(
                jobDefinitionName=name, tags={"explorer:version": __version__}, **body
            )
        return str(made["jobDefinitionArn"])


def contains(registered_part: Any, body: Any) -> bool:
    """Whether all that is wanted is found: AWS adds defaults of its own, and orders lists as it likes."""
    if isinstance(body, Mapping):
        return isinstance(registered_part, Mapping) and all(
            contains(registered_part.get(name, _EMPTY.get(type(value))), value)
            for name, value in body.items()
        )
    if isinstance(body, list):
        return (
            isinstance(registered_part, list)
            and len(registered_part) == len(body)
            and all(any(contains(registered, one) for registered in registered_part) for one in body)
        )
    return bool(registered_part == body)


_EMPTY: dict[type, Any] = {list: [], bool: False}
