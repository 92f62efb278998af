"""The notebook image, and a machine that cloud-init has set up as it does the host."""

import os
import subprocess
from pathlib import Path

import pytest

from localcloud.images import ROOT, docker
from support.machines import machine, user_data  # noqa: F401  fixtures


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker("container")


@pytest.fixture(scope="session")
def notebook_image(runner_image: str) -> str:
    """The notebook image of this working tree, on its runner image."""
    name = "explorer-notebook-local:current"

    def build() -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [ROOT / "images/build-notebook.sh", name.partition(":")[0], runner_image, "current"],
            env={**os.environ, "DOCKER_BUILDKIT": "0"},
            capture_output=True,
            text=True,
        )

    done = build()
    if "never overwritten" in done.stderr:
        docker("rmi", "--force", name)  # of an older working tree
        done = build()
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return name
