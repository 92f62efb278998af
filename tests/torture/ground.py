"""Where an episode happens: its folders, its settings, and on S3 a server with a proxy in front of it."""

import os
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from support.servers import serve_moto
from support.weather import serve
from torture.proxy import Proxy

_BUCKET = "torture"
_LARGE_BYTES = 8_000_000  # a pipe holds 64 KiB


@dataclass
class Ground:
    """See the module."""

    folder: Path
    home: Path
    store: Path
    """The folder store: on S3 that of run_local alone."""
    disk: Path | None
    """The small disk that home and store are on, if they are."""
    variables: dict[str, str] = field(default_factory=dict)
    """What is different for those who are to feel the weather: we look behind the proxy."""
    proxy: Proxy | None = None

    @property
    def temporary(self) -> Path:
        return self.folder / "tmp"

    @property
    def witness(self) -> Path:
        """Where each work function notes that it begins and ends: outside of what is hit."""
        return self.folder / "witness"

    @property
    def flag(self) -> Path:
        """What lets work succeed that fails on purpose."""
        return self.folder / "flag"

    def config(self, *, large: bool) -> dict[str, Any]:
        """The global configuration of all analyses, for clients."""
        paths = {"witness": self.witness, "flag": self.flag, "manifests": self.folder / "manifests"}
        ballast = _LARGE_BYTES if large and self.disk is None else 0  # the disk would be full of them
        more = {"ballast": ballast, "folder": str(self.folder / "disk")}
        return {**{name: str(path) for name, path in paths.items()}, **more}


def prepare(folder: Path, scene: str, stack: ExitStack) -> Ground:
    """Make the folders, and point this process's environment at them."""
    disk = folder / "disk"
    home = disk / "home"
    store = home / "store" if scene == "s3" else disk / "store"
    ground = Ground(folder, home, store, disk if scene == "disk" else None)
    home.mkdir(mode=0o700, parents=True)
    ground.temporary.mkdir()
    (home / "runtimes").symlink_to(folder.parent / "runtimes")
    for name in list(os.environ):
        if name.startswith(("EXPLORER_", "AWS_")):
            del os.environ[name]
    os.environ |= {
        "EXPLORER_HOME": str(home),
        "EXPLORER_STORE": str(store),
        "EXPLORER_CPUS": "6",  # most jobs only sleep
        "EXPLORER_MEMORY_MB": "8000",
        "EXPLORER_PROJECT": "torture",
        "TMPDIR": str(ground.temporary),
    }
    if scene == "s3":
        _serve(ground, stack)
    return ground


def _serve(ground: Ground, stack: ExitStack) -> None:
    server = stack.enter_context(serve_moto(ground.folder))
    os.environ |= {
        "EXPLORER_STORE": f"s3://{_BUCKET}/team",
        "AWS_ENDPOINT_URL": server,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    import boto3

    with closing(boto3.client("s3")) as client:
        client.create_bucket(Bucket=_BUCKET)
    ground.proxy = stack.enter_context(serve(Proxy(server)))
    ground.variables = {"AWS_ENDPOINT_URL": ground.proxy.address}
