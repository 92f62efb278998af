"""The lock of an analysis: which wheels its jobs have. It is PEP 751, and its paths are the store's keys.

[[packages]]
name = "iniconfig"
version = "2.1.0"
wheels = [{ path = "packages/<sha256>/iniconfig-2.1.0-py3-none-any.whl", size = 6050, hashes = {...} }]
[packages.tool.explorer]
modules = ["iniconfig"]
"""

import os
import re
import tomllib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

from explorer_runner.errors import NotFound, PackageError
from explorer_runner.format import validation
from explorer_runner.format.keys import PACKAGES, wheel_key
from explorer_runner.stores.base import Store
from explorer_runner.text import shown

_WHEEL = re.compile(rf"{PACKAGES}/([0-9a-f]{{64}})/([A-Za-z0-9_.+!-]+\.whl)")
_AT_ONCE = 8
MAX_BYTES = 8 << 20
"""Largest lock that is read: one of 20,000 packages."""


class LockedWheel(NamedTuple):
    """A wheel of a lock."""

    sha256: str
    filename: str
    size: int
    """Bytes."""

    @property
    def key(self) -> str:
        return wheel_key(self.sha256, self.filename)


def locked_wheels(lock: bytes) -> list[LockedWheel]:
    """The wheels of a lock. Raises PackageError for a path that is no key of a wheel."""
    wheels = []
    for package in _packages(lock):
        for wheel in package.get("wheels", ()):
            if "path" not in wheel:
                continue
            matched = _WHEEL.fullmatch(wheel["path"])
            if matched is None or wheel["hashes"].get("sha256") != matched[1] or "size" not in wheel:
                raise PackageError(
                    f"the lock of this analysis names {shown(wheel['path'])}, which is no wheel's key"
                )
            wheels.append(LockedWheel(matched[1], matched[2], wheel["size"]))
    return wheels


def locked_versions(lock: bytes) -> dict[str, str]:
    """Name -> version of the packages of a lock; where it names an address instead, that."""
    return {
        package["name"]: str(package.get("version") or package.get("vcs") or package.get("archive") or "?")
        for package in _packages(lock)
    }


def locked_modules(lock: bytes) -> set[str] | None:
    """What ``import`` finds of a lock's packages, top level; None if the lock does not tell."""
    modules: set[str] = set()
    for package in _packages(lock):
        listed = package.get("tool", {}).get("explorer", {}).get("modules")
        if listed is None:
            return None
        modules.update(listed)
    return modules


def unpack_wheels(lock: bytes, store: Store, folder: Path) -> Path:
    """Put a lock and its wheels into an empty folder, as an installer takes them; returns the lock's path.

    Raises PackageError for a wheel that the store does not have.
    """
    wheels = locked_wheels(lock)
    path = folder / "pylock.toml"
    path.write_bytes(lock)
    here = store.local_path(PACKAGES)
    if here is not None:
        (folder / PACKAGES).symlink_to(here)
        return path

    def fetch(wheel: LockedWheel) -> None:
        target = folder / wheel.key
        os.makedirs(target.parent, mode=0o700)
        try:
            store.get_file(wheel.key, target)
        except NotFound as error:
            raise PackageError(
                f"the store does not have {wheel.filename} any more ({error}): submit the function anew"
            ) from error

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        list(pool.map(fetch, wheels))
    return path


def read_lock(lock: bytes) -> dict[str, Any]:
    """All that a lock says, as PEP 751 has it. Raises PackageError for what is none."""
    try:
        if len(lock) > MAX_BYTES:
            raise ValueError(f"it has {len(lock):,} bytes, and at most {MAX_BYTES:,} are read")
        return validation.known(tomllib.loads(lock.decode()), _LOCK)
    except (ValueError, RecursionError) as error:
        problem = "it is nested too deeply" if isinstance(error, RecursionError) else error
        raise PackageError(f"the lock of this analysis cannot be read: {problem}") from error


def _packages(lock: bytes) -> list[dict[str, Any]]:
    packages: list[dict[str, Any]] = read_lock(lock).get("packages", [])
    return packages


def _package(value: Any) -> None:
    validation.known(value, _PACKAGE)


def _wheel(value: Any) -> None:
    facts = validation.known(value, _WHEEL_FACTS)
    if "path" in facts:
        validation.require(value, {"hashes": validation.mapped()})


def _tool(value: Any) -> None:
    explorer = validation.known(value, {"explorer": validation.mapped()}).get("explorer", {})
    validation.known(explorer, {"modules": validation.listed(validation.text())})


_LOCK: dict[str, validation.Check] = {
    "requires-python": validation.text(),
    "packages": validation.listed(_package),
}
_PACKAGE: dict[str, validation.Check] = {
    "name": validation.text(),
    "version": validation.text(),
    "wheels": validation.listed(_wheel),
    "tool": _tool,
}
_WHEEL_FACTS: dict[str, validation.Check] = {
    "path": validation.text(),
    "size": validation.whole(0, 1 << 50),
    "hashes": validation.mapped(validation.text()),
}
