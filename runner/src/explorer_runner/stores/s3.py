"""A store on S3, through obstore.

obstore is imported at the first request, never by merely opening a store: a process that has used
obstore must not fork (the child hangs), and the forker lives by forking.
"""

import os
import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from types import ModuleType
from typing import IO, TYPE_CHECKING, Any, TypeVar

from explorer_runner import progress
from explorer_runner.errors import AlreadyExists, NotFound, StoreError, Unreachable
from explorer_runner.patience import Passing, Patience
from explorer_runner.stores.credentials import find_helper

if TYPE_CHECKING:
    from obstore.store import S3Config
    from obstore.store import S3Store as Backend

_PART_BYTES = 16 << 20
"""Least size of a part of an upload."""
_PARTS = 10_000
"""How many parts S3 takes of an upload
(https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html)."""
_MIB = 1 << 20
_RANGE_BYTES = 64 << 20
"""Size of a range of a download; of those tried from 8 to 128 MiB the fastest from a server nearby."""
_CHUNK_BYTES = 1 << 20
_AT_ONCE = 8

_STATUS = re.compile(r"non-2xx status code: (\d{3})")
_PASSING_CODES = ("ConditionalRequestConflict", "OperationAborted", "RequestTimeout", "ExpiredToken")
_BROKEN_CONNECTION = (
    *("error sending request", "error decoding response body", "error reading a body"),
    *("timed out", "connection closed", "Content-Range header not present"),
)
_INSTANCE_METADATA = "169.254.169.254"

_Result = TypeVar("_Result")


