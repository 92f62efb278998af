"""Images for tests and for ``make cloud``: a base with Python, the runner's on it."""

import os
import shutil
import subprocess
from pathlib import Path

from explorer_runner.format.payload import python_minor

ROOT = Path(__file__).parents[1]
RUNNER = "explorer-local"
_DEBIAN = ("explorer-base:bookworm", "3.11")


class NoDockerError(Exception):
    """No Docker daemon answers, or there is no base image; the text says which and what to do."""


def docker(*arguments: str | Path, check: bool = True) -> str:
    """Run docker; its output. With ``check`` a failure raises RuntimeError, with what it wrote."""
    variables = {**os.environ, "DOCKER_BUILDKIT": "0"}
    done = subprocess.run(["docker", *arguments], capture_output=True, text=True, env=variables)
    if check and done.returncode:
        raise RuntimeError(f"docker {arguments[0]} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout.strip()


def require_docker() -> None:
    """Raise NoDockerError unless a daemon answers."""
    if shutil.which("docker") is None or subprocess.run(["docker", "info"], capture_output=True).returncode:
        raise NoDockerError("no Docker daemon answers here (docker info)")


def find_base() -> str:
    """An image with this Python: what BASE_IMAGE names, the official one, or one from Debian's packages."""
    given = os.environ.get("BASE_IMAGE")
    if given:
        return given
    official = f"python:{python_minor()}-slim"
    if _is_there(official) or _pull(official):
        return official
    name, minor = _DEBIAN
    if minor != python_minor():
        raise NoDockerError(
            f"{official} cannot be pulled, and Debian's packages have Python {minor}: set BASE_IMAGE"
        )
    if not _is_there(name):
        if shutil.which("mmdebstrap") is None:
            raise NoDockerError(f"{official} cannot be pulled; without a registry this needs mmdebstrap")
        subprocess.run([ROOT / "localcloud/base.sh", name], check=True)
    return name


def build_runner(base: str) -> str:
    """Build the runner image of this working tree; returns its name. The same content is built once."""
    subprocess.run(["make", "--silent", "dist"], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    name = f"{RUNNER}:current"
    done = _build(base)
    if "never overwritten" in done.stderr:
        docker("rmi", "--force", name)  # of an older working tree
        done = _build(base)
    if done.returncode:
        raise NoDockerError(f"the runner image cannot be built:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return name


def _build(base: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [ROOT / "images/build.sh", RUNNER, python_minor(), "current"],
        env={**os.environ, "BASE_IMAGE": base, "DOCKER_BUILDKIT": "0"},
        capture_output=True,
        text=True,
    )


def id_of(image: str) -> str:
    """The id of an image of this machine."""
    return docker("image", "inspect", "--format", "{{.Id}}", image)


def _is_there(image: str) -> bool:
    return subprocess.run(["docker", "image", "inspect", image], capture_output=True).returncode == 0


def _pull(image: str) -> bool:
    try:
        return subprocess.run(["docker", "pull", image], capture_output=True, timeout=300).returncode == 0
    except subprocess.TimeoutExpired:
        return False
