"""What git says of a folder. A machine without git is one whose folders are in no repository."""

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from gencove_explorer.utils.user import user_name

_DESCRIBE_SECONDS = 5


@dataclass(frozen=True)
class Checkout:
    """The state of the repository that a folder is in."""

    folder: Path
    commit: str | None
    """None outside of a repository, and before its first commit."""
    dirty: bool
    """Whether the repository has changes that the commit does not have; True without a commit."""
    shallow: bool = False

    def is_ancestor(self, commit: str) -> bool | None:
        """Whether the checkout is older than ``commit``; None if the clone does not have that."""
        if self.commit is None or not _succeeds(self.folder, "cat-file", "-e", f"{commit}^{{commit}}"):
            return None
        if self.commit == commit:
            return False
        return _succeeds(self.folder, "merge-base", "--is-ancestor", self.commit, commit)


def read_checkout(folder: Path) -> Checkout:
    """The checkout of a folder."""
    commit = _output(folder, "rev-parse", "--verify", "--quiet", "HEAD")
    if not commit:
        return Checkout(folder, None, dirty=True)
    changed = _output(folder, "status", "--porcelain", "--untracked-files=all", "--", ":/")
    shallow = _output(folder, "rev-parse", "--is-shallow-repository") == "true"
    return Checkout(folder, commit, dirty=changed != "", shallow=shallow)


def repository_root(folder: Path) -> Path | None:
    """The top folder of the repository that a folder is in; None if it is in none."""
    root = _output(folder, "rev-parse", "--show-toplevel")
    return Path(root).resolve() if root else None


def repository_name(folder: Path) -> str:
    """What a folder's project is called by default: as git's remote, else as the top folder."""
    remote = _output(folder, "remote", "get-url", "origin").rstrip("/").removesuffix(".git").replace(":", "/")
    name = remote.rpartition("/")[2]
    if name.strip("."):
        return name
    return Path(_output(folder, "rev-parse", "--show-toplevel") or folder.resolve()).name


def describe_commit(folder: Path) -> str:
    """The commit of a folder, with ``-dirty`` if it has changes; empty without one, or where git is slow."""
    arguments = ("describe", "--always", "--abbrev=40", "--dirty", "--exclude=*")
    return _output(folder, *arguments, timeout=_DESCRIBE_SECONDS)


def actor() -> str:
    """Who reconciles: the person whom CI acts for, else the user of this machine."""
    return os.environ.get("GITHUB_ACTOR") or user_name()


def _succeeds(folder: Path, *arguments: str) -> bool:
    return _run(folder, *arguments).returncode == 0


def _output(folder: Path, *arguments: str, timeout: float | None = None) -> str:
    done = _run(folder, *arguments, timeout=timeout)
    return done.stdout.strip() if done.returncode == 0 else ""


def _run(folder: Path, *arguments: str, timeout: float | None = None) -> subprocess.CompletedProcess[str]:
    command = ["git", "-C", str(folder), *arguments]
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=timeout)
    except (OSError, subprocess.TimeoutExpired):
        return subprocess.CompletedProcess(command, 1, "", "")
