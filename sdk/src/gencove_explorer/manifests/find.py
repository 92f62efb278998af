"""Which files of a folder are manifests."""

from collections.abc import Iterator
from pathlib import Path

MANIFEST_SUFFIXES = (".yaml", ".yml")


def manifest_files(folder: Path) -> Iterator[Path]:
    """The YAML files of a folder and those below it, but for hidden ones."""
    for path in sorted(folder.rglob("*")):
        hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        if path.suffix in MANIFEST_SUFFIXES and not hidden and path.is_file():
            yield path
