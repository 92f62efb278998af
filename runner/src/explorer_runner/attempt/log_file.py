"""The log of an attempt: how long it may grow, and when which part of it was written.

A log is a plain file that the job's output goes to as it is. Beside it, ``<log>.marks`` holds pairs
of time and size (two 8-byte little-endian numbers: seconds since 1970, bytes), noted every few
seconds while the log grows, so that "the last ten minutes" of a long log can be found.
"""

import fcntl
import os
import re
import struct
import time

import explorer_runner

LIMIT = 32 << 20
"""Bytes that are kept of a log: its beginning and its end."""
HEAD = 4 << 20
_TAIL = 16 << 10

_TURN_SECONDS = 10.0
_LOCKED_BYTE = 1 << 62
_MOST_MARKS = 1 << 20
"""More than a job of two months makes."""
_MARK = struct.Struct("<dQ")
_CRASHED_AT = re.compile(r'File "(?P<file>[^"]*)", line (?P<line>\d+) in (?P<function>\S+)')
_NOTICE = re.compile(rb"\[explorer: (\d+) bytes of this log were left out here\]\n")


def trim(path: str, limit: int = LIMIT, head: int = HEAD) -> bool:
    """Cut a log of more than ``limit`` bytes in the middle; True if it was cut.

    Works on the log of a running job too: it is opened for appending, so later output follows. Only
    what is written in the microseconds between the last look at its end and the cut is lost with it.
    A second process that comes while one cuts waits for it: two at once would leave the end twice.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CLOEXEC)
    try:
        _take_turn(descriptor)
        size = os.fstat(descriptor).st_size
        if size <= limit:
            return False
        begin = os.pread(descriptor, head, 0)
        start = begin.rfind(b"\n") + 1 or len(begin)
        end, size = _read_on(descriptor, size - (limit - head), limit - head)
        del end[: end.find(b"\n") + 1]
        left_out = size - start - len(end)
        before = _NOTICE.match(os.pread(descriptor, 100, start))
        if before:
            left_out += int(before[1]) - len(before[0])
        os.ftruncate(descriptor, start)
        view = memoryview(b"[explorer: %d bytes of this log were left out here]\n" % left_out + end)
        while view:
            view = view[os.write(descriptor, view) :]
    finally:
        os.close(descriptor)
    try:
        os.unlink(marks_path(path))  # its offsets mean nothing any more
    except FileNotFoundError:
        pass
    return True


def _take_turn(descriptor: int) -> None:
    """Lock a byte far behind the end, apart from the claim's lock; not for longer than a cut may take.

    A file system that keeps both locks as one (NFS) would never give it.
    """
    deadline = time.monotonic() + _TURN_SECONDS
    while time.monotonic() < deadline:
        try:
            fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, _LOCKED_BYTE)
            return
        except OSError:
            time.sleep(0.01)


def _read_on(descriptor: int, offset: int, keep: int) -> tuple[bytearray, int]:
    """The last ``keep`` bytes of a file that may be growing, read from ``offset`` on, and its size."""
    end = bytearray()
    while chunk := os.pread(descriptor, keep, offset):
        end += chunk
        del end[:-keep]
        offset += len(chunk)
    return end, offset


def marks_path(path: str) -> str:
    return f"{path.removesuffix('.txt')}.marks"


def mark(path: str, when: float, size: int) -> None:
    """Note that at time ``when`` the log at ``path`` had ``size`` bytes."""
    descriptor = os.open(marks_path(path), os.O_CREAT | os.O_APPEND | os.O_WRONLY | os.O_CLOEXEC, 0o600)
    try:
        os.write(descriptor, _MARK.pack(when, size))
    finally:
        os.close(descriptor)


def offset_since(path: str, when: float) -> int:
    """Where in the log the output begins that was written at ``when`` or later, as far as is known."""
    try:
        # Neither waits for a pipe, nor reads without end what is no file.
        descriptor = os.open(marks_path(path), os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(descriptor, "rb") as file:
            raw = file.read(_MOST_MARKS * _MARK.size)
    except OSError:
        return 0
    whole = len(raw) - len(raw) % _MARK.size
    return max((size for time, size in _MARK.iter_unpack(raw[:whole]) if time <= when), default=0)


def tail(path: str, since: int = 0) -> str:
    """The last lines of a log, of what was written from the byte ``since`` on; empty if there is no log."""
    try:
        with open(path, "rb") as file:
            file.seek(max(since, os.fstat(file.fileno()).st_size - _TAIL))
            return file.read().decode(errors="replace")
    except OSError:
        return ""


def crash_line(log: str) -> str:
    """Where a crash happened, if faulthandler could still write it to the log."""
    _, marker, dump = tail(log).rpartition("Fatal Python error")
    own, library = os.path.dirname(explorer_runner.__file__), os.path.dirname(os.__file__)
    lines = [match for match in _CRASHED_AT.finditer(dump) if not match["file"].startswith((own, library))]
    return f" (line {lines[0]['line']}, in {lines[0]['function']})" if marker and lines else ""
