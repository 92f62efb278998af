"""The code blocks of a page, run as a person would: in a plain script, with ! or % in IPython."""

import re
import subprocess
import sys
from pathlib import Path

from gencove_explorer.job_manager import JobManager

REPOSITORY = Path(__file__).parents[2]
DESCRIPTION = REPOSITORY / "docs" / "running-analyses.md"
_BLOCK = re.compile(r"^```i?python\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_MAGIC = re.compile(r"^\s*[!%]", re.MULTILINE)


def blocks(page: Path) -> list[str]:
    return _BLOCK.findall(page.read_text())


def run(folder: Path, code: str, *, timeout: float = 240) -> str:
    command: list[str | Path] = [sys.executable, folder / "script.py"]
    if _MAGIC.search(code):
        ipython = Path(sys.executable).with_name("ipython")
        (folder / "ipython").mkdir(exist_ok=True)
        command = [ipython, "--colors=nocolor", f"--ipython-dir={folder / 'ipython'}", folder / "script.ipy"]
    Path(command[-1]).write_text(code)
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder, timeout=timeout)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def name_of(code: str) -> str:
    lines = [line for line in code.splitlines() if line.strip() and not line.startswith(("from", "import"))]
    return lines[-1][:40]


def run_to_the_end(folder: Path, code: str) -> None:
    """Run a block of the description, and wait for all that it submitted: it succeeds."""
    run(folder, code)
    for an in JobManager().list_jobs():
        an.wait_done(timeout=120)
        terminated = "terminate" in code
        assert terminated or an.status()["status"] == "SUCCEEDED", an.failures()
