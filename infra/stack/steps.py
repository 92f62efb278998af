"""Steps: told of as they begin; one that fails says what to do, and the next call goes on from there."""

import fcntl
import shutil
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import click

ROOT = Path(__file__).parents[2]
LOCK = ROOT / "infra" / ".lock"


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
    typed: str | None = None,
) -> str:
    """Run a program in the repository, ``typed`` to it. Its output is passed on, or returned if ``quiet``.

    Raises StepFailed, with its errors if those were not seen, and ``why``: what to do.
    """
    kept = subprocess.PIPE if quiet else None
    name = " ".join(str(each) for each in command[:3])
    interrupts: list[int] = []
    with subprocess.Popen(
        command,
        cwd=ROOT,
        stdin=None if typed is None else subprocess.PIPE,
        stdout=kept,
        stderr=kept,
        text=True,
        env=variables,
    ) as child:
        # A Ctrl-C reaches the child too. Terraform then ends what it has begun and writes its state: it must
        # not be killed meanwhile, as subprocess does to a child of whoever is interrupted.
        before = signal.signal(signal.SIGINT, lambda number, _: interrupts.append(number))
        try:
            out, err = child.communicate(typed)
        finally:
            signal.signal(signal.SIGINT, before)
    if interrupts:
        raise StepFailed(f"{name} was interrupted. The same command goes on from there.")
    if child.returncode:
        said = f"\n{err.strip()}" if quiet else ""
        raise StepFailed(f"{name} ended with exit code {child.returncode}{said}\n{why}")
    return out or ""


@contextmanager
def alone() -> Iterator[None]:
    """One at a time in a working tree, which has one state that it points at, and one explorer.toml."""
    with open(LOCK, "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise StepFailed("another make up or make down runs in this working tree: wait for it") from error
        yield


def need(program: str, how: str) -> None:
    """Raise StepFailed unless a program is there."""
    if shutil.which(program) is None:
        raise StepFailed(f"{program} is not installed: {how}")
