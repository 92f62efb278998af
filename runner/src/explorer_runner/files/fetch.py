"""``python -m explorer_runner.files.fetch``: bring files into the host's cache, or sign their addresses.

A process of its own, because what has used obstore must not fork, and work functions fork at will. It
takes a request as JSON on its command line, answers with a line of JSON, and holds the cache's entry
until standard input closes: until then the caller has taken the lock.
"""

import hashlib
import json
import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import IO, Any, NamedTuple

from explorer_runner.errors import NotFound, StoreError
from explorer_runner.files.cache import Cache
from explorer_runner.files.web import WebFile
from explorer_runner.stores.bucket import Bucket
from explorer_runner.stores.s3 import fetch_parts
from explorer_runner.system import progress
from explorer_runner.system.patience import JOB_SECONDS, Patience

_S3 = "s3://"
_TELL_SECONDS = 0.2
_PATIENCE = Patience(JOB_SECONDS)
"""Of the job that waits for the file."""


class S3Object(NamedTuple):
    """An object as it was when it was looked at."""

    uri: str
    bucket: Bucket
    path: str
    size: int
    version: str
    """What changes with the content: the ETag, or where there is none the time of change."""
    etag: str | None

    @property
    def name(self) -> str:
        return self.path.rpartition("/")[2]

    def download(self, file: IO[bytes]) -> None:
        """Fetch it by ranges, several at once."""
        file.truncate(self.size)
        fetch_parts(self.bucket, self.path, self.size, self.etag, file.fileno(), self.uri)


def main() -> int:
    """Carry out one request; the exit code is 0 unless it failed, and the answer says why."""
    request = json.loads(sys.argv[1])
    try:
        if "sign" in request:
            _answer({"url": sign(request["sign"], request["seconds"])})
        else:
            progress.report = _tell
            fetch(request["uris"], Cache(request["cache"], request["limit"]))
    except (StoreError, OSError) as error:
        _answer({"error": str(error)})
        return 1
    return 0


def fetch(uris: list[str], cache: Cache) -> None:
    """Bring objects into one folder of the cache, side by side."""
    remotes = [look(uri) for uri in uris]
    if len({remote.name for remote in remotes}) < len(remotes):
        raise StoreError(f"{' and '.join(uris)} would have one name beside each other, {remotes[0].name}")
    facts = [[remote.uri, remote.version, remote.size] for remote in remotes]
    key = hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:32]

    def fill(folder: str) -> None:
        for remote in remotes:
            download(remote, f"{folder}/{remote.name}")

    with cache.hold(key, sum(remote.size for remote in remotes), fill) as folder:
        _answer({"path": f"{folder}/{remotes[0].name}", "lock": f"{folder}.lock"})
        sys.stdin.read()


def look(uri: str) -> S3Object | WebFile:
    """What is at ``s3://bucket/key`` or an http(s) address. Raises NotFound, StoreError."""
    if not uri.startswith(_S3):
        return WebFile(uri, _PATIENCE)
    import obstore

    bucket, path = _open(uri)
    try:
        meta = bucket.ask(uri, lambda backend: obstore.head(backend, path))
    except NotFound:
        raise NotFound(f"{uri}: there is no such file") from None
    etag = meta["e_tag"]
    return S3Object(uri, bucket, path, meta["size"], etag or str(meta["last_modified"]), etag)


def download(remote: S3Object | WebFile, target: str) -> None:
    """Fetch it into a read-only file. Raises NotFound, StoreError."""
    try:
        with open(target, "wb") as file:
            remote.download(file)
    except OSError as error:
        raise StoreError(f"{remote.uri} cannot be kept as {target}: {error}") from error
    os.chmod(target, 0o400)


def sign(uri: str, seconds: float) -> str:
    """An address that reads the object at ``s3://bucket/key`` without credentials, for some seconds."""
    import obstore

    if not uri.startswith(_S3):
        return uri
    bucket, path = _open(uri)
    lasts = timedelta(seconds=seconds)
    return bucket.ask(uri, lambda backend: str(obstore.sign(backend, "GET", path, lasts)))


def _open(uri: str) -> tuple[Bucket, str]:
    bucket, _, path = uri.removeprefix(_S3).partition("/")
    if not bucket or not path:
        raise StoreError(f"{uri!r} names no file: use s3://bucket/key, an http(s) address, or a path")
    return Bucket(bucket, patience=_PATIENCE), path


@contextmanager
def _tell(what: str, total: int) -> Iterator[progress.Advance]:
    """Progress, for the caller to show."""
    lock = threading.Lock()
    done, due = 0, 0.0

    def advance(size: int) -> None:
        nonlocal done, due
        with lock:
            done += size
            if time.monotonic() >= due:
                due = time.monotonic() + _TELL_SECONDS
                _answer({"fetching": what, "done": done, "total": total})

    yield advance


def _answer(facts: dict[str, Any]) -> None:
    sys.stdout.write(f"{json.dumps(facts)}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
