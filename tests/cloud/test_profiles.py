"""Profiles of AWS that do not work are told of in words, wherever they are needed first."""

import re
from pathlib import Path

import pytest

from gencove_explorer.aws.credentials import find_credentials
from gencove_explorer.errors import ExecutorError
from gencove_explorer.job_manager import JobManager

CONFIG = """
[profile half]
aws_access_key_id = a
[profile failing]
credential_process = false
[profile circle]
source_profile = circle
role_arn = arn:aws:iam::123456789012:role/x
"""


@pytest.fixture(autouse=True)
def profiles(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "config").write_text(CONFIG)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("EXPLORER_STORE", "s3://bucket/prefix")


@pytest.mark.parametrize(
    ("profile", "said"),
    [
        ("none", "profile (none) could not be found: AWS_PROFILE names it; aws configure list-profiles"),
        ("half", "missing: aws_secret_access_key"),
        ("failing", "custom-process"),
        ("circle", "loop"),
    ],
)
def test_a_profile_that_does_not_work_is_an_error_in_words(
    monkeypatch: pytest.MonkeyPatch, profile: str, said: str
):
    monkeypatch.setenv("AWS_PROFILE", profile)
    with pytest.raises(ExecutorError, match=f"^AWS credentials for the store: .*{re.escape(said)}"):
        JobManager().list_jobs()
    with pytest.raises(ExecutorError, match=f"^AWS credentials for containers: .*{re.escape(said)}"):
        find_credentials()
