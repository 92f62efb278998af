"""What CI does with manifests: the workflows against their schema, and their steps, run here."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
GH = """#!/bin/sh
# Plays gh: remembers one comment in the file COMMENT, and each call in CALLS.
echo "$*" >>"$CALLS"
body=""
for each in "$@"; do
    case $each in body=@*) body=${each#body=@} ;; esac
done
case "$*" in
    *--paginate*) [ ! -e "$COMMENT" ] || echo 42 ;;
    *) cp "$body" "$COMMENT" ;;
esac
"""


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_workflows_meet_their_schema(path: Path):
    done = subprocess.run(
        ["check-jsonschema", "--builtin-schema", "vendor.github-workflows", str(path)],
        env={**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_workflows_run_make_and_have_no_more_rights_than_they_need(path: Path):
    workflow = yaml.safe_load(path.read_text())
    targets = {line.split(":")[0] for line in (ROOT / "Makefile").read_text().splitlines() if ": " in line}
    for name, job in workflow["jobs"].items():
        steps = [step["run"] for step in job["steps"] if "run" in step]
        assert steps
        for step in steps:
            assert step.split()[0] == "make", f"{name}: {step}"
            assert step.split()[1] in targets
        rights = job.get("permissions", workflow["permissions"])
        assert rights.get("contents") == "read"
        assert set(rights) <= {"contents", "id-token", "pull-requests"}
        assert "timeout-minutes" in job
        checkout = next(step for step in job["steps"] if step.get("uses", "").startswith("actions/checkout"))
        assert checkout["with"]["persist-credentials"] is False


def comment(text: str, tmp_path: Path, comment_file: Path) -> list[str]:
    """Run the script with a stand-in for gh; returns what that was called with."""
    gh = tmp_path / "bin" / "gh"
    gh.parent.mkdir(exist_ok=True)
    gh.write_text(GH)
    gh.chmod(0o755)
    calls = tmp_path / "calls"
    calls.write_text("")
    (tmp_path / "plan.md").write_text(text)
    done = subprocess.run(
        [str(ROOT / ".github" / "comment.sh"), "lab/study", "7", str(tmp_path / "plan.md")],
        env={
            "PATH": f"{gh.parent}:{os.environ['PATH']}",
            "CALLS": str(calls),
            "COMMENT": str(comment_file),
        },
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return calls.read_text().splitlines()


def test_a_plan_is_one_comment_which_is_renewed(tmp_path: Path):
    kept = tmp_path / "comment"
    first = comment("<!-- explorer plan study -->\none\n", tmp_path, kept)
    assert '--jq .[] | select(.body | startswith("<!-- explorer plan study -->")) | .id' in first[0]
    assert "--method POST repos/lab/study/issues/7/comments" in first[1]
    again = comment("<!-- explorer plan study -->\ntwo\n", tmp_path, kept)
    assert "--method PATCH repos/lab/study/issues/comments/42" in again[1]
    assert kept.read_text() == "<!-- explorer plan study -->\ntwo\n"


def test_a_long_plan_is_shortened(tmp_path: Path):
    kept = tmp_path / "comment"
    comment("<!-- explorer plan study -->\n" + "x" * 100_000, tmp_path, kept)
    assert len(kept.read_text()) < 65_536
    assert "explorer plan` shows all of it" in kept.read_text()
