"""Stores: where everything that outlives a process lies, in a folder or on S3, behind one protocol."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from explorer_runner.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Callable

    from explorer_runner.patience import Patience

__all__ = ["MAKE", "RAISE", "WAIT", "Store", "open_store"]

MAKE, RAISE, WAIT = "make", "raise", "wait"
"""What to do where the root of a folder store is not there (see FolderStore)."""


class Store(Protocol):
    """Objects under keys. A key is created once and never changed; see keys.py for the layout.

    Methods raise NotFound, AlreadyExists or StoreError, each with the store and the key named.
    """

    uri: str
    """What ``open_store`` takes to open this store again, in any process on any machine."""

    def read(self, key: str, *, limit: int | None = None) -> bytes:
        """The whole object. Raises NotFound, or CorruptPayload if it is larger than ``limit`` bytes."""
        ...

    def read_range(self, key: str, offset: int, length: int) -> bytes:
        """``length`` bytes from ``offset``. Raises NotFound."""
        ...

    def create(self, key: str, data: bytes) -> None:
        """Write an object that appears whole or not at all. Raises AlreadyExists."""
        ...

    def keep(self, key: str, path: Path, *, move: bool = False) -> None:
        """Create an object from a file, streaming; ``move=True`` allows taking the file away."""
        ...

    def fetch(self, key: str, path: Path) -> None:
        """Write the object to ``path``, streaming. Raises NotFound."""
        ...

    def exists(self, key: str) -> bool: ...

    def names(self, prefix: str, *, after: str = "") -> list[str]:
        """Sorted names of the objects directly below ``prefix`` that sort after ``after``."""
        ...

    def folders(self, prefix: str) -> list[str]:
        """Sorted names of the folders directly below ``prefix``."""
        ...

    def delete_tree(self, prefix: str) -> None:
        """Delete every object below ``prefix``; none there is fine."""
        ...

    def delete(self, key: str) -> None:
        """Delete one object; none there is fine."""
        ...

    def path(self, key: str) -> Path | None:
        """Where the object lies on this machine's disk, or None if it lies elsewhere."""
        ...


def open_store(
    uri: str,
    *,
    credentials: "Callable[[], Any] | None" = None,
    region: str | None = None,
    absent: str = MAKE,
    patience: "Patience | None" = None,
) -> Store:
    """Open the store at ``s3://bucket/prefix`` or in a folder (a path or a ``file://`` URI).

    ``credentials`` is handed to obstore; without it the environment or the container's role decides.
    ``region`` is the bucket's; without it AWS's own variables say it. ``absent`` is for folders.
    ``patience`` is how long requests to S3 are tried again whose failure may pass; without it for a second
    or two.
    """
    scheme, separator, rest = uri.partition("://")
    if not separator or scheme == "file":
        from explorer_runner.stores.folder import FolderStore

        return FolderStore(os.path.abspath(os.path.expanduser(rest if separator else uri)), absent)
    if scheme == "s3":
        from explorer_runner.stores.s3 import S3Store

        return S3Store(uri, credentials=credentials, region=region, patience=patience)
    raise StoreError(f"{uri!r} is not a store: use s3://bucket/prefix or a folder")
