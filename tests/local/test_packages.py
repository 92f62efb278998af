"""pip_packages: locked at submission, installed once, seen by jobs alone."""

import dataclasses
import os
import time
from pathlib import Path

import pytest

from gencove_explorer.analysis import Analysis, JobDefinition
from gencove_explorer.errors import CaptureError, PackageError

SMALL = JobDefinition(cpu=1, memory_mb=500)


def test_a_package_is_installed_and_shared(home: Path):
    def work(ac):
        import shutil
        import subprocess
        import sys

        import iniconfig

        ac.output.value("from", iniconfig.__file__)
        ac.output.value("executable", sys.executable)
        found = subprocess.run([sys.executable, "-c", "import iniconfig"], capture_output=True, text=True)
        ac.output.value("child", found.returncode)
        ac.output.value("path", shutil.which("python") == sys.executable)

    an = Analysis(function=work, input=[1, 2, 3, 4], pip_packages=["iniconfig==2.1.0"], job_definition=SMALL)
    an.run()
    an.wait_done(timeout=120)
    assert an.status()["status"] == "SUCCEEDED", an.failures()
    assert len(set(an.values("from"))) == 1
    assert an.values("from")[0].startswith(str(home / "environments"))
    assert an.values("child") == [0] * 4
    assert an.values("path") == [True] * 4
    environments = [each for each in (home / "environments").iterdir() if each.is_dir()]
    assert len(environments) == 1
    lock = an._submitted().payload().lock
    assert lock is not None
    assert b'sha256 = "' in lock
    an.run_local(job_index=0)
    assert [each for each in (home / "environments").iterdir() if each.is_dir()] == environments


def test_a_package_that_does_not_exist_is_refused_at_submission(home: Path):
    with pytest.raises(PackageError, match="no-such-package-at-all was not found"):
        Analysis(function=lambda ac: None, pip_packages=["no-such-package-at-all"]).run()
    with pytest.raises(PackageError, match=r"unsatisfiable|no versions|No solution"):
        Analysis(function=lambda ac: None, pip_packages=["iniconfig==99"]).run()
    with pytest.raises(PackageError, match="cannot be resolved"):
        Analysis(function=lambda ac: None, pip_packages=["not a requirement!!"]).run()


def test_the_users_pin_of_a_runner_library_wins(home: Path):
    def work(ac):
        import cloudpickle

        ac.output.value("version", cloudpickle.__version__)
        ac.output.value("tuple", (1, 2))

    an = Analysis(function=work, pip_packages=["cloudpickle==3.0.0"])
    an.run()
    an.wait_done(timeout=120)
    assert an.status() == {"status": "SUCCEEDED"}, an.failures()
    assert an.get_output().value("version") == "3.0.0"
    assert an.get_output().value("tuple") == (1, 2)
    an.run_local()
    assert an.get_output().value("version") == "3.0.0"


def test_an_instance_of_a_class_that_was_sent_comes_back_where_packages_bring_cloudpickle(home: Path):
    @dataclasses.dataclass
    class Site:
        position: int

    def work(ac):
        ac.output.value("site", dataclasses.replace(ac.input, position=4))

    an = Analysis(
        function=work, input=Site(3), pip_packages=["cloudpickle==3.0.0"], job_definition=SMALL, name="site"
    )
    an.run()
    an.wait_done(timeout=120)
    assert an.get_output().value("site") == Site(4)
    an.run_local()
    assert an.get_output().value("site") == Site(4)


def test_a_captured_module_travels_if_pip_packages_name_it(home: Path):
    import click

    def work(ac):
        ac.output.value("x", click.style("x", fg="red"))

    with pytest.raises(CaptureError, match=r'add pip_packages=\["click=='):
        Analysis(function=work).run()
    an = Analysis(function=work, pip_packages=["click"])
    an.run()
    an.wait_done(timeout=120)
    assert "x" in an.get_output().value("x")


def test_a_lock_is_used_again_within_a_day(home: Path):
    from gencove_explorer import packages

    first = packages.lock(["iniconfig"], home)
    assert first is not None
    kept = next((home / "locks").glob("*.toml"))
    kept.write_bytes(first + b"# kept\n")
    assert packages.lock(["iniconfig"], home) == first + b"# kept\n"
    day_ago = time.time() - 25 * 3600
    os.utime(kept, (day_ago, day_ago))
    assert packages.lock(["iniconfig"], home) == first
    assert packages.lock([], home) is None


def test_an_environment_whose_building_was_killed_is_built_again(home: Path):
    def work(ac):
        import iniconfig

        ac.output.value("x", iniconfig.__name__)

    an = Analysis(function=work, pip_packages=["iniconfig==2.1.0"])
    an.run_local()
    folder = next(each for each in (home / "environments").iterdir() if each.is_dir())
    (folder / ".complete").unlink()
    for module in folder.rglob("iniconfig/*.py"):
        module.unlink()
    an.run()
    an.wait_done(timeout=120)
    assert an.get_output().value("x") == "iniconfig"
