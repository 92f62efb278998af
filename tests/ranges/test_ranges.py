"""Both ends of the ranges that the two distributions declare for their dependencies work."""

import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from explorer_runner.attempt.environment import find_uv

ROOT = Path(__file__).parents[2]
DISTRIBUTIONS = ("runner", "sdk")
IPYTHON = ["ipython>=8.20; python_version < '3.14'", "ipython>=9.6; python_version >= '3.14'"]
"""For ! and %, which no distribution declares: whoever has a notebook has one."""


def declared() -> list[str]:
    """The dependencies of both, but for the one on the other."""
    projects = [tomllib.loads((ROOT / name / "pyproject.toml").read_text()) for name in DISTRIBUTIONS]
    needed = [each for project in projects for each in project["project"]["dependencies"]]
    return sorted({each for each in needed if not each.startswith("explorer-runner")})


def uv(*arguments: object) -> str:
    command = [find_uv(), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="session")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The wheels of the two distributions."""
    folder = tmp_path_factory.mktemp("wheels")
    for name in DISTRIBUTIONS:
        here = ("--wheel", "--no-build-isolation", "--python", sys.executable, "--out-dir", folder)
        uv("build", "--quiet", *here, ROOT / name)
    return sorted(folder.glob("*.whl"))


@pytest.mark.parametrize("resolution", ["lowest-direct", "highest"])
def test_all_works_with_the_lowest_and_the_newest_versions(
    resolution: str,
    wheels: list[Path],
    home: Path,
    tmp_path: Path,
    make_bucket: Callable[[str], str],
    monkeypatch: pytest.MonkeyPatch,
):
    python = tmp_path / "environment" / "bin" / "python"
    uv("venv", "--quiet", "--no-project", "--python", sys.executable, python.parents[1])
    # Only wheels: an old version that has none for this Python says nothing of us.
    chosen = ("--resolution", resolution, "--only-binary", ":all:", "--python", python)
    uv("pip", "install", "--quiet", *chosen, *wheels, *declared(), *IPYTHON)
    monkeypatch.setenv("SMOKE_BUCKET", f"s3://{make_bucket('moto')}/store")
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    (tmp_path / "manifests").mkdir()
    command = [python, "-m", "IPython", "--colors=NoColor", ROOT / "tests/ranges/smoke.ipy"]
    done = subprocess.run([*command, tmp_path / "manifests"], capture_output=True, text=True)
    assert done.stdout.endswith("all is well\n"), (
        done.stdout + done.stderr + uv("pip", "list", "--python", python)
    )


def test_images_and_tests_pin_the_same_versions_of_what_makes_and_reads_pickles():
    pinned = {}
    for name in ("dev", "runner", "notebook"):
        text = (ROOT / "requirements" / f"{name}.txt").read_text()
        pinned[name] = [line.split()[0] for line in text.splitlines() if line.startswith("cloudpickle==")]
    assert pinned["dev"] == pinned["runner"] == pinned["notebook"]
    assert len(pinned["dev"]) == 1
