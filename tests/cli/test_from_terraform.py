"""explorer config from-terraform: a stack's outputs become explorer.toml."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from gencove_explorer.cli import explorer
from gencove_explorer.errors import ConfigError
from gencove_explorer.settings import Settings

TEXT = """# Of the stack demo, written by Terraform: make up writes it anew.
executor = "batch"
store = "s3://demo-store-1/explorer"

[batch]
region = "eu-central-1"
queue = "demo-jobs"
"""


def hand_over(outputs: object, *arguments: str) -> Result:
    text = outputs if isinstance(outputs, str) else json.dumps(outputs)
    return CliRunner().invoke(explorer, ["config", "from-terraform", "-", *arguments], input=text)


def outputs(text: str = TEXT) -> dict[str, object]:
    return {"config": {"sensitive": False, "type": "string", "value": text}}


def test_outputs_become_settings(home: Path):
    said = hand_over(outputs())
    assert (said.exit_code, said.output) == (0, "explorer.toml written\n")
    settings = Settings.load()
    assert (settings.batch.queue, settings.batch.region) == ("demo-jobs", "eu-central-1")
    assert settings.source("batch.queue") == str(Path.cwd() / "explorer.toml")
    again = hand_over(outputs(), "--json")
    assert json.loads(again.output) == {"file": "explorer.toml", "changed": False}
    assert "written" in hand_over(outputs(TEXT.replace("demo-jobs", "other"))).output
    assert Settings.load().batch.queue == "other"
    assert [each.name for each in Path.cwd().iterdir() if "explorer.toml" in each.name] == ["explorer.toml"]


def test_what_a_person_wrote_is_not_replaced(home: Path):
    Path("explorer.toml").write_text("cpus = 1\n")
    refused = hand_over(outputs())
    assert isinstance(refused.exception, ConfigError)
    assert "say --force" in str(refused.exception)
    assert Path("explorer.toml").read_text() == "cpus = 1\n"
    assert hand_over(outputs(), "--force").exit_code == 0
    assert Path("explorer.toml").read_text() == TEXT


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("rubbish", "not the JSON of terraform output"),
        ("[]", "not the JSON of terraform output"),
        ({}, "has no output config: apply"),
        (outputs('[batch]\nqueu = "x"\n'), "batch.queu is not a setting; did you mean batch.queue"),
        (outputs("= ="), "the output config"),
    ],
)
def test_what_is_no_stack_is_refused(home: Path, given: object, said: str):
    refused = hand_over(given)
    assert isinstance(refused.exception, ConfigError)
    assert said in str(refused.exception)
    assert not Path("explorer.toml").exists()


def test_a_folder_without_terraform_is_told_of(home: Path, tmp_path: Path):
    refused = CliRunner().invoke(explorer, ["config", "from-terraform", str(tmp_path / "none")])
    assert isinstance(refused.exception, ConfigError)
    assert "terraform" in str(refused.exception)
