"""The lock and its wheels, in payload and store: jobs need neither index nor password."""

import importlib
import os
import re
import shutil
import sys
import time
import tomllib
from pathlib import Path

import pytest

from explorer_runner.errors import PackageError
from explorer_runner.format.pylock import locked_modules, locked_wheels
from explorer_runner.stores.uri import open_store
from gencove_explorer import packages
from gencove_explorer.analysis import Analysis, JobDefinition
from gencove_explorer.errors import CaptureError
from gencove_explorer.job_manager import JobManager
from support.package_index import Index, make_wheel

SMALL = JobDefinition(cpu=1, memory_mb=500)


@pytest.fixture
def private(index: Index, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Index:
    """An index with a password, which is the only one that the user has configured."""
    index.add(make_wheel("helper", tmp_path, says="helps"))
    index.add(make_wheel("lab", tmp_path, says="of the lab", requires="helper"))
    monkeypatch.setenv("UV_DEFAULT_INDEX", index.private_url)
    monkeypatch.setenv("UV_NO_CACHE", "1")
    return index


def word(ac):
    import lab

    ac.output.value("word", lab.WORD)


def everything(folder: Path) -> bytes:
    return b"\n".join(
        each.read_bytes() for each in folder.rglob("*") if each.is_file() and not each.is_fifo()
    )


def test_a_private_index_is_needed_at_submission_alone(private: Index, home: Path):
    an = Analysis(function=word, input=[1, 2], pip_packages=["lab"], job_definition=SMALL)
    an.run()
    asked = len(private.asked)
    private.server.shutdown()
    private.server.server_close()
    an.wait_done(timeout=120)
    assert an.values("word") == ["of the lab"] * 2
    assert len(private.asked) == asked
    for folder in ("store", "executor", "locks", "environments"):
        assert Index.PASSWORD.encode() not in everything(home / folder)
    lock = an._submitted().payload().lock
    assert lock is not None
    assert [each.filename for each in locked_wheels(lock)] == [
        "helper-1.0-py3-none-any.whl",
        "lab-1.0-py3-none-any.whl",
    ]
    assert locked_modules(lock) == {"helper", "lab"}
    assert (
        tomllib.loads(lock.decode())["requires-python"] == f"=={sys.version_info[0]}.{sys.version_info[1]}.*"
    )
    shutil.rmtree(home / "environments")
    shutil.rmtree(home / "wheels")
    again = JobManager().get_analysis(job_id=an.id)  # what was locked once stays, and the store has it
    again.run()
    again.wait_done(timeout=120)
    assert again.values("word") == ["of the lab"] * 2


def test_what_an_index_has_tomorrow_does_not_change_what_was_submitted(
    private: Index, home: Path, tmp_path: Path
):
    an = Analysis(function=word, pip_packages=["lab"], job_definition=SMALL)
    an.run()
    an.wait_done(timeout=120)
    private.add(make_wheel("lab", tmp_path, version="2.0", says="new"))
    again = Analysis(function=word, pip_packages=["lab"], job_definition=SMALL)
    again.run()
    again.wait_done(timeout=120)
    assert again.get_output().value("word") == "of the lab"  # within a day
    for kept in (home / "locks").iterdir():
        os.utime(kept, (0, 0))
    later = Analysis(function=word, pip_packages=["lab"], job_definition=SMALL)
    later.run()
    later.wait_done(timeout=120)
    assert later.get_output().value("word") == "new"
    old = JobManager().get_analysis(job_id=an.id)
    old.run()
    old.wait_done(timeout=120)
    assert old.get_output().value("word") == "of the lab"


def test_a_lock_is_the_same_for_the_same_files(private: Index, home: Path, tmp_path: Path):
    first = packages.lock(["lab", "helper"], home)
    assert packages.lock(["helper", "lab"], home) == first
    assert packages.lock(["lab", "helper"], tmp_path / "another") == first


def test_constraints_and_files_of_requirements_are_read(private: Index, home: Path, tmp_path: Path):
    private.add(make_wheel("lab", tmp_path, version="0.9", says="old"))
    (tmp_path / "constraints.txt").write_text("lab<1\n")
    (tmp_path / "requirements.txt").write_text("lab\n-c constraints.txt\n")
    for wanted in (["lab", "-c constraints.txt"], ["-r requirements.txt"]):
        lock = packages.lock(wanted, home)
        assert lock is not None
        assert b"lab-0.9-" in lock
    (tmp_path / "constraints.txt").write_text("lab>=1\n")
    lock = packages.lock(["lab", "-c constraints.txt"], home)
    assert lock is not None
    assert b"lab-1.0-" in lock


def test_extras_and_markers_are_followed(private: Index, home: Path, project):
    folder = project("mine", requires="helper; extra == 'more'")
    metadata = (
        (folder / "backend.py").read_text().replace("Requires-Dist", "Provides-Extra: more\nRequires-Dist")
    )
    (folder / "backend.py").write_text(metadata)
    plain = packages.lock([str(folder)], home)
    more = packages.lock([f"{folder}[more]"], home)
    never = packages.lock(["helper", "lab; python_version < '3'"], home)
    assert plain is not None
    assert more is not None
    assert never is not None
    assert (locked_modules(plain), locked_modules(more)) == ({"mine"}, {"mine", "helper"})
    assert locked_modules(never) == {"helper"}


def test_a_folder_travels_as_it_is_now_with_its_commands(home: Path, project, tmp_path: Path):
    def work(ac):
        import shutil
        import subprocess

        import mine

        said = subprocess.run(["mine-tool"], capture_output=True, text=True, check=True).stdout
        ac.output.value("said", [mine.WORD, said, shutil.which("mine-tool")])

    folder = project("mine", says="first")
    relative = f"./{folder.relative_to(tmp_path)}"
    an = Analysis(function=work, pip_packages=[relative], job_definition=SMALL)
    an.run()
    an.wait_done(timeout=120)
    said = an.get_output().value("said")
    assert said[:2] == ["first", "tool of first\n"]
    assert said[2].startswith(str(home / "environments"))
    project("mine", says="second")
    an.run()
    an.wait_done(timeout=120)
    assert an.get_output().value("said")[0] == "second"


def test_a_function_of_a_project_that_is_installed_too_finds_the_rest_of_it(
    home: Path, project, monkeypatch: pytest.MonkeyPatch
):
    folder = project("ownlib")
    (folder / "ownlib" / "helpers.py").write_text("def double(x):\n    return 2 * x\n")
    (folder / "ownlib" / "steps.py").write_text(
        "def work(ac):\n    from ownlib.helpers import double\n\n    ac.output.value('x', double(ac.input))\n"
    )
    monkeypatch.syspath_prepend(str(folder))
    steps = importlib.import_module("ownlib.steps")
    an = Analysis(function=steps.work, input=3, pip_packages=[str(folder)], job_definition=SMALL)
    an.run()
    an.wait_done(timeout=120)
    assert an.get_output().value("x") == 6, an.failures()


def test_a_project_of_the_users_own_is_named_where_its_module_is_missing(
    home: Path, project, monkeypatch: pytest.MonkeyPatch
):
    folder = project("mine")
    monkeypatch.syspath_prepend(str(folder))
    import mine

    def inside(ac):
        import mine

        ac.output.value("word", mine.WORD)

    def outside(ac):
        ac.output.value("word", mine.WORD)

    for function in (inside, outside):
        with pytest.raises(
            CaptureError, match=rf'add its project, pip_packages=\["{re.escape(str(folder))}"\]'
        ):
            Analysis(function=function).run()
        an = Analysis(function=function, pip_packages=[f"-e {folder}"], job_definition=SMALL)
        an.run()
        an.wait_done(timeout=120)
        assert an.get_output().value("word") == "hello"


def test_a_wheel_that_was_swapped_in_the_store_is_refused(private: Index, home: Path, tmp_path: Path):
    an = Analysis(function=word, pip_packages=["lab"], job_definition=SMALL)
    an.run()
    an.wait_done(timeout=120)
    shutil.rmtree(home / "environments")
    [stored] = (home / "store" / "packages").glob("*/lab-*.whl")
    stored.unlink()
    make_wheel("lab", stored.parent, says="of the LAB", requires="helper")
    an.run()
    an.wait_done(timeout=120)
    assert an.status()["status"] == "FAILED"
    assert "ash mismatch" in an.status()["reason"]


def test_a_wheel_that_is_gone_is_put_there_again_or_missed_by_name(private: Index, home: Path):
    lock = packages.lock(["lab"], home)
    store = open_store(str(home / "store"))
    packages.publish(lock, home, store)
    shutil.rmtree(home / "store" / "packages")
    packages.publish(lock, home, store)
    assert len(list((home / "store" / "packages").glob("*/*.whl"))) == 2
    shutil.rmtree(home / "store" / "packages")
    shutil.rmtree(home / "wheels")
    with pytest.raises(
        PackageError, match=r"helper-1.0-py3-none-any.whl is in the analysis's lock, but neither"
    ):
        packages.publish(lock, home, store)


def test_wheels_on_s3_are_fetched_by_jobs(
    private: Index, home: Path, bucket: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("EXPLORER_STORE", f"s3://{bucket}/x")
    monkeypatch.setenv("UV_DEFAULT_INDEX", private.private_url)
    an = Analysis(function=word, pip_packages=["lab"], job_definition=SMALL)
    an.run()
    an.wait_done(timeout=120)
    assert an.get_output().value("word") == "of the lab"
    assert sorted(each.rpartition("/")[2] for each in packages_in(an)) == ["helper", "lab"]


def packages_in(an: Analysis) -> list[str]:
    store = an._submitted().store
    return [
        name.partition("-")[0]
        for folder in store.list_folders("packages")
        for name in store.list_names(f"packages/{folder}")
    ]


def test_fifty_jobs_that_start_at_once_build_one_environment(
    private: Index, home: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("EXPLORER_CPUS", "50")
    monkeypatch.setenv("EXPLORER_MEMORY_MB", "50000")

    def work(ac):
        import os

        import lab

        ac.output.value("inode", os.stat(lab.__file__).st_ino)

    an = Analysis(
        function=work,
        input=list(range(50)),
        pip_packages=["lab"],
        job_definition=JobDefinition(cpu=1, memory_mb=100),
    )
    begin = time.time()
    an.run()
    an.wait_done(timeout=120)
    assert len(set(an.values("inode"))) == 1
    assert {path.name for path in (home / "environments").iterdir() if path.stat().st_mtime < begin} == set()
    assert len([each for each in (home / "environments").iterdir() if each.is_dir()]) == 1


def test_a_lock_that_names_a_path_outside_is_refused():
    text = 'lock-version = "1.0"\n[[packages]]\nname = "x"\n'
    text += 'wheels = [{path = "%s", size = 1, hashes = {sha256 = "%s"}}]\n'
    for path in ("../x.whl", "packages/x/x.whl", f"packages/{'0' * 64}/../x.whl", "/x.whl"):
        with pytest.raises(PackageError, match="which is no wheel's key"):
            locked_wheels((text % (path, "0" * 64)).encode())
    with pytest.raises(PackageError, match="which is no wheel's key"):
        locked_wheels((text % (f"packages/{'0' * 64}/x-1-py3-none-any.whl", "1" * 64)).encode())
