"""A project that is reconciled."""

from pathlib import Path

import pytest

from support.repository import CODE, FIRST, SECOND, Repository


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    made = Repository(tmp_path / "repository")
    made.write("code.py", CODE)
    made.write("first.yaml", FIRST)
    made.write("second.yaml", SECOND)
    made.git("init", "--quiet", "--initial-branch=main")
    made.commit()
    return made


@pytest.fixture
def study(repository: Repository, home: Path, monkeypatch: pytest.MonkeyPatch) -> Repository:
    """The repository, reconciled as the project ``study`` on the local executor."""
    monkeypatch.setenv("EXPLORER_PROJECT", "study")
    monkeypatch.chdir(repository.root)
    return repository


@pytest.fixture
def cloud_study(repository: Repository, cloud_home: Path, monkeypatch: pytest.MonkeyPatch) -> Repository:
    """The repository, reconciled as the project ``study`` on the local cloud."""
    monkeypatch.setenv("EXPLORER_PROJECT", "study")
    monkeypatch.chdir(repository.root)
    return repository
