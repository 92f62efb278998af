"""explorer doctor: each piece of the configuration, and how to mend what is wrong."""

import json
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from gencove_explorer.cli import explorer

PIECES = [
    "credentials",
    "region",
    "store",
    "queue",
    "compute environments",
    "image",
    "job role",
    "execution role",
    "log group",
]


def doctor(*arguments: str) -> Result:
    return CliRunner().invoke(explorer, ["doctor", *arguments])


def test_a_whole_configuration_is_fine(cloud_home: Path):
    found = doctor("--json")
    assert found.exit_code == 0, found.output
    assert [(each["piece"], each["ok"]) for each in json.loads(found.output)] == [(p, True) for p in PIECES]


@pytest.mark.parametrize(
    ("variable", "value", "piece", "said"),
    [
        ("EXPLORER_STORE", "s3://nobodys-bucket/x", "store", "404"),
        ("EXPLORER_STORE", "/somewhere", "store", "a folder"),
        ("EXPLORER_BATCH__QUEUE", "none", "queue", "there is no queue none"),
        ("EXPLORER_BATCH__IMAGE", "none", "image", "not in ECR"),
        (
            "EXPLORER_BATCH__IMAGE",
            "123456789012.dkr.ecr.us-east-1.amazonaws.com/none",
            "image",
            "there is no repository",
        ),
        ("EXPLORER_BATCH__JOB_ROLE_ARN", "arn:aws:iam::123456789012:role/x", "job role", "there is no role"),
        ("EXPLORER_BATCH__LOG_GROUP", "/none", "log group", "there is no log group"),
        ("EXPLORER_BATCH__LOG_GROUP", None, "log group", "not set"),
        ("EXPLORER_BATCH__IMAGE", None, "image", "not set"),
    ],
)
def test_what_is_wrong_is_said_in_its_line(
    cloud_home: Path,
    monkeypatch: pytest.MonkeyPatch,
    variable: str,
    value: str | None,
    piece: str,
    said: str,
):
    if value is None:
        monkeypatch.delenv(variable)
    else:
        monkeypatch.setenv(variable, value)
    found = doctor()
    assert found.exit_code == 1
    (line,) = [each for each in found.output.splitlines() if each.startswith(f"FAIL {piece}:")]
    assert said in line
    assert "Traceback" not in found.output


def test_without_credentials_every_line_says_so(cloud_home: Path, monkeypatch: pytest.MonkeyPatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(cloud_home / "none"))
    found = doctor()
    assert found.exit_code == 1
    assert "FAIL credentials: the caller's identity: no AWS credentials were found" in found.output


def test_a_network_without_a_way_to_iam_is_fine(cloud_home: Path, monkeypatch: pytest.MonkeyPatch):
    with socket.create_server(("127.0.0.1", 0)) as server:
        unused = server.getsockname()[1]
    monkeypatch.setenv("AWS_ENDPOINT_URL_IAM", f"http://127.0.0.1:{unused}")
    found = doctor()
    assert found.exit_code == 0, found.output
    assert found.output.count("IAM cannot be reached from here to look at it, which is fine") == 2


def test_a_proxy_that_answers_for_aws_is_named(
    cloud_home: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    class Proxy(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"<html>Please log in</html")

        def log_message(self, format: str, *arguments: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Proxy) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", f"http://127.0.0.1:{server.server_port}")
        found = doctor()
        server.shutdown()
    assert (
        "FAIL credentials: the caller's identity: what answered is not AWS, but a proxy, say" in found.output
    )
    assert "Traceback" not in found.output


def test_this_machine_is_looked_at_where_it_runs_the_jobs(home: Path):
    found = doctor("--json")
    assert found.exit_code == 0, found.output
    assert [each["piece"] for each in json.loads(found.output)] == [
        "home",
        "runtime",
        "queue",
        "store",
        "uv",
        "IPython",
    ]
