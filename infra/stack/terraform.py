"""What is asked of Terraform, in infra/terraform with a state in S3."""

import json
import os
import re
import sys
from collections.abc import Iterator
from typing import Any

from stack.steps import ROOT, StepFailed, need, run

FOLDER = ROOT / "infra" / "terraform"
BACKEND = FOLDER / "backend_override.tf"
"""Where the state is: written here, in no commit. A file of this name takes precedence in Terraform."""
LEAST = (1, 11)
"""A state in S3 that is locked there (use_lockfile) needs it."""
_AGAIN = "Terraform says why above. Mend it, and give the same command again: it goes on from there."


class Terraform:
    """The stack of a name in a region."""

    def __init__(self, name: str, region: str) -> None:
        self._region = region
        # As arguments: a terraform.tfvars would win over the environment, and mean another stack.
        self._named = [f"-var=name={name}", f"-var=region={region}"]
        self._variables = {**os.environ, "TF_IN_AUTOMATION": "1"}

    def check(self) -> None:
        """Raise StepFailed unless Terraform is there, and new enough."""
        need("terraform", "version 1.11 or newer, from its makers' page or your package manager")
        said = run(["terraform", "version"], "", quiet=True)
        found = re.match(r"Terraform v(\d+)\.(\d+)", said)
        if found and (int(found[1]), int(found[2])) < LEAST:
            raise StepFailed(f"{said.splitlines()[0]} is too old: 1.11 or newer is needed")

    def init(self, bucket: str) -> None:
        """Point it at its state."""
        BACKEND.write_text(
            "# Written by make up: where this stack's state is.\n"
            'terraform {\n  backend "s3" {\n'
            f'    bucket       = "{bucket}"\n'
            '    key          = "explorer.tfstate"\n'
            f'    region       = "{self._region}"\n'
            "    encrypt      = true\n"
            "    use_lockfile = true\n"
            "  }\n}\n"
        )
        self._run("init", "-input=false", "-reconfigure")

    def apply(self, *, yes: bool) -> None:
        """Make what is missing, change what differs; asks before it does, unless ``yes``."""
        self._run("apply", *self._named, *(["-input=false", "-auto-approve"] if yes else []))

    def destroy(self) -> None:
        """Remove all of it, without asking."""
        self._run("destroy", *self._named, "-input=false", "-auto-approve")

    def outputs(self) -> dict[str, Any]:
        """Output -> value; nothing where nothing was applied."""
        found = json.loads(self._run("output", "-json", quiet=True))
        return {name: each["value"] for name, each in found.items()}

    def variables(self, *names: str) -> dict[str, Any]:
        """Variable -> the value that an apply would take, from a file, the environment or its default.

        Nothing where Terraform's answer is none that we can read.
        """
        asked = ", ".join(f"{each} = var.{each}" for each in names)
        said = self._run("console", *self._named, quiet=True, typed=f"jsonencode({{{asked}}})\n")
        # The answer is a string of Terraform's, with JSON in it. Warnings come before it, in the same stream.
        answer = said.rstrip().rpartition("\n")[2]
        try:
            return dict(json.loads(json.loads(answer)))
        except (TypeError, ValueError):
            return {}

    def made(self, module: str, kind: str, attribute: str) -> list[str]:
        """An attribute of all resources of a kind that the state has in one of our modules."""
        state = json.loads(self._run("show", "-json", quiet=True))
        root = state.get("values", {}).get("root_module", {})
        return [
            each["values"][attribute]
            for each in _resources(root)
            if each["type"] == kind and re.match(rf"module\.{module}[.\[]", each["address"])
        ]

    def _run(self, *arguments: str, quiet: bool = False, typed: str | None = None) -> str:
        # What is read by us has no colours, wherever that is shown.
        plain = [] if sys.stdout.isatty() and not quiet else ["-no-color"]
        return run(
            ["terraform", f"-chdir={FOLDER}", *arguments[:1], *plain, *arguments[1:]],
            _AGAIN,
            quiet=quiet,
            variables=self._variables,
            typed=typed,
        )


def _resources(module: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield from (each for each in module.get("resources", []) if each["mode"] == "managed")
    for child in module.get("child_modules", []):
        yield from _resources(child)
