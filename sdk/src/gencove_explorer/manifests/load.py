"""A folder of manifests: all of them with what they refer to, and every fault of every file at once."""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import TypeVar

from explorer_runner.format.payload import EACH
from explorer_runner.format.pylock import MAX_BYTES as MAX_LOCK_BYTES
from explorer_runner.system.folders import open_regular
from gencove_explorer.errors import CorruptPayload, ExplorerError, PackageError
from gencove_explorer.manifests.find import manifest_files
from gencove_explorer.manifests.function_source import FunctionSource, SourceError, read_source
from gencove_explorer.manifests.inputs import (
    ManifestLocation,
    ObjectLister,
    ResolvedInput,
    load_input,
    load_shared,
)
from gencove_explorer.manifests.lock_file import check_lock
from gencove_explorer.manifests.problems import ManifestError, Problem, suggest
from gencove_explorer.manifests.schema import Manifest, OutputInput, check_document
from gencove_explorer.manifests.yaml_document import MAX_BYTES, Document, dotted, read_document
from gencove_explorer.packages.requirements import folder_of
from gencove_explorer.utils.git import repository_root

_T = TypeVar("_T")
_NO_SOURCES = frozenset(("__pycache__", "build", "dist", "node_modules"))


@dataclass(frozen=True)
class LoadedManifest:
    """A manifest, and what it refers to."""

    manifest: Manifest
    """As it is compared: in ``global_config``, of files what tells them apart in their place."""
    document: Document
    place: ManifestLocation
    function: FunctionSource
    input: ResolvedInput | None
    """None where it is an output of another analysis, which nobody knows yet."""
    lock: bytes | None
    shared: Mapping[str, ResolvedInput] = field(default_factory=dict)
    """The values of ``global_config``."""
    folders: Mapping[str, str] = field(default_factory=dict)
    """Requirement that names a folder of the repository -> digest of what is in it."""

    @property
    def name(self) -> str:
        return self.manifest.name

    @property
    def file(self) -> str:
        return self.document.file

    @property
    def local(self) -> str:
        """Where a file of the repository is given to jobs, and which; empty if none is."""
        given = {"input": self.input, **{f"global_config.{name}": item for name, item in self.shared.items()}}
        return next((f"{where}: {item.local}" for where, item in given.items() if item and item.local), "")

    def requirements(self) -> list[str]:
        """``pip_packages`` as they hold from any working directory."""
        return [
            f"{self.place.resolve(_path_of(package))}{_rest_of(package)}"
            if package in self.folders
            else package
            for package in self.manifest.pip_packages
        ]


@dataclass(frozen=True)
class ManifestFolder:
    """What a folder of manifests holds."""

    path: Path
    root: Path
    """The repository; without one the folder itself."""
    manifests: Mapping[str, LoadedManifest]
    """By name, those that have no fault of their own."""
    faults: Sequence[Problem]

    def require(self) -> Mapping[str, LoadedManifest]:
        """The manifests. Raises ManifestError if any has a fault."""
        if self.faults:
            raise ManifestError(
                sorted(self.faults, key=lambda problem: (problem.file, problem.line or 0, problem.field))
            )
        return self.manifests


def load_folder(folder: Path, objects: ObjectLister) -> ManifestFolder:
    """Read every manifest below a folder."""
    folder = folder.resolve()
    root = repository_root(folder) or folder
    by_name: dict[str, LoadedManifest] = {}
    faults: list[Problem] = []
    if not folder.is_dir():
        faults.append(Problem(str(folder), None, "", "is not a folder", "a folder of manifests"))
    for path in manifest_files(folder):
        try:
            loaded = load_file(path, root, objects)
        except ManifestError as error:
            faults += error.faults
            continue
        if loaded.name in by_name:
            faults.append(
                Problem(
                    loaded.file,
                    loaded.document.line(("name",)),
                    "name",
                    f"{loaded.name!r} is the name of {by_name[loaded.name].file} too",
                    "a name that no other manifest has",
                )
            )
        else:
            by_name[loaded.name] = loaded
    faults += _dependency_faults(by_name, complete=not faults)
    return ManifestFolder(folder, root, by_name, faults)


