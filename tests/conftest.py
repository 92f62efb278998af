"""Fixtures: a home folder of one's own with an executor in it, and an S3 server."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from support import SECONDS, eventually

from gencove_explorer.local.client import LocalExecutor
from gencove_explorer.settings import Settings


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


@contextmanager
def serve_moto(folder: Path) -> Iterator[str]:
    """moto's server as a process; yields its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with open(folder / "moto.log", "wb") as log:
        server = subprocess.Popen(
            [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)], stdout=log, stderr=log
        )
    try:
        eventually(lambda: _listens(port))
        yield f"http://127.0.0.1:{port}"
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(SECONDS)


@pytest.fixture(scope="session")
def moto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of an S3 server."""
    with serve_moto(tmp_path_factory.mktemp("moto")) as address:
        yield address


@pytest.fixture
def aws(moto: str, environment: object, monkeypatch: pytest.MonkeyPatch) -> str:
    """An environment that points at the S3 server; returns its address."""
    for name, value in {
        "AWS_ENDPOINT_URL": moto,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    return moto


@pytest.fixture
def bucket(aws: str) -> Iterator[str]:
    """The name of an empty bucket."""
    import boto3

    name = f"explorer-{os.getpid()}-{time.monotonic_ns()}"
    client = boto3.client("s3")
    client.create_bucket(Bucket=name)
    yield name
    client.close()


@pytest.fixture(params=["folder", "s3"])
def store_uri(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A store of each kind."""
    if request.param == "folder":
        return str(tmp_path / "store")
    return f"s3://{request.getfixturevalue('bucket')}/some/prefix"


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
