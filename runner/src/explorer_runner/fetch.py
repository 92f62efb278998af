"""``python -m explorer_runner.fetch``: bring files into the host's cache, or sign their addresses.

A process of its own, because what has used obstore must not fork, and work functions fork at will. It
takes a request as JSON on its command line, answers with a line of JSON, and holds the cache's entry
until standard input closes: until then whoever asked has made the lock its own.
"""

import hashlib
import json
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from explorer_runner.cache import Cache
from explorer_runner.errors import NotFound, StoreError

_PART_BYTES = 16 << 20
_AT_ONCE = 8


class Remote(NamedTuple):
    """An object somewhere else, as it was when it was looked at."""

    uri: str
    backend: Any
    path: str
    size: int
    version: str
    """What changes with the content: the ETag, or where there is none the time of change."""
    etag: str | None

    @property
    def name(self) -> str:
        return self.path.rpartition("/")[2]


def main() -> int:
    """Carry out one request; the exit code is 0 unless it failed, and the answer says why."""
    request = json.loads(sys.argv[1])
    try:
        if "sign" in request:
            _answer({"url": sign(request["sign"], request["seconds"])})
        else:
            fetch(request["uris"], Cache(request["cache"], request["limit"]))
    except (StoreError, OSError) as error:
        _answer({"error": str(error)})
        return 1
    return 0


def fetch(uris: list[str], cache: Cache) -> None:
    """Bring objects into one folder of the cache, side by side."""
    found = [look(uri) for uri in uris]
    facts = [[each.uri, each.version, each.size] for each in found]
    key = hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:32]

    def fill(folder: str) -> None:
        for each in found:
            download(each, f"{folder}/{each.name}")

    with cache.hold(key, sum(each.size for each in found), fill) as folder:
        _answer({"path": f"{folder}/{found[0].name}", "lock": f"{folder}.lock"})
        sys.stdin.read()


def look(uri: str) -> Remote:
    """Size and version of the object at ``s3://bucket/key`` or an http(s) address."""
    import obstore

    backend, path = _open(uri)
    try:
        meta = obstore.head(backend, path)
    except FileNotFoundError:
        raise NotFound(f"{uri}: there is no such file") from None
    except Exception as error:
        raise StoreError(f"{uri} cannot be read: {error}") from error
    etag = meta["e_tag"]
    return Remote(uri, backend, path, meta["size"], etag or str(meta["last_modified"]), etag)


def download(remote: Remote, target: str) -> None:
    """Fetch an object into a read-only file: of S3 by ranges, several at once."""
    try:
        with open(target, "wb") as file:
            if remote.uri.startswith("s3://"):
                _in_parts(remote, file.fileno())
            else:  # not every web server answers a request for a range
                for chunk in _get(remote, {}).stream():
                    file.write(chunk)
    except OSError as error:
        raise StoreError(f"{remote.uri} cannot be kept as {target}: {error}") from error
    except StoreError:
        raise
    except Exception as error:
        raise StoreError(f"{remote.uri} cannot be read: {error}") from error
    os.chmod(target, 0o400)


def _in_parts(remote: Remote, descriptor: int) -> None:
    def part(start: int) -> None:
        end = min(start + _PART_BYTES, remote.size)
        view = memoryview(_get(remote, {"range": (start, end)}).bytes())
        while view:
            written = os.pwrite(descriptor, view, start)
            view, start = view[written:], start + written

    os.ftruncate(descriptor, remote.size)
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        for _ in pool.map(part, range(0, remote.size, _PART_BYTES)):
            pass


def _get(remote: Remote, options: Any) -> Any:
    import obstore

    if remote.etag:
        options["if_match"] = remote.etag  # one file out of parts of one version
    return obstore.get(remote.backend, remote.path, options=options)


def sign(uri: str, seconds: float) -> str:
    """An address that reads the object at ``s3://bucket/key`` without credentials, for some seconds."""
    import obstore

    if not uri.startswith("s3://"):
        return uri
    backend, path = _open(uri)
    return str(obstore.sign(backend, "GET", path, timedelta(seconds=seconds)))


def _open(uri: str) -> tuple[Any, str]:
    parts = urlsplit(uri)
    path = parts.path.lstrip("/")
    if not parts.netloc or not path:
        raise StoreError(f"{uri!r} names no file: use s3://bucket/key, an http(s) address, or a path")
    if parts.scheme == "s3":
        from explorer_runner.stores.s3 import open_bucket

        return open_bucket(parts.netloc), uri.partition(f"{parts.netloc}/")[2]
    from obstore.store import HTTPStore

    options: Any = {"allow_http": parts.scheme == "http"}
    return HTTPStore.from_url(f"{parts.scheme}://{parts.netloc}", client_options=options), path


def _answer(facts: dict[str, str]) -> None:
    sys.stdout.write(f"{json.dumps(facts)}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
