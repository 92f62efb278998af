"""Committed locks: ``<name>.lock`` beside a manifest, the exact packages of its analyses."""

from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from explorer_runner.errors import PackageError
from explorer_runner.format.pylock import locked_wheels, read_lock
from gencove_explorer.manifests.find import manifest_files
from gencove_explorer.manifests.problems import ManifestError, Problem, suggest
from gencove_explorer.manifests.schema import Manifest, check_document
from gencove_explorer.manifests.yaml_document import read_document
from gencove_explorer.packages import check_requirements, lock, publish
from gencove_explorer.session import Session


def check_lock(raw: bytes, file: str, manifest: Manifest) -> None:
    """Raise PackageError unless a lock can be read and holds what the manifest asks for."""
    renew = f"explorer lock {manifest.name}"
    try:
        tables = read_lock(raw)["packages"]
        versions = {canonicalize_name(table["name"]): str(Version(table["version"])) for table in tables}
        locked_wheels(raw)
    except (InvalidVersion, KeyError, PackageError) as error:
        raise PackageError(f"{file} cannot be read: {error}; write it anew: {renew}") from error
    for text in manifest.pip_packages:
        try:
            requirement = Requirement(text)
        except InvalidRequirement:
            continue  # a folder
        if requirement.url is not None or (
            requirement.marker is not None and not requirement.marker.evaluate()
        ):
            continue
        version = versions.get(canonicalize_name(requirement.name))
        if version is None or not requirement.specifier.contains(version, prereleases=True):
            raise PackageError(f"{file} has {version or 'no version'} of {text}: renew it: {renew}")


def write_lock(name: str, folder: Path, session: Session) -> Path:
    """Resolve a manifest's packages and write the lock beside it; its wheels go into the store.

    Raises ManifestError or PackageError.
    """
    path, manifest = _find(name, folder)
    if not manifest.pip_packages:
        raise PackageError(f"{name} has no pip_packages: there is nothing to lock")
    here = path.resolve().parent
    requirements = check_requirements(
        [str(here / package) if package.startswith(".") else package for package in manifest.pip_packages]
    )
    made = lock(requirements, session.settings.home, session.executor.platform, anew=True)
    assert made is not None
    publish(made, session.settings.home, session.store)
    target = path.with_name(f"{name}.lock")
    target.write_bytes(made)
    return target


def _find(name: str, folder: Path) -> tuple[Path, Manifest]:
    names = []
    for path in manifest_files(folder.resolve()):
        try:
            manifest = check_document(read_document(path, str(path)))
        except ManifestError:
            continue  # explorer validate says what is wrong with it
        if manifest.name == name:
            return path, manifest
        names.append(manifest.name)
    raise ManifestError(
        [Problem(str(folder), None, "", f"no manifest here is called {name!r}", suggest(name, names))]
    )
