"""The Store protocol, kept alike by a folder and by S3."""

import os
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from explorer_runner.errors import AlreadyExists, NotFound, StoreError
from explorer_runner.stores.base import Store
from explorer_runner.stores.uri import open_store

ODD = """a+b é e\u0301 100% a%20b x+y c#d q?x a&b <t> ~h [x] {y} 'q' "d" a*b a^b a|b a=b a:b a;b a,b a@b $x -x
.hidden dot. a`b 日本 😀 (z) ! _"""
ODD_NAMES = [*ODD.split(), "a b", " lead", "trail ", "x\u2028y", "x" * 240]
BIG = os.urandom(1 << 20) * 18  # more than a part of an upload


@pytest.fixture
def store(store_uri: str) -> Store:
    return open_store(store_uri)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "file"
    path.write_bytes(b"content")
    return path


@pytest.mark.parametrize("data", [b"", b"x", bytes(range(256)), BIG], ids=["empty", "small", "binary", "big"])
def test_what_is_created_is_read_back(store: Store, data: bytes):
    store.create("a/b/k", data)
    assert store.read("a/b/k") == data
    assert store.exists("a/b/k")


def test_an_object_is_created_once(store: Store):
    store.create("k", b"first")
    with pytest.raises(AlreadyExists, match=f"k is in the store {store.uri} already"):
        store.create("k", b"second")
    assert store.read("k") == b"first"


def test_a_missing_object_is_named_with_its_store(store: Store, tmp_path: Path):
    for read in (
        lambda: store.read("a/k"),
        lambda: store.read_range("a/k", 0, 5),
        lambda: store.get_file("a/k", tmp_path / "out"),
    ):
        with pytest.raises(NotFound, match=f"no a/k in the store {store.uri}"):
            read()
    assert not store.exists("a/k")


def test_every_error_is_an_error_of_the_store(store: Store):
    store.create("k", b"")
    with pytest.raises(StoreError, match="k"):
        store.create("k", b"x")
    with pytest.raises(StoreError, match="gone"):
        store.read("gone")


@pytest.mark.parametrize(("offset", "length"), [(0, 10), (0, 1), (9, 1), (3, 4), (0, 0), (10, 0), (8, 5)])
def test_a_range_is_that_part_of_the_object(store: Store, offset: int, length: int):
    store.create("k", b"0123456789")
    assert store.read_range("k", offset, length) == b"0123456789"[offset : offset + length]


def test_names_are_sorted_and_only_those_directly_below(store: Store):
    for key in ("p/b", "p/a", "p/10", "p/9", "p/deep/x", "pq/c", "p.d", "other"):
        store.create(key, b"")
    assert store.list_names("p") == ["10", "9", "a", "b"]
    assert store.list_names("p/deep") == ["x"]
    assert store.list_folders("p") == ["deep"]
    assert store.list_names("nothing") == store.list_folders("nothing") == store.list_names("p/a") == []


def test_names_after_one_are_those_that_sort_behind_it(store: Store):
    for name in ("a", "b", "b.1", "b1", "c", "é"):
        store.create(f"p/{name}", b"")
    store.create("p/b/below", b"") if store.local_path("p/b") is None else None
    assert store.list_names("p", after="b") == ["b.1", "b1", "c", "é"]
    assert store.list_names("p", after="bb") == ["c", "é"]
    assert store.list_names("p", after="0") == ["a", "b", "b.1", "b1", "c", "é"]
    assert store.list_names("p", after="é") == []


def test_more_names_than_fit_one_answer_are_all_listed_and_deleted(store: Store):
    names = [f"{n:04}" for n in range(120)]
    for name in names:
        store.create(f"p/{name}", b"")
    assert store.list_names("p") == names
    assert store.list_names("p", after=names[-3]) == names[-2:]
    store.delete_tree("p")
    assert store.list_names("p") == []


def test_folders_are_sorted(store: Store):
    for key in ("p/b/1", "p/a/1/2", "p/a b/x", "p/10/x", "p/9/x", "p/file"):
        store.create(key, b"")
    assert store.list_folders("p") == ["10", "9", "a", "a b", "b"]


@pytest.mark.parametrize("move", [False, True])
def test_a_file_is_kept(store: Store, file: Path, move: bool):
    store.put_file("a/k", file, move=move)
    assert store.read("a/k") == b"content"
    assert not move or not file.exists() or store.local_path("a/k") is None
    assert move or file.read_bytes() == b"content"


