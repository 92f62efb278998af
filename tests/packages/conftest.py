"""Projects of a user's, and a package index with a password, made here."""

import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from package_index import Index

from gencove_explorer.packages.indexes import Indexes

Project = Callable[..., Path]

BACKEND = """
import os, zipfile
def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    name = "{name}-{version}-{tag}.whl"
    info = "{name}-{version}.dist-info"
    with zipfile.ZipFile(os.path.join(wheel_directory, name), "w") as file:
        for parent, _, files in os.walk("{name}"):
            for each in sorted(files):
                if not each.endswith(".pyc"):
                    path = os.path.join(parent, each)
                    file.writestr(zipfile.ZipInfo(path, (1980, 1, 1, 0, 0, 0)), open(path).read())
        about = dict(METADATA=\"\"\"{metadata}\"\"\", RECORD="")
        about["WHEEL"] = "Wheel-Version: 1.0\\nTag: {tag}\\nRoot-Is-Purelib: true\\n"
        about["entry_points.txt"] = "[console_scripts]\\n{name}-tool={name}:main\\n"
        for each, text in about.items():
            file.writestr(zipfile.ZipInfo(info + "/" + each), text)
    return name
"""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A function that writes a project with a build backend of its own: nothing is fetched to build it."""

    def write(
        name: str, *, version: str = "1.0", says: str = "hello", requires: str = "", tag: str = "py3-none-any"
    ) -> Path:
        folder = tmp_path / "projects" / name
        (folder / name).mkdir(parents=True, exist_ok=True)
        (folder / name / "__init__.py").write_text(
            f"WORD = {says!r}\ndef main():\n    print('tool of', {says!r})\n"
        )
        metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        if requires:
            metadata += f"Requires-Dist: {requires}\n"
        (folder / "backend.py").write_text(
            BACKEND.format(name=name, version=version, tag=tag, metadata=metadata)
        )
        (folder / "pyproject.toml").write_text(
            f'[project]\nname = "{name}"\nversion = "{version}"\n'
            f"dependencies = {[requires] if requires else []}\n"
            '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
        )
        return folder

    return write


@pytest.fixture
def index(tmp_path: Path) -> Iterator[Index]:
    (tmp_path / "index").mkdir()
    index = Index(tmp_path / "index")
    threading.Thread(target=index.server.serve_forever, daemon=True).start()
    yield index
    index.server.shutdown()
    index.server.server_close()


@pytest.fixture
def no_indexes(tmp_path: Path) -> Indexes:
    """The configuration of somebody who configured nothing."""
    return Indexes({"PIP_CONFIG_FILE": os.devnull, "XDG_CONFIG_HOME": str(tmp_path)}, tmp_path)
