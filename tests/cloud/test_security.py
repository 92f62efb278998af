"""Whoever can write the bucket cannot swap what a submitted job runs; and jobs need little."""

import io
import json
import os
import re
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from cloud.provision import open_client
from cloud.run import RunningCloud
from explorer_runner.keys import inputs_key, payload_key
from explorer_runner.locked import locked_wheels
from gencove_explorer.analysis import Analysis
from gencove_explorer.backend import Backend

DOCS = Path(__file__).parents[2] / "docs" / "aws.md"


def work(ac):
    import mine

    ac.output.value("found", [mine.VALUE, len(ac.input)])


def gate(ac):
    import time

    time.sleep(3)


def package(folder: Path) -> Path:
    (folder / "mine.py").parent.mkdir(parents=True)
    (folder / "mine.py").write_text(f"VALUE = {str(folder)!r}\n")
    (folder / "pyproject.toml").write_text('[project]\nname = "mine"\nversion = "1"\n')
    return folder


def replace_member(raw: bytes, name: str, change: Callable[[bytes], bytes]) -> bytes:
    """An archive with one member changed, whole and readable."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(raw)) as source, zipfile.ZipFile(out, "w") as target:
        for member in source.namelist():
            data = source.read(member)
            target.writestr(member, change(data) if member == name else data)
    return out.getvalue()


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("function", "payload .* is not the one that was submitted"),
        ("lock", "payload .* is not the one that was submitted"),
        ("wheel", "Hash mismatch|lockfile records"),
        ("input", "input of job 1 .* is not the one that was submitted"),
    ],
)
def test_what_was_swapped_in_the_bucket_is_refused(
    cloud_home: Path, cloud: RunningCloud, tmp_path: Path, what: str, said: str
):
    an = Analysis(
        function=work,
        input=["x" * 600_000] * 3,
        pip_packages=[str(package(tmp_path / what))],
        depends_on=[Analysis(function=gate)],
    )
    an.run()
    store = Backend().store
    s3 = open_client("s3", cloud.endpoint)
    prefix = store.uri.removeprefix("s3://explorer/")

    def swap(key: str, change: Callable[[bytes], bytes]) -> None:
        raw = s3.get_object(Bucket="explorer", Key=f"{prefix}/{key}")["Body"].read()
        swapped = change(raw)
        assert swapped != raw
        s3.put_object(Bucket="explorer", Key=f"{prefix}/{key}", Body=swapped)

    if what == "function":
        swap(
            payload_key(an.id, 0),
            lambda raw: replace_member(raw, "function.pkl", lambda data: data + b"."),
        )
    elif what == "lock":
        swap(
            payload_key(an.id, 0),
            lambda raw: replace_member(raw, "pylock.toml", lambda data: data + b"\n"),
        )
    elif what == "wheel":
        lock = Backend().find(an.id).payload().lock
        assert lock is not None
        swap(
            locked_wheels(lock)[0].key,
            lambda raw: replace_member(raw, "mine.py", lambda data: b"VALUE = 7\n"),
        )
    else:
        swap(inputs_key(an.id), lambda raw: raw.replace(b"x", b"y"))
    an.wait_done(timeout=100)
    assert an.status()["jobs"] == {"FAILED": 3}
    assert re.search(said, an.status(1)["reason"], re.DOTALL), an.status(1)


def policies() -> dict[str, dict[str, list[str]]]:
    """The policies of docs/aws.md: heading -> action -> the resources it is allowed on."""
    text = DOCS.read_text()
    found = {}
    for heading, block in re.findall(
        r"^### ([^\n]*)\n.*?^```json\n(.*?)^```$", text, re.DOTALL | re.MULTILINE
    ):
        allowed: dict[str, list[str]] = {}
        for statement in json.loads(block)["Statement"]:
            for action in statement["Action"]:
                allowed.setdefault(action, []).extend(statement["Resource"])
        found[heading] = allowed
    return found


IAM = {
    "GetObject": "s3:GetObject",
    "HeadObject": "s3:GetObject",
    "PutObject": "s3:PutObject",
    "DeleteObject": "s3:DeleteObject",
    "DeleteObjects": "s3:DeleteObject",
    "ListObjectsV2": "s3:ListBucket",
    "HeadBucket": "s3:ListBucket",
    "CreateMultipartUpload": "s3:PutObject",
    "UploadPart": "s3:PutObject",
    "CompleteMultipartUpload": "s3:PutObject",
    "AbortMultipartUpload": "s3:AbortMultipartUpload",
}
"""S3's requests by what allows them
(https://docs.aws.amazon.com/AmazonS3/latest/userguide/using-with-s3-policy-actions.html)."""


def action(asked: dict[str, str]) -> str:
    return IAM[asked["action"]] if asked["service"] == "s3" else f"{asked['service']}:{asked['action']}"


def test_the_documented_policies_allow_what_is_asked_and_not_more(
    cloud_home: Path, cloud: RunningCloud, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    """The actions of a whole life of analyses: both sides ask for nothing that the docs do not allow."""
    from click.testing import CliRunner

    from gencove_explorer.cli import explorer

    def job(ac):
        import mine

        ac.output.value("x", mine.VALUE)
        ac.output.file("note").as_local().write_text("x" * (20 << 20))
        if ac.input == "bad":
            raise ValueError("bad")

    before = len(cloud.requests())
    assert CliRunner().invoke(explorer, ["doctor"]).exit_code == 0
    an = Analysis(function=job, input=["good", "bad"], pip_packages=[str(package(tmp_path / "mine"))])
    an.run()
    an.logs(0, live=True)
    an.wait_done(timeout=100)
    an.get_output(0).file("note").as_local()
    an.retry_failed()
    an.terminate_all()
    an.wait_done(timeout=60)
    an.delete()
    allowed = policies()
    asked = [each for each in cloud.requests(before) if each["service"]]
    jobs = {action(each) for each in asked if each["key"] == "job"}
    submitter = {action(each) for each in asked if each["key"] == "submitter"}
    assert jobs <= set(allowed["The job's role"]), jobs
    assert submitter <= set(allowed["Whoever submits"]), submitter
    prefix = os.environ["EXPLORER_STORE"].removeprefix("s3:/")
    written = {each["path"] for each in asked if each["key"] == "job" and each["action"] == "PutObject"}
    assert all(
        path.startswith(f"{prefix}/analyses/{an_id}") for path in written for an_id in [path.split("/")[4]]
    )
