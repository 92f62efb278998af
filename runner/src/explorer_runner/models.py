"""What inputs are made of: files that live elsewhere, and samples that have some."""

import fcntl
import json
import os
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from explorer_runner.errors import InvalidArgument, StoreError
from explorer_runner.system import progress
from explorer_runner.system.folders import make_private
from explorer_runner.system.processes import OWN_PYTHON

CACHE, CACHE_MB = "EXPLORER_CACHE", "EXPLORER_CACHE_MB"
"""Environment variables: the folder of the host's file cache, and how many MiB it may hold."""

_SCHEMES = frozenset(("s3", "http", "https", "file"))
_ADDRESS = "text: s3://bucket/key, an http(s) address, or a path"

_held: dict["File", tuple[Path, int]] = {}
"""Files that this process uses: where they are, and the lock that keeps them there while it lives."""


@dataclass(frozen=True)
class File:
    """A file by its address."""

    uri: str
    """Where it is: ``s3://bucket/key``, an http(s) address, or a path, as text or a ``pathlib.Path``."""
    secondary_files: Sequence[str] = ()
    """Suffixes of the files that belong to it and lie beside it, such as ``.fai``."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "uri", _address(self.uri, "File: uri"))
        if isinstance(self.secondary_files, str):
            raise InvalidArgument(
                f'secondary_files={self.secondary_files!r}: use a list, ["{self.secondary_files}"]'
            )
        object.__setattr__(self, "secondary_files", tuple(self.secondary_files))

    def __reduce__(self) -> tuple[Any, ...]:
        # A relative path means a file of the submitter, not one of the job's own folder.
        return File, (_absolute(self.uri), self.secondary_files)

    def as_local(self) -> Path:
        """A path to read it at, its secondary files beside it. Do not write to it.

        What is elsewhere is downloaded once for all jobs of this host, and stays while this process
        lives. Raises StoreError if it is not there, or there is no room for it.
        """
        if _is_path(self.uri):
            return self._check_path(Path(self.uri.removeprefix("file://")))
        if self not in _held:
            _held[self] = self._fetch()
        return _held[self][0]

    def url(self, seconds: float = 3600) -> str:
        """An address to read it at without credentials, for tools that read a part: valid for ``seconds``."""
        if _is_path(self.uri):
            return Path(self.uri.removeprefix("file://")).absolute().as_uri()
        return _ask({"sign": self.uri, "seconds": seconds})[0]["url"]

    def _check_path(self, path: Path) -> Path:
        for required in (path, *(Path(f"{path}{suffix}") for suffix in self.secondary_files)):
            if not required.exists():
                raise StoreError(f"{required}: there is no such file (looked in {os.getcwd()})")
        return path

    def _fetch(self) -> tuple[Path, int]:
        import shutil

        home = os.environ.get("EXPLORER_HOME") or os.path.expanduser("~/.explorer")
        folder = os.environ.get(CACHE) or f"{home}/cache"
        make_private(folder)
        limit = int(os.environ.get(CACHE_MB) or 0) << 20 or shutil.disk_usage(folder).total // 5
        uris = addresses_of(self.uri, self.secondary_files)
        answer, lock = _ask({"uris": uris, "cache": folder, "limit": limit})
        return Path(answer["path"]), lock


@dataclass(frozen=True)
class Sample:
    """One sample of a study."""

    id: str
    """Name of the sample in this study."""
    client_id: str = ""
    """Its name where it came from."""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    """Whatever else is known of it."""
    files: Mapping[str, str] = field(default_factory=dict)
    """Name of a file -> its address, as of a ``File``."""

    def __post_init__(self) -> None:
        if not isinstance(self.files, Mapping):
            raise InvalidArgument(
                f'Sample {self.id}: files={self.files!r}: use a dictionary, {{"bam": address}}'
            )
        files = {
            name: _address(uri, f"Sample {self.id}: files[{name!r}]") for name, uri in self.files.items()
        }
        object.__setattr__(self, "files", files)

    def __reduce__(self) -> tuple[Any, ...]:
        files = {name: _absolute(uri) for name, uri in self.files.items()}
        return Sample, (self.id, self.client_id, self.metadata, files)

    def file(self, name: str, secondary_files: Sequence[str] = ()) -> File:
        """The file of that name. Raises KeyError, naming those that there are."""
        if name not in self.files:
            raise KeyError(
                f"sample {self.id} has no file {name!r}; it has: {', '.join(self.files) or 'none'}"
            )
        return File(self.files[name], secondary_files)


def _address(given: object, where: str) -> str:
    """An address as text. Raises InvalidArgument, or StoreError for one that no job can read."""
    if isinstance(given, os.PathLike):
        given = os.fspath(given)
    if not isinstance(given, str):
        raise InvalidArgument(f"{where}={given!r}: use {_ADDRESS}")
    scheme, mark, rest = given.partition("://")
    if mark and scheme.lower() not in _SCHEMES:
        raise StoreError(f"{where}={given!r}: {scheme}:// cannot be read, use {_ADDRESS}")
    if "@" in rest.partition("/")[0] and scheme.lower().startswith("http"):
        raise StoreError(
            f"{where}: an address with a password in it would be kept with the analysis: fetch it inside the "
            "work function, with a secret of the job definition"
        )
    return f"{scheme.lower()}{mark}{rest}" if mark else given


def addresses_of(uri: str, secondary_files: Sequence[str]) -> list[str]:
    """The address of a file, and of those that belong to it."""
    return [uri, *(_beside(uri, suffix) for suffix in secondary_files)]


def _beside(uri: str, suffix: str) -> str:
    """The address of a file that belongs to one: the suffix ends its path, before a query."""
    if not uri.startswith("http"):
        return f"{uri}{suffix}"
    path, mark, query = uri.partition("?")
    return f"{path}{suffix}{mark}{query}"


def _absolute(uri: str) -> str:
    return os.path.abspath(os.path.expanduser(uri)) if "://" not in uri else uri


def _is_path(uri: str) -> bool:
    return "://" not in uri or uri.startswith("file://")


def _ask(request: dict[str, Any]) -> tuple[dict[str, str], int]:
    """Have a process of its own do what needs obstore; returns its answer and the lock it handed over."""
    import subprocess  # not at the top: a job may have a File among its inputs and never read it

    command = [OWN_PYTHON, "-P", "-s", "-m", "explorer_runner.files.fetch", json.dumps(request)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        answer = _follow(process.stdout) or {"error": f"fetching ended with exit code {process.wait()}"}
        lock = -1
        if "lock" in answer:
            _make_room_for_locks()
            lock = os.open(answer["lock"], os.O_RDONLY | os.O_CLOEXEC)
            fcntl.flock(lock, fcntl.LOCK_SH)
    if "error" in answer:
        raise StoreError(answer["error"])
    return answer, lock


def _make_room_for_locks() -> None:
    """Let this process open more files, as far as it may, before those that it holds are half of them."""
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if 2 * len(_held) >= soft != hard:
        limit = 4 * soft if hard == resource.RLIM_INFINITY else min(4 * soft, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))


def _follow(output: IO[bytes]) -> dict[str, str]:
    """What a fetching process answers at last, its progress shown until then; nothing if it died."""
    with ExitStack() as shown:
        advance, name, done = None, "", 0
        for line in output:
            answer: dict[str, Any] = json.loads(line)
            if "fetching" not in answer:
                return answer
            if advance is None or answer["fetching"] != name:
                shown.close()
                name, done = answer["fetching"], 0
                advance = shown.enter_context(progress.report(name, answer["total"]))
            advance(answer["done"] - done)
            done = answer["done"]
    return {}
