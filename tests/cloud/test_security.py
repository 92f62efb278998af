"""Whoever can write the bucket cannot swap what a submitted job runs."""

import io
import re
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from explorer_runner.format.keys import inputs_key, payload_key
from explorer_runner.format.pylock import locked_wheels
from gencove_explorer.analysis import Analysis
from gencove_explorer.monitoring.lookup import find_analysis
from gencove_explorer.session import Session
from localcloud.provision import open_client
from localcloud.run import RunningCloud


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
    store = Session().store
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
        lock = find_analysis(Session(), an.id).payload().lock
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
