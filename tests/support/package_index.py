"""A package index with a password, and packages to put into it."""

import base64
import hashlib
import os
import tarfile
import zipfile
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

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


def write_project(
    parent: Path,
    name: str,
    *,
    version: str = "1.0",
    says: str = "hello",
    requires: str = "",
    tag: str = "py3-none-any",
) -> Path:
    """A project with a build backend of its own: nothing is fetched to build it."""
    folder = parent / name
    (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / name / "__init__.py").write_text(
        f"WORD = {says!r}\ndef main():\n    print('tool of', {says!r})\n"
    )
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    if requires:
        metadata += f"Requires-Dist: {requires}\n"
    (folder / "backend.py").write_text(BACKEND.format(name=name, version=version, tag=tag, metadata=metadata))
    (folder / "pyproject.toml").write_text(
        f'[project]\nname = "{name}"\nversion = "{version}"\n'
        f"dependencies = {[requires] if requires else []}\n"
        '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
    )
    return folder


def pack(folder: Path, target: Path) -> Path:
    """A source distribution of a project."""
    path = target / f"{folder.name}-1.0.tar.gz"
    (folder / "PKG-INFO").write_text(f"Metadata-Version: 2.1\nName: {folder.name}\nVersion: 1.0\n")
    with tarfile.open(path, "w:gz") as file:
        file.add(folder, f"{folder.name}-1.0")
    return path


def make_wheel(
    name: str, target: Path, *, version: str = "1.0", says: str = "hello", requires: str = ""
) -> Path:
    """A wheel with one module."""
    path = target / f"{name}-{version}-py3-none-any.whl"
    info = f"{name}-{version}.dist-info"
    dependency = f"Requires-Dist: {requires}\n" if requires else ""
    with zipfile.ZipFile(path, "w") as file:
        file.writestr(f"{name}/__init__.py", f"WORD = {says!r}\n")
        file.writestr(
            f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{dependency}"
        )
        file.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\nRoot-Is-Purelib: true\n")
        file.writestr(f"{info}/RECORD", "")
    return path


class Index:
    """A package index that is served here; what it was asked is in ``asked``."""

    USER, PASSWORD = "scientist", "hunter2"

    def __init__(self, root: Path) -> None:
        self.root = root
        self.asked: list[tuple[str, str | None]] = []
        self.failures = 0
        """So many of the next requests are answered with 503."""
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, self))
        self.host = f"127.0.0.1:{self.server.server_port}"
        self.url = f"http://{self.host}/simple"
        self.private_url = f"http://{self.USER}:{self.PASSWORD}@{self.host}/simple"

    def add(self, file: Path) -> None:
        folder = self.root / "simple" / file.name.partition("-")[0]
        folder.mkdir(parents=True, exist_ok=True)
        file.rename(folder / file.name)
        lines = [
            f'<a href="{each.name}#sha256={hashlib.sha256(each.read_bytes()).hexdigest()}">{each.name}</a>'
            for each in sorted(folder.iterdir())
            if each.name != "index.html"
        ]
        (folder / "index.html").write_text("<br>".join(lines))


class _Handler(SimpleHTTPRequestHandler):
    def __init__(self, index: Index, *arguments: object) -> None:
        self.index = index
        super().__init__(*arguments, directory=os.fspath(index.root))  # type: ignore[arg-type]

    def do_GET(self) -> None:
        word = self.headers.get("Authorization")
        self.index.asked.append((self.path, word))
        right = base64.b64encode(f"{Index.USER}:{Index.PASSWORD}".encode()).decode()
        if self.index.failures:
            self.index.failures -= 1
            self.send_error(503)
        elif word != f"Basic {right}":
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="index"')
            self.send_header("Content-Length", "0")
            self.end_headers()
        else:
            super().do_GET()

    def log_message(self, *arguments: object) -> None:
        pass
