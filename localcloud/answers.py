"""Answers of the local cloud, held against botocore's models: what AWS would never answer is found.

Only services whose answers are JSON and partly our own are held against their models: Batch, CloudWatch
Logs and ECR. S3's answers are read by two clients in the tests, which is the better check of XML.
"""

import json
from collections.abc import Iterator
from functools import cache
from typing import Any

SERVICES = ("batch", "logs", "ecr")
_NOT_ALWAYS = frozenset((("JobDetail", "startedAt"),))
"""Members that the model calls required, though the documentation says when they are left out:
https://docs.aws.amazon.com/batch/latest/APIReference/API_JobDetail.html."""
_COMMON = frozenset(
    (
        *(
            "ThrottlingException",
            "TooManyRequestsException",
            "AccessDeniedException",
            "ExpiredTokenException",
        ),
        *("ServerException", "ServiceUnavailable", "InternalFailure", "UnrecognizedClientException"),
        *("ValidationException", "InvalidSignatureException"),
    )
)
"""Errors that every service has, whatever its model lists:
https://docs.aws.amazon.com/batch/latest/APIReference/CommonErrors.html."""
_EARLIEST_MS = 1_400_000_000_000
"""Batch's times are milliseconds: a number of seconds is one of January 1970."""


def without_nulls(body: bytes) -> bytes:
    """An answer without members that have no value: moto writes null, where AWS leaves them out."""
    try:
        return json.dumps(_without_nulls(json.loads(body))).encode() if b"null" in body else body
    except ValueError:
        return body  # that is for ``violations`` to say


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_nulls(item) for name, item in value.items() if item is not None}
    return [_without_nulls(item) for item in value] if isinstance(value, list) else value


def violations(service: str, action: str, status: int, body: bytes, error: str = "") -> list[str]:
    """What is wrong with an answer, in words; nothing of services and actions that have no model here.

    error: the header ``x-amzn-ErrorType``, where the code of an error stands in REST services.
    """
    model = _operation(service, action)
    if model is None:
        return []
    where = f"{service} {action}"
    try:
        answer = json.loads(body or b"{}")
    except ValueError as problem:
        return [f"{where}: {problem}"]
    if status < 300:
        return [f"{where}: {problem}" for problem in _check(answer, model.output_shape, "answer")]
    code = str(error or answer.get("__type") or answer.get("code") or "").rpartition("#")[2].partition(":")[0]
    listed = {shape.metadata.get("error", {}).get("code") or shape.name for shape in model.error_shapes}
    listed |= {shape.name for shape in model.error_shapes}
    return [] if code in listed | _COMMON else [f"{where}: {code or 'no code'} is no error that AWS answers"]


@cache
def _operation(service: str, action: str) -> Any:
    from botocore.session import get_session

    if service not in SERVICES:
        return None
    model = get_session().get_service_model(service)
    return model.operation_model(action) if action in model.operation_names else None


def _check(value: Any, shape: Any, path: str) -> Iterator[str]:
    """The differences between a JSON value and the shape that the model gives it."""
    if shape is None:
        return
    kinds = {
        "structure": dict,
        "map": dict,
        "list": list,
        "string": str,
        "character": str,
        "boolean": bool,
        "integer": int,
        "long": int,
        "float": (int, float),
        "double": (int, float),
        "timestamp": (int, float),
        "blob": str,
    }
    kind = kinds[shape.type_name]
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        yield f"{path} is {value!r}, and no {shape.type_name}"
    elif shape.type_name == "structure":
        yield from _check_members(value, shape, path)
    elif shape.type_name == "map":
        for key, item in value.items():
            yield from _check(item, shape.value, f"{path}.{key}")
    elif shape.type_name == "list":
        for position, item in enumerate(value):
            yield from _check(item, shape.member, f"{path}[{position}]")
    elif shape.type_name == "string" and shape.enum and value not in shape.enum:
        yield f"{path} is {value!r}, and one of {', '.join(shape.enum)}"
    elif shape.type_name == "long" and path.endswith("At") and value < _EARLIEST_MS:
        yield f"{path} is {value}, and no time in milliseconds"


def _check_members(value: dict[str, Any], shape: Any, path: str) -> Iterator[str]:
    by_name = {member.serialization.get("name", name): member for name, member in shape.members.items()}
    names = {name: member.serialization.get("name", name) for name, member in shape.members.items()}
    for name, item in value.items():
        if name in by_name:
            yield from _check(item, by_name[name], f"{path}.{name}")
        else:
            yield f"{path}.{name} is no member of {shape.name}"
    for name in shape.required_members:
        if names[name] not in value and (shape.name, name) not in _NOT_ALWAYS:
            yield f"{path} has no {names[name]}"
