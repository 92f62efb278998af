"""pip_packages: from what a user writes to wheels in the store and a lock that names them.

requirements   what was written, checked
platforms      what they are resolved for: this machine, or containers
resolve        by uv, with the user's indexes, into exact versions
wheels         one wheel for each, downloaded or built, by content
locks          the lock that travels with the payload; its wheels put into the store

Without packages none of it is loaded: it takes longer than all else of a submission.
"""

from collections.abc import Sequence
from pathlib import Path

from explorer_runner.stores.base import Store
from gencove_explorer.packages.requirements import check_requirements

__all__ = ["IMAGE_PLATFORM", "check_requirements", "lock", "publish", "use_pinned"]

IMAGE_PLATFORM = "x86_64-manylinux_2_28"
"""What jobs in containers are: the runner image's glibc is newer, images of the user's own may be older.

See https://peps.python.org/pep-0600/; the name is uv's (``--python-platform``).
"""


def lock(
    requirements: Sequence[str], home: Path, platform: str | None = None, *, anew: bool = False
) -> bytes | None:
    """The lock of requirements, None for none; see ``locks.make_lock``. Raises PackageError."""
    if not requirements:
        return None
    from gencove_explorer.packages.locks import make_lock

    return make_lock(requirements, home, platform, anew=anew)


def use_pinned(lock: bytes, home: Path, store: Store, platform: str | None = None) -> bytes:
    """A lock that was made before, here or elsewhere, once its wheels are at hand. Raises PackageError."""
    from gencove_explorer.packages.locks import check_pinned, fetch_pinned

    check_pinned(lock)
    fetch_pinned(lock, home, store, platform)
    return lock


def publish(lock: bytes | None, home: Path, store: Store) -> None:
    """Put those wheels of a lock into the store that it does not have. Raises PackageError, StoreError."""
    if lock is not None:
        from gencove_explorer.packages.locks import put_wheels

        put_wheels(lock, home, store)
