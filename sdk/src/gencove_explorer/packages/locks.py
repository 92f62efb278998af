"""The lock of an analysis: exact wheels by content (PEP 751).

It travels in the payload, its wheels in the store; see ``explorer_runner.format.pylock``.
"""

import hashlib
import json
import os
import shutil
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from packaging.utils import parse_wheel_filename

from explorer_runner.attempt.environment import find_uv
from explorer_runner.errors import AlreadyExists, PackageError
from explorer_runner.format.keys import wheel_key
from explorer_runner.format.pylock import LockedWheel, locked_wheels, read_lock
from explorer_runner.stores.base import Store
from explorer_runner.system.folders import make_private
from gencove_explorer.packages.indexes import Indexes
from gencove_explorer.packages.requirements import folder_of, names_files
from gencove_explorer.packages.resolve import Resolved, Uv, resolve
from gencove_explorer.packages.wheels import Wheel, Wheels
from gencove_explorer.utils.progress import progress

FRESH_SECONDS = 24 * 3600.0
"""For how long a resolution is used again: within a day the same requirements give the same lock."""
_AT_ONCE = 8


def make_lock(
    requirements: Sequence[str], home: Path, platform: str | None = None, *, anew: bool = False
) -> bytes:
    """The lock (pylock.toml, PEP 751) of requirements, for this interpreter's version on a platform.

    Its wheels are on this machine afterwards, below ``home``. A lock that was made within the last
    day is used again, so that runs of one afternoon share an environment and cost no request;
    requirements that name folders, files or git are always looked at, and so are all if it is to be
    made ``anew``. Raises PackageError.
    """
    indexes = Indexes(os.environ, Path.cwd())
    uv = Uv(find_uv(), indexes)
    wheels = Wheels(home, uv)
    resolved_for = [_with_wheel(requirement, wheels) for requirement in requirements]
    if any(names_files(requirement) for requirement in resolved_for):
        return _make(resolved_for, uv, wheels, home, platform)
    facts = [
        platform or "",
        sys.version,
        os.path.realpath(sys.executable),
        *indexes.arguments,
        *indexes.constraints,
    ]
    key = hashlib.sha256("\n".join([*facts, *sorted(resolved_for)]).encode()).hexdigest()[:32]
    cached = home / "locks" / f"{key}.toml"
    fresh = None if anew else _fresh(cached, wheels)
    if fresh is None:
        fresh = _make(resolved_for, uv, wheels, home, platform)
        make_private(os.fspath(cached.parent))
        part = cached.with_suffix(f".{os.getpid()}")
        part.write_bytes(fresh)
        part.rename(cached)
    return fresh


def check_pinned(lock: bytes) -> None:
    """Raise PackageError if a lock is for another Python than this one."""
    here = f"{sys.version_info[0]}.{sys.version_info[1]}"
    requires_python = read_lock(lock).get("requires-python", "")
    if requires_python not in ("", f"=={here}.*"):
        raise PackageError(
            f"the lock is for Python {requires_python}, and this is {here}: use that Python, or renew the "
            "lock (explorer lock)"
        )


def fetch_pinned(lock: bytes, home: Path, store: Store, platform: str | None) -> None:
    """Have every wheel of a lock here, or in the store, that was made elsewhere; digests are checked.

    Raises PackageError for one that the package index does not have (any more).
    """
    missing = [
        wheel
        for wheel in locked_wheels(lock)
        if not (home / "wheels" / wheel.sha256 / wheel.filename).exists() and not store.exists(wheel.key)
    ]
    if not missing:
        return
    tables = read_lock(lock)["packages"]
    resolved = make_lock([f"{table['name']}=={table['version']}" for table in tables], home, platform)
    digests = {wheel.sha256 for wheel in locked_wheels(resolved)}
    lost = [wheel.filename for wheel in missing if wheel.sha256 not in digests]
    if lost:
        raise PackageError(
            f"the lock names {lost[0]}, which is neither in the store nor, with its digest, in the package "
            "index: renew it where it was made, which stores it too (explorer lock)"
        )


