"""Files of web servers, at exactly the address that was given: with its query, and signed for GET alone."""

import errno
import http.client
import socket
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import IO, Any, TypeVar
from urllib.parse import quote, unquote, urlsplit

from explorer_runner.errors import ExplorerError, NotFound, StoreError
from explorer_runner.system import progress
from explorer_runner.system.patience import Passing, Patience, retry_after

TIMEOUT_SECONDS = 60.0
_CHUNK_BYTES = 1 << 20
_GONE = (404, 410)
_BUSY = (408, 425, 429)
_NOT_IMPLEMENTED = 501
_AWAY = (errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN, errno.EHOSTDOWN, errno.ENETRESET)
_MISTAKES = (str, ValueError, ssl.SSLCertVerificationError, http.client.InvalidURL)
"""What no server gets over: an address that is none, or a certificate that nobody here trusts."""
TRIES = 4
"""Of a download at least, however long each takes: a connection may be cut after an hour."""

_Result = TypeVar("_Result")


class WebFile:
    """A file as it was when its server was asked; asked by GET, as addresses may be signed for that alone."""

    def __init__(self, uri: str, patience: Patience) -> None:
        """Ask for it. Raises NotFound, StoreError."""
        self._patience = patience
        try:
            host = urlsplit(uri).netloc
        except ValueError as error:
            raise StoreError(f"{uri!r} names no file: {error}") from error
        if not host:
            raise StoreError(f"{uri!r} names no file: it has no host")
        self._shown = uri.partition("?")[0]  # a query may hold a signature or a password
        address = quote(uri, safe="%/:=&?~#+!$,;'@()*[]")
        self._request = urllib.request.Request(address, headers={"User-Agent": "explorer"})  # noqa: S310  http(s)
        self.uri = uri
        self._answer = self._retry(self._open)
        self.size = int(self._answer.headers.get("Content-Length") or 0)
        """In bytes; 0 if the server does not tell."""
        self.version = _version(self._answer) or f"unknown at {time.time_ns()}"
        """What changes with the content. Where a server tells nothing, a copy is not used again."""

    @property
    def name(self) -> str:
        """The last part of the path, where that can name a file."""
        name = unquote(urlsplit(self.uri).path).rpartition("/")[2].replace("\0", "")
        return name if name not in ("", ".", "..") else "file"

    def download(self, file: IO[bytes]) -> None:
        """Fetch it, with the answer that is there already.

        Raises NotFound, StoreError, and OSError for a full disk.
        """

        def copy() -> None:
            answer, self._answer = self._answer or self._open(), None
            with answer:
                self._copy(answer, file)

        self._retry(copy)

    def _open(self) -> Any:
        return urllib.request.urlopen(self._request, timeout=TIMEOUT_SECONDS)  # noqa: S310  http(s)

    def _copy(self, answer: Any, file: IO[bytes]) -> None:
        if _version(answer) not in (self.version, None):
            raise StoreError(f"{self._shown} has changed while it was fetched")
        file.seek(0)
        file.truncate()
        done = 0
        with progress.report(f"fetching {self.name}", self.size) as advance:
            while chunk := answer.read(_CHUNK_BYTES):
                file.write(chunk)
                done += len(chunk)
                advance(len(chunk))
        if self.size and done != self.size:
            raise ConnectionError(f"the connection ended after {done:,} of {self.size:,} bytes")

    def _retry(self, action: Callable[[], _Result]) -> _Result:
        """Do it again, after a pause, where the network or the server may have had a bad moment."""

        def fail(why: Exception) -> StoreError:
            if isinstance(why, urllib.error.HTTPError) and why.code in _GONE:
                return NotFound(f"{self._shown}: there is no such file")
            return StoreError(f"{self._shown} cannot be read: {why}")

        return self._patience.call(self._shown, lambda: attempt(action, fail), at_least=TRIES)


def attempt(action: Callable[[], _Result], fail: Callable[[Exception], ExplorerError]) -> _Result:
    """Ask a web server once; ``fail`` makes our error of an error.

    Raises Passing for what the server, or the way to it, may get over; OSError for trouble with a file here.
    """
    try:
        return action()
    except urllib.error.HTTPError as error:
        error.close()
        if error.code in _BUSY or (error.code >= 500 and error.code != _NOT_IMPLEMENTED):
            raise _passing(error, fail, retry_after(error.headers.get("Retry-After"))) from error
        raise fail(error) from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        cause = error.reason if isinstance(error, urllib.error.URLError) else error
        if cause is error and _is_local(error):
            raise
        if isinstance(cause, _MISTAKES):
            raise fail(error) from error
        unknown = isinstance(cause, socket.gaierror) and cause.errno == socket.EAI_NONAME
        raise _passing(error, fail, brief=unknown) from error


def _is_local(error: Exception) -> bool:
    """Whether it is about a file of this machine, such as a full disk."""
    remote = isinstance(error, ConnectionError | TimeoutError | socket.gaierror | ssl.SSLError)
    return isinstance(error, OSError) and not remote and error.errno not in _AWAY


def _passing(
    error: Exception, fail: Callable[[Exception], ExplorerError], pause: float = 0.0, brief: bool = False
) -> Passing:
    failure = fail(error)
    failure.__cause__ = error
    return Passing(failure, pause, brief=brief)


def _version(answer: Any) -> str | None:
    version: str | None = answer.headers.get("ETag") or answer.headers.get("Last-Modified")
    return version
