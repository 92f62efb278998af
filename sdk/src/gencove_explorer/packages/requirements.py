"""What a user writes into pip_packages, checked."""

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from explorer_runner.errors import PackageError
from explorer_runner.text import shown, visible

_FILE_OPTION = re.compile(r"(?:-r|-c|--requirement|--constraint)[\s=]\s*(\S.*)")
_EDITABLE = re.compile(r"(?:-e|--editable)[\s=]\s*")
_FOLDER = re.compile(r"(?P<path>[^\[\];]+)(?P<extras>\[[^\]]*\])?\s*(?P<marker>;.*)?")
_LONGEST = 10_000
"""Characters of a requirement."""
_PASSWORD = re.compile(r"\bhttps?://[^/\s]*@|://[^/\s:@]*:[^/\s@]*@")


class Folder(NamedTuple):
    """A project folder of the user's, with the rest of its requirement."""

    path: Path
    extras: str
    marker: str


def check_requirements(pip_packages: object) -> list[str]:
    """Return ``pip_packages`` as a list of requirements, or raise PackageError."""
    if pip_packages is None:
        return []
    if isinstance(pip_packages, str) or not isinstance(pip_packages, Sequence):
        raise PackageError(f'pip_packages is {pip_packages!r}: use a list of strings, such as ["pendulum"]')
    return [_check(package) for package in pip_packages]


def check_text(requirement: object) -> str:
    """Return a requirement without white space around it, or raise PackageError for what its text tells."""
    if (
        not isinstance(requirement, str)
        or not 0 < len(requirement.strip()) <= _LONGEST
        or "\n" in requirement
        or visible(requirement) != requirement
    ):
        raise PackageError(
            f"pip_packages has {shown(requirement)}: use what pip takes as a requirement, such as "
            '"pendulum", "scikit-learn>=1.5,<2", "./my-project" or "git+https://host/project@v1.2"'
        )
    text = requirement.strip()
    if _PASSWORD.search(text):
        raise PackageError(
            "pip_packages has an address with a user or password in it, which would be stored with the "
            "analysis: keep them in ~/.netrc, or in git's credential helper"
        )
    return text


def _check(requirement: object) -> str:
    text = check_text(requirement)
    option = _FILE_OPTION.fullmatch(text)
    if option is not None:
        if not os.path.isfile(os.path.expanduser(option[1])):
            raise PackageError(f"pip_packages has {text!r}, and there is no such file in {os.getcwd()}")
    elif text.startswith("-") and not _EDITABLE.match(text):
        raise PackageError(
            f"pip_packages has {text!r}: it takes -e, -r and -c; other options belong into your pip or uv "
            "configuration"
        )
    folder_of(text)
    return text


def names_files(requirement: str) -> bool:
    """Whether a requirement's meaning lies in files, so that the same text may mean something else."""
    return requirement.startswith("-") or bool(re.search(r"(^|@\s*)(\.|/|~|file:|git\+)", requirement))


def folder_of(requirement: str) -> Folder | None:
    """The folder that a requirement names by its path, or None. Raises PackageError if it is none."""
    text = _EDITABLE.sub("", requirement, count=1)
    if text == requirement and not text.startswith((".", "/", "~")):
        return None
    matched = _FOLDER.fullmatch(text)
    if matched is None or "://" in text:
        return None
    path = Path(os.path.abspath(os.path.expanduser(matched["path"].rstrip())))
    if path.is_file():
        return None
    if not path.is_dir():
        raise PackageError(f"pip_packages has {requirement!r}, and there is no folder {path}")
    if not (path / "pyproject.toml").exists() and not (path / "setup.py").exists():
        raise PackageError(
            f"pip_packages has {requirement!r}, and {path} is no Python project: it has neither "
            "pyproject.toml nor setup.py"
        )
    return Folder(path, matched["extras"] or "", matched["marker"] or "")
