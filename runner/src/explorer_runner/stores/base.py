"""The protocol of stores: objects under keys, in a folder (folder.py) or on S3 (s3.py)."""

from pathlib import Path
from typing import Protocol

MAKE, RAISE, WAIT = "make", "raise", "wait"
"""What to do where the root of a folder store is not there (see FolderStore)."""


class Store(Protocol):
    """Objects under keys. A key is created once and never changed; see format/keys.py for the layout.

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

    def put_file(self, key: str, path: Path, *, move: bool = False) -> None:
        """Create an object from a file, streaming; ``move=True`` allows taking the file away."""
        ...

    def get_file(self, key: str, path: Path) -> None:
        """Write the object to ``path``, streaming. Raises NotFound."""
        ...

    def exists(self, key: str) -> bool: ...

    def list_names(self, prefix: str, *, after: str = "") -> list[str]:
        """Sorted names of the objects directly below ``prefix`` that sort after ``after``."""
        ...

    def list_folders(self, prefix: str) -> list[str]:
        """Sorted names of the folders directly below ``prefix``."""
        ...

    def delete_tree(self, prefix: str) -> None:
        """Delete every object below ``prefix``; none there is fine."""
        ...

    def delete(self, key: str) -> None:
        """Delete one object; none there is fine."""
        ...

    def local_path(self, key: str) -> Path | None:
        """Where the object lies on this machine's disk, or None if it lies elsewhere."""
        ...
