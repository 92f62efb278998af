"""The contract's tests run on every executor: ``home`` is a home folder of each kind."""

from pathlib import Path

import pytest


@pytest.fixture(params=["local", "cloud"])
def home(request: pytest.FixtureRequest) -> Path:
    """A home folder that submits to this machine, and one that submits to AWS Batch."""
    if request.param == "cloud":
        return request.getfixturevalue("cloud_home")
    return request.getfixturevalue("environment")("home")
