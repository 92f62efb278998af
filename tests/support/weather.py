"""A proxy before an S3 server, or a server by itself, that has bad moments on demand."""

import http.client
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, TypeVar
from urllib.parse import urlsplit

HOP = ("connection", "keep-alive", "content-length", "transfer-encoding", "server", "date")


@dataclass
class Fault:
    """What happens to some of the next requests.

    ``kind``: an HTTP status, or drop (no answer), hang (none, and the connection stays), cut (half of the
    answer), lose (it is carried out, and not answered).
    """

    kind: str
    times: int
    code: str = ""
    """Of S3's error."""
    method: str = ""
    path: str = ""
    """A part of the path that it is for; as ``method``, empty: any."""
    headers: dict[str, str] = field(default_factory=dict)
    over: threading.Event | None = None
    """Until when it hangs; None: until all is over."""


class Weather:
    """The faults to come, and the requests that came: ``(method, path, what happened)``."""

    def __init__(self, target: str) -> None:
        self.target = target
        """Where requests are passed on to; empty: each is answered with ``page``."""
        self.page = b""
        self.requests: list[tuple[str, str, str]] = []
        self.sizes: list[int] = []
        """Of the bodies of those requests that were passed on."""
        self.address = ""
        self._faults: list[Fault] = []
        self._lock = threading.Lock()
        self.over = threading.Event()
        self.store: Any = None
        """Of whoever looks past it; tests set it."""

    def expect(self, kind: str | int, times: int = 1, code: str = "", **what: Any) -> None:
        """Let the next requests fail so many times, after those that were expected before."""
        self._faults.append(Fault(str(kind), times, code, **what))

    def clear(self) -> None:
        """Nothing more is to fail."""
        self._faults = []

    def clear_up(self) -> None:
        """Let no more requests fail, and those that hang be dropped."""
        self._faults.clear()
        self.over.set()

    def took(self, kind: str | int) -> int:
        """How many requests failed in this way."""
        return sum(how == str(kind) for _, _, how in self.requests)

    def meet(self, method: str, path: str) -> Fault | None:
        with self._lock:
            for fault in self._faults:
                if fault.times and fault.method in ("", method) and fault.path in path:
                    fault.times -= 1
                    self.requests.append((method, path, fault.kind))
                    return fault
            self.requests.append((method, path, "ok"))
            return None


_Weather = TypeVar("_Weather", bound=Weather)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    weather: Weather

    def answer(self) -> None:
        body = self._read_body()
        fault = self.weather.meet(self.command, self.path)
        kind = fault.kind if fault else "ok"
        if fault and kind.isdecimal():
            error = f"<Error><Code>{fault.code}</Code><Message>so it is</Message></Error>".encode()
            self._send(int(kind), fault.headers, error)
        elif kind in ("drop", "hang"):
            self._leave(fault)
        else:
            status, headers, content = self._pass_on(body)
            if kind == "lose":
                self._leave()
            else:
                self._send(status, headers, content, cut=kind == "cut")

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = answer  # noqa: N815

    def _pass_on(self, body: bytes) -> tuple[int, dict[str, str], bytes]:
        if not self.weather.target:
            return 200, {"ETag": '"1"'}, self.weather.page
        self.weather.sizes.append(len(body))
        server = http.client.HTTPConnection(urlsplit(self.weather.target).netloc)
        headers = {name: value for name, value in self.headers.items() if name.lower() not in HOP}
        server.request(self.command, self.path, body, {**headers, "Content-Length": str(len(body))})
        answer = server.getresponse()
        content = answer.read()
        headers = {name: value for name, value in answer.getheaders() if name.lower() not in HOP}
        if self.command == "HEAD":
            headers["Content-Length"] = answer.getheader("Content-Length") or "0"
        server.close()
        return answer.status, headers, content

    def _send(self, status: int, headers: dict[str, str], content: bytes, cut: bool = False) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if "Content-Length" not in headers:
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content[: len(content) // 2] if cut else content)
        if cut:
            self._leave()

    def _leave(self, fault: Fault | None = None) -> None:
        if fault and fault.kind == "hang":
            (fault.over or self.weather.over).wait()
        self.close_connection = True
        try:
            self.connection.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # the other side was faster

    def _read_body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            return b"".join(iter(self._read_chunk, b""))
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def _read_chunk(self) -> bytes:
        chunk = self.rfile.read(int(self.rfile.readline().split(b";")[0], 16))
        self.rfile.readline()
        return chunk

    def log_message(self, *_: object) -> None:
        pass


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exception(), OSError):  # clients may be killed
            super().handle_error(request, client_address)


def serve_weather(target: str = "") -> AbstractContextManager[Weather]:
    """Serve what ``target`` answers at an address of this machine, with faults."""
    return serve(Weather(target))


@contextmanager
def serve(weather: _Weather) -> Iterator[_Weather]:
    """Serve it at an address of this machine."""
    handler = type("Handler", (_Handler,), {"weather": weather})
    with _Server(("127.0.0.1", 0), handler) as server:
        weather.address = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield weather
        finally:
            weather.over.set()
            server.shutdown()
            thread.join()
