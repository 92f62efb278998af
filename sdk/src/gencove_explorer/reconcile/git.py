"""What git says of a folder."""

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from gencove_explorer.utils.user import user_name


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
        if self.commit is None or not _git(self.folder, "cat-file", "-e", f"{commit}^{{commit}}"):
            return None
        if self.commit == commit:
            return False
        return bool(_git(self.folder, "merge-base", "--is-ancestor", self.commit, commit))


def look(folder: Path) -> Checkout:
    """The checkout of a folder."""
    commit = _said(folder, "rev-parse", "--verify", "--quiet", "HEAD")
    if not commit:
        return Checkout(folder, None, dirty=True)
    changed = _said(folder, "status", "--porcelain", "--untracked-files=all", "--", ":/")
    shallow = _said(folder, "rev-parse", "--is-shallow-repository") == "true"
    return Checkout(folder, commit, dirty=changed != "", shallow=shallow)


def actor() -> str:
    """Who reconciles: the person whom CI acts for, else the user of this machine."""
    return os.environ.get("GITHUB_ACTOR") or user_name()


def _git(folder: Path, *arguments: str) -> bool:
    return _run(folder, *arguments).returncode == 0


def _said(folder: Path, *arguments: str) -> str:
    done = _run(folder, *arguments)
    return done.stdout.strip() if done.returncode == 0 else ""


def _run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(["git", "-C", str(folder), *arguments], capture_output=True, text=True)
    except OSError:  # no git here
        return subprocess.CompletedProcess(arguments, 1, "", "")
