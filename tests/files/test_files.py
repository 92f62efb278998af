"""Files of inputs: downloaded once a host, cached, bounded; over a real S3 server and a web server."""

import hashlib
import http.server
import os
import subprocess
import sys
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


@pytest.mark.parametrize("address", ["ftp://x/y", "gs://bucket/key", "://x"])
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
    with pytest.raises(StoreError, match=r"cannot be read: .*NoSuchBucket|there is no such file") as error:
        File("s3://nobodys-bucket-at-all/x").as_local()
    assert "\n" not in str(error.value)
    with pytest.raises(KeyError, match="sample a has no file 'bam'; it has: cram"):
        Sample(id="a", files={"cram": "x"}).file("bam")
    assert entries(cache) == []


class Website:
    """A web server of this machine."""

    def __init__(self) -> None:
        self.requests: list[str] = []
        self.pages: dict[str, bytes] = {}
        """By the path that is asked, query and all."""
        self.headers: dict[str, str] = {"ETag": '"1"'}
        self.cut = 0
        """How many of the next answers end in their middle."""
        self.busy = 0
        """How many of the next requests are answered with 503."""
        site = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                site.requests.append(f"{self.command} {self.path}")
                if site.busy:
                    site.busy -= 1
                    self.send_error(503)
                elif self.path in site.pages:
                    self._send(site.pages[self.path])
                else:
                    self.send_error(403 if "signature=wrong" in self.path else 404)

            def _send(self, page: bytes) -> None:
                self.send_response(200)
                if "Transfer-Encoding" not in site.headers:
                    self.send_header("Content-Length", str(len(page)))
                for name, value in site.headers.items():
                    self.send_header(name, value)
                self.end_headers()
                if site.cut:
                    site.cut -= 1
                    page = page[: len(page) // 2]
                self.wfile.write(page)

            def log_message(self, format: str, *arguments: object) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def website(home: Path, cache: Path) -> Iterator[Website]:
    site = Website()
    yield site
    site.close()


def test_a_file_of_a_web_server_is_fetched_by_one_request(website: Website):
    website.pages["/table.csv"] = b"a,b\n"
    assert File(f"{website.address}/table.csv").as_local().read_text() == "a,b\n"
    assert website.requests == ["GET /table.csv"]


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/get?sample=A", "get"),
        ("/a%20b.txt", "a b.txt"),
        ("/x/%2e%2e", "file"),
        ("/", "file"),
        ("/table.csv?signature=right&x=%2F", "table.csv"),
    ],
)
def test_an_address_is_asked_for_as_it_is(website: Website, path: str, name: str):
    website.pages[path] = path.encode()
    local = File(f"{website.address}{path}").as_local()
    assert local.read_text() == path
    assert local.name == name


def test_a_copy_is_used_again_until_the_server_has_another_version(website: Website):
    website.pages["/a"] = b"one"
    first = File(f"{website.address}/a").as_local()
    website.pages["/a"] = b"two"
    assert first.read_text() == "one"
    read = (
        "import sys; from gencove_explorer.models import File; "
        "print(File(sys.argv[1]).as_local().read_text())"
    )

    def elsewhere() -> str:
        command = [sys.executable, "-c", read, f"{website.address}/a"]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    assert elsewhere() == "one"
    website.headers["ETag"] = '"2"'
    assert elsewhere() == "two"
    del website.headers["ETag"]  # nothing tells whether it has changed: it may have
    website.pages["/a"] = b"six"
    assert elsewhere() == "six"
    website.pages["/a"] = b"ten"
    assert elsewhere() == "ten"


def test_secondary_files_of_an_address_with_a_query_keep_it(website: Website):
    website.pages |= {"/x.bam?v=1": b"bam", "/x.bam.bai?v=1": b"bai"}
    path = File(f"{website.address}/x.bam?v=1", [".bai"]).as_local()
    assert (path.name, path.read_bytes()) == ("x.bam", b"bam")
    assert Path(f"{path}.bai").read_bytes() == b"bai"
    website.pages |= {"/": b"", "/.": b""}
    with pytest.raises(StoreError, match="would have one name beside each other, file"):
        File(f"{website.address}/", ["."]).as_local()


def test_a_scheme_may_be_in_capitals_and_a_password_is_kept_nowhere(website: Website):
    website.pages["/a"] = b"x"
    address = website.address.replace("http", "HTTP")
    assert File(f"{address}/a").as_local().read_bytes() == b"x"
    with pytest.raises(StoreError, match="an address with a password in it") as refused:
        File(website.address.replace("://", "://me:secret@"))
    assert "secret@" not in str(refused.value)


def test_a_process_may_hold_more_files_than_it_may_open_at_first(website: Website):
    website.pages |= {f"/{number}": b"x" for number in range(30)}
    code = (
        "import resource, sys; from gencove_explorer.models import File\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (24, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))\n"
        "print(sum(File(f'{sys.argv[1]}/{n}').as_local().exists() for n in range(30)))"
    )
    done = subprocess.run([sys.executable, "-c", code, website.address], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("30\n", "")


def test_a_bad_moment_of_a_server_is_ridden_out(website: Website):
    website.pages["/a"] = os.urandom(3 << 20)
    website.busy, website.cut = 1, 1
    assert File(f"{website.address}/a").as_local().read_bytes() == website.pages["/a"]
    assert len(website.requests) == 3


def test_a_file_whose_server_tells_no_size_is_fetched_whole(website: Website):
    website.headers["Connection"] = "close"
    website.headers["Transfer-Encoding"] = "identity"
    website.pages["/a"] = os.urandom(3 << 20)
    assert File(f"{website.address}/a").as_local().read_bytes() == website.pages["/a"]


def test_what_a_web_server_refuses_is_said_in_a_line_without_the_query(website: Website, cache: Path):
    address = f"{website.address}/a?signature=wrong"
    with pytest.raises(StoreError) as refused:
        File(address).as_local()
    assert str(refused.value) == f"{website.address}/a cannot be read: HTTP Error 403: Forbidden"
    with pytest.raises(StoreError, match=r"^http://127.0.0.1:\d+/none: there is no such file$"):
        File(f"{website.address}/none").as_local()
    with pytest.raises(StoreError, match=r"'http:///a' names no file"):
        File("http:///a").as_local()
    assert entries(cache) == []


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
