"""A proxy in front of an S3 server, which answers as bad networks and busy servers do."""

import http.client
import random
import threading
from collections import Counter
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

SLOW_DOWN = b"<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"
_SHARES = {"throttle": 0.4, "outage": 1.0, "hang": 0.3, "cut": 0.4, "lie": 0.3, "lose": 0.3}
"""Which share of the requests are met by each kind of weather."""
_HOP = frozenset(("connection", "keep-alive", "transfer-encoding", "content-length"))


class Proxy:
    """Serves in threads of this process until it is closed."""

    def __init__(self, upstream: str) -> None:
        self.upstream = urlsplit(upstream)
        self._weather: dict[str, random.Random] = {}
        self._ends: dict[str, threading.Event] = {}
        self.met: Counter[str] = Counter()
        """How many requests met each kind."""
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.proxy = self
        self.address = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def begin(self, kind: str, pick: float) -> Callable[[], None] | None:
        """Meet a share of the requests with a kind of weather; returns what ends it."""
        if kind in self._weather:
            return None
        self._ends[kind] = threading.Event()
        self._weather[kind] = random.Random(pick)

        def end() -> None:
            del self._weather[kind]
            self._ends[kind].set()

        return end

    def draw(self) -> str | None:
        """The weather that a request meets."""
        for kind, dice in list(self._weather.items()):
            if dice.random() < _SHARES[kind]:
                self.met[kind] += 1
                return kind
        self.met["none"] += 1
        return None

    def wait_for_end_of(self, kind: str) -> None:
        self._ends[kind].wait()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    proxy: Proxy

    def handle_error(self, request: object, client_address: object) -> None:
        pass  # clients are killed here


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def answer(self) -> None:
        proxy = self.server.proxy
        weather = proxy.draw()
        body = self._read_body()
        if weather == "cut":
            self.close_connection = True
        elif weather == "hang":
            proxy.wait_for_end_of(weather)
            self.close_connection = True
        elif weather in ("throttle", "outage"):
            self._reply(503, [("Content-Type", "application/xml")], SLOW_DOWN, len(SLOW_DOWN))
        else:
            self._forward(body, weather)

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = answer  # noqa: N815  the library's names

    def _forward(self, body: bytes, weather: str | None) -> None:
        upstream = self.server.proxy.upstream
        connection = http.client.HTTPConnection(upstream.hostname or "", upstream.port, timeout=60)
        headers = {name: value for name, value in self.headers.items() if name.lower() not in _HOP}
        connection.request(
            self.command, self.path, body or None, {**headers, "Content-Length": str(len(body))}
        )
        response = connection.getresponse()
        data = response.read()
        connection.close()
        length = int(response.headers.get("Content-Length", len(data)))
        kept = [(name, value) for name, value in response.getheaders() if name.lower() not in _HOP]
        if weather == "lose":
            self.close_connection = True  # it was done, and nobody learns of it
        elif weather == "lie" and response.status == 200 and len(data) > 1:
            self._reply(200, kept, data[: len(data) // 2], length)
            self.close_connection = True
        else:
            self._reply(response.status, kept, data, length)

    def _reply(self, status: int, headers: list[tuple[str, str]], data: bytes, length: int) -> None:
        self.send_response_only(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(length))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def _read_body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            return b"".join(iter(self._read_chunk, b""))
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def _read_chunk(self) -> bytes:
        chunk = self.rfile.read(int(self.rfile.readline().split(b";")[0], 16))
        self.rfile.readline()
        return chunk
