"""A store on S3, through obstore: see bucket.py for when that is loaded."""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NamedTuple, TypeVar

from explorer_runner.errors import AlreadyExists, NotFound, StoreError
from explorer_runner.stores.bucket import TIMEOUT_SECONDS, Bucket
from explorer_runner.system import progress
from explorer_runner.system.folders import check_size
from explorer_runner.system.patience import Patience

if TYPE_CHECKING:
    from obstore.store import S3Store as Backend

_Result = TypeVar("_Result")

_RANGE_BYTES = 64 << 20
"""Size of a range of a download; of those tried from 8 to 128 MiB the fastest from a server nearby."""
_CHUNK_BYTES = 1 << 20
_AT_ONCE = 8
_UPLOAD_BYTES = 64 << 20
"""How much of an upload is on its way at once."""
_SLOWEST = 512 << 10
"""Bytes a second: an upload is given the time that it takes at this pace."""


class Parts(NamedTuple):
    """How large objects are cut (https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html)."""

    least: int = 16 << 20
    """Bytes of a part, while so many of them are enough."""
    most: int = 10_000
    """Parts of an object."""

    def size(self, total: int) -> int:
        """Bytes of each part of an object but the last one."""
        needed = -(-total // self.most)
        return max(self.least, -(-needed // _CHUNK_BYTES) * _CHUNK_BYTES)


_PARTS = Parts()


class S3Store:
    """A store on S3. A request that fails for a reason which may pass is made again, as ``patience`` says."""

    def __init__(
        self,
        uri: str,
        *,
        credentials: Callable[[], Any] | None = None,
        region: str | None = None,
        patience: Patience | None = None,
        parts: Parts = _PARTS,
    ) -> None:
        name, _, prefix = uri.removeprefix("s3://").partition("/")
        if not name:
            raise StoreError(f"{uri!r} names no bucket: use s3://bucket/prefix")
        prefix = prefix.strip("/")
        self.uri = f"s3://{name}/{prefix}".rstrip("/")
        self._bucket = Bucket(name, prefix, credentials=credentials, region=region, patience=patience)
        self._parts = parts

    def read(self, key: str, *, limit: int | None = None) -> bytes:
        import obstore

        def read(backend: "Backend") -> bytes:
            answer = obstore.get(backend, key)
            check_size(f"{key} in the store {self.uri}", answer.meta["size"], limit)
            return bytes(answer.bytes())

        return self._ask(key, read)

    def read_range(self, key: str, offset: int, length: int) -> bytes:
        import obstore

        if length == 0:
            return b""
        return self._ask(
            key, lambda backend: bytes(obstore.get_range(backend, key, start=offset, length=length))
        )

    def create(self, key: str, data: bytes) -> None:
        import obstore

        def put(backend: "Backend") -> None:
            obstore.put(backend, key, data, mode="create", use_multipart=False)

        try:
            self._ask(key, put, timeout=_upload_seconds(len(data)))
        except AlreadyExists as error:
            # A request that was carried out, but whose answer was lost, is made again and refused.
            if self.read(key) != data:
                raise AlreadyExists(f"{key} is in the store {self.uri} already") from error

    def put_file(self, key: str, path: Path, *, move: bool = False) -> None:
        try:
            with open(path, "rb") as file:
                self._upload(key, file, os.fstat(file.fileno()).st_size)
        except OSError as error:
            raise StoreError(f"{key} in the store {self.uri}: {error}") from error

    def _upload(self, key: str, file: IO[bytes], size: int) -> None:
        import obstore

        part = self._parts.size(size)

        def put(backend: "Backend") -> None:
            file.seek(0)
            if size <= part:
                obstore.put(backend, key, file.read(), use_multipart=False)
                return
            with progress.report(f"storing {key}", size) as advance:
                parts = _read_parts(file, part, advance)
                at_once = max(1, _UPLOAD_BYTES // part)
                obstore.put(backend, key, parts, chunk_size=part, max_concurrency=at_once)

        together = size if size <= part else max(part, _UPLOAD_BYTES)
        self._ask(key, put, timeout=_upload_seconds(together), parts=size > part)

    def get_file(self, key: str, path: Path) -> None:
        import obstore

        meta = self._ask(key, lambda backend: obstore.head(backend, key))
        try:
            with open(path, "wb") as file:
                fetch_parts(self._bucket, key, meta["size"], meta["e_tag"], file.fileno(), self._name(key))
        except OSError as error:
            raise StoreError(f"{key} in the store {self.uri}: {error}") from error

    def exists(self, key: str) -> bool:
        import obstore

        try:
            self._ask(key, lambda backend: obstore.head(backend, key))
        except NotFound:
            return False
        return True

    def list_names(self, prefix: str, *, after: str = "") -> list[str]:
        import obstore

        offset = f"{prefix}/{after}" if after else None
        start = len(prefix) + 1

        def listed(backend: "Backend") -> list[str]:
            pages = obstore.list(backend, prefix, offset=offset)
            return [entry["path"][start:] for page in pages for entry in page]

        return sorted(name for name in self._ask(prefix, listed) if "/" not in name)

    def list_folders(self, prefix: str) -> list[str]:
        import obstore

        listing = self._ask(prefix, lambda backend: obstore.list_with_delimiter(backend, prefix))
        return sorted(path.rpartition("/")[2] for path in listing["common_prefixes"])

    def delete_tree(self, prefix: str) -> None:
        import obstore

        def delete(backend: "Backend") -> None:
            for page in obstore.list(backend, prefix):
                obstore.delete(backend, [entry["path"] for entry in page])

        self._ask(prefix, delete)

    def delete(self, key: str) -> None:
        import obstore

        self._ask(key, lambda backend: obstore.delete(backend, key))

    def local_path(self, key: str) -> None:
        return None

    def _ask(
        self,
        key: str,
        request: "Callable[[Backend], _Result]",
        *,
        timeout: float = TIMEOUT_SECONDS,
        parts: bool = False,
    ) -> _Result:
        return self._bucket.ask(self._name(key), request, timeout=timeout, parts=parts)

    def _name(self, key: str) -> str:
        return f"{key} in the store {self.uri}"


def _upload_seconds(size: int) -> float:
    """How long a request that sends so many bytes may take: a round number, as few need one of their own."""
    return TIMEOUT_SECONDS if size <= _CHUNK_BYTES else max(120.0, size / _SLOWEST)


def _read_parts(file: IO[bytes], size: int, advance: progress.Advance) -> Iterator[bytes]:
    while part := file.read(size):
        yield part
        advance(len(part))


def _write(descriptor: int, chunk: Any, offset: int) -> int:
    """Write all of a chunk; returns its size."""
    view = memoryview(chunk)
    while view:
        written = os.pwrite(descriptor, view, offset)
        view, offset = view[written:], offset + written
    return len(chunk)


def fetch_parts(bucket: Bucket, key: str, size: int, etag: str | None, descriptor: int, what: str) -> None:
    """Write an object into a file by ranges, several at once, all of one version of it."""
    import obstore

    def fetch(start: int) -> None:
        end = min(start + _RANGE_BYTES, size)

        def go_on(backend: "Backend") -> None:
            nonlocal start
            before = start
            options: Any = {"range": (start, end)}
            if etag:
                options["if_match"] = etag
            try:
                for chunk in obstore.get(backend, key, options=options).stream(min_chunk_size=_CHUNK_BYTES):
                    start += _write(descriptor, chunk, start)
                    advance(len(chunk))
            except obstore.exceptions.BaseError:
                if start == before:
                    raise  # else the rest is asked for, with new patience

        while start < end:
            bucket.ask(what, go_on)

    os.ftruncate(descriptor, size)
    with progress.report(f"fetching {key}", size) as advance, ThreadPoolExecutor(_AT_ONCE) as pool:
        for _ in pool.map(fetch, range(0, size, _RANGE_BYTES)):
            pass
