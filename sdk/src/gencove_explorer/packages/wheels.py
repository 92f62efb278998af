"""One wheel for each package, by content: downloaded, or built here from source.

<home>/wheels/<sha256>/<filename>     wheels; a name appears when the file is whole
<home>/wheels/built/<key>             which wheel was built from a source: "<sha256>/<filename>"
"""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit
from urllib.request import url2pathname

from packaging.pylock import Package, PackageArchive, PackageDirectory, PackageSdist, PackageVcs, PackageWheel
from packaging.utils import parse_wheel_filename

from explorer_runner.errors import PackageError
from explorer_runner.system.folders import make_private, remove_tree
from gencove_explorer.packages.downloads import download
from gencove_explorer.packages.resolve import Resolved, Uv, local_path

_EPOCH = "315532800"
"""1980, the first date that a zip can hold: two builds of one source are one wheel."""
_SAID_LINES = 40
_STALE_SECONDS = 24 * 3600.0
_NOT_SOURCE = frozenset((".git", ".hg", ".tox", ".nox", "__pycache__", "node_modules", ".ipynb_checkpoints"))
_BUILT_INTO = frozenset(("build", "dist"))


@dataclass(frozen=True)
class Wheel:
    """A wheel file on this machine."""

    path: Path
    sha256: str

    @property
    def filename(self) -> str:
        return self.path.name

    def modules(self) -> list[str]:
        """Sorted names that ``import`` finds because of this wheel, without what lies below them."""
        with zipfile.ZipFile(self.path) as file:
            names = [name.split("/") for name in file.namelist()]
        tops = [parts for parts in names if not parts[0].endswith((".dist-info", ".data"))]
        tops += [parts[2:] for parts in names if parts[0].endswith(".data") and parts[1:2] in _LIBRARIES]
        module_names = {parts[0] if len(parts) > 1 else _module(parts[0]) for parts in tops if parts}
        return sorted(item for item in module_names if item.isidentifier())


_LIBRARIES = (["purelib"], ["platlib"])


def _module(file: str) -> str:
    return file.partition(".")[0] if file.endswith((".py", ".so", ".pyd")) else ""


class Wheels:
    """The wheels of this machine."""

    def __init__(self, home: Path, uv: Uv, advance: Callable[[int], None] = lambda size: None) -> None:
        self.folder = home / "wheels"
        self.temporary = home / "tmp"
        self.uv = uv
        self.advance = advance
        """Told how many bytes came of what ``expected`` counts."""

    def known(self, source: Any) -> Wheel | None:
        """The wheel of a source that has its SHA-256, if it is here."""
        sha256 = _sha256(source)
        if sha256 is None:
            return None
        if _filename(source).endswith(".whl"):
            path = self.folder / sha256 / _filename(source)
            return Wheel(path, sha256) if path.exists() else None
        return self._built(f"{sha256}-{_python()}")

    def obtain(self, resolved: Resolved) -> Wheel:
        """The wheel of a resolved package. Raises PackageError."""
        source = resolved.source
        if isinstance(source, PackageDirectory):
            return self.of_folder(local_path(source.path), subdirectory=source.subdirectory)
        if isinstance(source, PackageVcs):
            return self._of_commit(resolved.package, source)
        return self.known(source) or self._of_file(resolved.package, source)

    def of_folder(self, folder: Path, subdirectory: str | None = None) -> Wheel:
        """The wheel of a project's folder, built anew if a file of it changed."""
        project = folder / subdirectory if subdirectory else folder
        key = f"folder-{_fingerprint(project)}-{_python()}"
        return self._built(key) or self._build(project, key, str(folder))

    def _of_file(self, package: Package, source: PackageWheel | PackageSdist | PackageArchive) -> Wheel:
        with self._room() as room:
            file = room / _filename(source)
            sha256 = self._bring(source, file)
            if file.suffix == ".whl":
                return self._keep(file, sha256)
            return self._build(
                file, f"{sha256}-{_python()}", f"{package.name} {package.version or ''}".strip()
            )

    def _bring(self, source: PackageWheel | PackageSdist | PackageArchive, target: Path) -> str:
        promised = _sha256(source)
        if source.url is not None and urlsplit(source.url).scheme != "file":
            return download(source.url, target, promised, self.uv.indexes, self.advance)
        path = Path(url2pathname(urlsplit(source.url).path)) if source.url else local_path(source.path or "")
        shutil.copyfile(path, target)
        with target.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        if promised is not None and digest != promised:
            raise PackageError(
                f"{path} is not what the index promised: its SHA-256 is {digest}, not {promised}"
            )
        return digest

    def _of_commit(self, package: Package, source: PackageVcs) -> Wheel:
        if source.type != "git" or source.url is None:
            raise PackageError(f"{package.name} comes from {source.type}: only git is known here")
        what = f"{source.url}@{source.commit_id}"
        key = f"git-{hashlib.sha256(f'{what}#{source.subdirectory}'.encode()).hexdigest()}-{_python()}"
        built = self._built(key)
        if built is not None:
            return built
        with self._room() as room:
            _clone(source.url, source.commit_id, room / "clone")
            return self._build(room / "clone" / (source.subdirectory or ""), key, what)

    def _build(self, source: Path, key: str, what: str) -> Wheel:
        with self._room() as room:
            done = self.uv.run(
                *("build", "--no-progress", "--wheel", "--out-dir", os.fspath(room), os.fspath(source)),
                SOURCE_DATE_EPOCH=self.uv.indexes.environment.get("SOURCE_DATE_EPOCH", _EPOCH),
            )
            built = sorted(room.glob("*.whl"))
            if done.returncode != 0 or len(built) != 1:
                message = "\n".join(done.stderr.decode(errors="replace").strip().splitlines()[-_SAID_LINES:])
                raise PackageError(f"no wheel can be built of {what}:\n{message}")
            _require_pure(built[0].name, what)
            with built[0].open("rb") as file:
                wheel = self._keep(built[0], hashlib.file_digest(file, "sha256").hexdigest())
            make_private(os.fspath(self.folder / "built"))
            record = room / "record"
            record.write_text(f"{wheel.sha256}/{wheel.filename}")
            record.rename(self.folder / "built" / key)
            return wheel

    def _built(self, key: str) -> Wheel | None:
        try:
            sha256, _, filename = (self.folder / "built" / key).read_text().partition("/")
        except FileNotFoundError:
            return None
        path = self.folder / sha256 / filename
        return Wheel(path, sha256) if path.exists() else None

    def _keep(self, file: Path, sha256: str) -> Wheel:
        folder = self.folder / sha256
        make_private(os.fspath(folder))
        os.chmod(file, 0o400)
        moved = file.rename(folder / file.name)
        return Wheel(moved, sha256)

    @contextmanager
    def _room(self) -> Iterator[Path]:
        make_private(os.fspath(self.temporary))
        for left in self.temporary.glob("wheel-*"):
            if _is_stale(left):  # by a submission that was killed
                remove_tree(os.fspath(left))
        with tempfile.TemporaryDirectory(dir=self.temporary, prefix="wheel-") as room:
            yield Path(room)


