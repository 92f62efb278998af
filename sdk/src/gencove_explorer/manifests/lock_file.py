"""Committed locks: ``<name>.lock`` beside a manifest, the exact packages of its analyses."""

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from explorer_runner.errors import PackageError
from explorer_runner.format.pylock import locked_wheels, read_lock
from gencove_explorer.manifests.schema import Manifest


def check_lock(lock: bytes, file: str, manifest: Manifest) -> None:
    """Raise PackageError unless a lock can be read and holds what the manifest asks for."""
    renew = f"explorer lock {manifest.name}"
    try:
        tables = read_lock(lock)["packages"]
        versions = {canonicalize_name(table["name"]): str(Version(table["version"])) for table in tables}
        locked_wheels(lock)
    except (InvalidVersion, KeyError, PackageError) as error:
        raise PackageError(f"{file} cannot be read: {error}; write it anew: {renew}") from error
    for text in manifest.pip_packages:
        try:
            wanted = Requirement(text)
        except InvalidRequirement:
            continue  # a folder
        if wanted.url is not None or (wanted.marker is not None and not wanted.marker.evaluate()):
            continue
        there = versions.get(canonicalize_name(wanted.name))
        if there is None or not wanted.specifier.contains(there, prereleases=True):
            raise PackageError(f"{file} has {there or 'no version'} of {text}: renew it: {renew}")
