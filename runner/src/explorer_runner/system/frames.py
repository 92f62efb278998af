"""Named bytes over a pipe or a file: a line of JSON with names and lengths, then the bytes."""

import json
from collections.abc import Mapping
from typing import BinaryIO


def write(file: BinaryIO, frames: Mapping[str, bytes]) -> None:
    """Write all frames and flush."""
    header = json.dumps({name: len(data) for name, data in frames.items()})
    file.write(header.encode() + b"\n")
    for data in frames.values():
        file.write(data)
    file.flush()


def read(file: BinaryIO) -> dict[str, bytes]:
    """Read what ``write`` wrote. Raises EOFError if it ends early."""
    header = file.readline()
    if not header.endswith(b"\n"):
        raise EOFError("the other side ended before it had sent anything")
    frames = {}
    for name, length in json.loads(header).items():
        frames[name] = file.read(length)
        if len(frames[name]) != length:
            raise EOFError(f"the other side ended within {name!r}")
    return frames