def _is_stale(room: Path) -> bool:
    try:
        return time.time() - room.stat().st_mtime > _STALE_SECONDS
    except FileNotFoundError:
        return False


def _sha256(source: Any) -> str | None:
    hashes = getattr(source, "hashes", None)
    return hashes.get("sha256") if hashes else None


def _filename(source: PackageWheel | PackageSdist | PackageArchive) -> str:
    address = urlsplit(source.url).path if source.url else source.path or ""
    return getattr(source, "filename", None) or unquote(address.rpartition("/")[2])


def _python() -> str:
    return f"py{sys.version_info[0]}.{sys.version_info[1]}"


def _require_pure(filename: str, what: str) -> None:
    if any(tag.abi != "none" or tag.platform != "any" for tag in parse_wheel_filename(filename)[-1]):
        raise PackageError(
            f"{what} has no wheel for this Python and system, and its source is not pure Python: what is "
            "compiled here may not run where the jobs run. Name a version that has wheels, or build a wheel "
            "where the jobs run and name its file"
        )


def _fingerprint(folder: Path) -> str:
    """What changes with any file of a project: paths, sizes and times of change."""
    digest = hashlib.sha256(os.fspath(folder).encode())
    for parent, folders, files in os.walk(folder):
        skipped = _NOT_SOURCE | _BUILT_INTO if parent == os.fspath(folder) else _NOT_SOURCE
        folders[:] = sorted(
            folder
            for folder in folders
            if folder not in skipped
            and not folder.endswith((".egg-info", "_cache"))
            and not os.path.exists(f"{parent}/{folder}/pyvenv.cfg")
        )
        for name in sorted(files):
            status = os.stat(f"{parent}/{name}", follow_symlinks=False)
            digest.update(
                f"{parent}/{name} {status.st_size} {status.st_mtime_ns}\n".encode(errors="surrogateescape")
            )
    return digest.hexdigest()


def _clone(url: str, commit: str, target: Path) -> None:
    """Check out one commit, asking no questions; credentials are git's affair."""
    environment = {**os.environ, "GIT_TERMINAL_PROMPT": "0"}
    steps = [
        ["clone", "--quiet", "--no-checkout", url, os.fspath(target)],
        ["-C", os.fspath(target), "checkout", "--quiet", "--detach", commit],
        ["-C", os.fspath(target), "submodule", "--quiet", "update", "--init", "--recursive"],
    ]
    for step in steps:
        done = subprocess.run(
            ["git", *step], env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True
        )
        if done.returncode != 0:
            raise PackageError(f"{url} cannot be checked out at {commit}:\n{done.stderr.strip()}")
