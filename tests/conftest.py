"""Fixtures: a home folder of one's own with an executor in it, and an S3 server."""

import logging
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from explorer_runner.format.payload import python_minor
from explorer_runner.system import temp_folder
from gencove_explorer.executors.host.container import default_tag
from gencove_explorer.executors.host.ipython_copy import copy_ipython
from gencove_explorer.executors.host.runtime import find_runtime
from gencove_explorer.executors.local.executor import LocalExecutor
from gencove_explorer.settings import Settings
from localcloud.provision import provision, push
from localcloud.run import RunningCloud, serve_processes
from support.containers import (  # noqa: F401  fixtures
    base_image,
    container_cloud,
    container_home,
    docker_compose_command,
    docker_compose_file,
    docker_setup,
    runner_image,
)
from support.policies.audit import check
from support.pythons import numpy_python  # noqa: F401  a fixture
from support.servers import serve_moto, serve_seaweedfs
from support.waiting import SECONDS, eventually

WEATHER_SEED = int(os.environ.get("EXPLORER_TEST_WEATHER", "2026"))
"""Another one is other weather."""

# A shell starts what runs in its background with Ctrl-C ignored, and children inherit that: the
# tests of Ctrl-C would wait for ever.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def shared_runtimes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runtimes are named by their content: all homes of a session can share them."""
    folder = tmp_path_factory.mktemp("runtimes", numbered=True)
    folder.chmod(0o700)
    return folder


@pytest.fixture
def environment(
    tmp_path: Path, shared_runtimes: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[str], Path]]:
    """A function that makes a home folder and points the environment at it."""
    for name in list(os.environ):
        if name.startswith(("EXPLORER_", "AWS_")) and name != "AWS_CA_BUNDLE":
            monkeypatch.delenv(name)
    made: list[Path] = []

    def make(name: str = "home") -> Path:
        home = tmp_path / name
        home.mkdir(mode=0o700, exist_ok=True)
        if not (home / "runtimes").exists():
            (home / "runtimes").symlink_to(shared_runtimes)
        monkeypatch.setenv("EXPLORER_HOME", str(home))
        monkeypatch.setenv("EXPLORER_CPUS", "2")
        monkeypatch.setenv("EXPLORER_MEMORY_MB", "4000")
        monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
        monkeypatch.chdir(tmp_path)
        made.append(home)
        return home

    yield make
    for home in made:
        shut_down(home)


@pytest.fixture
def warned() -> Iterator[Callable[[], list[str]]]:
    """A function that returns the warnings that were logged since it was called last."""
    records: list[logging.LogRecord] = []
    handler = logging.Handler(logging.WARNING)
    handler.emit = records.append  # type: ignore[method-assign]
    logger = logging.getLogger("gencove_explorer")
    logger.addHandler(handler)

    def take() -> list[str]:
        texts = [record.getMessage() for record in records]
        records.clear()
        return texts

    yield take
    logger.removeHandler(handler)


@pytest.fixture
def home(environment: Callable[[str], Path]) -> Path:
    """A home folder; what runs in it is ended after the test."""
    return environment("home")


def shut_down(home: Path) -> None:
    """End the executor of a home folder with all its jobs."""
    executor = LocalExecutor(Settings.load({"EXPLORER_HOME": str(home)}, Path("/")))
    state = executor.queue.read_state()
    executor.stop()
    for pid in state.get("forkers", []):
        kill_tree(pid)
        temp_folder.forget(f"{executor.queue.scratch}/{pid}")
    eventually(lambda: not executor.queue.alive())


def kill_tree(pid: int) -> None:
    """Kill a process and all below it; gone already is fine."""
    try:
        process = psutil.Process(pid)
        for each in [*process.children(recursive=True), process]:
            try:
                each.kill()
            except psutil.NoSuchProcess:
                pass
        if process.ppid() == os.getpid():
            process.wait(SECONDS)
    except psutil.NoSuchProcess:
        pass


@pytest.fixture(scope="session")
def moto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of an S3 server: moto's."""
    with serve_moto(tmp_path_factory.mktemp("moto")) as address:
        yield address


