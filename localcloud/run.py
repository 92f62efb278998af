"""Starting a local cloud: as a process, or in a container beside the jobs' containers."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent
REPOSITORY = FOLDER.parent
_START_SECONDS = 60.0


class RunningCloud:
    """A local cloud that answers, and what it can be asked beside AWS's own requests."""

    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint
        self.elsewhere = range(0)
        """Which requests were to another stack than the one that is provisioned."""
        self.variables: dict[str, str] = {}
        """What points ``explorer``, boto3 and any script at it; see ``provision``."""

    def requests(self, after: int = 0) -> list[dict[str, Any]]:
        """All requests since the ``after``-th: service, action, path, query, parameters, key, status."""
        with urllib.request.urlopen(f"{self.endpoint}/_cloud/requests?after={after}") as answer:
            return list(json.load(answer))

    def violations(self) -> list[str]:
        """Answers so far that AWS would not have given."""
        return list(self.tell("violations")["violations"])

    def tell(self, what: str, **facts: Any) -> dict[str, Any]:
        """Ask for faults, or for what AWS does by itself; see ``server``."""
        asked = urllib.request.Request(
            f"{self.endpoint}/_cloud/{what}", data=json.dumps(facts).encode(), method="POST"
        )
        with urllib.request.urlopen(asked) as answer:
            return dict(json.load(answer))

    def wait(self, server: subprocess.Popen[bytes] | None = None) -> None:
        """Until it answers, or has ended instead."""
        deadline = time.monotonic() + _START_SECONDS
        while True:
            try:
                self.requests()
                return
            except OSError:
                if time.monotonic() > deadline or (server is not None and server.poll() is not None):
                    raise
                time.sleep(0.1)


@contextmanager
def serve_processes(
    folder: Path,
    runtime: str,
    variables: Mapping[str, str],
    slots: int = 4,
    minute: float = 60.0,
    weather: tuple[int, Path] | None = None,
) -> Iterator[RunningCloud]:
    """A cloud whose jobs are processes of this machine: where there is no Docker, and for speed.

    weather: a seed, and the file with the texts of trouble that comes by itself; see ``weather``.
    """
    server, cloud = start_processes(folder, free_port(), runtime, variables, slots, minute, weather)
    try:
        cloud.wait(server)
        yield cloud
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(_START_SECONDS)


def start_processes(
    folder: Path,
    port: int,
    runtime: str,
    variables: Mapping[str, str],
    slots: int = 4,
    minute: float = 60.0,
    weather: tuple[int, Path] | None = None,
) -> tuple[subprocess.Popen[bytes], RunningCloud]:
    """Start the server as a process, which goes on after us unless it is told to end."""
    cloud = RunningCloud(f"http://127.0.0.1:{port}")
    command = [sys.executable, "-m", "localcloud.server", "--port", str(port), "--disk", str(folder / "disk")]
    command += ["--slots", str(slots), "--endpoint", cloud.endpoint, "--runtime", runtime]
    command += ["--minute", str(minute)]
    if weather is not None:
        command += ["--weather", str(weather[0]), "--cases", str(weather[1])]
    for name, value in variables.items():
        command += ["--variable", f"{name}={value}"]
    with open(folder / "cloud.log", "ab") as log:
        server = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env={**os.environ, "PYTHONPATH": str(FOLDER.parent)},
            start_new_session=True,
        )
    return server, cloud


def free_port() -> int:
    """A port of this machine that nobody listens at."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])
