"""How much memory an attempt used: all its processes together, at its largest.

A container's control group knows. Elsewhere the kernel knows each process by itself alone, so the
parent of an attempt polls the tree of its processes; what the scheduler saw reaches the attempt by a small
file beside its log, ``<log>.peak`` (one 8-byte little-endian number, bytes), which is removed when read.
"""

import os
import resource
import struct
import sys

OUT_OF_MEMORY = "OutOfMemoryError: "
"""How the reason of an attempt begins that was ended for its memory, as AWS Batch's does
(https://docs.aws.amazon.com/batch/latest/userguide/memory-management.html)."""

UNIT = 1 if sys.platform == "darwin" else 1 << 10
"""Of ru_maxrss: macOS counts bytes, Linux KiB."""
_PEAK = struct.Struct("<Q")
_MIB = 1 << 20
_CONTROL_GROUP = (
    "/sys/fs/cgroup/memory.peak",  # https://docs.kernel.org/admin-guide/cgroup-v2.html
    "/sys/fs/cgroup/memory/memory.max_usage_in_bytes",
)


def reason(
    used_bytes: int, asked_mb: int, killed: str = "killed for its memory", field: str = "memory_mb"
) -> str:
    """Why an attempt ended that used more memory than it had asked for; ``used_bytes`` 0 if unknown."""
    used = f"{used_bytes / _MIB:,.0f} MiB used, " if used_bytes else ""
    return f"{OUT_OF_MEMORY}{killed}: {used}{asked_mb:,} MiB asked for ({field})"


def largest_process_bytes() -> int:
    """The largest resident size that this process, or one that it waited for, has had."""
    own, children = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return max(resident_bytes(own), resident_bytes(children))


def resident_bytes(usage: resource.struct_rusage) -> int:
    """The largest resident size that ``getrusage`` or ``wait4`` tells."""
    return usage.ru_maxrss * UNIT


def container_bytes() -> int:
    """The most memory that this container has had, its file cache included; 0 where that is unknown."""
    for path in _CONTROL_GROUP:
        try:
            with open(path) as file:
                return int(file.read())
        except (OSError, ValueError):
            continue
    return 0


def tree_bytes(pid: int) -> int:
    """Memory of a process and those below it, shared pages counted once (Linux; elsewhere 0).

    0 too where there are none below it: what a single process has had at most the kernel tells at its end.
    """
    unvisited = _children(pid)
    if not unvisited:
        return 0
    total = _proportional_bytes(pid)
    while unvisited:
        process = unvisited.pop()
        total += _proportional_bytes(process)
        unvisited += _children(process)
    return total


def write_peak(log: str, peak: int) -> None:
    """Tell the attempt of this log what its processes have used at most so far."""
    descriptor = os.open(_path(log), os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o600)
    try:
        os.pwrite(descriptor, _PEAK.pack(peak), 0)
    finally:
        os.close(descriptor)


def take_peak(log: str) -> int:
    """What was told, in bytes, and forget it; 0 if nothing was."""
    path = _path(log)
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return 0
    try:
        raw = os.read(descriptor, _PEAK.size)
        os.unlink(path)
    except OSError:
        return 0  # somebody else has removed it
    finally:
        os.close(descriptor)
    return int(_PEAK.unpack(raw)[0]) if len(raw) == _PEAK.size else 0


def as_mb(size: int) -> float:
    """Bytes in MiB, as outcomes have them."""
    return round(size / _MIB, 1)


def _path(log: str) -> str:
    return f"{log.removesuffix('.txt')}.peak"


def _proportional_bytes(pid: int) -> int:
    """A page that processes share counts a part for each of them."""
    try:
        with open(f"/proc/{pid}/smaps_rollup") as file:
            return sum(int(line.split()[1]) << 10 for line in file if line.startswith("Pss:"))
    except OSError:
        return 0  # it has ended


def _children(pid: int) -> list[int]:
    children: list[int] = []
    try:
        for thread in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{thread}/children") as file:
                children += map(int, file.read().split())
    except OSError:
        pass
    return children