@pytest.fixture(scope="session")
def seaweedfs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of an S3 server that is nothing but that."""
    with serve_seaweedfs(tmp_path_factory.mktemp("seaweedfs")) as address:
        yield address


@contextmanager
def serve_cloud(
    tmp_path_factory: pytest.TempPathFactory, shared_runtimes: Path, weather: tuple[int, Path] | None = None
) -> Iterator[RunningCloud]:
    """A cloud whose jobs are processes of this machine."""
    folder = tmp_path_factory.mktemp("cloud")
    home = tmp_path_factory.mktemp("cloud-home")
    (home / "runtimes").symlink_to(shared_runtimes)
    shell = {"EXPLORER_SHELL": copy_ipython(home)}
    with serve_processes(folder, find_runtime(home), shell, minute=2.0, weather=weather) as running:
        running.variables = provision(running.endpoint)
        push(running.endpoint, default_tag(python_minor()), "sha256:" + "0" * 64)
        yield running
        assert running.violations() == []


@pytest.fixture(scope="session")
def cloud(tmp_path_factory: pytest.TempPathFactory, shared_runtimes: Path) -> Iterator[RunningCloud]:
    """A cloud in which nothing goes wrong by itself."""
    with serve_cloud(tmp_path_factory, shared_runtimes) as running:
        yield running
        check(running.requests(), tmp_path_factory.mktemp("policies") / "stack")


@pytest.fixture(scope="session")
def stormy_cloud(tmp_path_factory: pytest.TempPathFactory, shared_runtimes: Path) -> Iterator[RunningCloud]:
    """A cloud that fails as AWS does, again and again (localcloud/weather.py)."""
    cases = Path(__file__).parent / "cloud" / "recorded" / "jobs.json"
    with serve_cloud(tmp_path_factory, shared_runtimes, (WEATHER_SEED, cases)) as running:
        yield running


@pytest.fixture
def submits_to(
    environment: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> Callable[[RunningCloud], Path]:
    """A function that makes a home folder which submits to a cloud, into a store of its own."""

    def make(cloud: RunningCloud) -> Path:
        home = environment("home")
        for name, value in cloud.variables.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("EXPLORER_STORE", f"s3://explorer/{time.monotonic_ns()}")
        return home

    return make


@pytest.fixture
def cloud_home(submits_to: Callable[[RunningCloud], Path], cloud: RunningCloud) -> Path:
    """A home folder that submits to the calm cloud."""
    return submits_to(cloud)


@pytest.fixture
def weather_home(submits_to: Callable[[RunningCloud], Path], stormy_cloud: RunningCloud) -> Path:
    """A home folder that submits to the cloud in bad weather."""
    return submits_to(stormy_cloud)


@pytest.fixture
def make_bucket(
    request: pytest.FixtureRequest, environment: object, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str], str]:
    """A function that points the environment at a server, and returns the name of an empty bucket on it."""
    import boto3

    def make(server: str) -> str:
        for name, value in {
            "AWS_ENDPOINT_URL": request.getfixturevalue(server),
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_REGION": "us-east-1",
            "AWS_DEFAULT_REGION": "us-east-1",
        }.items():
            monkeypatch.setenv(name, value)
        name = f"explorer-{os.getpid()}-{time.monotonic_ns()}"
        with closing(boto3.client("s3")) as client:
            eventually(lambda: _made(client, name))
        return name

    return make


@pytest.fixture(params=["moto", "seaweedfs"])
def bucket(request: pytest.FixtureRequest, make_bucket: Callable[[str], str]) -> str:
    """The name of an empty bucket, on each server."""
    return make_bucket(request.param)


def _made(client: Any, bucket: str) -> bool:
    from botocore.exceptions import ClientError

    try:
        client.create_bucket(Bucket=bucket)
        client.put_object(Bucket=bucket, Key="probe", Body=b"")
        client.delete_object(Bucket=bucket, Key="probe")
        return True
    except ClientError as error:
        # A server that has just started cannot place objects for some seconds.
        if error.response["ResponseMetadata"]["HTTPStatusCode"] not in (409, 500, 503):
            raise
        return False


@pytest.fixture(params=["folder", "moto", "seaweedfs"])
def store_uri(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A store of each kind."""
    if request.param == "folder":
        return str(tmp_path / "store")
    return f"s3://{request.getfixturevalue('make_bucket')(request.param)}/some/prefix"
