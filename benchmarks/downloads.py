"""What a shared file costs: the first job that reads it, and later ones."""

import os
import shutil
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

from benchmarks.harness import fresh_folder, fresh_home, median_of, python, result, timed

SIZE = 1 << 30


def download() -> dict[str, Any]:
    """``File.as_local()`` of 1 GB, in seconds; the floor is a plain copy of the same bytes to a file.

    Both come from one S3 server on this machine. ``cached`` is what a later job waits for.
    """
    sys.path.insert(0, os.fspath(Path(__file__).parent.parent / "tests"))
    from support.servers import serve_seaweedfs

    with serve_seaweedfs(fresh_folder()) as address, fresh_home():
        os.environ.update(
            AWS_ENDPOINT_URL=address,
            AWS_ACCESS_KEY_ID="test",
            AWS_SECRET_ACCESS_KEY="test",
            AWS_REGION="us-east-1",
            AWS_DEFAULT_REGION="us-east-1",
        )
        uri = _upload()
        from gencove_explorer import models

        url = models.File(uri).url()
        plain = median_of(3, lambda: timed(lambda: _copy(url))[0])
        first = median_of(3, lambda: _fetch(uri)[0])
        later = median_of(3, lambda: _fetch(uri)[1])
    return result("download", first, "s", plain, cached=round(later, 3), mb=SIZE >> 20)


def _upload() -> str:
    import boto3
    from boto3.s3.transfer import TransferConfig
    from botocore.exceptions import ClientError

    path = fresh_folder() / "large"
    block = os.urandom(1 << 20)
    with path.open("wb") as file:
        for number in range(SIZE >> 20):
            file.write(number.to_bytes(8, "big") + block[8:])
    client = boto3.client("s3")
    for _ in range(60):
        try:
            client.create_bucket(Bucket="benchmark")
            break
        except ClientError:
            time.sleep(0.5)  # it has only just started
    client.upload_file(str(path), "benchmark", "large", Config=TransferConfig(multipart_chunksize=16 << 20))
    path.unlink()
    return "s3://benchmark/large"


def _copy(url: str) -> None:
    target = fresh_folder() / "copy"
    with urllib.request.urlopen(url) as answer, target.open("wb") as file:
        shutil.copyfileobj(answer, file, 1 << 20)
    target.unlink()


def _fetch(uri: str) -> tuple[float, float]:
    """Seconds of ``as_local`` in the first process that uses a file, and in the second."""
    cache = fresh_folder()
    os.environ["EXPLORER_CACHE"] = os.fspath(cache)
    code = "import sys, time; from gencove_explorer.models import File; begin = time.perf_counter()\n"
    code += "path = File(sys.argv[1]).as_local(); print(time.perf_counter() - begin)"
    first, later = float(python(code, uri)), float(python(code, uri))
    shutil.rmtree(cache)  # as the plain copy is: neither waits for the other's bytes to reach the disk
    return first, later
