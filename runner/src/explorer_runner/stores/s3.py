"""A store on S3, through obstore.

obstore is imported at the first request, never by merely opening a store: a process that has used
obstore must not fork (the child hangs), and the forker lives by forking.
"""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from types import ModuleType
from typing import IO, TYPE_CHECKING, Any

from explorer_runner import progress
from explorer_runner.errors import AlreadyExists, NotFound, StoreError
from explorer_runner.folders import check_size
from explorer_runner.stores.credentials import find_helper

if TYPE_CHECKING:
    from obstore.store import S3Config
    from obstore.store import S3Store as Backend

_PART_BYTES = 16 << 20
"""Size of a part: S3 takes 10,000 of an upload, so objects of up to 160 GB."""
_RANGE_BYTES = 64 << 20
"""Size of a range of a download; of those tried from 8 to 128 MiB the fastest from a server nearby."""
_CHUNK_BYTES = 1 << 20
_AT_ONCE = 8


class S3Store:
    """See Store. A failing request is tried again for at most half a minute."""

    def __init__(
        self, uri: str, *, credentials: Callable[[], Any] | None = None, region: str | None = None
    ) -> None:
        self._bucket, _, prefix = uri.removeprefix("s3://").partition("/")
        if not self._bucket:
            raise StoreError(f"{uri!r} names no bucket: use s3://bucket/prefix")
        self._prefix = prefix.strip("/")
        self._credentials = credentials
        self._region = region
        self.uri = f"s3://{self._bucket}/{self._prefix}".rstrip("/")

    @cached_property
    def _obstore(self) -> ModuleType:
        import obstore

        return obstore

    @cached_property
    def _backend(self) -> "Backend":
        return open_bucket(self._bucket, self._prefix, self._credentials, self._region)

    def read(self, key: str, *, limit: int | None = None) -> bytes:
        with self._errors(key):
            found = self._obstore.get(self._backend, key)
            check_size(f"{key} in the store {self.uri}", found.meta["size"], limit)
            return bytes(found.bytes())

    def read_range(self, key: str, offset: int, length: int) -> bytes:
        if length == 0:
            return b""
        with self._errors(key):
            return bytes(self._obstore.get_range(self._backend, key, start=offset, length=length))

    def create(self, key: str, data: bytes) -> None:
        try:
            with self._errors(key):
                self._obstore.put(self._backend, key, data, mode="create", use_multipart=False)
        except AlreadyExists:
            # A request that was carried out, but whose answer was lost, is sent again and refused.
            if self.read(key) != data:
                raise

    def keep(self, key: str, path: Path, *, move: bool = False) -> None:
        with self._errors(key), open(path, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            if size <= _PART_BYTES:
                self._obstore.put(self._backend, key, file.read(), use_multipart=False)
                return
            with progress.report(f"storing {key}", size) as advance:
                parts = _read_parts(file, advance)
                self._obstore.put(self._backend, key, parts, chunk_size=_PART_BYTES, max_concurrency=4)

    def fetch(self, key: str, path: Path) -> None:
        with self._errors(key), open(path, "wb") as file:
            meta = self._obstore.head(self._backend, key)
            fetch_parts(self._backend, key, meta["size"], meta["e_tag"], file.fileno())

    def exists(self, key: str) -> bool:
        try:
            with self._errors(key):
                self._obstore.head(self._backend, key)
        except NotFound:
            return False
        return True

    def names(self, prefix: str, *, after: str = "") -> list[str]:
        offset = f"{prefix}/{after}" if after else None
        start = len(prefix) + 1
        with self._errors(prefix):
            found = [
                entry["path"][start:]
                for page in self._obstore.list(self._backend, prefix, offset=offset)
                for entry in page
            ]
        return sorted(name for name in found if "/" not in name)

    def folders(self, prefix: str) -> list[str]:
        with self._errors(prefix):
            found = self._obstore.list_with_delimiter(self._backend, prefix)["common_prefixes"]
        return sorted(path.rpartition("/")[2] for path in found)

    def delete_tree(self, prefix: str) -> None:
        with self._errors(prefix):
            for page in self._obstore.list(self._backend, prefix):
                self._obstore.delete(self._backend, [entry["path"] for entry in page])

    def delete(self, key: str) -> None:
        with self._errors(key):
            self._obstore.delete(self._backend, key)

    def path(self, key: str) -> None:
        return None

    @contextmanager
    def _errors(self, key: str) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError as error:
            raise NotFound(f"no {key} in the store {self.uri}") from error
        except self._obstore.exceptions.AlreadyExistsError as error:
            raise AlreadyExists(f"{key} is in the store {self.uri} already") from error
        except (self._obstore.exceptions.BaseError, OSError) as error:
            raise StoreError(f"{key} in the store {self.uri}: {message_of(error)}") from error


def message_of(error: Exception) -> str:
    """What an error of obstore says, without the innards that it adds."""
    return str(error).partition("\n\nDebug source")[0]


def _read_parts(file: IO[bytes], advance: progress.Advance) -> Iterator[bytes]:
    while part := file.read(_PART_BYTES):
        yield part
        advance(len(part))


def fetch_parts(backend: "Backend", key: str, size: int, etag: str | None, descriptor: int) -> None:
    """Write an object into a file by ranges, several at once, all of one version of it."""
    import obstore

    def fetch(start: int) -> None:
        options: Any = {"range": (start, min(start + _RANGE_BYTES, size))}
        if etag:
            options["if_match"] = etag
        for chunk in obstore.get(backend, key, options=options).stream(min_chunk_size=_CHUNK_BYTES):
            view = memoryview(chunk)
            while view:
                written = os.pwrite(descriptor, view, start)
                view, start = view[written:], start + written
                advance(written)

    os.ftruncate(descriptor, size)
    with progress.report(f"fetching {key}", size) as advance, ThreadPoolExecutor(_AT_ONCE) as pool:
        for _ in pool.map(fetch, range(0, size, _RANGE_BYTES)):
            pass


def open_bucket(
    bucket: str,
    prefix: str = "",
    credentials: Callable[[], Any] | None = None,
    region: str | None = None,
) -> "Backend":
    """Obstore's store of a bucket, as AWS's own variables say; a failing request is tried again."""
    from obstore.store import S3Store as Backend

    provider: Any = credentials or find_helper()
    endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
    config: S3Config = {}
    if endpoint:
        config["endpoint"] = endpoint
    if region:
        config["region"] = region
    return Backend(
        bucket,
        prefix=prefix or None,
        config=config,
        client_options={"allow_http": bool(endpoint and endpoint.startswith("http://"))},
        retry_config={
            "max_retries": 6,
            "retry_timeout": timedelta(seconds=30),
            "backoff": {
                "init_backoff": timedelta(milliseconds=100),
                "max_backoff": timedelta(seconds=8),
                "base": 2,
            },
        },
        credential_provider=provider,
    )
