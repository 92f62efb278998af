"""Fixtures: the documents of a stack, rendered once."""

from typing import Any

import pytest

from support.policies.documents import render
from support.policies.stack import NAMES


@pytest.fixture(scope="session")
def documents(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The documents of the stack ``lab``."""
    return render(tmp_path_factory.mktemp("documents") / "stack", NAMES)
