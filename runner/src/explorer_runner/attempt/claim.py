"""Claims: at most once, a sign of life, and the log, in one file.

A process that wants to make an attempt creates a temporary file, locks it and links it to the name
of the attempt's log. Linking fails if the name is there, so one process makes the attempt. The lock
is held until the process ends, however it ends; no process id is trusted. While the lock is
exclusive the job is being set up, when it is shared the work function runs.
"""

import enum
import fcntl
import os
import time

_UNNAMED = ".claim-"


class AlreadyClaimed(Exception):
    """Another process has made, or is making, this attempt."""


class ClaimState(enum.Enum):
    """What the lock of a claim tells."""

    UNCLAIMED = "unclaimed"
    STARTING = "starting"
    RUNNING = "running"
    GONE = "gone"
    """Nobody holds the lock: the process has ended."""


def claim(folder: str, path: str) -> int:
    """Claim an attempt by creating its log, ``path`` in ``folder``; returns the locked descriptor.

    Raises AlreadyClaimed, or OSError if the log cannot be created.
    """
    # Containers of one host share the folder, and the numbers of their processes are much the same.
    temporary = f"{folder}/{_UNNAMED}{os.getpid()}-{time.monotonic_ns()}"
    descriptor = os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        os.link(temporary, path)
    except FileExistsError:
        os.close(descriptor)
        raise AlreadyClaimed(path) from None
    except BaseException:
        os.close(descriptor)
        raise
    finally:
        os.unlink(temporary)
    return descriptor


def running(descriptor: int) -> None:
    """Show that the work function is about to be called."""
    fcntl.flock(descriptor, fcntl.LOCK_SH)


def inspect(path: str) -> ClaimState:
    """Whether somebody holds the claim at ``path``, the log's path."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return ClaimState.UNCLAIMED
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return ClaimState.STARTING
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return ClaimState.RUNNING
        return ClaimState.GONE
    finally:
        os.close(descriptor)


def sweep(folder: str) -> None:
    """Remove what processes left that were killed in the middle of a claim, where no more are to be made.

    A process that has not locked its file yet cannot claim anything any more.
    """
    try:
        names = os.listdir(folder)
    except FileNotFoundError:
        return
    for name in names:
        if name.startswith(_UNNAMED) and inspect(path := f"{folder}/{name}") is ClaimState.GONE:
            try:
                os.unlink(path)
            except FileNotFoundError:
                pass  # somebody was faster
