"""Terraform on a copy of this repository's modules: state and plugins never lie in the working tree."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

MODULES = Path(__file__).parents[2] / "infra" / "terraform"
_SEARCHED = (Path("/opt"), Path("/usr/local"), Path("/usr/share"), Path.home())
_DEPTH = 4


def copy_modules(target: Path) -> Path:
    """Copy the whole tree of modules into a folder that is not there yet; returns it."""
    ignored = shutil.ignore_patterns(".terraform*", "*.tfstate*", "*_override.tf", "*.tfvars")
    return Path(shutil.copytree(MODULES, target, ignore=ignored))


def init(folder: Path, variables: Mapping[str, str] | None = None, *arguments: str) -> None:
    """``terraform init`` in such a copy, offline where there is a mirror of plugins (see ``plugin_dir``).

    ``variables`` are added to the environment: ``AWS_ENDPOINT_URL``, ``TF_VAR_name``.
    """
    plugins = plugin_dir()
    offline = [] if plugins is None else [f"-plugin-dir={plugins}"]
    run(folder, "init", "-input=false", "-no-color", *offline, *arguments, variables=variables)


def run(folder: Path, *arguments: str, variables: Mapping[str, str] | None = None) -> str:
    """What ``terraform ARGUMENTS`` prints; raises RuntimeError with all of it when it fails."""
    if shutil.which("terraform") is None:
        raise RuntimeError("terraform is not installed: see its makers' page, or your package manager")
    done = subprocess.run(
        ["terraform", f"-chdir={folder}", *arguments],
        env={**os.environ, "TF_IN_AUTOMATION": "1", "CHECKPOINT_DISABLE": "1", **(variables or {})},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        asked = " ".join(arguments)
        raise RuntimeError(f"terraform {asked} failed in {folder}:\n{done.stdout}{done.stderr}")
    return done.stdout


def outputs(folder: Path, variables: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Output -> value, of what was applied there."""
    found = json.loads(run(folder, "output", "-json", variables=variables))
    return {name: each["value"] for name, each in found.items()}


@cache
def plugin_dir() -> Path | None:
    """A mirror of Terraform's plugins on this machine: EXPLORER_TERRAFORM_PLUGINS, or one that is found."""
    if given := os.environ.get("EXPLORER_TERRAFORM_PLUGINS"):
        return Path(given)
    # A mirror's layout: HOST/hashicorp/aws/VERSION/...
    found = (each for top in _SEARCHED for each in _folders(top, _DEPTH) if (each / "hashicorp/aws").is_dir())
    return next((each.parent for each in found), None)


def _folders(top: Path, depth: int) -> Iterator[Path]:
    try:
        inside = [each for each in os.scandir(top) if each.is_dir(follow_symlinks=False)]
    except OSError:
        return
    for each in inside:
        yield Path(each.path)
        if depth > 1 and each.name not in ("node_modules", "site-packages"):
            yield from _folders(Path(each.path), depth - 1)
