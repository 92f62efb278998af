"""The short form of ``make torture``: one episode in each scene, of a seed that stays."""

import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]


@pytest.mark.skipif(sys.platform != "linux", reason="mount namespaces and limits of others are Linux's")
@pytest.mark.parametrize(("scene", "seed"), [("folder", 15), ("disk", 16), ("s3", 17)])
def test_all_that_was_begun_ends_well_whatever_the_weather(
    tmp_path: Path, shared_runtimes: Path, scene: str, seed: int
):
    (tmp_path / "runtimes").symlink_to(shared_runtimes)
    command = [sys.executable, "-m", "torture", "--seed", str(seed), "--seconds", "0", "--weather", "5"]
    done = subprocess.run(
        [*command, "--scenes", scene, "--folder", str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=280,
        cwd=TESTS,
    )
    assert done.returncode == 0, done.stdout + done.stderr
