"""Who may run how many jobs at once: pure arithmetic, first come first served.

A round that is first in line and does not fit yet holds up those behind it, as in AWS Batch's FIFO
queue: what is free is kept for it, so it cannot starve.
"""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Size:
    """CPUs and MiB of memory."""

    cpus: int
    memory_mb: int

    def __mul__(self, count: int) -> "Size":
        return Size(self.cpus * count, self.memory_mb * count)

    def __add__(self, other: "Size") -> "Size":
        return Size(self.cpus + other.cpus, self.memory_mb + other.memory_mb)

    def __sub__(self, other: "Size") -> "Size":
        return Size(self.cpus - other.cpus, self.memory_mb - other.memory_mb)

    def fits(self, need: "Size") -> int:
        """How many of ``need`` fit into this."""
        return max(0, min(self.cpus // need.cpus, self.memory_mb // need.memory_mb))


def largest(sizes: Sequence[Size]) -> Size:
    """The most of each."""
    return Size(max(each.cpus for each in sizes), max(each.memory_mb for each in sizes))


@dataclass(frozen=True)
class Demand:
    """What one round needs and has."""

    need: Size
    """Of one job."""
    running: int
    """Jobs that are known to run."""
    ready: int
    """Jobs that could be started at once."""
    width: int
    """How many jobs its forker may have running now, until it hears otherwise."""
    bound: int
    """How many it may have running in truth: more than width while a lower one is on its way."""


def allot(capacity: Size, adopted: Size, demands: Sequence[Demand]) -> list[int]:
    """The width of each round, in the order of their submission.

    ``adopted`` is what jobs use that no forker answers for. A width grows only into what is free in
    truth, so the sum never exceeds the capacity by a decision of this function.
    """
    free = capacity - adopted
    for demand in demands:
        free -= demand.need * demand.running
    wanted = []
    held_up = False
    for demand in demands:
        extra = 0 if held_up else min(demand.ready, free.fits(demand.need))
        held_up = held_up or extra < demand.ready
        free -= demand.need * extra
        wanted.append(demand.running + extra)
    free = capacity - adopted
    for demand in demands:
        free -= demand.need * min(demand.bound, demand.running + demand.ready)
    widths = []
    for demand, wish in zip(demands, wanted, strict=True):
        grow = max(0, min(wish - demand.bound, free.fits(demand.need)))
        free -= demand.need * grow
        widths.append(min(wish, demand.bound + grow))
    return widths
