"""run_local in a container: the image and the limits that a job has on AWS Batch, through Docker here."""

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence

from explorer_runner.attempt.environment import job_variables
from explorer_runner.definition import JobDefinition
from explorer_runner.format.payload import python_minor
from gencove_explorer.aws.credentials import find_credentials
from gencove_explorer.errors import ExecutorError
from gencove_explorer.executors.host.container import DISK, default_tag
from gencove_explorer.records.round import RoundRecord
from gencove_explorer.settings import Settings

_LOCAL_IMAGE = "explorer-runner"
_OF_THE_MACHINE = ("HOME", "USER", "LOGNAME", "SHELL", "PATH", "TERM", "XDG_CACHE_HOME", "XDG_CONFIG_HOME")
_OF_THE_PROFILE = ("AWS_PROFILE", "AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE")


def find_image(definition: JobDefinition, settings: Settings) -> str:
    """The image that a job would have on AWS Batch, or the one that ``make image`` builds; pulled if needed.

    Raises ExecutorError if there is no Docker, or no such image.
    """
    if shutil.which("docker") is None:
        raise ExecutorError("run_local(container=True) needs Docker, and there is no docker command here")
    name = definition.image or settings.batch.image or _LOCAL_IMAGE
    if "@" not in name and ":" not in name.rpartition("/")[2]:
        name = f"{name}:{default_tag(python_minor())}"
    if _docker("image", "inspect", name).returncode == 0:
        return name
    pulled = _docker("pull", "--quiet", name)
    if pulled.returncode != 0:
        raise ExecutorError(
            f"the image {name} is not on this machine, and cannot be pulled: {pulled.stderr.strip()}. "
            "make image builds the runner's; for one in ECR, log in first (aws ecr get-login-password)"
        )
    return name


def variables_of(definition: JobDefinition) -> dict[str, str]:
    """The environment variables of a container. AWS credentials go by value: a profile stays on the host."""
    variables = job_variables(definition, os.environ)
    for name in (*_OF_THE_MACHINE, *_OF_THE_PROFILE):
        variables.pop(name, None)
    credentials = find_credentials() if os.environ.get("AWS_PROFILE") else None
    if credentials:
        variables.update(credentials)
    return {**variables, "EXPLORER_DISK": DISK, "HOME": "/tmp"}  # noqa: S108  the container's own


def command(record: RoundRecord, image: str, store: str, disk: str, variables: Sequence[str]) -> list[str]:
    """``docker run`` of a runner, up to its own arguments; variables by name alone: no list shows them."""
    definition = record.job_definition
    limits = [
        f"--cpus={definition.cpu}",
        f"--memory={definition.memory_mb}m",
        f"--memory-swap={definition.memory_mb}m",
    ]
    if definition.gpu:
        limits.append(f"--gpus={definition.gpu}")
    if sys.platform == "linux":
        limits.append("--network=host")  # so that an address of this machine means the same inside
    mounts = [f"--volume={store}:{store}", f"--volume={disk}:{DISK}"]
    # The caller owns the store, so the job runs as the same user.
    user = [f"--user={os.getuid()}:{os.getgid()}"]
    given = [f"--env={name}" for name in variables]
    return [
        *("docker", "run", "--rm", "--init", "--interactive", f"--label=explorer.analysis={record.id}"),
        *(*limits, *mounts, *user, *given, image, "explorer-runner"),
    ]


def _docker(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["docker", *arguments], capture_output=True, text=True)
