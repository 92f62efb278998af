"""Files of inputs: downloaded once a host, cached, bounded; over a real S3 server and a web server."""

import functools
import hashlib
import http.server
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import boto3
import pytest

from gencove_explorer.analysis import Analysis, JobDefinition
from gencove_explorer.errors import StoreError
from gencove_explorer.models import File, Sample

SMALL = JobDefinition(cpu=1, memory_mb=500)
LARGE = 50 << 20


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "cache"
    monkeypatch.setenv("EXPLORER_CACHE", str(folder))
    return folder


def put(bucket: str, key: str, data: bytes) -> str:
    client = boto3.client("s3")
    client.put_object(Bucket=bucket, Key=key, Body=data)
    client.close()
    return f"s3://{bucket}/{key}"


def entries(cache: Path) -> list[str]:
    return sorted(path.name for path in cache.glob("*/*"))


def test_a_path_is_itself(tmp_path: Path):
    (tmp_path / "a.fa").write_text("x")
    assert File(str(tmp_path / "a.fa")).as_local() == tmp_path / "a.fa"
    assert File(f"file://{tmp_path}/a.fa").as_local().read_text() == "x"
    assert File(str(tmp_path / "a.fa")).url() == f"file://{tmp_path}/a.fa"
    with pytest.raises(StoreError, match=r"a\.fa\.fai: there is no such file"):
        File(str(tmp_path / "a.fa"), [".fai"]).as_local()
    with pytest.raises(TypeError, match="use a list"):
        File("a.fa", ".fai")


def test_paths_of_pathlib_are_addresses_too(tmp_path: Path):
    path = tmp_path / "a.fa"
    assert File(path) == File(str(path))
    assert Sample(id="a", files={"fa": path}) == Sample(id="a", files={"fa": str(path)})
    for plain in ("a:b", "C:\\a.fa", "s3:/x", "a//b"):  # names of files, all of them
        assert File(plain).uri == plain


@pytest.mark.parametrize("given", [3, None, float("nan"), b"a.fa", ["a.fa"]])
def test_what_is_no_address_is_refused_where_it_is_given(given: object):
    with pytest.raises(TypeError, match=r"^File: uri=.*: use text: s3://bucket/key, an http"):
        File(given)
    with pytest.raises(TypeError, match=r"^Sample NO: files\['bam'\]=.*: use text"):
        Sample(id="NO", files={"bam": given})
    with pytest.raises(TypeError, match="use a dictionary"):
        Sample(id="NO", files=given)


@pytest.mark.parametrize("address", ["ftp://x/y", "gs://bucket/key", "S3://bucket/key", "://x"])
def test_what_jobs_cannot_read_is_refused_before_there_are_any(address: str):
    with pytest.raises(StoreError, match=r"^File: uri=.*:// cannot be read, use"):
        File(address)
    with pytest.raises(StoreError, match=r"^Sample NO: files\['bam'\]="):
        Sample(id="NO", files={"bam": address})


def test_a_large_file_comes_in_parts_and_is_read_only(home: Path, bucket: str, cache: Path):
    data = os.urandom(1 << 20) * (LARGE >> 20) + b"the end"
    file = File(put(bucket, "deep/large file.bin", data))
    path = file.as_local()
    assert path.name == "large file.bin"
    assert hashlib.sha256(path.read_bytes()).digest() == hashlib.sha256(data).digest()
    assert path.stat().st_mode & 0o777 == 0o400
    assert File(file.uri).as_local() == path
    assert cache.stat().st_mode & 0o777 == 0o700


def test_secondary_files_lie_beside_it_and_empty_ones_too(home: Path, bucket: str, cache: Path):
    uri = put(bucket, "ref.fa", b"ACGT")
    put(bucket, "ref.fa.fai", b"")
    path = File(uri, [".fai"]).as_local()
    assert path.read_bytes() == b"ACGT"
    assert Path(f"{path}.fai").read_bytes() == b""
    with pytest.raises(StoreError, match=r"ref\.fa\.gzi: there is no such file"):
        File(uri, [".fai", ".gzi"]).as_local()


def test_a_changed_object_is_fetched_anew(home: Path, bucket: str, cache: Path):
    before = File(put(bucket, "x.txt", b"before")).as_local()
    after = File(put(bucket, "x.txt", b"after"), []).as_local()
    assert before == after  # this process uses it: what it has does not change under it

    def read(ac):
        ac.output.value("text", ac.input.as_local().read_text())

    an = Analysis(function=read, input=File(f"s3://{bucket}/x.txt"), job_definition=SMALL)
    an.run()
    an.wait_done(timeout=60)
    assert an.values("text") == ["after"]


def test_addresses_that_need_no_credentials(home: Path, bucket: str, cache: Path):
    import urllib.request

    url = File(put(bucket, "x.txt", b"signed")).url(seconds=60)
    with urllib.request.urlopen(url) as answer:
        assert answer.read() == b"signed"


