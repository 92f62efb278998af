"""Resolution by uv: from requirements to one exact version of each package."""

import subprocess
import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from packaging.pylock import Package, Pylock, PylockSelectError

from explorer_runner.errors import PackageError
from gencove_explorer.packages.indexes import Indexes
from gencove_explorer.packages.platforms import environment_of, tags_of


class Uv:
    """The uv of this machine, with the user's indexes and for this interpreter."""

    def __init__(self, path: str, indexes: Indexes) -> None:
        if not path:
            raise PackageError("uv is not installed here, and pip_packages needs it: pip install uv")
        self.path = path
        self.indexes = indexes

    def run(self, *arguments: str, input: str = "", **variables: str) -> subprocess.CompletedProcess[bytes]:
        """Run uv in the current folder; its output is captured."""
        environment = {**self.indexes.environment, **variables}
        if self.indexes.certificates:
            environment.setdefault("SSL_CERT_FILE", self.indexes.certificates)
        command = [self.path, *arguments, *self.indexes.arguments, "--python", sys.executable]
        return subprocess.run(command, input=input.encode(), env=environment, capture_output=True)


class Resolved(NamedTuple):
    """A package of an exact version, and where uv found it."""

    package: Package
    source: Any
    """One of packaging.pylock's PackageWheel, PackageSdist, PackageArchive, PackageDirectory, PackageVcs."""


def resolve(requirements: Sequence[str], uv: Uv, platform: str | None = None) -> list[Resolved]:
    """All packages that the requirements mean for this interpreter's version on a platform (None: this).

    Raises PackageError: what uv says.
    """
    lines = [*requirements, *(f"-c {constraint}" for constraint in uv.indexes.constraints)]
    done = uv.run(
        *("pip", "compile", "--quiet", "--no-header", "--format", "pylock.toml", "--no-sources"),
        *("--python-version", f"{sys.version_info[0]}.{sys.version_info[1]}"),
        *(("--python-platform", platform) if platform else ()),
        "-",
        input="\n".join(lines),
    )
    if done.returncode != 0:
        message = done.stderr.decode(errors="replace").strip()
        raise PackageError(f"pip_packages={list(requirements)} cannot be resolved:\n{message}")
    try:
        lock = Pylock.from_dict(tomllib.loads(done.stdout.decode()))
        chosen = lock.select(environment=environment_of(platform), tags=tags_of(platform))
        return [Resolved(package, source) for package, source in chosen]
    except PylockSelectError as error:
        raise PackageError(
            f"pip_packages={list(requirements)} cannot be had {_where(platform)}: {error}"
        ) from error


def _where(platform: str | None) -> str:
    return f"for the platform of the jobs' image ({platform})" if platform else "on this machine"


def local_path(path: str) -> Path:
    """A path of uv's answer: relative to the current folder."""
    return Path.cwd() / path