def put_wheels(lock: bytes, home: Path, store: Store) -> None:
    """Put those wheels of a lock into the store that it does not have. Raises PackageError, StoreError."""
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        wheels = locked_wheels(lock)
        present = pool.map(lambda wheel: store.exists(wheel.key), wheels)
        missing = [wheel for wheel, is_stored in zip(wheels, present, strict=True) if not is_stored]
        if not missing:
            return
        for wheel in missing:
            if not (home / "wheels" / wheel.sha256 / wheel.filename).exists():
                raise PackageError(
                    f"{wheel.filename} is in the analysis's lock, but neither in the store nor here: "
                    "submit the function anew, which resolves its packages again"
                )
        with progress("Storing packages", sum(wheel.size for wheel in missing)) as advance:

            def put(wheel: LockedWheel) -> None:
                _put(home / "wheels" / wheel.sha256 / wheel.filename, wheel.key, store)
                advance(wheel.size)

            list(pool.map(put, missing))


def _put(path: Path, key: str, store: Store) -> None:
    # A further name of the file, which the store may take: on one disk nothing is copied.
    name = path.with_name(f".{path.name}.{os.getpid()}.{time.monotonic_ns()}")
    os.link(path, name)
    try:
        store.put_file(key, name, move=True)
    except AlreadyExists:
        pass  # somebody else's submission was faster with the same bytes
    finally:
        name.unlink(missing_ok=True)


def _with_wheel(requirement: str, wheels: Wheels) -> str:
    """A requirement as uv gets it: a folder as the wheel that is built of it."""
    folder = folder_of(requirement)
    if folder is None:
        return requirement
    wheel = wheels.of_folder(folder.path)
    project = wheel.filename.partition("-")[0]
    return f"{project}{folder.extras} @ {wheel.path.as_uri()} {folder.marker}".strip()


def _fresh(cached: Path, wheels: Wheels) -> bytes | None:
    """A lock of the last day whose wheels are still here."""
    if not cached.exists() or not 0 <= time.time() - cached.stat().st_mtime < FRESH_SECONDS:
        return None
    lock = cached.read_bytes()
    here = all((wheels.folder / wheel.sha256 / wheel.filename).exists() for wheel in locked_wheels(lock))
    return lock if here else None


def _make(requirements: Sequence[str], uv: Uv, wheels: Wheels, home: Path, platform: str | None) -> bytes:
    resolved = resolve(requirements, uv, platform)
    missing = [package for package in resolved if wheels.known(package.source) is None]
    total = sum(_size(package) for package in missing)
    try:
        with progress("Fetching packages", total) as wheels.advance, ThreadPoolExecutor(_AT_ONCE) as pool:
            obtained = list(pool.map(wheels.obtain, resolved))
    except OSError as error:
        free = shutil.disk_usage(home).free
        raise PackageError(
            f"the packages, {total:,} bytes to fetch, cannot be kept in {wheels.folder} "
            f"({free:,} bytes free): {error}; make room, or move the home folder (EXPLORER_HOME)"
        ) from error
    minor = f"{sys.version_info[0]}.{sys.version_info[1]}"
    head = f'lock-version = "1.0"\ncreated-by = "explorer"\nrequires-python = "=={minor}.*"\n'
    return "\n".join(
        [head, *(_table(wheel) for wheel in sorted(obtained, key=lambda w: w.filename))]
    ).encode()


def _size(resolved: Resolved) -> int:
    return getattr(resolved.source, "size", None) or 0


def _table(wheel: Wheel) -> str:
    """A package in the lock. Quoted as JSON, which TOML's strings include."""
    name, version = parse_wheel_filename(wheel.filename)[:2]
    size = wheel.path.stat().st_size
    path, sha256 = json.dumps(wheel_key(wheel.sha256, wheel.filename)), json.dumps(wheel.sha256)
    return (
        f"[[packages]]\nname = {json.dumps(name)}\nversion = {json.dumps(str(version))}\n"
        f"wheels = [{{ path = {path}, size = {size}, hashes = {{ sha256 = {sha256} }} }}]\n"
        f"[packages.tool.explorer]\nmodules = {json.dumps(wheel.modules())}\n"
    )
