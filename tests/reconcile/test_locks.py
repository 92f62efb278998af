"""Packages of manifests: what is committed holds, and a new release is no reason to run again."""

import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from explorer_runner.format.pylock import locked_wheels
from gencove_explorer.errors import ManifestError, PackageError
from gencove_explorer.job_manager import JobManager
from gencove_explorer.manifests.lock_file import write_lock
from gencove_explorer.session import Session
from support.package_index import Index, make_wheel
from support.repository import FIRST, Repository

CODE = "def work(ac):\n    import lab\n    ac.output.value('word', lab.WORD)\n"
MANIFEST = f"{FIRST.replace('first', 'packed').replace('code.py', 'packed.py')}pip_packages: ['lab>=1']\n"


@pytest.fixture
def index(tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Index]:
    """The only package index that is configured; it has lab 1.0."""
    (tmp_path / "index").mkdir()
    index = Index(tmp_path / "index")
    index.add(make_wheel("lab", tmp_path, version="1.0", says="one"))
    monkeypatch.setenv("UV_DEFAULT_INDEX", index.private_url)
    monkeypatch.setenv("UV_CACHE_DIR", str(home / "uv-cache"))
    threading.Thread(target=index.server.serve_forever, daemon=True).start()
    yield index
    index.server.shutdown()
    index.server.server_close()


@pytest.fixture
def packed(study: Repository, index: Index) -> Repository:
    for name in ("first.yaml", "second.yaml"):
        (study.folder / name).unlink()
    study.write("packed.py", CODE)
    study.write("packed.yaml", MANIFEST)
    return study


def words() -> list[str]:
    return JobManager().get_analysis(manifest="packed").values("word")


def tomorrow(home: Path) -> None:
    """Nothing is remembered of what the index had."""
    shutil.rmtree(home / "locks")
    shutil.rmtree(home / "uv-cache")


def test_a_new_release_changes_nothing(packed: Repository, index: Index, home: Path, tmp_path: Path):
    packed.reconcile(wait=True)
    assert words() == ["one", "one"]
    index.add(make_wheel("lab", tmp_path, version="2.0", says="two"))
    tomorrow(home)
    assert packed.plan() == {"packed": "unchanged"}
    packed.replace("packed.yaml", "[1, 2]", "[1, 2, 3]")
    assert packed.reconcile(wait=True) == {"packed": "supersede"}
    assert words() == ["one", "one", "one"]  # by the packages of the recorded run
    packed.replace("packed.yaml", "lab>=1", "lab>=2")
    assert packed.reconcile(wait=True) == {"packed": "supersede"}
    assert words() == ["two", "two", "two"]


def test_a_committed_lock_holds(packed: Repository, index: Index, home: Path, tmp_path: Path):
    path = write_lock("packed", packed.folder, Session())
    assert path == (packed.folder / "packed.lock").resolve()
    assert [each.filename for each in locked_wheels(path.read_bytes())] == ["lab-1.0-py3-none-any.whl"]
    index.add(make_wheel("lab", tmp_path, version="2.0", says="two"))
    tomorrow(home)
    packed.reconcile(wait=True)
    assert words() == ["one", "one"]
    write_lock("packed", packed.folder, Session())
    assert packed.reconcile(wait=True) == {"packed": "supersede"}
    assert words() == ["two", "two"]
    packed.replace("packed.yaml", "lab>=1", "lab>=3")
    with pytest.raises(ManifestError, match=r"packed.lock has 2.0 of lab>=3: renew it: explorer lock packed"):
        packed.plan()


def test_a_lock_from_elsewhere_is_fetched_by_its_digests(
    packed: Repository, index: Index, home: Path, tmp_path: Path
):
    path = write_lock("packed", packed.folder, Session())
    for kept in (home / "wheels", home / "store" / "packages", home / "locks"):
        shutil.rmtree(kept)
    packed.reconcile(wait=True)
    assert words() == ["one", "one"]
    for kept in (home / "wheels", home / "store" / "packages", home / "locks"):
        shutil.rmtree(kept)
    digest = locked_wheels(path.read_bytes())[0].sha256
    path.write_text(path.read_text().replace(digest, "0" * 64))
    with pytest.raises(PackageError, match="neither in the store nor, with its digest, in the package index"):
        packed.reconcile()


def test_a_folder_of_the_repository_is_compared_by_content(packed: Repository):
    project = packed.folder / "mine"
    (project / "mine").mkdir(parents=True)
    (project / "mine" / "__init__.py").write_text("WORD = 'a'\n")
    (project / "backend.py").write_text(
        "import zipfile\n"
        "def build_wheel(folder, *_, **__):\n"
        "    name = 'mine-1.0-py3-none-any.whl'\n"
        "    with zipfile.ZipFile(f'{folder}/{name}', 'w') as file:\n"
        "        file.write('mine/__init__.py')\n"
        "        info = 'mine-1.0.dist-info'\n"
        "        file.writestr(f'{info}/METADATA', 'Metadata-Version: 2.1\\nName: mine\\nVersion: 1.0\\n')\n"
        "        file.writestr(f'{info}/WHEEL', 'Wheel-Version: 1.0\\nTag: py3-none-any\\n')\n"
        "        file.writestr(f'{info}/RECORD', '')\n"
        "    return name\n"
    )
    (project / "pyproject.toml").write_text(
        '[project]\nname = "mine"\nversion = "1.0"\n'
        '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
    )
    packed.replace("packed.yaml", "'lab>=1'", "./mine")
    packed.write("packed.py", CODE.replace("lab", "mine"))
    packed.reconcile(wait=True)
    assert words() == ["a", "a"]
    (project / "build").mkdir()
    (project / "build" / "x").write_text("left by a build")
    assert packed.plan() == {"packed": "unchanged"}
    (project / "mine" / "__init__.py").write_text("WORD = 'b'\n")
    assert packed.reconcile(wait=True) == {"packed": "supersede"}
    assert words() == ["b", "b"]
