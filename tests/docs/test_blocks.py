"""Every block of the description runs as it stands: in a plain script, with ! or % in IPython."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

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


@pytest.mark.parametrize("code", blocks(DESCRIPTION), ids=name_of)
def test_a_block_of_the_description(home: Path, tmp_path: Path, code: str):
    run(tmp_path, code)
    for an in JobManager().list_jobs():
        an.wait_done(timeout=120)
        terminated = "terminate" in code
        assert terminated or an.status()["status"] == "SUCCEEDED", an.failures()


def test_the_description_has_all_its_blocks():
    assert len(blocks(DESCRIPTION)) == 16


def test_what_blocks_print(home: Path, tmp_path: Path):
    spoken = ("local_path", "live=True", "where =", "{two}")
    found = [run(tmp_path, code) for code in blocks(DESCRIPTION) if any(word in code for word in spoken)]
    assert found == [
        "Hello World from shell\nHello World from Python\n",
        "dos\n{two}\n1 {two} 3\n-> dos <-\n-> {two} <-\n",
        "baz\n",
        "123\nabc\n",
        "Hello World\n",
    ]


def test_a_dependency_blocks_last_job_sees_the_first_ones_file(home: Path, tmp_path: Path):
    run(tmp_path, next(code for code in blocks(DESCRIPTION) if "work3" in code))
    last = JobManager().list_jobs(name="work3")[0]
    log = next(home.glob(f"store/analyses/{last.id}/logs/0.0-1.txt"))
    assert log.read_text() == '{"hello": "world"}\n'
