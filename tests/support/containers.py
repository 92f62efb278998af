"""Fixtures: real containers of the real image, in a local cloud that pytest-docker brings up.

Where no Docker daemon answers these tests are skipped, aloud; in CI (EXPLORER_TEST_CONTAINERS=required) that
is a failure.
"""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pytest_docker.plugin import Services

from explorer_runner.format.payload import python_minor
from gencove_explorer.executors.host.container import default_tag
from localcloud.images import NoDockerError, build_runner, find_base, id_of, require_docker
from localcloud.provision import provision, push
from localcloud.run import RunningCloud
from support.policies.audit import check

COMPOSE = Path(__file__).parents[2] / "localcloud" / "compose.yaml"


@pytest.fixture(scope="session")
def base_image() -> str:
    """An image with this Python."""
    try:
        require_docker()
        return find_base()
    except NoDockerError as error:
        if os.environ.get("EXPLORER_TEST_CONTAINERS") == "required":
            pytest.fail(str(error))
        pytest.skip(f"containers are not tested: {error}")


@pytest.fixture(scope="session")
def runner_image(base_image: str) -> str:
    """The runner image of this working tree."""
    return build_runner(base_image)


@pytest.fixture(scope="session")
def docker_compose_command() -> str:
    return "docker-compose" if shutil.which("docker-compose") else "docker compose"


@pytest.fixture(scope="session")
def docker_compose_file() -> str:
    return str(COMPOSE)


@pytest.fixture(scope="session")
def docker_setup(
    base_image: str, docker_compose_project_name: str, tmp_path_factory: pytest.TempPathFactory
) -> list[str]:
    """What the compose file is told; then: build, and start."""
    disk = tmp_path_factory.mktemp("disk")
    disk.chmod(0o755)
    for parent in disk.parents[:2]:
        parent.chmod(0o755)  # jobs are somebody else
    os.environ.update(
        EXPLORER_CLOUD_BASE=base_image,
        EXPLORER_CLOUD_DISK=str(disk),
        EXPLORER_CLOUD_NETWORK=docker_compose_project_name,
        DOCKER_BUILDKIT="0",
        COMPOSE_DOCKER_CLI_BUILD="0",
    )
    return ["up --build -d"]


@pytest.fixture(scope="session")
def container_cloud(
    runner_image: str, docker_services: Services, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningCloud]:
    """A cloud whose jobs are containers."""
    running = RunningCloud(f"http://127.0.0.1:{docker_services.port_for('cloud', 5000)}")
    running.wait()
    running.variables = provision(running.endpoint)
    push(running.endpoint, default_tag(python_minor()), id_of(runner_image))
    yield running
    assert running.violations() == []
    print(docker_services._docker_compose.execute("logs --tail=20"))
    own = [each for number, each in enumerate(running.requests()) if number not in running.elsewhere]
    check(own, tmp_path_factory.mktemp("policies") / "stack")


@pytest.fixture
def container_home(submits_to: Callable[[RunningCloud], Path], container_cloud: RunningCloud) -> Path:
    """A home folder that submits to the cloud of containers."""
    return submits_to(container_cloud)
