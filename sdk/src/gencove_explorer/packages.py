"""pip_packages: checked, and resolved once at submission into a lock that travels with the payload."""

import hashlib
import os
import re
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from explorer_runner.errors import PackageError
from explorer_runner.folders import make_private
from gencove_explorer.local.runtime import find_uv

FRESH_SECONDS = 24 * 3600.0
"""For how long a resolution is used again: within a day the same requirements give the same lock."""


_ELSEWHERE = re.compile(r"^\s*[./~]|://|\s@\s|^\w+\+|/|\.whl$")


def check_requirements(pip_packages: object) -> list[str]:
    """Return ``pip_packages`` as a list of requirements, or raise PackageError."""
    if pip_packages is None:
        return []
    if isinstance(pip_packages, str) or not isinstance(pip_packages, Sequence):
        raise PackageError(f'pip_packages is {pip_packages!r}: use a list of strings, such as ["pendulum"]')
    for each in pip_packages:
        if not isinstance(each, str) or not each.strip() or "\n" in each or each.strip().startswith("-"):
            raise PackageError(
                f'pip_packages has {each!r}: use what pip takes as a requirement, such as "pendulum" or '
                '"scikit-learn>=1.5,<2"; options belong into your pip or uv configuration'
            )
        if _ELSEWHERE.search(each):
            raise PackageError(
                f"pip_packages has {each!r}: this version takes names with versions, extras and markers from "
                "a package index, no folders, files and addresses"
            )
    return [each.strip() for each in pip_packages]


def lock(requirements: Sequence[str], home: Path) -> bytes | None:
    """The hashed lock (pylock.toml, PEP 751) of requirements, for this interpreter; None for none.

    A lock that was made within the last day is used again, so that runs of one afternoon share an
    environment and cost no request. Raises PackageError with what uv says.
    """
    if not requirements:
        return None
    key = hashlib.sha256(
        "\n".join([sys.version, os.path.realpath(sys.executable), *sorted(requirements)]).encode()
    )
    kept = home / "locks" / f"{key.hexdigest()[:32]}.toml"
    if kept.exists() and 0 <= time.time() - kept.stat().st_mtime < FRESH_SECONDS:
        return kept.read_bytes()
    found = _resolve(requirements)
    make_private(str(kept.parent))
    part = kept.with_suffix(f".{os.getpid()}")
    part.write_bytes(found)
    part.rename(kept)
    return found


def _resolve(requirements: Sequence[str]) -> bytes:
    uv = find_uv()
    if not uv:
        raise PackageError("uv is not installed here, and pip_packages needs it: pip install uv")
    asked = subprocess.run(
        [uv, "pip", "compile", "--quiet", "--no-header", "--format", "pylock.toml", *_target(), "-"],
        input="\n".join(requirements).encode(),
        capture_output=True,
    )
    if asked.returncode != 0:
        said = asked.stderr.decode(errors="replace").strip()
        raise PackageError(f"pip_packages={list(requirements)} cannot be resolved:\n{said}")
    return asked.stdout


def _target() -> list[str]:
    """For any patch release of this interpreter's minor version: the job's may be another one."""
    return ["--python", sys.executable, "--python-version", f"{sys.version_info[0]}.{sys.version_info[1]}"]
