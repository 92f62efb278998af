"""JobDefinition: what a job asks of the machine that runs it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

from explorer_runner.errors import InvalidDefinition
from explorer_runner.text import shown

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_SECRET_ARN = re.compile(r"arn:aws[a-z-]*:(secretsmanager|ssm):[^\s]+")

_FOR_PYTHON = (
    "Python could not find its own library with it, nor the runner; PYTHONPATH adds folders to sys.path"
)
_FOR_THE_RUNNER = "each job has its own, which the runner sets"
_REFUSED = {
    "PYTHONHOME": _FOR_PYTHON,
    "PYTHONPLATLIBDIR": _FOR_PYTHON,
    "PYTHONEXECUTABLE": _FOR_PYTHON,
    "PYTHONINSPECT": "the job's Python would wait for input at its end",
    "LD_TRACE_LOADED_OBJECTS": "programs would print their libraries instead of running",
    "TMPDIR": _FOR_THE_RUNNER,
    "VIRTUAL_ENV": _FOR_THE_RUNNER,
    "IPYTHONDIR": _FOR_THE_RUNNER,
}
"""Variables that would break a job, or have no effect on it, and why."""

MAX_RETRIES = 9
"""AWS Batch starts a job at most 10 times
(https://docs.aws.amazon.com/batch/latest/APIReference/API_RetryStrategy.html)."""


@dataclass(frozen=True, kw_only=True)
class JobDefinition:
    """Resources and rules of each job of an analysis, the same on every executor.

    Raises InvalidDefinition, with field, value and what is allowed.
    """

    cpu: int = 2
    """Number of CPUs."""
    memory_mb: int = 4000
    """Memory in MiB, as AWS Batch counts it; a job beyond it is ended."""
    memory_mb_max: int | None = None
    """MiB up to which the memory of a job that was killed for it is doubled; None: it is not tried again."""
    gpu: int = 0
    """Number of GPUs."""
    timeout_seconds: int | None = None
    """Seconds after which an attempt is ended; AWS Batch takes 60 and more."""
    retries: int = 0
    """How many more times a failed job is tried; a reclaimed spot instance does not count."""
    image: str | None = None
    """Docker image of the job: built FROM the runner image, or any with Python and explorer-runner."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """Environment variables of the job, set before its Python starts. Not for secrets: everyone who reads the
    store reads them."""
    secrets: Mapping[str, str] = field(default_factory=dict)
    """Environment variable -> ARN of the secret it gets its value from; never a value."""

    def __post_init__(self) -> None:
        _whole(self, "cpu", 1, 100_000)
        _whole(self, "memory_mb", 4, 100_000_000)
        if self.memory_mb_max is not None:
            _whole(self, "memory_mb_max", 4, 100_000_000)
            if self.memory_mb_max < self.memory_mb:
                raise InvalidDefinition(
                    f"JobDefinition(memory_mb={self.memory_mb}, memory_mb_max={self.memory_mb_max}): the "
                    "limit is below what jobs start with: use a larger one, or leave it out"
                )
        _whole(self, "gpu", 0, 1000)
        if self.timeout_seconds is not None:
            _whole(self, "timeout_seconds", 1, 10_000_000)
        _whole(self, "retries", 0, MAX_RETRIES)
        if self.image is not None and (not isinstance(self.image, str) or not self.image.strip()):
            raise InvalidDefinition(f"JobDefinition(image={shown(self.image)}): use the name of an image")
        _variables(self, "environment")
        _variables(self, "secrets")
        for name, arn in self.secrets.items():
            if not _SECRET_ARN.fullmatch(arn):
                # Without the value: a secret that was put here by mistake must not get into a log.
                raise InvalidDefinition(
                    f"JobDefinition(secrets={{{name!r}: ...}}) is not the ARN of a secret "
                    "(arn:aws:secretsmanager:... or arn:aws:ssm:...); a secret's value never goes here"
                )
        both = sorted(set(self.environment) & set(self.secrets))
        if both:
            raise InvalidDefinition(f"JobDefinition: {both[0]!r} is both in environment and in secrets")

    @property
    def may_grow(self) -> bool:
        """Whether a job that was killed for its memory is tried again with more."""
        return self.memory_mb_max is not None and self.memory_mb < self.memory_mb_max

    @property
    def memory_limit_name(self) -> str:
        """The field that a job's memory is bounded by: the limit, where it has grown up to that."""
        return "memory_mb_max" if self.memory_mb == self.memory_mb_max else "memory_mb"

    def grown(self) -> "JobDefinition":
        """The definition of the next try: twice the memory, up to the limit."""
        return replace(self, memory_mb=min(2 * self.memory_mb, self.memory_mb_max or self.memory_mb))

    def to_json(self) -> dict[str, Any]:
        """As plain data: only what JSON holds."""
        return {
            f.name: dict(value) if isinstance(value := getattr(self, f.name), Mapping) else value
            for f in fields(self)
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "JobDefinition":
        """From what ``to_json`` made, by this version or an older one."""
        if not isinstance(data, Mapping):
            raise InvalidDefinition(f"a job definition is a mapping, and not a {type(data).__name__}")
        known = {f.name for f in fields(cls)}
        given = {name: value for name, value in data.items() if name in known}
        stored = {name: given.pop(name) for name in ("environment", "secrets") if name in given}
        definition = cls(**given, **{name: _without_refused(value) for name, value in stored.items()})
        # Older versions let any variable through: what they stored stays readable, as it is.
        for name, value in stored.items():
            object.__setattr__(definition, name, value)
        return definition


def _whole(definition: JobDefinition, name: str, low: int, high: int) -> None:
    value = getattr(definition, name)
    if isinstance(value, bool) or not isinstance(value, int):
        raise InvalidDefinition(
            f"JobDefinition({name}={shown(value)}): use a whole number, not {type(value).__name__}"
        )
    if not low <= value <= high:
        raise InvalidDefinition(
            f"JobDefinition({name}={shown(value)}): use a number from {low:,} to {high:,}"
        )


def _variables(definition: JobDefinition, name: str) -> None:
    variables = getattr(definition, name)
    if not isinstance(variables, Mapping):
        raise InvalidDefinition(f"JobDefinition({name}=...): use a dictionary of strings")
    for variable, value in variables.items():
        if not isinstance(variable, str) or not _VARIABLE.fullmatch(variable):
            raise InvalidDefinition(
                f"JobDefinition({name}=...): {shown(variable)} is not the name of an environment variable"
            )
        if variable.startswith(("AWS_BATCH", "EXPLORER_")):
            raise InvalidDefinition(
                f"JobDefinition({name}=...): {variable} is reserved (AWS_BATCH... by AWS, "
                "EXPLORER_... by Explorer)"
            )
        if variable in _REFUSED:
            raise InvalidDefinition(
                f"JobDefinition({name}=...): {variable} cannot be set: {_REFUSED[variable]}. Leave it out"
            )
        if not isinstance(value, str) or "\0" in value:
            raise InvalidDefinition(
                f"JobDefinition({name}=...): the value of {variable} is not a string but "
                f"{type(value).__name__}: write it as text"
            )


def _without_refused(variables: Any) -> Any:
    if not isinstance(variables, Mapping):
        return variables
    return {name: value for name, value in variables.items() if name not in _REFUSED}
