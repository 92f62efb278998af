"""What packages cost: the first job of a host that needs them, and later ones."""

import json
import os
import shutil
import subprocess
import sys
from typing import Any

from benchmarks.harness import fresh_folder, fresh_home, python, result, timed

PACKAGES = ("pandas", "scikit-learn")

_IMPORT = "import pandas, sklearn.linear_model"

_FIRST_AND_LATER = f"""
import json, sys, time
from gencove_explorer.analysis import Analysis

def work(ac):
    import time
    begin = time.time()
    {_IMPORT}
    ac.output.value("times", [begin, time.time()])

found = []
for _ in range(4):
    an = Analysis(function=work, pip_packages=sys.argv[1:])
    begin = time.time()
    an.run()
    submitted = time.time()
    an.wait_done()
    called, imported = an.get_output().value("times")
    found.append([imported - begin, called - begin, submitted - begin])
print(json.dumps(found))
"""


def environment() -> dict[str, Any]:
    """Pandas with scikit-learn: seconds from run() to both imported in the first job of a host.

    The floor is uv's own way: a virtual environment, an installation without a cache, a first import.
    Beside it the same by venv and pip; and later jobs: until the work function is called.
    """
    with fresh_home() as home:
        [first, *later] = json.loads(python(_FIRST_AND_LATER, *PACKAGES))
        size = sum(each.stat().st_size for each in (home / "store" / "packages").rglob("*.whl"))
    by_uv, uv_import = _by_uv()
    by_pip, pip_import = _by_pip()
    return result(
        "environment",
        first[0],
        "s",
        by_uv + uv_import,
        submitted=round(first[2], 3),
        called=round(first[1], 3),
        later_called=round(sorted(each[1] for each in later)[1], 3),
        later_imported=round(sorted(each[0] for each in later)[1], 3),
        uv=[round(by_uv, 2), round(uv_import, 2)],
        pip=[round(by_pip, 2), round(pip_import, 2)],
        wheels_mb=round(size / 1e6),
    )


def _by_uv() -> tuple[float, float]:
    """Seconds of installing by uv, and of the first import."""
    folder = fresh_folder()
    uv = shutil.which("uv", path=f"{os.path.dirname(sys.executable)}:{os.environ.get('PATH', os.defpath)}")
    cache = ["--cache-dir", str(folder / "cache")]
    venv = folder / "venv"
    made, _ = timed(lambda: _run(str(uv), "venv", "-q", "--python", sys.executable, str(venv)))
    installed, _ = timed(
        lambda: _run(str(uv), "pip", "install", "-q", *cache, "--python", str(venv), *PACKAGES)
    )
    imported, _ = timed(lambda: _run(str(venv / "bin" / "python"), "-c", _IMPORT))
    return made + installed, imported


def _by_pip() -> tuple[float, float]:
    """Seconds of installing by venv and pip, and of the first import (pip has compiled the byte code)."""
    venv = fresh_folder() / "venv"
    made, _ = timed(lambda: _run(sys.executable, "-m", "venv", str(venv)))
    pip = [str(venv / "bin" / "python"), "-m", "pip", "install", "-q", "--no-cache-dir"]
    installed, _ = timed(lambda: _run(*pip, *PACKAGES))
    imported, _ = timed(lambda: _run(str(venv / "bin" / "python"), "-c", _IMPORT))
    return made + installed, imported


def _run(*command: str) -> None:
    subprocess.run(command, check=True)
