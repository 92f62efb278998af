"""Text files that people write, read whole: of a bounded size, UTF-8, and no pipe that never ends."""

import os
from pathlib import Path

from explorer_runner.errors import CorruptPayload
from explorer_runner.system.folders import check_size, open_regular


def read_text(path: Path, most: int) -> str:
    """The text of a file of at most ``most`` bytes, its line ends as they are.

    Raises OSError, or ValueError for what is too large, no file, or not UTF-8 (with the line).
    """
    try:
        with open_regular(str(path)) as file:
            check_size("it", os.fstat(file.fileno()).st_size, most)
            raw = file.read()
    except CorruptPayload as error:
        raise ValueError(str(error)) from error
    return decode(raw)


def decode(raw: bytes) -> str:
    """UTF-8, with or without a mark in front. Raises ValueError with the line of what is not."""
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise ValueError(f"line {line}: this is not UTF-8 ({error.reason})") from error
