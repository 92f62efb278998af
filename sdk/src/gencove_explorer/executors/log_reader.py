"""Readers of logs that may still grow."""

from pathlib import Path
from typing import Protocol

from explorer_runner.attempt import log_file
from explorer_runner.system.folders import open_regular


class LogReader(Protocol):
    """Reads a log that may still grow."""

    def read(self) -> bytes:
        """What was written since the last call."""
        ...


class FileLogReader:
    """A log on this machine's disk, from what was written since a time on."""

    def __init__(self, path: Path, since: float) -> None:
        self._path = path
        self._offset = log_file.offset_since(str(path), since)

    def read(self) -> bytes:
        try:
            with open_regular(str(self._path)) as file:
                size = file.seek(0, 2)
                if size < self._offset:  # it was cut in the middle: go on where it ends now
                    self._offset = size
                file.seek(self._offset)
                data = file.read()
        except FileNotFoundError:
            return b""
        self._offset += len(data)
        return data
