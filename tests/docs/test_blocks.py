"""Every block of the description prints what it says; that each runs, the contract's tests show."""

from pathlib import Path

from gencove_explorer.job_manager import JobManager
from support.blocks import DESCRIPTION, blocks, run


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
