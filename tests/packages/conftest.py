"""Projects of a user's, and a package index with a password, made here."""

import os
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from gencove_explorer.packages.indexes import Indexes
from support.package_index import Index, write_project

Project = Callable[..., Path]


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A function that writes a project with a build backend of its own: nothing is fetched to build it."""

    return partial(write_project, tmp_path / "projects")


@pytest.fixture
def index(tmp_path: Path) -> Iterator[Index]:
    (tmp_path / "index").mkdir()
    index = Index(tmp_path / "index")
    threading.Thread(target=index.server.serve_forever, daemon=True).start()
    yield index
    index.server.shutdown()
    index.server.server_close()


@pytest.fixture
def no_indexes(tmp_path: Path) -> Indexes:
    """The configuration of somebody who configured nothing."""
    return Indexes({"PIP_CONFIG_FILE": os.devnull, "XDG_CONFIG_HOME": str(tmp_path)}, tmp_path)