def test_mistakes_say_what_is_wrong(home: Path, bucket: str, cache: Path):
    with pytest.raises(StoreError, match="there is no such file"):
        File(f"s3://{bucket}/nothing").as_local()
    with pytest.raises(StoreError, match="names no file"):
        File(f"s3://{bucket}").as_local()
    with pytest.raises(KeyError, match="sample a has no file 'bam'; it has: cram"):
        Sample(id="a", files={"cram": "x"}).file("bam")
    assert entries(cache) == []


@pytest.fixture
def website(tmp_path: Path) -> Iterator[tuple[str, list[str]]]:
    """Address of a web server, and the requests that it got."""
    folder = tmp_path / "site"
    folder.mkdir()
    (folder / "table.csv").write_text("a,b\n")
    requests: list[str] = []

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_request(self, code: object = "-", size: object = "-") -> None:
            requests.append(self.command)

    server = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(Handler, directory=str(folder))
    )
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", requests
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_file_of_a_web_server(home: Path, website: tuple[str, list[str]], cache: Path):
    address, _ = website
    assert File(f"{address}/table.csv").as_local().read_text() == "a,b\n"


def test_twenty_jobs_share_one_download(home: Path, bucket: str, cache: Path):
    data = os.urandom(1 << 20) * 40
    shared = File(put(bucket, "reference.bin", data))

    def read(ac):
        path = ac.input["file"].as_local()
        ac.output.value("inode", path.stat().st_ino)
        ac.output.value("size", path.stat().st_size)

    jobs = [{"file": shared, "n": n} for n in range(20)]
    an = Analysis(function=read, input=jobs, job_definition=SMALL)
    an.run()
    an.wait_done(timeout=120)
    assert an.status()["jobs"] == {"SUCCEEDED": 20}
    assert len(set(an.values("inode"))) == 1
    assert set(an.values("size")) == {len(data)}
    assert entries(cache) == ["reference.bin"]


def test_a_gigabyte_is_uploaded_in_parts_and_downloaded_once(
    home: Path, make_bucket: Callable[[str], str], cache: Path, monkeypatch: pytest.MonkeyPatch
):
    bucket = make_bucket("seaweedfs")
    monkeypatch.setenv("EXPLORER_STORE", f"s3://{bucket}/team")

    def write(ac):
        block = bytes(range(256)) * 4096
        with open(ac.output.file("large.bin").as_local(), "wb") as file:
            for number in range(1024):
                file.write(number.to_bytes(8, "big") + block[8:])

    def read(ac):
        path = ac.input["file"].as_local()
        with open(path, "rb") as file:
            file.seek(ac.input["n"] << 20)
            ac.output.value("number", int.from_bytes(file.read(8), "big"))
        ac.output.value("inode", path.stat().st_ino)

    # Less memory than the file has, for the job and for the parent that uploads.
    an = Analysis(function=write, job_definition=SMALL)
    an.run()
    an.wait_done(timeout=240)
    assert an.status() == {"status": "SUCCEEDED"}, an.failures()
    client = boto3.client("s3")
    [key] = [
        each["Key"]
        for each in client.list_objects_v2(Bucket=bucket, Prefix="team/analyses")["Contents"]
        if each["Key"].endswith("large.bin")
    ]
    client.close()
    shared = File(f"s3://{bucket}/{key}")
    readers = Analysis(
        function=read, input=[{"file": shared, "n": 50 * n} for n in range(20)], job_definition=SMALL
    )
    readers.run()
    readers.wait_done(timeout=240)
    assert readers.values("number") == [50 * n for n in range(20)]
    assert len(set(readers.values("inode"))) == 1
    assert entries(cache) == ["large.bin"]


def test_a_profile_is_enough_and_a_job_has_packages_of_its_own(
    home: Path,
    make_bucket: Callable[[str], str],
    cache: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
):
    uri = put(make_bucket("seaweedfs"), "x.txt", b"with a profile")  # this server checks signatures
    (tmp_path / "credentials").write_text("[lab]\naws_access_key_id = test\naws_secret_access_key = test\n")
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "aws").write_text("[profile lab]\nregion = us-east-1\n")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config" / "aws"))
    monkeypatch.setenv("AWS_PROFILE", "lab")

    def read(ac):
        ac.output.value("text", ac.input.as_local().read_text())

    an = Analysis(function=read, input=File(uri), pip_packages=["iniconfig"], job_definition=SMALL)
    an.run()
    an.wait_done(timeout=60)
    assert an.get_output().value("text") == "with a profile", an.failures()
    assert File(uri).as_local().read_text() == "with a profile"
    monkeypatch.setenv("AWS_PROFILE", "absent")
    an = Analysis(function=read, input=File(uri), job_definition=SMALL)
    an.run()
    an.wait_done(timeout=60)
    assert "no AWS credentials: The config profile (absent)" in an.status()["reason"]
