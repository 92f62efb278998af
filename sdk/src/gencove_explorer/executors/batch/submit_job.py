"""What SubmitJob is given."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from explorer_runner.definition import JobDefinition
from explorer_runner.system.processes import MAX_ATTEMPTS, RETRY
from gencove_explorer.errors import SubmissionError
from gencove_explorer.records.index import IndexRecord
from gencove_explorer.records.round import RoundRecord
from gencove_explorer.utils.git import describe_commit

ROUND = "EXPLORER_ROUND"
MAX_LABELS = 40
"""AWS Batch takes 50 tags; some are ours
(https://docs.aws.amazon.com/batch/latest/userguide/using-tags.html)."""
_NO_TAG = re.compile(r"[^\w\s.:/=+@-]")

RETRIES = [
    {"onStatusReason": "Host EC2*", "action": "RETRY"},
    {"onStatusReason": "Task failed to start*", "action": "RETRY"},
    {"onReason": "Cannot*", "action": "RETRY"},
    {"onExitCode": str(RETRY), "action": "RETRY"},
    {"onStatusReason": "*", "action": "EXIT"},
]
"""A machine that was taken away, and a container that could not be started or looked at, are never the job's
fault. All else the runner decides, by its exit code. AWS Batch takes five rules, and its own example has the
second one (https://docs.aws.amazon.com/batch/latest/userguide/job_retries.html). What it answers when
containers do not start is collected in tests/cloud/recorded. Each attempt counts towards MAX_ATTEMPTS.
"""


def submit_job_request(
    record: RoundRecord,
    index: IndexRecord,
    *,
    store: str,
    queue: str,
    region: str,
    definition: str,
    depends_on: Sequence[Mapping[str, str]],
    resources: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The request that runs a round. Its job's name is the analysis's id, by which it is found again.

    ``resources``: the consumable resources that each job takes.
    """
    definition_of_job = record.job_definition
    variables = {
        "EXPLORER_STORE": store,
        "EXPLORER_ANALYSIS": record.id,
        ROUND: str(record.round),
        "EXPLORER_DIGEST": record.payload,
        "AWS_REGION": region,
        "AWS_DEFAULT_REGION": region,
        **({"EXPLORER_TOLERATED": "1"} if record.tolerated else {}),
    }
    request: dict[str, Any] = {
        "jobName": record.id,
        "jobQueue": queue,
        "jobDefinition": definition,
        "dependsOn": list(depends_on),
        "containerOverrides": {
            "environment": [{"name": name, "value": value} for name, value in variables.items()],
            "resourceRequirements": _resources(definition_of_job),
        },
        "retryStrategy": {"attempts": MAX_ATTEMPTS, "evaluateOnExit": RETRIES},
        "tags": tags(index),
        "propagateTags": True,
    }
    if resources is not None:
        request["consumableResourcePropertiesOverride"] = resources
    if record.jobs > 1:
        request["arrayProperties"] = {"size": record.jobs}
    if definition_of_job.timeout_seconds is not None:
        request["timeout"] = {"attemptDurationSeconds": definition_of_job.timeout_seconds}
    return request


def tags(index: IndexRecord) -> dict[str, str]:
    """What costs are told apart by, and jobs found by: ours, and the user's labels."""
    own = {
        "explorer:analysis": index.id,
        "explorer:name": index.name,
        "explorer:user": index.user,
        "explorer:project": index.project,
        "explorer:commit": describe_commit(Path.cwd()),
    }
    made = {_tag(key)[:128]: _tag(value)[:256] for key, value in {**index.labels, **own}.items()}
    return {key: value for key, value in made.items() if value}


def check_labels(labels: Mapping[str, str]) -> None:
    """Raise SubmissionError for labels that cannot be tags."""
    if len(labels) > MAX_LABELS:
        raise SubmissionError(f"{len(labels)} labels: as tags of AWS Batch there can be {MAX_LABELS}")
    reserved = [key for key in labels if key.lower().startswith("aws:") or not key]
    if reserved:
        raise SubmissionError(f"the label {reserved[0]!r} cannot be a tag of AWS: use another name")


def _resources(definition: JobDefinition) -> list[dict[str, str]]:
    needs = {"VCPU": definition.cpu, "MEMORY": definition.memory_mb, "GPU": definition.gpu}
    return [{"type": kind, "value": str(value)} for kind, value in needs.items() if value]


def _tag(text: str) -> str:
    return _NO_TAG.sub("_", text)
