"""What a work function writes: ``ac.output.file(...)`` and ``ac.output.value(...)``."""

import os
import stat
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from explorer_runner.errors import OutputError
from explorer_runner.format import values
from explorer_runner.format.keys import check_key
from explorer_runner.format.package_versions import packages_in
from explorer_runner.format.previews import preview
from explorer_runner.system.folders import make_private

OUTPUTS = "outputs"
"""Folder, in a job's private one, where it writes its output files."""


class OutputFile:
    """One output file (or folder) of the running job."""

    def __init__(self, key: str, path: Path) -> None:
        self.key = key
        self._path = path

    def as_local(self) -> Path:
        """Where to write it: a path that nothing else uses, its parent there already."""
        return self._path

    def __repr__(self) -> str:
        return f"OutputFile({self.key!r})"


class Produced(NamedTuple):
    """A file that a finished job leaves behind."""

    key: str
    path: Path
    movable: bool
    """Whether the file may be taken away rather than copied."""
    executable: bool = False
    """Whether its owner may run it."""


_Identity = tuple[int, int]
"""Device and inode: what a file is, whatever it is called."""


_NO_NOTES: Mapping[str, dict[str, Any]] = MappingProxyType({})


class Collected(NamedTuple):
    """All that a finished job leaves behind."""

    files: list[Produced]
    folders: list[str]
    """Keys of trees, and of the empty folders in them."""
    values: dict[str, tuple[str, bytes]]
    notes: Mapping[str, dict[str, Any]] = _NO_NOTES
    """What the outcome says beside pickled values: a preview, and the packages that they need."""


class Output:
    """Collects what a job produces; it is uploaded when the work function has returned."""

    def __init__(self, folder: str, scratch: str) -> None:
        self._folder = folder
        self._scratch = scratch
        self._paths: dict[str, Path] = {}
        self._values: dict[str, tuple[str, bytes]] = {}
        self._notes: dict[str, dict[str, Any]] = {}

    def file(self, key: str, path_local: str | os.PathLike[str] | None = None) -> OutputFile:
        """The output file called ``key``: write to ``.as_local()``, or hand over ``path_local``.

        A key is a relative path. A folder made at ``as_local()``, or handed over, is kept as a tree, with
        its empty folders. Of a file's mode it is kept whether it can be executed; time stamps are not kept.
        The same key again is the same file. Raises InvalidKey, or OutputError if ``path_local`` is
        not there or the key is a part of another one's path.
        """
        check_key(key)
        self._check_conflict(key)
        if path_local is not None:
            path = Path(os.path.abspath(path_local))
            if not path.exists():
                raise OutputError(
                    f"output.file({key!r}, path_local={os.fspath(path_local)!r}): no such file or folder "
                    f"(looked in {os.getcwd()})"
                )
            self._paths[key] = path
        elif key not in self._paths:
            path = Path(self._folder, key)
            make_private(os.path.dirname(path))
            self._paths[key] = path
        return OutputFile(key, self._paths[key])

    def value(self, key: str, value: Any) -> None:
        """Keep ``value`` under ``key``, as it is now. The same key again replaces it.

        Plain numbers, text, lists and dictionaries are kept as JSON, NumPy's scalars as the Python numbers,
        bools and strings that they are, anything else by pickle, with a preview of it for people.
        Raises InvalidKey, or OutputError if it cannot be pickled.
        """
        check_key(key)
        kind, data = self._values[key] = values.encode(key, value)
        if kind == values.PICKLE:
            self._notes[key] = {values.PREVIEW: preview(value, len(data))}
            if packages := packages_in(data):
                self._notes[key][values.PICKLED_WITH] = packages
        else:
            self._notes.pop(key, None)

    @property
    def is_empty(self) -> bool:
        """Whether nothing was kept or asked for."""
        return not (self._paths or self._values)

    def collect(self) -> Collected:
        """All that there is, once the work function has returned.

        Raises OutputError for a file that was asked for and never written.
        """
        produced: list[tuple[Produced, _Identity]] = []
        folders: list[str] = []
        # What lies in folders that end with the job may be taken away; anything else is copied.
        own = tuple(f"{os.path.realpath(folder)}/" for folder in (self._folder, self._scratch) if self._paths)
        for key, path in self._paths.items():
            movable = os.path.realpath(path).startswith(own)
            if path.is_dir():
                files, empty = _tree(key, path, movable)
                folders += [key, *empty]
                produced += files
            elif path.exists():
                produced.append(_regular(key, path, movable))
            else:
                raise OutputError(
                    f"the output file {key!r} was asked for and never written: write to "
                    f"output.file({key!r}).as_local(), or do not ask for it"
                )
        return Collected(_move_once(produced), folders, self._values, self._notes)

    def _check_conflict(self, key: str) -> None:
        for other in self._paths:
            if other.startswith(f"{key}/") or key.startswith(f"{other}/"):
                raise OutputError(
                    f"output keys {other!r} and {key!r} cannot both be: one is a folder of the other"
                )


def _move_once(produced: list[tuple[Produced, _Identity]]) -> list[Produced]:
    """A file that a link or a second key leads to as well must not be taken away from these."""
    names = Counter(identity for _, identity in produced)
    return [file if names[identity] == 1 else file._replace(movable=False) for file, identity in produced]


def _tree(key: str, folder: Path, movable: bool) -> tuple[list[tuple[Produced, _Identity]], list[str]]:
    """The files of a tree, and the keys of the empty folders in it."""
    produced, empty = [], []
    for parent, folders, names in os.walk(folder):
        if not (folders or names) and parent != os.fspath(folder):
            empty.append(check_key(f"{key}/{Path(parent).relative_to(folder).as_posix()}"))
        for name in sorted(names):
            path = Path(parent, name)
            inner = f"{key}/{path.relative_to(folder).as_posix()}"
            produced.append(_regular(check_key(inner), path, movable))
        for name in folders:
            if os.path.islink(os.path.join(parent, name)):
                raise OutputError(
                    f"the output folder {key!r} holds a link to a folder, {name!r}: copy it instead"
                )
        folders.sort()
    return produced, empty


def _regular(key: str, path: Path, movable: bool) -> tuple[Produced, _Identity]:
    try:
        status = path.stat()
    except FileNotFoundError:
        raise OutputError(f"the output {key!r} is a link that leads nowhere") from None
    if not stat.S_ISREG(status.st_mode):
        raise OutputError(f"the output {key!r} is neither a file nor a folder")
    # A file with other names, or one reached by a link, may be somebody's data: it is copied.
    taken = movable and status.st_nlink == 1 and not path.is_symlink()
    executable = bool(status.st_mode & stat.S_IXUSR)
    return Produced(key, path, taken, executable), (status.st_dev, status.st_ino)