class S3Store:
    """See Store. What may pass is tried again for one or two seconds, and then as ``patience`` says."""

    def __init__(
        self,
        uri: str,
        *,
        credentials: Callable[[], Any] | None = None,
        region: str | None = None,
        patience: Patience | None = None,
    ) -> None:
        self._bucket, _, prefix = uri.removeprefix("s3://").partition("/")
        if not self._bucket:
            raise StoreError(f"{uri!r} names no bucket: use s3://bucket/prefix")
        self._prefix = prefix.strip("/")
        self._credentials = credentials
        self._region = region
        self._patience = patience or Patience()
        self.uri = f"s3://{self._bucket}/{self._prefix}".rstrip("/")

    @cached_property
    def _obstore(self) -> ModuleType:
        import obstore

        return obstore

    @cached_property
    def _backend(self) -> "Backend":
        return open_bucket(self._bucket, self._prefix, self._credentials, self._region)

    def read(self, key: str) -> bytes:
        return self._call(key, lambda: bytes(self._obstore.get(self._backend, key).bytes()))

    def read_range(self, key: str, offset: int, length: int) -> bytes:
        if length == 0:
            return b""
        return self._call(
            key, lambda: bytes(self._obstore.get_range(self._backend, key, start=offset, length=length))
        )

    def create(self, key: str, data: bytes) -> None:
        try:
            self._call(
                key, lambda: self._obstore.put(self._backend, key, data, mode="create", use_multipart=False)
            )
        except AlreadyExists:
            # A request that was carried out, but whose answer was lost, is sent again and refused.
            if self.read(key) != data:
                raise

    def keep(self, key: str, path: Path, *, move: bool = False) -> None:
        self._call(key, lambda: self._upload(key, path))

    def _upload(self, key: str, path: Path) -> None:
        with open(path, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            if size <= _PART_BYTES:
                self._obstore.put(self._backend, key, file.read(), use_multipart=False)
                return
            part = part_size(size)
            with progress.report(f"storing {key}", size) as advance:
                parts = _read_parts(file, part, advance)
                self._obstore.put(self._backend, key, parts, chunk_size=part, max_concurrency=4)

    def fetch(self, key: str, path: Path) -> None:
        meta = self._call(key, lambda: self._obstore.head(self._backend, key))
        with self._errors(key), open(path, "wb") as file:
            fetch_parts(self._backend, key, meta["size"], meta["e_tag"], file.fileno(), self._patience)

    def exists(self, key: str) -> bool:
        try:
            self._call(key, lambda: self._obstore.head(self._backend, key))
        except NotFound:
            return False
        return True

    def names(self, prefix: str, *, after: str = "") -> list[str]:
        offset = f"{prefix}/{after}" if after else None
        start = len(prefix) + 1

        def listed() -> list[str]:
            pages = self._obstore.list(self._backend, prefix, offset=offset)
            return [entry["path"][start:] for page in pages for entry in page]

        return sorted(name for name in self._call(prefix, listed) if "/" not in name)

    def folders(self, prefix: str) -> list[str]:
        listed = self._call(prefix, lambda: self._obstore.list_with_delimiter(self._backend, prefix))
        return sorted(path.rpartition("/")[2] for path in listed["common_prefixes"])

    def delete_tree(self, prefix: str) -> None:
        def delete() -> None:
            for page in self._obstore.list(self._backend, prefix):
                self._obstore.delete(self._backend, [entry["path"] for entry in page])

        self._call(prefix, delete)

    def delete(self, key: str) -> None:
        self._call(key, lambda: self._obstore.delete(self._backend, key))

    def path(self, key: str) -> None:
        return None

    def _call(self, key: str, action: Callable[[], _Result]) -> _Result:
        with self._errors(key):
            return persist(f"{key} in the store {self.uri}", action, self._patience)

    @contextmanager
    def _errors(self, key: str) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError as error:
            raise NotFound(f"no {key} in the store {self.uri}") from error
        except self._obstore.exceptions.AlreadyExistsError as error:
            if may_pass(error):  # somebody else was writing it just then, for as long as was waited
                raise Unreachable(f"{key} in the store {self.uri}: {message_of(error)}") from error
            raise AlreadyExists(f"{key} is in the store {self.uri} already") from error
        except (self._obstore.exceptions.BaseError, OSError) as error:
            failure = Unreachable if may_pass(error) else StoreError
            raise failure(f"{key} in the store {self.uri}: {message_of(error)}") from error


def persist(what: str, action: Callable[[], _Result], patience: Patience) -> _Result:
    """The result of a request of obstore, which is tried again while its failure may pass."""

    def attempt() -> _Result:
        try:
            return action()
        except Exception as error:
            if may_pass(error):
                raise Passing(error) from error
            raise

    return patience.call(what, attempt)


def may_pass(error: Exception) -> bool:
    """Whether a failure that obstore tells may be gone at the next try.

    See https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html for the codes. obstore tries
    some of these again itself, for a second or two.
    """
    text = message_of(error)
    if isinstance(error, FileNotFoundError) or _INSTANCE_METADATA in text:
        return False  # no credentials at all end in a request for those of a machine
    status = _STATUS.search(text)
    if status is None:
        return any(words in text for words in _BROKEN_CONNECTION)
    code = int(status[1])
    if code == 400 and text.endswith("400 Bad Request: "):
        return True  # to a HEAD, whose answer has no words
    return code >= 500 or code in (408, 429) or any(name in text for name in _PASSING_CODES)


def part_size(size: int) -> int:
    """Bytes of a part of an upload of ``size`` bytes: S3 takes 10,000 parts."""
    needed = -(-size // _PARTS)
    return max(_PART_BYTES, -(-needed // _MIB) * _MIB)


def message_of(error: Exception) -> str:
    """What an error of obstore says, without the innards that it adds."""
    return str(error).partition("\n\nDebug source")[0]


def _read_parts(file: IO[bytes], size: int, advance: progress.Advance) -> Iterator[bytes]:
    while part := file.read(size):
        yield part
        advance(len(part))


def fetch_parts(
    backend: "Backend", key: str, size: int, etag: str | None, descriptor: int, patience: Patience
) -> None:
    """Write an object into a file by ranges, several at once, all of one version of it."""
    import obstore

    def fetch(start: int) -> None:
        end = min(start + _RANGE_BYTES, size)

        def fetch_rest() -> None:
            nonlocal start
            options: Any = {"range": (start, end)}
            if etag:
                options["if_match"] = etag
            for chunk in obstore.get(backend, key, options=options).stream(min_chunk_size=_CHUNK_BYTES):
                view = memoryview(chunk)
                while view:
                    written = os.pwrite(descriptor, view, start)
                    view, start = view[written:], start + written
                    advance(written)

        persist(key, fetch_rest, patience)

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
