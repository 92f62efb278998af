"""A proxy before an S3 server, or a server by itself, that has bad moments on demand."""

import http.client
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

HOP = ("connection", "content-length", "transfer-encoding", "server", "date")


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


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    weather: Weather

    def answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        fault = self.weather.meet(self.command, self.path)
        kind = fault.kind if fault else "ok"
        if fault and kind.isdecimal():
            error = f"<Error><Code>{fault.code}</Code><Message>so it is</Message></Error>".encode()
            self._send(int(kind), fault.headers, error)
        elif kind in ("drop", "hang"):
            self._leave(kind)
        else:
            status, headers, content = self._pass_on(body)
            if kind == "lose":
                self._leave("drop")
            else:
                self._send(status, headers, content, cut=kind == "cut")

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = answer  # noqa: N815

    def _pass_on(self, body: bytes) -> tuple[int, dict[str, str], bytes]:
        if not self.weather.target:
            return 200, {"ETag": '"1"'}, self.weather.page
        self.weather.sizes.append(len(body))
        server = http.client.HTTPConnection(urlsplit(self.weather.target).netloc)
        server.request(self.command, self.path, body, dict(self.headers))
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
            self._leave("drop")

    def _leave(self, kind: str) -> None:
        if kind == "hang":
            self.weather.over.wait()
        self.close_connection = True
        try:
            self.connection.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # the other side was faster

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def serve_weather(target: str = "") -> Iterator[Weather]:
    """Serve it at an address of this machine."""
    weather = Weather(target)
    handler = type("Handler", (_Handler,), {"weather": weather})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        weather.address = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield weather
        finally:
            weather.over.set()
            server.shutdown()
            thread.join()
