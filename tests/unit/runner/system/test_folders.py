"""Folders of ours: private, and removed whatever a job left in them."""

import os
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from explorer_runner.errors import ExplorerError
from explorer_runner.system.folders import ensure_private, make_private, remove_tree

NOBODY = 65534


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def as_plain_user(code: str, folder: Path) -> None:
    """Run code as somebody whom the rights of folders hold back, as they do not hold back root."""
    if os.getuid() == 0:
        os.chown(folder, NOBODY, NOBODY)
    drop = f"import os, shutil, sys\nif os.getuid() == 0: os.setgid({NOBODY}); os.setuid({NOBODY})\n"
    imports = (
        "from explorer_runner.system.folders import remove_tree\nfrom explorer_runner.outputs import Output\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", f"{imports}{drop}os.chdir({str(folder)!r})\n{code}"],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that a plain user can reach (pytest's own are root's where root runs the tests)."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        yield Path(folder)


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_a_folder_and_its_missing_parents_are_private_whatever_the_umask(tmp_path: Path, umask: int):
    old = os.umask(umask)
    try:
        make_private(str(tmp_path / "a" / "b" / "c"))
    finally:
        os.umask(old)
    assert [mode(tmp_path / each) for each in ("a", "a/b", "a/b/c")] == [0o700] * 3


def test_a_folder_that_is_there_is_left_as_it_is(tmp_path: Path):
    (tmp_path / "a").mkdir(mode=0o755)
    (tmp_path / "a").chmod(0o755)
    make_private(str(tmp_path / "a" / "b"))
    make_private(str(tmp_path / "a" / "b"))
    assert (mode(tmp_path / "a"), mode(tmp_path / "a" / "b")) == (0o755, 0o700)


def test_a_file_in_the_way_is_an_error(tmp_path: Path):
    (tmp_path / "a").touch()
    with pytest.raises(OSError, match="a"):
        make_private(str(tmp_path / "a"))
    with pytest.raises(OSError, match="a"):
        make_private(str(tmp_path / "a" / "b"))


def test_two_processes_may_make_the_same_folder(tmp_path: Path):
    code = """
import sys
from explorer_runner.system.folders import make_private
for n in range(200):
    make_private(f"{sys.argv[1]}/{n}/a")
"""
    makers = [subprocess.Popen([sys.executable, "-c", code, str(tmp_path)]) for _ in range(3)]
    assert [maker.wait(60) for maker in makers] == [0, 0, 0]
    assert len(os.listdir(tmp_path)) == 200


def test_a_private_folder_is_claimed_and_returned(tmp_path: Path):
    path = str(tmp_path / "a")
    assert ensure_private(path) == path
    assert ensure_private(path) == path
    assert mode(tmp_path / "a") == 0o700


@pytest.mark.parametrize("rights", [0o777, 0o770, 0o720, 0o702, 0o1777])
def test_a_folder_that_others_may_write_to_is_refused(tmp_path: Path, rights: int):
    (tmp_path / "a").mkdir()
    (tmp_path / "a").chmod(rights)
    with pytest.raises(ExplorerError, match=f"others may write to it: .* chmod 700 {tmp_path}/a"):
        ensure_private(str(tmp_path / "a"))


def test_a_folder_of_somebody_else_is_refused(tmp_path: Path):
    theirs = Path("/usr")
    if os.getuid() == theirs.stat().st_uid:
        theirs = tmp_path
        os.chown(theirs, NOBODY, NOBODY)
    with pytest.raises(ExplorerError, match="belongs to another user"):
        ensure_private(str(theirs))


def test_a_tree_is_removed_and_what_its_links_lead_to_stays(tmp_path: Path):
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "data").write_text("x")
    tree = tmp_path / "tree"
    (tree / "a" / "b").mkdir(parents=True)
    (tree / "a" / "folder").symlink_to(mine)
    (tree / "a" / "file").symlink_to(mine / "data")
    (tree / "a" / "gone").symlink_to("nowhere")
    os.mkfifo(tree / "pipe")
    remove_tree(str(tree))
    assert not tree.exists()
    assert (mine / "data").read_text() == "x"


def test_a_link_to_a_folder_is_removed_and_the_folder_stays(tmp_path: Path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "link").symlink_to("mine")
    remove_tree(str(tmp_path / "link"))
    assert os.listdir(tmp_path) == ["mine"]


def test_a_file_is_removed_too_and_nothing_there_is_fine(tmp_path: Path):
    (tmp_path / "file").touch()
    remove_tree(str(tmp_path / "file"))
    remove_tree(str(tmp_path / "file"))
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("rights", [0o000, 0o300, 0o400, 0o500])
def test_a_folder_whose_rights_a_job_took_away_is_removed(open_folder: Path, rights: int):
    code = f"""
os.makedirs("tree/inner")
for name in ("tree/inner/a", "tree/inner/b", "tree/c"):
    open(name, "w").close()
os.chmod("tree/inner", {rights})
remove_tree(os.path.abspath("tree"))
if os.path.lexists("tree"):
    sys.exit("it is still there")
"""
    as_plain_user(code, open_folder)


@pytest.mark.parametrize("rights", [0o000, 0o500])
def test_a_tree_whose_own_rights_a_job_took_away_is_removed(open_folder: Path, rights: int):
    code = f"""
os.makedirs("tree/inner")
open("tree/inner/a", "w").close()
os.chmod("tree", {rights})
remove_tree(os.path.abspath("tree"))
if os.path.lexists("tree"):
    sys.exit("it is still there")
"""
    as_plain_user(code, open_folder)
