"""Questions about policies, answered by @cloud-copilot/iam-simulate: a Node process for each batch."""

import hashlib
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

_HERE = Path(__file__).parent
ACCOUNT = "123456789012"
"""moto's."""

KEY_POLICY = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"},
            "Action": "kms:*",
            "Resource": "*",
        }
    ],
}
"""A key's own by default, which leaves it to the policies of roles
(https://docs.aws.amazon.com/kms/latest/developerguide/key-policy-default.html)."""


class Question(NamedTuple):
    """May an action be done to a resource, in a context of condition keys?"""

    action: str
    resource: str
    context: tuple[tuple[str, str], ...] = ()

    def __str__(self) -> str:
        given = ", ".join(f"{key}={value}" for key, value in self.context)
        return f"{self.action} on {self.resource}" + (f" ({given})" if given else "")


def may(policies: Sequence[dict[str, Any]], questions: Sequence[Question]) -> list[bool]:
    """Which of these a role with these policies is allowed. ValueError: what AWS does not have."""
    asked = {"policies": policies, "principal": f"arn:aws:iam::{ACCOUNT}:role/asking"}
    keys = {"trust": KEY_POLICY}
    return _evaluate(
        [
            {**asked, **_request(each), **(keys if each.action.startswith("kms:") else {})}
            for each in questions
        ],
        questions,
    )


def trusts(trust: dict[str, Any], principals: Sequence[str], questions: Sequence[Question]) -> list[bool]:
    """Which principals may take a role of this trust, each as its question says. ValueError likewise."""
    pairs = zip(principals, questions, strict=True)
    asked = [{"policies": [], "trust": trust, "principal": who, **_request(each)} for who, each in pairs]
    return _evaluate(asked, questions)


def _request(question: Question) -> dict[str, Any]:
    return {**question._asdict(), "context": dict(question.context), "account": ACCOUNT}


def _evaluate(asked: Sequence[dict[str, Any]], questions: Sequence[Question]) -> list[bool]:
    done = subprocess.run(
        ["node", _library() / "evaluate.mjs"], input=json.dumps(asked), capture_output=True, text=True
    )
    if done.returncode:
        raise RuntimeError(f"node failed:\n{done.stderr}")
    answers = json.loads(done.stdout)
    for question, answer in zip(questions, answers, strict=True):
        if "problem" in answer:
            raise ValueError(f"{question}: {answer['problem']}")
    return [answer["allowed"] for answer in answers]


@cache
def _library() -> Path:
    """A folder with the library and our program, installed once for each content of package.json."""
    for name in ("node", "npm"):
        if shutil.which(name) is None:
            raise RuntimeError(f"{name} is not installed, which evaluates policies (Debian: apt install npm)")
    files = [_HERE / "package.json", _HERE / "evaluate.mjs"]
    name = hashlib.sha256(b"".join(each.read_bytes() for each in files)).hexdigest()[:16]
    caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "explorer-tests"
    caches.mkdir(parents=True, exist_ok=True)
    target = caches / f"policies-{name}"
    if not target.exists():
        making = Path(tempfile.mkdtemp(dir=caches))
        for each in files:
            shutil.copy(each, making)
        done = subprocess.run(
            ["npm", "install", "--no-package-lock", "--ignore-scripts", "--no-audit", "--no-fund"],
            cwd=making,
            capture_output=True,
            text=True,
        )
        if done.returncode:
            raise RuntimeError(f"npm install failed in {making}:\n{done.stdout}{done.stderr}")
        try:
            making.rename(target)
        except OSError:
            shutil.rmtree(making)  # another process was first
    return target
