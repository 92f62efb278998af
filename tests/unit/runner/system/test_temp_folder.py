"""TMPDIR of a job is short, whatever the path of its scratch folder is."""

import fcntl
import os
import subprocess
import sys
from pathlib import Path

import pytest

from explorer_runner.system import temp_folder
from explorer_runner.system.temp_folder import LONGEST, forget, reach, sweep


@pytest.fixture
def links(tmp_path: Path) -> str:
    return str(tmp_path / "links")


@pytest.fixture
def folder(tmp_path: Path) -> str:
    path = tmp_path / ("x" * LONGEST)
    path.mkdir()
    return str(path)


def test_a_short_path_is_taken_as_it_is(links: str):
    short = "/".ljust(LONGEST, "x")
    assert reach(short, links=links) == short
    assert reach("/s", "17", links) == "/s/17"
    assert not os.path.exists(links)


def test_a_long_one_is_reached_by_a_link_that_is_made_once(links: str, folder: str):
    link = reach(folder, links=links)
    assert os.path.samefile(link, folder)
    assert reach(folder, links=links) == link
    assert reach(folder, "17", links) == f"{link}/17"
    assert os.listdir(links) == [os.path.basename(link)]
    assert os.stat(links).st_mode & 0o777 == 0o700


def test_bytes_count_and_not_characters(links: str, tmp_path: Path):
    umlauts = f"/{'ü' * (LONGEST // 2)}"
    assert reach(umlauts, links=links) != umlauts


def test_the_paths_of_links_leave_room_for_sockets():
    assert len(f"{temp_folder.LINKS}/{'0' * 12}/10000") <= LONGEST


def test_a_link_that_was_cleaned_away_is_made_again(links: str, folder: str):
    link = reach(folder, links=links)
    os.unlink(link)
    os.rmdir(links)
    assert reach(folder, links=links) == link
    assert os.path.samefile(link, folder)


def test_with_the_last_link_the_folder_goes(links: str, folder: str, tmp_path: Path):
    other = tmp_path / ("y" * LONGEST)
    other.mkdir()
    reach(folder, links=links)
    reach(str(other), links=links)
    forget(folder, links)
    assert len(os.listdir(links)) == 1
    forget(str(other), links)
    forget(str(other), links)
    assert not os.path.exists(links)


def test_links_of_processes_that_were_killed_are_removed_with_their_folders(links: str, folder: str):
    reach(folder, links=links)
    sweep(links)
    assert len(os.listdir(links)) == 1
    os.rmdir(folder)
    sweep(links)
    assert not os.path.exists(links)
    sweep(links)


def test_making_a_link_removes_those_that_lead_nowhere(links: str, folder: str, tmp_path: Path):
    gone = tmp_path / ("y" * LONGEST)
    gone.mkdir()
    reach(str(gone), links=links)
    gone.rmdir()
    link = reach(folder, links=links)
    assert os.listdir(links) == [os.path.basename(link)]


@pytest.mark.parametrize("mode", [0o770, 0o707])
def test_a_folder_that_others_may_write_to_is_not_used(links: str, folder: str, mode: int, capfd):
    os.mkdir(links)
    os.chmod(links, mode)
    assert reach(folder, links=links) == folder
    assert (
        f"{links} is no folder of this user's, or others may write to it: remove it" in capfd.readouterr().err
    )
    assert os.listdir(links) == []
    os.rmdir(links)  # as it says
    assert reach(folder, links=links) != folder


def test_nor_is_one_that_a_link_leads_to(links: str, folder: str, tmp_path: Path, capfd):
    private = tmp_path / "private"
    private.mkdir(mode=0o700)
    (private / "dangling").symlink_to(tmp_path / "nowhere")
    os.symlink(private, links)
    assert reach(folder, links=links) == folder
    sweep(links)
    assert os.listdir(private) == ["dangling"]
    assert f"TMPDIR stays {folder}" in capfd.readouterr().err


def test_what_has_the_name_of_a_link_is_not_followed(links: str, folder: str, tmp_path: Path, capfd):
    link = reach(folder, links=links)
    os.unlink(link)
    os.symlink(tmp_path, link)
    assert reach(folder, links=links) == folder
    assert f"{link} cannot be made: something else is there; remove it" in capfd.readouterr().err
    os.unlink(link)
    assert reach(folder, links=links) == link


def test_the_folder_is_locked_while_a_process_needs_it(links: str, folder: str):
    """systemd-tmpfiles leaves alone what it cannot lock."""
    code = "import sys; from explorer_runner.system.temp_folder import reach\n"
    code += "print(reach(*sys.argv[1:]))\ninput()"
    command = [sys.executable, "-c", code, folder, "", links]
    holder = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    holder.stdout.readline()
    descriptor = os.open(links, os.O_RDONLY)
    with pytest.raises(BlockingIOError):
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    holder.communicate("\n")
    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.close(descriptor)
