"""Pythons with packages that the tests' own does not have, in versions that do not get along."""

import json
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from explorer_runner.attempt.environment import find_uv

OLD, NEW = "numpy<2", "numpy>=2"
needs_old = pytest.mark.skipif(sys.version_info >= (3, 13), reason="NumPy 1 has no wheels for this Python")


class Python(NamedTuple):
    """An interpreter in an environment of its own, which sees the tests' packages too."""

    path: Path

    def install(self, *requirements: str) -> None:
        command = [find_uv(), "pip", "install", "--quiet", "--only-binary", ":all:", "--python", self.path]
        subprocess.run([*command, *requirements], check=True)

    def run(self, code: str, *arguments: object, **options: Any) -> str:
        """What a program prints."""
        command = [self.path, "-W", "error", "-c", code, *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True, **options)
        assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
        return done.stdout

    def rows(self, code: str, *arguments: object, **options: Any) -> list[Any]:
        """Lines of JSON that a program prints."""
        return [json.loads(line) for line in self.run(code, *arguments, **options).splitlines()]


def make_python(folder: Path, *requirements: str) -> Python:
    """An environment with these packages."""
    subprocess.run([find_uv(), "venv", "--quiet", "--python", sys.executable, folder], check=True)
    made = Python(folder / "bin" / "python")
    if requirements:
        made.install(*requirements)
    own = made.run("import sysconfig; print(sysconfig.get_path('purelib'))").strip()
    shared = sysconfig.get_path("purelib")
    Path(own, "tests.pth").write_text(f"import site; site.addsitedir({shared!r})\n")
    return made


@pytest.fixture(scope="session", params=[pytest.param(OLD, marks=needs_old), NEW])
def numpy_python(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Python:
    """A Python with NumPy and pandas, of each major version of NumPy."""
    return make_python(tmp_path_factory.mktemp("python") / "env", request.param, "pandas>=2", "attrs")
