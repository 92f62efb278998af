"""S3 servers of this machine, as processes: for tests and benchmarks."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from support.waiting import SECONDS, eventually


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


@contextmanager
def serve_seaweedfs(folder: Path) -> Iterator[str]:
    """SeaweedFS as a process, which checks signatures and names as AWS does; yields its address."""
    (folder / "s3.json").write_text(
        '{"identities": [{"name": "test", "actions": ["Admin", "Read", "Write", "List"],'
        ' "credentials": [{"accessKey": "test", "secretKey": "test"}]}]}'
    )
    chosen = _free_ports(8)
    ports = iter(chosen)
    command = [
        os.path.join(os.path.dirname(sys.executable), "weed"),
        f"-logdir={folder}",
        "server",
        f"-dir={folder}",
        "-filer",
        "-s3",
    ]
    command += [
        "-ip=127.0.0.1",
        "-ip.bind=127.0.0.1",
        f"-s3.config={folder}/s3.json",
        "-master.telemetry=false",
    ]
    command += [f"-{part}.port.grpc={next(ports)}" for part in ("master", "volume", "filer", "s3")]
    command += [f"-{part}.port={next(ports)}" for part in ("master", "volume", "filer")]
    port = next(ports)
    command += [
        f"-s3.port={port}",
        "-s3.port.iceberg=0",
        "-s3.port.lance=0",
        "-volume.max=2000",
        "-master.volumeSizeLimitMB=64",
    ]
    with open(folder / "weed.log", "wb") as log:
        # A bucket gets one file of data, instead of seven: tests make many buckets.
        variables = {**os.environ, "WEED_MASTER_VOLUME_GROWTH_COPY_1": "1"}
        server = subprocess.Popen(command, stdout=log, stderr=log, env=variables)
    try:
        eventually(lambda: _listens(port))
        yield f"http://127.0.0.1:{port}"
    finally:
        server.kill()  # it takes half a minute to end by itself, and then leaves its sockets too
        server.wait(SECONDS)
        for number in chosen:
            for left in Path("/tmp").glob(f"seaweedfs-*-{number}.sock"):
                left.unlink()


def _free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        free = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [each.getsockname()[1] for each in free]


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
