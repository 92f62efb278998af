"""What a request of the local cloud's log asks of a policy: action, resource, and condition keys.

The tables follow AWS's service authorization reference
(https://docs.aws.amazon.com/service-authorization/latest/reference/), page by page.
"""

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qs

from localcloud.provision import REGION
from support.policies.simulator import ACCOUNT, Question

Request = Mapping[str, Any]


def questions(request: Request) -> list[Question]:
    """All that has to be allowed for a request to be answered. LookupError: one that is not known here."""
    service, action = request["service"], request["action"]
    if service == "s3":
        return _s3(request)
    if action in _PLAIN.get(service, ()):
        return [Question(f"{service}:{action}", "*")]
    if (service, action) in _TOUCHING:
        return _TOUCHING[service, action](request["parameters"])
    raise LookupError(f"{service}:{action} is asked for: say in {__name__} what it touches")


def _arn(service: str, name: str) -> str:
    region = "" if service == "iam" else REGION
    return f"arn:aws:{service}:{region}:{ACCOUNT}:{name}"


# -- Amazon S3: list_amazons3.html; what allows a request:
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/using-with-s3-policy-actions.html -------------

_OBJECTS = {
    "GetObject": "s3:GetObject",
    "HeadObject": "s3:GetObject",
    "PutObject": "s3:PutObject",
    "CreateMultipartUpload": "s3:PutObject",
    "UploadPart": "s3:PutObject",
    "CompleteMultipartUpload": "s3:PutObject",
    "AbortMultipartUpload": "s3:AbortMultipartUpload",
    "DeleteObject": "s3:DeleteObject",
}


def _s3(request: Request) -> list[Question]:
    action = request["action"]
    # WSGI hands on a path's bytes as Latin-1.
    path = request["path"].encode("latin-1").decode().strip("/")
    if action in _OBJECTS:
        return [Question(_OBJECTS[action], f"arn:aws:s3:::{path}")]
    if action == "DeleteObjects":
        keys = request["parameters"]["keys"]
        return [Question("s3:DeleteObject", f"arn:aws:s3:::{path}/{key}") for key in keys]
    if action in ("ListObjectsV2", "HeadBucket"):
        prefix = parse_qs(request["query"]).get("prefix", [])
        return [
            Question("s3:ListBucket", f"arn:aws:s3:::{path}", tuple(("s3:prefix", each) for each in prefix))
        ]
    raise LookupError(f"s3:{action} is asked for: say in {__name__} what it touches")


# -- what names no resource: list_awsbatch.html, list_amazoncloudwatchlogs.html,
# list_awssecuritytokenservice.html ------------------------------------------------------------------------

_PLAIN = {
    "batch": {
        *("DescribeComputeEnvironments", "DescribeJobDefinitions", "DescribeJobQueues"),
        *("DescribeJobs", "ListJobs", "ListConsumableResources"),
    },
    "logs": {"DescribeLogGroups"},
    "sts": {"GetCallerIdentity"},
}


# -- AWS Batch: list_awsbatch.html ---------------------------------------------------------------------------


def _submit(given: Mapping[str, Any]) -> list[Question]:
    named = {"job-queue": given["jobQueue"], "job-definition": given["jobDefinition"], "job": "new"}
    touched = {
        kind: name if name.startswith("arn:") else _arn("batch", f"{kind}/{name}")
        for kind, name in named.items()
    }
    asked = [Question("batch:SubmitJob", each) for each in touched.values()]
    return asked + _tagging(given, touched["job"])


def _register(given: Mapping[str, Any]) -> list[Question]:
    name = _arn("batch", f"job-definition/{given['jobDefinitionName']}")
    roles = [given["containerProperties"].get(each) for each in ("jobRoleArn", "executionRoleArn")]
    # What passes a role needs iam:PassRole on it, whatever Batch says is the service that it is passed to:
    # https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_use_passrole.html
    return [
        Question("batch:RegisterJobDefinition", name),
        *_tagging(given, f"{name}:1"),
        *(Question("iam:PassRole", role) for role in roles if role),
    ]


def _tagging(given: Mapping[str, Any], resource: str) -> list[Question]:
    """What is made with tags is tagged."""
    tags = given.get("tags") or {}
    # One of them at a time: a policy of ours looks at no other.
    first = "explorer:analysis" if "explorer:analysis" in tags else next(iter(tags), None)
    if first is None:
        return []
    return [Question("batch:TagResource", resource, ((f"aws:RequestTag/{first}", tags[first]),))]


def _end(action: str, given: Mapping[str, Any]) -> list[Question]:
    # Every job that may be submitted has this tag (see _tagging), but one of an array has none.
    tags = () if ":" in given["jobId"] else (("aws:ResourceTag/explorer:analysis", "given"),)
    return [Question(f"batch:{action}", _arn("batch", f"job/{given['jobId']}"), tags)]


def _limit(action: str) -> Callable[[Mapping[str, Any]], list[Question]]:
    def asked(given: Mapping[str, Any]) -> list[Question]:
        name = given.get("consumableResourceName") or given["consumableResource"]
        resource = name if name.startswith("arn:") else _arn("batch", f"consumable-resource/{name}")
        return [Question(f"batch:{action}", resource), *_tagging(given, resource)]

    return asked


# -- CloudWatch Logs, ECR, IAM: list_amazoncloudwatchlogs.html, list_amazonelasticcontainerregistry.html,
# list_awsidentityandaccessmanagementiam.html -----------------------------------------------------------


def _events(given: Mapping[str, Any]) -> list[Question]:
    stream = f"log-group:{given['logGroupName']}:log-stream:{given['logStreamName']}"
    return [Question("logs:GetLogEvents", _arn("logs", stream))]


def _images(given: Mapping[str, Any]) -> list[Question]:
    return [Question("ecr:DescribeImages", _arn("ecr", f"repository/{given['repositoryName']}"))]


def _role(given: Mapping[str, Any]) -> list[Question]:
    return [Question("iam:GetRole", _arn("iam", f"role/{given['RoleName']}"))]


_TOUCHING: dict[tuple[str, str], Callable[[Mapping[str, Any]], list[Question]]] = {
    ("batch", "SubmitJob"): _submit,
    ("batch", "RegisterJobDefinition"): _register,
    ("batch", "TerminateJob"): lambda given: _end("TerminateJob", given),
    ("batch", "CancelJob"): lambda given: _end("CancelJob", given),
    **{
        ("batch", action): _limit(action)
        for action in ("CreateConsumableResource", "DeleteConsumableResource", "DescribeConsumableResource")
    },
    ("logs", "GetLogEvents"): _events,
    ("ecr", "DescribeImages"): _images,
    ("iam", "GetRole"): _role,
}
