"""Steps: told of as they begin; one that fails says what to do, and the next call goes on from there."""

import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import click

ROOT = Path(__file__).parents[2]


class StepFailed(Exception):
    """A step that did not succeed: why, and what to do."""


class Steps:
    """Numbers the steps of a command."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._number = 0

    def begin(self, what: str) -> None:
        """Say what comes next."""
        self._number += 1
        click.secho(f"==> {self._number}/{self._total} {what}", bold=True)


def run(
    command: Sequence[str | Path],
    why: str,
    *,
    quiet: bool = False,
    variables: Mapping[str, str] | None = None,
) -> str:
    """Run a program in the repository, its output passed on, or returned if ``quiet``.

    Raises StepFailed, with its errors if those were not seen, and ``why``: what to do.
    """
    kept = subprocess.PIPE if quiet else None
    done = subprocess.run(command, cwd=ROOT, stdout=kept, stderr=kept, text=True, env=variables)
    if done.returncode:
        said = f"\n{done.stderr.strip()}" if quiet else ""
        name = " ".join(str(each) for each in command[:3])
        raise StepFailed(f"{name} ended with exit code {done.returncode}{said}\n{why}")
    return done.stdout or ""


def need(program: str, how: str) -> None:
    """Raise StepFailed unless a program is there."""
    if shutil.which(program) is None:
        raise StepFailed(f"{program} is not installed: {how}")
