"""Terraform and the scripts as they stand: form, validations, Checkov, ShellCheck; no cloud is asked."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from support.terraform import MODULES, copy_modules, init, run

ROOT = MODULES.parents[1]
CHECKOV = ROOT / "requirements" / "checkov.txt"
VALIDATIONS = MODULES / "tests" / "validations.tftest.hcl"

_SCRIPTS = subprocess.run(
    ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.sh", ".ci/run"],
    cwd=ROOT,
    capture_output=True,
    text=True,
    check=True,
).stdout.splitlines()
_SKIP = re.compile(r"checkov:skip=(\w+)")
_BLOCK = re.compile(r'^(variable|output) "(\w+)" \{\n(.*?)^\}', re.DOTALL | re.MULTILINE)

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="session")
def modules(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The modules, initialised."""
    folder = copy_modules(tmp_path_factory.mktemp("static") / "modules")
    init(folder, None, "-backend=false")
    return folder


@pytest.fixture(scope="session")
def checkov(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Checkov's command, in an environment of its own: what it needs clashes with what we need."""
    folder = tmp_path_factory.mktemp("checkov") / "venv"
    uv = Path(sys.executable).parent / "uv"
    subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, folder], check=True)
    subprocess.run(
        [uv, "pip", "install", "--quiet", "--require-hashes", "-r", CHECKOV],
        env={**os.environ, "VIRTUAL_ENV": str(folder)},
        check=True,
    )
    return folder / "bin" / "checkov"


def check(checkov: Path, folder: Path, kind: str) -> list[str]:
    """What Checkov says of a folder: its failed_checks, or its skipped_checks."""
    done = subprocess.run(
        [
            *(checkov, "--directory", folder, "--framework", "terraform", "--output", "json"),
            *("--skip-download", "--download-external-modules", "false"),
        ],
        env={**os.environ, "LOG_LEVEL": "ERROR", "CKV_SKIP_PACKAGE_UPDATE_CHECK": "true"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    found = json.loads(done.stdout)["results"][kind]
    return [f"{each['check_id']} {each['resource']} in {each['file_path']}" for each in found]


def names(text: str, kind: str) -> dict[str, str]:
    """Variable or output -> its block."""
    return {found[2]: found[3] for found in _BLOCK.finditer(text) if found[1] == kind}


# -- Terraform's own ----------------------------------------------------------------------------------


def test_the_modules_are_formatted():
    run(MODULES, "fmt", "-check", "-recursive", "-diff")


def test_the_modules_are_valid(modules: Path):
    run(modules, "validate", "-no-color")


def test_terraforms_own_tests_pass(modules: Path):
    said = run(modules, "test", "-no-color")
    assert re.search(r"^Success! \d+ passed, 0 failed", said, re.MULTILINE), said


def test_every_validation_is_tested():
    declared = names((MODULES / "variables.tf").read_text(), "variable")
    expected = {each: block.count("validation {") for each, block in declared.items()}
    tried = re.findall(r"expect_failures = \[var\.(\w+)\]", VALIDATIONS.read_text())
    assert {each: n for each, n in expected.items() if n > tried.count(each)} == {}


@pytest.mark.parametrize(
    "path", sorted(MODULES.rglob("*.tf")), ids=lambda path: path.relative_to(MODULES).as_posix()
)
def test_every_variable_and_output_is_described(path: Path):
    text = path.read_text()
    blocks = {**names(text, "variable"), **names(text, "output")}
    assert len(blocks) == len(re.findall(r"^(variable|output) ", text, re.MULTILINE))
    assert [
        each for each, block in blocks.items() if not re.search(r'^  description += "\w', block, re.M)
    ] == []


# -- Checkov --------------------------------------------------------------------------------------------


def test_checkov_finds_nothing_that_is_not_explained(checkov: Path):
    assert check(checkov, MODULES, "failed_checks") == []


def test_checkov_reads_our_modules(checkov: Path):
    written = {each for path in MODULES.rglob("*.tf") for each in _SKIP.findall(path.read_text())}
    assert {each.split()[0] for each in check(checkov, MODULES, "skipped_checks")} == written


def test_every_skip_of_checkov_says_why():
    for path in MODULES.rglob("*.tf"):
        for line in re.findall(r"checkov:skip.*", path.read_text()):
            assert re.fullmatch(r"checkov:skip=CKV2?_\w+_\d+:\w.{5,}", line), f"{path}: {line}"


def test_checkov_finds_what_is_wrong(checkov: Path, tmp_path: Path):
    (tmp_path / "main.tf").write_text('resource "aws_ebs_volume" "open" {\n  size = 1\n}\n')
    assert any(each.startswith("CKV_AWS_3 ") for each in check(checkov, tmp_path, "failed_checks"))


# -- scripts --------------------------------------------------------------------------------------------


def shellcheck(*paths: str | Path) -> str:
    """What ShellCheck says of scripts: nothing where all is well."""
    command = Path(sys.executable).parent / "shellcheck"
    # What jq, awk and inner shells are given in single quotes (SC2016) is meant so.
    asked = [command, "--format=gcc", "--external-sources", "--exclude=SC2016", *paths]
    return subprocess.run(asked, cwd=ROOT, capture_output=True, text=True).stdout


def test_scripts_have_no_faults_that_shellcheck_knows():
    assert ".ci/run" in _SCRIPTS
    assert shellcheck(*_SCRIPTS) == ""


def test_shellcheck_finds_what_is_wrong(tmp_path: Path):
    script = tmp_path / "wrong.sh"
    script.write_text("#!/bin/sh\nrm -r $1\n")
    assert "SC2086" in shellcheck(script)


def test_user_data_is_what_cloud_init_takes():
    # cloud-init skips what is not ASCII where it is called ASCII.
    folder = MODULES / "modules" / "batch"
    scripts = sorted(folder.glob("*.sh"))
    assert all(each.read_text(encoding="ascii").startswith("#!/bin/bash\n") for each in scripts)
    (folder / "explorer-machine.service").read_text(encoding="ascii")
