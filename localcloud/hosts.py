"""Where the containers of jobs run: in Docker, or as plain processes where there is no Docker."""

import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from localcloud.jobs import NOT_STARTED, OUT_OF_MEMORY, Ended


class CannotStartError(Exception):
    """A container that never ran; the text is the container's reason."""


@dataclass(frozen=True)
class Container:
    """What is to run."""

    name: str
    image: str
    """Id of the image on this machine, as its configuration's digest."""
    command: list[str]
    environment: dict[str, str]
    memory_mb: int
    cpus: int
    mounts: dict[str, str] = field(default_factory=dict)
    """Path in the container -> path on the host."""
    user: str = ""
    read_only: bool = False
    init: bool = False
    """Whether an init process is its first."""


class Running(Protocol):
    """A container that was started."""

    def output(self) -> Iterator[bytes]:
        """What it writes, until it has ended."""
        ...

    def signal(self, number: signal.Signals) -> None: ...

    def wait(self) -> Ended:
        """How it ended; what is left of it is removed."""
        ...


class Host(Protocol):
    """Starts containers. Raises CannotStartError."""

    def start(self, container: Container) -> Running: ...


class DockerHost:
    """Containers of this machine's Docker daemon, with their limits."""

    def __init__(self, network: str) -> None:
        import docker

        self._docker = docker.from_env(timeout=120)
        self._network = network

    def start(self, container: Container) -> "DockerRunning":
        import docker

        mounts = [
            docker.types.Mount(target, source, type="bind") for target, source in container.mounts.items()
        ]
        for source in container.mounts.values():
            make_shared(source)
        try:
            made = self._docker.containers.create(
                container.image,
                container.command or None,
                environment=container.environment,
                mounts=mounts,
                mem_limit=f"{container.memory_mb}m",
                memswap_limit=f"{container.memory_mb}m",
                cpu_shares=1024 * container.cpus,
                user=container.user or None,
                read_only=container.read_only,
                init=container.init,
                network=self._network,
                labels={"explorer.cloud": container.name},
            )
        except docker.errors.ImageNotFound as error:
            raise CannotStartError(f"CannotPullContainerError: {error.explanation}") from error
        except docker.errors.APIError as error:
            raise CannotStartError(f"CannotCreateContainerError: {error.explanation}") from error
        stream = made.attach(stream=True, logs=True, stdout=True, stderr=True)
        try:
            made.start()
        except docker.errors.APIError as error:
            made.remove(force=True)
            raise CannotStartError(f"CannotStartContainerError: {error.explanation}") from error
        return DockerRunning(made, stream)


class DockerRunning:
    """See Running."""

    def __init__(self, container: Any, stream: Iterator[bytes]) -> None:
        self._container = container
        self._stream = stream

    def output(self) -> Iterator[bytes]:
        return self._stream

    def signal(self, number: signal.Signals) -> None:
        import docker

        try:
            self._container.kill(number.name)
        except docker.errors.APIError:
            pass  # it has ended

    def wait(self) -> Ended:
        code = self._container.wait()["StatusCode"]
        self._container.reload()
        killed = self._container.attrs["State"]["OOMKilled"]
        self._container.remove(force=True)
        return Ended(code, OUT_OF_MEMORY if killed and code != 0 else "")


class ProcessHost:
    """Processes of this machine, without limits; variables that name a mount get the host's folder."""

    def __init__(self, runtime: str, variables: Mapping[str, str]) -> None:
        self._runtime = runtime
        self._variables = {
            "PATH": f"{os.path.dirname(sys.executable)}:{os.environ.get('PATH', os.defpath)}",
            **variables,
        }

    def start(self, container: Container) -> "ProcessRunning":
        for source in container.mounts.values():
            make_shared(source)
        command = container.command
        if command[:1] == ["explorer-runner"]:
            command = [self._runtime, "-P", "-s", "-m", "explorer_runner", *command[1:]]
        given = {name: container.mounts.get(value, value) for name, value in container.environment.items()}
        try:
            process = subprocess.Popen(
                command,
                env={**self._variables, **given},
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        except OSError as error:
            raise CannotStartError(f"CannotStartContainerError: {error}") from error
        return ProcessRunning(process)


class ProcessRunning:
    """See Running."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process

    def output(self) -> Iterator[bytes]:
        pipe = self._process.stdout
        assert pipe is not None
        while True:
            ended = self._process.poll() is not None
            ready, _, _ = select.select([pipe], [], [], 0 if ended else 0.02)
            chunk = os.read(pipe.fileno(), 1 << 16) if ready else b""
            if chunk:
                yield chunk
            elif ended or ready:
                return

    def signal(self, number: signal.Signals) -> None:
        if self._process.poll() is None:
            # A container's first process alone gets its SIGTERM; with SIGKILL all of them end.
            if number == signal.SIGKILL:
                os.killpg(self._process.pid, number)
            else:
                self._process.send_signal(number)

    def wait(self) -> Ended:
        code = self._process.wait()
        if self._process.stdout:
            self._process.stdout.close()
        return Ended(128 - code if code < 0 else code)


def make_shared(path: str) -> None:
    """A folder of the host that containers of any user may write to, as its start script makes it."""
    if not os.path.isdir(path):
        Path(path).mkdir(parents=True, exist_ok=True)
        os.chmod(path, 0o1777)


def not_started(error: CannotStartError) -> Ended:
    """How an attempt ended whose container never ran."""
    return Ended(None, str(error), NOT_STARTED)