@pytest.mark.parametrize("data", [b"", BIG], ids=["empty", "big"])
def test_files_of_any_size_are_kept_and_fetched(store: Store, file: Path, tmp_path: Path, data: bytes):
    file.write_bytes(data)
    store.put_file("k", file)
    store.get_file("k", tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == data


def test_a_kept_file_does_not_change_with_the_one_it_came_from(store: Store, file: Path):
    store.put_file("k", file)
    file.write_bytes(b"changed")
    assert store.read("k") == b"content"


def test_a_fetched_file_is_a_copy(store: Store, tmp_path: Path):
    store.create("k", b"content")
    store.get_file("k", tmp_path / "back")
    (tmp_path / "back").write_bytes(b"changed")
    assert store.read("k") == b"content"


def test_a_tree_is_deleted_and_its_neighbours_stay(store: Store):
    for key in ("p/a", "p/deep/b", "pq/c", "p.d", "q"):
        store.create(key, b"")
    store.delete_tree("p")
    assert [key for key in ("p/a", "p/deep/b", "pq/c", "p.d", "q") if store.exists(key)] == [
        "pq/c",
        "p.d",
        "q",
    ]
    store.delete_tree("p")
    assert [
        each for each in store.list_folders("p") if store.list_names(f"p/{each}")
    ] == []  # SeaweedFS keeps empty ones
    store.create("p/a", b"again")
    assert store.read("p/a") == b"again"


def test_one_object_is_deleted_and_missing_is_fine(store: Store):
    store.create("p/a", b"")
    store.create("p/b", b"")
    store.delete("p/a")
    store.delete("p/a")
    store.delete("never/was")
    assert store.list_names("p") == ["b"]


def test_keys_with_odd_characters_are_kept_and_listed_as_they_are(store: Store, file: Path, tmp_path: Path):
    for name in ODD_NAMES:
        store.create(f"odd/{name}", name.encode())
        store.create(f"folders/{name}/x", b"")
        assert store.exists(f"odd/{name}")
        assert store.read(f"odd/{name}") == name.encode()
        assert store.read_range(f"odd/{name}", 0, 1) == name.encode()[:1]
    assert store.list_names("odd") == store.list_folders("folders") == sorted(ODD_NAMES)
    assert store.list_names("odd", after="a%20b") == sorted(name for name in ODD_NAMES if name > "a%20b")
    for name in ("a b", "100%", "a%20b", "x+y", "c#d", "é"):
        store.put_file(f"kept/{name}/{name}", file)
        store.get_file(f"kept/{name}/{name}", tmp_path / "back")
        assert (tmp_path / "back").read_bytes() == b"content"
        store.delete(f"odd/{name}")
        assert not store.exists(f"odd/{name}")
        assert store.list_names(f"kept/{name}") == [name]
    store.delete_tree("odd")
    assert store.list_names("odd") == []


def test_similar_keys_are_different_objects(store: Store):
    names = ["a b", "a+b", "a%20b", "a%2520b", "é", "e\u0301", "A", "a"]
    for name in names:
        store.create(f"p/{name}", name.encode())
    assert [store.read(f"p/{name}").decode() for name in names] == names


def test_a_store_is_opened_again_by_its_uri(store: Store):
    store.create("a b/é", b"x")
    again = open_store(store.uri)
    assert again.uri == store.uri
    assert again.read("a b/é") == b"x"


def test_opening_a_store_touches_nothing(tmp_path: Path):
    open_store(str(tmp_path / "new"))
    assert os.listdir(tmp_path) == []
    open_store("s3://no-such-bucket/prefix")


def test_only_a_folder_says_where_objects_lie(store: Store, store_uri: str):
    expected = None if store_uri.startswith("s3://") else Path(store_uri, "a/k")
    assert store.local_path("a/k") == expected


def test_an_s3_store_without_a_prefix_and_one_with_odd_letters(bucket: str):
    for prefix in ("", "/with/a slash/", "/100%/é"):
        store = open_store(f"s3://{bucket}{prefix}")
        store.create("p/k", prefix.encode())
        assert open_store(store.uri).read("p/k") == prefix.encode()
        assert store.list_names("p") == ["k"]
        assert store.uri == f"s3://{bucket}{prefix}".rstrip("/")


@pytest.mark.parametrize("uri", ["s3://", "s3:///prefix"])
def test_an_s3_store_needs_a_bucket(uri: str):
    with pytest.raises(StoreError, match="names no bucket: use s3://bucket/prefix"):
        open_store(uri)


@pytest.mark.parametrize("uri", ["gs://bucket/x", "http://host/x", "S3://bucket"])
def test_another_kind_of_store_is_refused_with_what_there_is(uri: str):
    with pytest.raises(StoreError, match=f"'{uri}' is not a store: use s3://bucket/prefix or a folder"):
        open_store(uri)


def test_a_folder_is_given_as_a_path_or_a_file_uri(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert open_store("store").uri == str(tmp_path / "store")
    assert open_store("~/store").uri == str(tmp_path / "home" / "store")
    assert open_store(f"file://{tmp_path}/store").uri == str(tmp_path / "store")


class Refuses(BaseHTTPRequestHandler):
    """Answers each request with 403, as S3 does without the right to it."""

    def answer(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.send_response(403)
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = answer  # noqa: N815

    def log_message(self, *_: object) -> None:
        pass


def test_a_server_that_refuses_is_an_error_with_store_and_key(
    bucket: str, file: Path, monkeypatch: pytest.MonkeyPatch
):
    with ThreadingHTTPServer(("127.0.0.1", 0), Refuses) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.server_port}")
        store = open_store(f"s3://{bucket}/prefix")
        for attempt in (
            lambda: store.read("p/k"),
            lambda: store.read_range("p/k", 0, 1),
            lambda: store.create("p/k", b""),
            lambda: store.put_file("p/k", file),
            lambda: store.exists("p/k"),
            lambda: store.list_names("p/k"),
            lambda: store.list_folders("p/k"),
            lambda: store.delete("p/k"),
        ):
            with pytest.raises(StoreError, match=f"p/k in the store {store.uri}: ") as refused:
                attempt()
            assert not isinstance(refused.value, NotFound)
        server.shutdown()
