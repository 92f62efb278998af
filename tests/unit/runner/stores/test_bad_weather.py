"""Stores on S3 while that has bad moments: a proxy in front of a real server throttles, cuts and loses."""

import json
import os
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from explorer_runner.errors import AlreadyExists, NotFound, StoreError, Unreachable
from explorer_runner.stores import credentials as helpers
from explorer_runner.stores.base import Store
from explorer_runner.stores.s3 import Parts, S3Store
from explorer_runner.stores.uri import open_store
from explorer_runner.system.patience import Patience
from support.weather import Weather, serve_weather

SLOW_DOWN = (503, "SlowDown")
PASSING = [
    SLOW_DOWN,
    (500, "InternalError"),
    (429, "TooManyRequests"),
    (409, "ConditionalRequestConflict"),
    (400, "RequestTimeout"),
    (400, "ExpiredToken"),
    ("drop", ""),
    ("lose", ""),
]
MANY = 14
"""As often as S3 was seen to fail a job for good."""
MIB = 1 << 20


def quick(seconds: float = 60.0) -> Patience:
    return Patience(seconds, first=0.002, longest=0.004, say=lambda line: None)


@pytest.fixture
def weather(make_bucket: Callable[[str], str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Weather]:
    """The way to moto, which the environment names; ``name`` is a bucket there."""
    bucket = make_bucket("moto")
    with serve_weather(os.environ["AWS_ENDPOINT_URL"]) as sky:
        monkeypatch.setenv("AWS_ENDPOINT_URL", sky.address)
        monkeypatch.setenv("TEST_STORE", f"s3://{bucket}/prefix")
        yield sky


@pytest.fixture
def store(weather: Weather) -> Store:
    return open_store(os.environ["TEST_STORE"], patience=quick())


@pytest.mark.parametrize(("kind", "code"), PASSING)
def test_every_request_is_made_again_until_it_succeeds(
    store: Store, weather: Weather, tmp_path: Path, kind: int | str, code: str
):
    file = tmp_path / "file"
    file.write_bytes(b"content")

    def fail() -> None:
        weather.expect(kind, MANY, code)

    fail()
    store.create("p/k", b"created")
    for expected, request in (
        (b"created", lambda: store.read("p/k")),
        (b"eat", lambda: store.read_range("p/k", 2, 3)),
        (True, lambda: store.exists("p/k")),
        (["k"], lambda: store.list_names("p")),
        (["p"], lambda: store.list_folders("")),
        (None, lambda: store.put_file("p/kept", file)),
        (None, lambda: store.get_file("p/kept", tmp_path / "back")),
        (None, lambda: store.delete("p/k")),
        (None, lambda: store.delete_tree("p")),
    ):
        fail()
        assert request() == expected
    assert (tmp_path / "back").read_bytes() == b"content"
    assert weather.took(kind) == 10 * MANY


def test_what_is_final_is_asked_once(store: Store, weather: Weather):
    for kind, code in ((403, "AccessDenied"), (400, "InvalidRequest")):
        weather.expect(kind, 1, code)
        with pytest.raises(StoreError, match=f"k in the store {store.uri}: .*{code}") as refused:
            store.read("k")
        assert not isinstance(refused.value, Unreachable | NotFound)
        assert weather.took(kind) == 1


def test_patience_ends_with_what_s3_said(weather: Weather):
    store = open_store(os.environ["TEST_STORE"], patience=quick(0.05))
    weather.expect(*[503, 10_000, "SlowDown"])
    with pytest.raises(Unreachable, match=r"k in the store s3://.*503 .*SlowDown") as caught:
        store.read("k")
    assert "was asked again and again for 0 s; at last: HTTP status 503" in str(caught.value)
    assert "It may pass: do it again in some minutes. explorer doctor" in str(caught.value)
    with pytest.raises(Unreachable, match=r"SlowDown") as caught:
        open_store(os.environ["TEST_STORE"], patience=quick(0.0)).read("k")
    assert "It may pass" not in str(caught.value)  # who does not wait comes again by itself


def test_an_object_is_created_once_though_its_answer_was_lost(store: Store, weather: Weather):
    weather.expect("lose", 1, method="PUT")
    store.create("k", b"ours")
    with pytest.raises(AlreadyExists, match=f"k is in the store {store.uri} already"):
        store.create("k", b"theirs")
    weather.expect(409, 3, "ConditionalRequestConflict", method="PUT")
    with pytest.raises(AlreadyExists):
        store.create("k", b"theirs")
    assert store.read("k") == b"ours"


def test_a_download_goes_on_where_it_was_cut(store: Store, weather: Weather, tmp_path: Path):
    data = os.urandom(MIB) * 8
    store.create("k", data)
    weather.expect("cut", 5, method="GET")
    store.get_file("k", tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == data
    assert weather.took("cut") == 5


def test_a_server_that_is_not_there_is_waited_for_and_named(
    weather: Weather, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    with pytest.raises(Unreachable, match=r"error sending request \(Connection refused\)"):
        open_store(os.environ["TEST_STORE"], patience=quick(0.01)).read("k")


# -- parts of uploads ---------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [0, 1, 16 * MIB, 160_000 * MIB, 160_000 * MIB + 1, 5 << 40, 48 << 40])
def test_parts_are_as_many_as_s3_takes(size: int):
    part = Parts().size(size)
    assert -(-size // part) <= 10_000
    assert part >= 16 * MIB
    assert part == 16 * MIB or size > 160_000 * MIB
    assert part <= 5 << 30


def test_a_large_file_has_fewer_and_larger_parts(weather: Weather, tmp_path: Path):
    data = os.urandom(MIB) * 17 + b"end"
    (tmp_path / "large").write_bytes(data)
    store = S3Store(os.environ["TEST_STORE"], patience=quick(), parts=Parts(least=5 * MIB, most=2))
    weather.expect(503, 5, "SlowDown", path="partNumber=2")
    weather.expect("lose", 1, method="POST", path="uploadId")
    store.put_file("k", tmp_path / "large")
    assert store.read("k") == data
    assert {size for size in weather.sizes if size > MIB} == {9 * MIB, 8 * MIB + 3}
    assert weather.took(503) == 5


# -- credentials --------------------------------------------------------------------------------------


@pytest.fixture
def container(weather: Weather, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Weather]:
    """The credentials endpoint of a container, as ECS has it."""
    (tmp_path / "token").write_text("token")
    monkeypatch.setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", str(tmp_path / "token"))
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    with serve_weather() as endpoint:
        facts = {"AccessKeyId": "test", "SecretAccessKey": "test", "Token": "t"}
        endpoint.page = json.dumps({**facts, "Expiration": "2099-01-01T00:00:00Z"}).encode()
        monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"{endpoint.address}/credentials")
        yield endpoint


@pytest.mark.parametrize("kind", [429, 500, 503, "drop", "cut"])
def test_a_throttled_credentials_endpoint_is_asked_again(container: Weather, store: Store, kind: int | str):
    container.expect(kind, MANY)
    store.create("k", b"x")
    assert container.took(kind) == MANY


def test_credentials_that_have_expired_are_asked_for_anew(container: Weather, weather: Weather, store: Store):
    store.create("k", b"x")
    weather.expect(400, 1, "ExpiredToken")
    assert store.read("k") == b"x"
    assert len(container.requests) == 2


def test_credentials_that_stay_expired_are_an_error_soon(weather: Weather):
    naps: list[float] = []
    patience = Patience(3600, sleep=naps.append, clock=lambda: sum(naps), say=lambda line: None)
    store = open_store(os.environ["TEST_STORE"], patience=patience)
    weather.expect(400, 10_000, "ExpiredToken")
    with pytest.raises(Unreachable, match=r"ExpiredToken"):
        store.read("k")
    assert sum(naps) == pytest.approx(15)


def test_the_submitters_python_is_asked_again(
    weather: Weather, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    tries = tmp_path / "tries"
    python = tmp_path / "python"
    found = json.dumps({"access_key_id": "a", "secret_access_key": "s", "token": None, "region": None})
    python.write_text(
        f"#!/bin/sh\necho >>{tries}\n"
        f"[ $(wc -l <{tries}) -gt 3 ] || {{ echo throttled >&2; exit {helpers.AGAIN}; }}\n"
        f"echo '{found}'\n"
    )
    python.chmod(0o755)
    monkeypatch.setenv(helpers.HELPER, str(python))
    store.create("k", b"x")
    assert len(tries.read_text()) == 4


def test_a_bad_moment_of_whoever_gives_credentials_is_told_from_none(
    weather: Weather, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    import subprocess

    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("HOME", str(tmp_path))
    command = [sys.executable, "-m", "gencove_explorer.aws.credentials"]
    assert subprocess.run(command, capture_output=True).returncode == 1
    with serve_weather() as endpoint:
        endpoint.expect(503, 100)
        monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"{endpoint.address}/credentials")
        assert subprocess.run(command, capture_output=True).returncode == helpers.AGAIN


def test_many_that_are_refused_at_once_all_come_through(store: Store, weather: Weather):
    store.create("k", b"x")
    weather.expect(503, 200, "SlowDown")
    with_all = [threading.Thread(target=store.read, args=("k",)) for _ in range(8)]
    for each in with_all:
        each.start()
    for each in with_all:
        each.join()
    assert weather.took(503) == 200