def load_file(path: Path, root: Path, objects: ObjectLister) -> LoadedManifest:
    """Read a manifest. Raises ManifestError with every fault that it has."""
    file = path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path)
    if not path.resolve().is_relative_to(root):
        raise ManifestError([Problem(file, None, "", f"leads out of the repository, to {path.resolve()}")])
    document = read_document(path, file)
    manifest = check_document(document)
    place = ManifestLocation(path.resolve().parent, root)
    faults: list[Problem] = []

    def look(where: str, find: Callable[[], _T], *more: str) -> _T | None:
        at = (where, *more)
        try:
            return find()
        except SourceError as error:
            line = f"{manifest.function.rpartition(':')[0]}, line {error.line}: " if error.line else ""
            faults.append(Problem(file, document.line(at), dotted(at), f"{line}{error}"))
        except ExplorerError as error:
            faults.append(Problem(file, document.line(at), dotted(at), str(error)))
        return None

    function = look("function", lambda: _function(manifest.function, place))
    given = None
    if not isinstance(manifest.input, OutputInput):
        given = look("input", lambda: load_input(manifest.input, place, objects))
    shared = {
        name: look("global_config", partial(load_shared, value, place, objects), name)
        for name, value in manifest.global_config.items()
    }
    folders = look("pip_packages", lambda: _folders(manifest.pip_packages, place))
    lock = look("pip_packages", lambda: _lock(path.with_name(f"{manifest.name}.lock"), manifest))
    if faults:
        raise ManifestError(faults)
    assert function is not None
    assert folders is not None
    known = {name: item for name, item in shared.items() if item is not None}
    compared = {name: item.identity for name, item in known.items()}
    manifest = manifest.model_copy(update={"global_config": compared})
    return LoadedManifest(manifest, document, place, function, given, lock, known, folders)


def _function(target: str, place: ManifestLocation) -> FunctionSource:
    file, _, name = target.rpartition(":")
    path = place.resolve(file)
    try:
        seen = path.stat()
        if not path.is_file():
            raise SourceError(f"{file} is no file")
        if seen.st_size > MAX_BYTES:
            raise SourceError(f"{file} has {seen.st_size:,} bytes: at most {MAX_BYTES:,}")
        source = read_source(path, (seen.st_mtime_ns, seen.st_size))
    except (OSError, UnicodeDecodeError) as error:
        raise SourceError(f"{file} cannot be read: {error}") from error
    function = source.function(name)
    problem = function.problem()
    if problem:
        raise SourceError(f"{name} is {problem}", function.line)
    return function


def _lock(path: Path, manifest: Manifest) -> bytes | None:
    if not path.exists():
        return None
    try:
        with open_regular(str(path)) as file:
            lock = file.read(MAX_LOCK_BYTES + 1)
    except (OSError, CorruptPayload) as error:
        raise PackageError(f"{path.name} cannot be read: {error}") from error
    check_lock(lock, path.name, manifest)
    return lock


def _folders(requirements: Sequence[str], place: ManifestLocation) -> dict[str, str]:
    """The requirements that are folders of the repository, with a digest of each."""
    digests = {}
    for requirement in requirements:
        if requirement.startswith(("-r", "-c", "--r", "--c")):
            raise PackageError(
                f"{requirement!r} reads another file, which a manifest does not: write them out"
            )
        if requirement.startswith((".", "/", "~", "-e", "--editable")):
            path = place.resolve(_path_of(requirement))
            if requirement.startswith(("/", "~", "-")) or folder_of(str(path)) is None:
                raise PackageError(
                    f"{requirement!r}: a folder is given relative to the manifest, as ./my-project"
                )
            digests[requirement] = _digest(path)
    return digests


def _path_of(requirement: str) -> str:
    return requirement.partition("[")[0].partition(";")[0].strip()


def _rest_of(requirement: str) -> str:
    return requirement[len(_path_of(requirement)) :]


def _digest(folder: Path) -> str:
    total = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        parts = path.relative_to(folder).parts
        hidden = any(
            part.startswith(".") or part in _NO_SOURCES or part.endswith(".egg-info") for part in parts
        )
        if path.is_file() and not hidden:
            with open(path, "rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            total.update(f"{'/'.join(parts)}\n{digest}\n".encode())
    return total.hexdigest()


def _dependency_faults(by_name: Mapping[str, LoadedManifest], *, complete: bool) -> Iterator[Problem]:
    """Dependencies that are not there (unless files with faults may have them), circles, unequal arrays."""
    for loaded in by_name.values():
        place = loaded.document.line(("depends_on",)) or loaded.document.line(("input",))
        for name, kind in loaded.manifest.dependencies().items():
            other = by_name.get(name)
            if other is None:
                if complete:
                    allowed = suggest(name, sorted(by_name.keys() - {loaded.name}))
                    yield Problem(loaded.file, place, "depends_on", f"there is no manifest {name!r}", allowed)
            elif kind == EACH and loaded.input and other.input:
                own, its = loaded.input.jobs, other.input.jobs
                if own != its or not loaded.input.array:
                    message = f"each: {name} has {its:,} jobs, {loaded.name} has {own:,}"
                    yield Problem(loaded.file, place, "depends_on", message, "two arrays of one size")
    yield from _circles(by_name)


def _circles(by_name: Mapping[str, LoadedManifest]) -> Iterator[Problem]:
    graph = {name: by_name[name].manifest.dependencies().keys() & by_name.keys() for name in sorted(by_name)}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        circle: list[str] = error.args[1][::-1]
        loaded = by_name[min(circle)]
        message = f"the dependencies go in a circle: {' -> '.join(circle)}"
        yield Problem(loaded.file, loaded.document.line(("depends_on",)), "depends_on", message)
