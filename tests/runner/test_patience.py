"""What may pass is tried again, what will not is told at once: a real server fails as AWS does."""

import http.server
import io
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from explorer_runner.errors import AlreadyExists, NotFound, StoreError, Unreachable
from explorer_runner.files.web import WebFile
from explorer_runner.stores.s3 import Parts, S3Store
from explorer_runner.system.patience import Passing, Patience, retry_after

Answer = tuple[int, bytes, dict[str, str]]


class Server:
    """Answers each request with the next of ``answers``, and with the last one from then on."""

    def __init__(self) -> None:
        self.answers: list[Answer] = []
        self.asked: list[str] = []
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self) -> None:
                self.rfile.read(int(self.headers.get("Content-Length") or 0))
                outer.asked.append(f"{self.command} {self.path}")
                code, body, headers = outer.answers.pop(0) if len(outer.answers) > 1 else outer.answers[0]
                self.send_response(code)
                for name, value in {"Content-Length": str(len(body)), "ETag": '"1"', **headers}.items():
                    self.send_header(name, value)
                self.send_header("Last-Modified", "Wed, 21 Oct 2015 07:28:00 GMT")
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(body)
                if int(headers.get("Content-Length", 0)) > len(body):
                    self.close_connection = True

            do_GET = do_PUT = do_HEAD = do_DELETE = answer  # noqa: N815

            def log_message(self, *facts: object) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()
        self.address = f"http://127.0.0.1:{self._server.server_port}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    server = Server()
    for name, value in {
        "AWS_ENDPOINT_URL": server.address,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    yield server
    server.close()


def patience(seconds: float = 60.0) -> Patience:
    """That of a job, with pauses that a test can wait for."""
    return Patience(seconds, first=0.01, longest=0.02)


def failing(code: int, name: str) -> Answer:
    return code, f"<Error><Code>{name}</Code></Error>".encode(), {}


PASSING = {
    "slow down": failing(503, "SlowDown"),
    "too many requests": failing(429, "TooManyRequests"),
    "a conflict of conditional requests": failing(409, "ConditionalRequestConflict"),
    "request timeout": failing(400, "RequestTimeout"),
    "expired token": failing(400, "ExpiredToken"),
}
FINAL = {
    "access denied": (failing(403, "AccessDenied"), StoreError),
    "no such bucket": (failing(404, "NoSuchBucket"), NotFound),
    "a bad request": (failing(400, "InvalidArgument"), StoreError),
}


@pytest.mark.parametrize("name", PASSING)
def test_troubles_of_s3_are_waited_for(server: Server, name: str):
    server.answers = [PASSING[name]] * 9 + [(200, b"content", {})]
    store = S3Store("s3://bucket/prefix", patience=patience())
    assert store.read("key") == b"content"
    assert len(server.asked) == 10
    server.answers = [PASSING[name]] * 2 + [(200, b"", {})]
    store.create("key", b"content")
    assert len(server.asked) == 13


@pytest.mark.parametrize("name", ["slow down", "a conflict of conditional requests"])
def test_without_patience_troubles_of_s3_are_told_as_such(server: Server, name: str):
    server.answers = [PASSING[name]]
    with pytest.raises(Unreachable, match="key in the store s3://bucket/prefix"):
        S3Store("s3://bucket/prefix").create("key", b"content")


@pytest.mark.parametrize("name", FINAL)
def test_what_will_not_pass_is_told_at_once(server: Server, name: str):
    answer, error = FINAL[name]
    server.answers = [answer]
    with pytest.raises(error) as caught:
        S3Store("s3://bucket/prefix", patience=patience()).read("key")
    assert not isinstance(caught.value, Unreachable)
    assert len(server.asked) == 1


def test_a_create_whose_answer_was_lost_is_known_as_our_own(server: Server):
    store = S3Store("s3://bucket/prefix", patience=patience())
    server.answers = [
        *[failing(503, "SlowDown")] * 8,
        failing(412, "PreconditionFailed"),
        (200, b"content", {}),
    ]
    store.create("key", b"content")
    server.answers = [failing(412, "PreconditionFailed"), (200, b"somebody else's", {})]
    with pytest.raises(AlreadyExists):
        store.create("key", b"content")


def test_a_body_that_is_cut_is_read_again(server: Server):
    cut = (200, b"con", {"Content-Length": "7"})
    server.answers = [cut, (206, b"tent", {"Content-Range": "bytes 3-6/7"}), (200, b"content", {})]
    assert S3Store("s3://bucket/prefix", patience=patience()).read("key") == b"content"


def test_a_store_that_cannot_be_reached_is_told_so(monkeypatch: pytest.MonkeyPatch, server: Server):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    with pytest.raises(Unreachable):
        S3Store("s3://bucket/prefix").read("key")


# -- web servers -------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", [429, 500, 503])
def test_a_web_server_is_waited_for(server: Server, code: int):
    server.answers = [(code, b"", {})] * 7 + [(200, b"content", {})]
    file = io.BytesIO()
    WebFile(f"{server.address}/file", patience()).download(file)
    assert file.getvalue() == b"content"
    assert len(server.asked) == 8


def test_a_web_server_is_left_alone_for_as_long_as_it_asks(server: Server):
    pauses: list[float] = []
    waits = Patience(600, sleep=pauses.append)
    server.answers = [(503, b"", {"Retry-After": "120"}), (200, b"content", {})]
    WebFile(f"{server.address}/file", waits).download(io.BytesIO())
    assert pauses == [120.0]


def test_a_web_server_that_wants_to_be_left_alone_for_longer_is_not_waited_for(server: Server):
    server.answers = [(503, b"", {"Retry-After": "3600"})]
    with pytest.raises(StoreError, match="503"):
        WebFile(f"{server.address}/file", patience())
    assert len(server.asked) == 1


def test_a_download_that_takes_long_before_it_is_cut_is_begun_again(server: Server):
    """More than once, though each try takes longer than the patience."""
    clock = Clock()

    def slow() -> float:
        clock.now += 1000
        return clock.now

    server.answers = [(200, b"con", {"Content-Length": "7"})] * 3 + [(200, b"content", {})]
    file = io.BytesIO()
    waits = Patience(600, sleep=clock.sleep, clock=slow)
    WebFile(f"{server.address}/file", waits).download(file)
    assert file.getvalue() == b"content"


@pytest.mark.parametrize("address", ["http://host:port/x", "http://[::1/x", "http://a b/x"])
def test_an_address_that_is_none_is_told_at_once(address: str):
    clock = Clock()
    with pytest.raises(StoreError):
        WebFile(address, Patience(600, sleep=clock.sleep))
    assert clock.pauses == []


def test_trouble_with_a_file_of_this_machine_is_no_trouble_of_the_server(server: Server, tmp_path: Path):
    server.answers = [(200, b"content", {})]
    remote = WebFile(f"{server.address}/file", patience())
    with open("/dev/full", "wb", buffering=0) as full, pytest.raises(OSError, match=r"Errno"):
        remote.download(full)
    assert len(server.asked) == 1


def test_a_missing_file_of_a_web_server_is_told_at_once(server: Server):
    server.answers = [(404, b"", {})]
    with pytest.raises(NotFound):
        WebFile(f"{server.address}/file", patience())
    assert len(server.asked) == 1


# -- the loop ----------------------------------------------------------------------------------------


class Clock:
    def __init__(self) -> None:
        self.now = 0.0
        self.pauses: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds


def always_failing() -> None:
    raise Passing(ConnectionError("no answer"))


def test_pauses_grow_differ_and_end_and_what_is_waited_for_is_said_once():
    clock, said = Clock(), []
    waits = Patience(600, sleep=clock.sleep, clock=lambda: clock.now, say=said.append)
    with pytest.raises(ConnectionError, match="no answer"):
        waits.call("the store", always_failing)
    assert clock.now == 600
    assert len(set(clock.pauses)) > 20
    assert max(clock.pauses) <= 20
    assert clock.pauses[0] <= 0.5
    [line] = said
    assert line.startswith("the store: trying again for up to 10 min: no answer")


def test_what_new_credentials_do_not_mend_is_told_soon_though_patience_has_no_end():
    clock = Clock()

    def expired() -> None:
        raise Passing(ConnectionError("ExpiredToken"), brief=True)

    with pytest.raises(ConnectionError, match="ExpiredToken"):
        Patience(float("inf"), sleep=clock.sleep, clock=lambda: clock.now).call("the store", expired)
    assert clock.now == 15


def test_retry_after_is_a_number_or_a_date():
    assert retry_after("7") == 7
    assert retry_after("Wed, 21 Oct 2015 07:28:00 GMT", now=1445412450.0) == 30
    assert retry_after("Wed, 21 Oct 2015 07:28:00 GMT") == 0
    for nothing in (None, "", "soon", "-3"):
        assert retry_after(nothing) == 0


@pytest.mark.parametrize("size", [0, 1, 16 << 20, 160 << 30, 5 << 40])
def test_parts_grow_so_that_ten_thousand_hold_any_object(size: int):
    part = Parts().size(size)
    assert -(-size // part) <= 10_000
    assert 16 << 20 <= part <= 5 << 30
    assert Parts().size(100 << 20) == 16 << 20


def test_an_object_of_many_parts_is_stored_whole(bucket: str, tmp_path: Path):
    path = tmp_path / "large"
    path.write_bytes(bytes(range(256)) * (40 << 12))
    store = S3Store(f"s3://{bucket}/prefix", patience=patience())
    store.put_file("large", path)
    store.get_file("large", tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == path.read_bytes()
