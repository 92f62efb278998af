"""Downloads from an index that wants a password, fails now and then, or sends something else."""

import hashlib
import os
import socket
import threading
from pathlib import Path

import pytest

from explorer_runner.errors import PackageError
from gencove_explorer.packages.downloads import download
from gencove_explorer.packages.indexes import Indexes
from support.package_index import Index, make_wheel


@pytest.fixture
def wheel(index: Index, tmp_path: Path) -> tuple[str, str]:
    """Address and SHA-256 of a file in the index."""
    file = make_wheel("lab", tmp_path)
    sha256 = hashlib.sha256(file.read_bytes()).hexdigest()
    index.add(file)
    return f"{index.url}/lab/{file.name}", sha256


def test_a_file_comes_with_its_digest_checked(index: Index, wheel: tuple[str, str], tmp_path: Path):
    url, sha256 = wheel
    sizes: list[int] = []
    indexes = Indexes({"UV_INDEX": index.private_url}, tmp_path)
    assert download(url, tmp_path / "got", sha256, indexes, sizes.append) == sha256
    assert sum(sizes) == (tmp_path / "got").stat().st_size
    with pytest.raises(PackageError, match="is not what the index promised"):
        download(url, tmp_path / "got", "0" * 64, indexes, sizes.append)


def test_netrc_is_read(index: Index, wheel: tuple[str, str], tmp_path: Path, no_indexes: Indexes):
    netrc = tmp_path / "netrc"
    netrc.write_text(f"machine 127.0.0.1 login {Index.USER} password {Index.PASSWORD}\n")
    netrc.chmod(0o600)
    indexes = Indexes({**no_indexes.environment, "NETRC": str(netrc)}, tmp_path)
    assert download(*wheel[:1], tmp_path / "got", wheel[1], indexes, lambda size: None) == wheel[1]


def test_a_refusal_says_where_to_put_the_password(
    wheel: tuple[str, str], tmp_path: Path, no_indexes: Indexes
):
    with pytest.raises(PackageError, match=r"is refused \(401\): put user and password"):
        download(wheel[0], tmp_path / "got", None, no_indexes, lambda size: None)


def test_a_server_that_fails_for_a_while_is_asked_again(index: Index, wheel: tuple[str, str], tmp_path: Path):
    index.failures = 2
    indexes = Indexes({"UV_INDEX": index.private_url}, tmp_path)
    assert download(wheel[0], tmp_path / "got", wheel[1], indexes, lambda size: None) == wheel[1]
    with pytest.raises(PackageError, match=r"cannot be downloaded.*404"):
        download(f"{index.url}/lab/absent.whl", tmp_path / "got", None, indexes, lambda size: None)


def test_a_connection_that_ends_early_is_no_file(tmp_path: Path, no_indexes: Indexes):
    server = socket.create_server(("127.0.0.1", 0))
    answered = []

    def answer() -> None:
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            with connection:
                connection.recv(65536)
                body = b"ab" if len(answered) < 1 else b"abcd"
                answered.append(body)
                connection.sendall(b"HTTP/1.0 200 OK\r\nContent-Length: 4\r\n\r\n" + body)

    threading.Thread(target=answer, daemon=True).start()
    try:
        url = f"http://127.0.0.1:{server.getsockname()[1]}/x.whl"
        download(url, tmp_path / "got", None, no_indexes, lambda size: None)
    finally:
        server.close()
    assert (tmp_path / "got").read_bytes() == b"abcd"
    assert answered == [b"ab", b"abcd"]


def test_other_schemes_are_refused(tmp_path: Path, no_indexes: Indexes):
    with pytest.raises(PackageError, match="use an http or https address"):
        download(f"file://{os.devnull}", tmp_path / "got", None, no_indexes, lambda size: None)
