"""explorer doctor: each piece of the configuration, and how to mend what is wrong."""

import json
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


def test_this_machine_is_looked_at_where_it_runs_the_jobs(home: Path):
    found = doctor("--json")
    assert found.exit_code == 0, found.output
    assert [each["piece"] for each in json.loads(found.output)] == [
        "home",
        "runtime",
        "store",
        "uv",
        "IPython",
    ]
