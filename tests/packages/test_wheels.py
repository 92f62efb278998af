"""One wheel for each source: built reproducibly, once, and built anew when the source changed."""

import os
import subprocess
import zipfile
from pathlib import Path

import pytest

from explorer_runner.attempt.environment import find_uv
from explorer_runner.errors import PackageError
from gencove_explorer.packages.indexes import Indexes
from gencove_explorer.packages.resolve import Uv, resolve
from gencove_explorer.packages.wheels import Wheel, Wheels
from support.package_index import Index, make_wheel, pack


@pytest.fixture
def uv(no_indexes: Indexes) -> Uv:
    return Uv(find_uv(), Indexes({**os.environ, **no_indexes.environment}, no_indexes.folder))


def test_a_folder_is_built_once_for_each_state_of_it(project, uv: Uv, tmp_path: Path):
    wheels = Wheels(tmp_path / "home", uv)
    folder = project("lab")
    first = wheels.of_folder(folder)
    assert first.modules() == ["lab"]
    assert wheels.of_folder(folder) == first
    (folder / "build").mkdir()
    (folder / "build" / "left").touch()
    (folder / "lab" / "__pycache__").mkdir()
    assert wheels.of_folder(folder) == first
    project("lab", says="something else")
    second = wheels.of_folder(folder)
    assert second.sha256 != first.sha256
    assert Wheels(tmp_path / "elsewhere", uv).of_folder(folder).sha256 == second.sha256
    assert os.listdir(tmp_path / "home" / "tmp") == []


def test_what_a_killed_submission_left_is_removed_a_day_later(project, uv: Uv, tmp_path: Path):
    rooms = [tmp_path / "home" / "tmp" / f"wheel-{age}" for age in ("old", "new")]
    for room in rooms:
        room.mkdir(parents=True)
    os.utime(rooms[0], (0, 0))
    Wheels(tmp_path / "home", uv).of_folder(project("lab"))
    assert [room.exists() for room in rooms] == [False, True]


def test_a_source_that_is_not_pure_is_refused_by_name(project, uv: Uv, tmp_path: Path):
    folder = project("native", tag="cp311-cp311-linux_x86_64")
    with pytest.raises(PackageError, match=r"native has no wheel for this Python and system, and its source"):
        Wheels(tmp_path / "home", uv).of_folder(folder)


def test_a_build_that_fails_says_why(project, uv: Uv, tmp_path: Path):
    folder = project("broken")
    (folder / "backend.py").write_text("raise RuntimeError('no luck today')\n")
    with pytest.raises(PackageError, match=r"no wheel can be built of .*broken[\s\S]*no luck today"):
        Wheels(tmp_path / "home", uv).of_folder(folder)


def test_a_source_distribution_is_built_once(project, index: Index, tmp_path: Path):
    index.add(pack(project("lab"), tmp_path))
    uv = Uv(find_uv(), Indexes({**os.environ, "UV_DEFAULT_INDEX": index.private_url}, tmp_path))
    wheels = Wheels(tmp_path / "home", uv)
    [found] = resolve(["lab"], uv)
    assert wheels.known(found.source) is None
    built = wheels.obtain(found)
    assert built.filename == "lab-1.0-py3-none-any.whl"
    asked = len(index.asked)
    assert wheels.obtain(found) == built
    assert len(index.asked) == asked


def test_git_is_checked_out_at_the_commit_that_was_resolved(project, uv: Uv, tmp_path: Path):
    folder = project("lab", says="first")

    def git(*arguments: str) -> None:
        name = ["-c", "user.name=x", "-c", "user.email=x@example.com", "-c", "init.defaultBranch=main"]
        subprocess.run(["git", *name, *arguments], cwd=folder, check=True, capture_output=True)

    git("init")
    git("add", ".")
    git("commit", "-m", "first")
    git("tag", "v1")
    project("lab", says="second")
    git("commit", "-am", "second")
    wheels = Wheels(tmp_path / "home", uv)
    digests = []
    for reference in ("@v1", "", "@v1"):
        [found] = resolve([f"lab @ git+{folder.as_uri()}{reference}"], uv)
        digests.append(wheels.obtain(found).sha256)
    assert digests[0] == digests[2] != digests[1]
    with pytest.raises(PackageError, match="cannot be resolved"):
        resolve([f"lab @ git+{folder.as_uri()}@absent"], uv)


def test_the_modules_of_a_wheel_are_what_can_be_imported(tmp_path: Path):
    path = tmp_path / "odd-1-py3-none-any.whl"
    names = ["pack/__init__.py", "pack/data.txt", "single.py", "_fast.cpython-311-x86_64-linux-gnu.so"]
    names += [
        "odd-1.dist-info/METADATA",
        "odd-1.data/purelib/inner/x.py",
        "odd-1.data/scripts/run",
        "notes.txt",
    ]
    with zipfile.ZipFile(path, "w") as file:
        for name in names:
            file.writestr(name, "")
    assert Wheel(path, "0" * 64).modules() == ["_fast", "inner", "pack", "single"]


def test_a_wheel_of_the_users_is_taken_as_it_is(uv: Uv, tmp_path: Path):
    file = make_wheel("lab", tmp_path)
    [found] = resolve([f"lab @ {file.as_uri()}"], uv)
    kept = Wheels(tmp_path / "home", uv).obtain(found)
    assert kept.path.read_bytes() == file.read_bytes()
    assert file.exists()
