"""The results of the zoo, once for all workers of a session."""

import fcntl
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from gencove_explorer.executors.local.executor import LocalExecutor
from gencove_explorer.settings import Settings

ROOT = Path(__file__).parents[2]
UV = Path(sys.executable).with_name("uv")
Results = dict[str, dict[str, Any]]


@pytest.fixture(scope="session")
def run_zoo(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, Sequence[str]], Results]:
    """A function that runs the rows of some packages, with what a file of ``requirements`` names.

    It returns what came of each row, see ``zoo.driver``. The worker that asks first runs them.
    """
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent

    def run(requirements: str, packages: Sequence[str]) -> Results:
        results = shared / f"{requirements}.jsonl"
        with open(shared / f"{requirements}.lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not results.exists():
                _run(tmp_path_factory.mktemp("zoo"), requirements, packages).rename(results)
        lines = map(json.loads, results.read_text().splitlines())
        return {line["row"]: line for line in lines}

    return run


def _run(folder: Path, requirements: str, packages: Sequence[str]) -> Path:
    """The file of results. Everything else is removed: environments of gigabytes."""
    home = folder / "home"
    home.mkdir(mode=0o700)
    try:
        python = _make_environment(folder / "environment", folder / "wheels", requirements)
        command = [python, "-W", "ignore", "-m", "zoo.notebook", folder / "results", *packages]
        variables = {**_clean_environment(), "EXPLORER_HOME": str(home), "XDG_CONFIG_HOME": str(folder)}
        done = subprocess.run(command, cwd=folder, env=variables, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr[-5000:]
        return folder / "results"
    finally:
        LocalExecutor(Settings.load({"EXPLORER_HOME": str(home)}, Path("/"))).stop()
        for name in ("home", "environment", "wheels"):
            shutil.rmtree(folder / name, ignore_errors=True)


def _clean_environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("EXPLORER_", "AWS_"))}
    return {
        **kept,
        "EXPLORER_CPUS": "2",
        "EXPLORER_MEMORY_MB": "8000",
        "PYTHONPATH": str(ROOT / "tests"),
    }


def _make_environment(folder: Path, wheels: Path, requirements: str) -> Path:
    """The Python of an environment with the two wheels and what a file names."""
    for project in ("runner", "sdk"):
        build = ("build", "--quiet", "--wheel", "--no-build-isolation", "--python", sys.executable)
        _uv(*build, "--out-dir", wheels, ROOT / project)
    _uv("venv", "--quiet", "--python", sys.executable, folder)
    install = ("pip", "install", "--quiet", "--python", folder / "bin" / "python")
    _uv(*install, "--require-hashes", "-r", ROOT / "requirements" / f"{requirements}.txt")
    _uv(*install, "--no-deps", *wheels.glob("*.whl"))
    return folder / "bin" / "python"


def _uv(*arguments: object) -> None:
    done = subprocess.run([UV, *map(str, arguments)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
