"""What inputs are made of: files that live elsewhere, and samples that have some."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class File:
    """A file by its address."""

    uri: str
    """Where it is: ``s3://bucket/key`` or a path."""
    secondary_files: Sequence[str] = ()
    """Suffixes of the files that belong to it and lie beside it, such as ``.fai``."""


@dataclass(frozen=True)
class Sample:
    """One sample of a study."""

    id: str
    client_id: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    """Name of a file -> its address."""
