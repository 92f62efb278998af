"""Who may run how many jobs at once: pure arithmetic.

Analyses share the machine, in turn. The next slot is for the analysis that has had least of it, so a
small one starts beside a large array, and each gets the same part where all could use more. Within an
analysis rounds come first by time, one that does not fit holding up those behind it. A job that needs
more than is free gets its turn too: what has had its part starts no more until there is room.
"""

import heapq
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

SLICE_SECONDS = 1.0
"""How long a slot stays with an analysis when there are fewer slots than analyses."""


@dataclass(frozen=True)
class Resources:
    """CPUs and MiB of memory."""

    cpus: int
    memory_mb: int

    def __mul__(self, count: int) -> "Resources":
        return Resources(self.cpus * count, self.memory_mb * count)

    def __add__(self, other: "Resources") -> "Resources":
        return Resources(self.cpus + other.cpus, self.memory_mb + other.memory_mb)

    def __sub__(self, other: "Resources") -> "Resources":
        return Resources(self.cpus - other.cpus, self.memory_mb - other.memory_mb)

    def fits(self, need: "Resources") -> int:
        """How many of ``need`` fit into this."""
        return max(0, min(self.cpus // need.cpus, self.memory_mb // need.memory_mb))

    def share_of(self, capacity: "Resources") -> float:
        """The part of ``capacity`` that this takes, of that which it takes most of."""
        return max(self.cpus / capacity.cpus, self.memory_mb / capacity.memory_mb)


def largest(sizes: Sequence[Resources]) -> Resources:
    """The most of each."""
    return Resources(max(size.cpus for size in sizes), max(size.memory_mb for size in sizes))


@dataclass(frozen=True)
class RoundDemand:
    """What one round needs and has."""

    analysis: str
    need: Resources
    """Of one job."""
    running: int
    """Jobs that are known to run."""
    ready: int
    """Jobs that could be started at once."""
    width: int
    """How many jobs its forker may have running now, until it hears otherwise."""
    bound: int
    """How many it may have running in truth: more than width while a lower one is on its way."""
    adopted: int = 0
    """Jobs that run without a forker, to which no width applies."""
    limit: int | None = None
    """So many jobs of the analysis, of all its rounds, may run at once; None: as many as fit."""

    @property
    def wanted(self) -> int:
        return self.running + self.ready


class Turns:
    """How much of the machine each analysis has had since it had jobs to run beside others."""

    def __init__(self) -> None:
        self.had: dict[str, float] = {}
        """By analysis, in seconds of the whole machine."""
        self._since: float | None = None

    def note(self, capacity: Resources, demands: Sequence[RoundDemand], now: float) -> None:
        """Count what runs now for the time since the last call, once a slice.

        An analysis that comes, or comes back, counts as having had as much as the one that had least.
        """
        if self._since is None or now - self._since >= SLICE_SECONDS:
            passed = 0.0 if self._since is None else now - self._since
            self._since = now
            for demand in demands:
                used = (demand.need * (demand.running + demand.adopted)).share_of(capacity)
                if demand.analysis in self.had:
                    self.had[demand.analysis] += passed * used
        present = {demand.analysis for demand in demands if demand.wanted or demand.adopted}
        least = min((self.had[analysis] for analysis in present if analysis in self.had), default=0.0)
        self.had = {analysis: self.had.get(analysis, least) - least for analysis in present}


def allocate(capacity: Resources, demands: Sequence[RoundDemand], had: Mapping[str, float]) -> list[int]:
    """The width of each round, given in the order of their submission; ``had`` is that of Turns.

    A width grows only into what is free in truth, so the sum never exceeds the capacity by a decision
    of this function.
    """
    free = capacity
    for demand in demands:
        free -= demand.need * demand.adopted
    shares = _share(capacity, free, demands, had)
    for demand in demands:
        free -= demand.need * min(demand.bound, demand.wanted)
    widths = []
    rooms = _rooms(demands)
    for demand, wish in zip(demands, shares, strict=True):
        grow = max(0, min(wish - demand.bound, free.fits(demand.need)))
        if demand.analysis in rooms:
            grow = max(0, min(grow, rooms[demand.analysis]))
            rooms[demand.analysis] -= grow
        free -= demand.need * grow
        widths.append(min(wish, demand.bound + grow))
    return widths


def _share(
    capacity: Resources, free: Resources, demands: Sequence[RoundDemand], had: Mapping[str, float]
) -> list[int]:
    """How many jobs each round ought to have running: slot by slot to the analysis that has had least."""
    rounds: dict[str, list[int]] = {}
    held_by_analysis: dict[str, float] = defaultdict(float)
    for number, demand in enumerate(demands):
        rounds.setdefault(demand.analysis, []).append(number)
        held_by_analysis[demand.analysis] += (demand.need * demand.adopted).share_of(capacity)
    order = [
        (
            had.get(analysis, 0.0) + held_by_analysis[analysis] * SLICE_SECONDS,
            numbers[0],
            _line(demands, numbers),
        )
        for analysis, numbers in rounds.items()
    ]
    heapq.heapify(order)
    shares = [0] * len(demands)
    while order:
        least, first, line = heapq.heappop(order)
        following = next(line, None)
        if following is not None and free.fits(demands[following].need):
            shares[following] += 1
            free -= demands[following].need
            share = demands[following].need.share_of(capacity)
            heapq.heappush(order, (least + share * SLICE_SECONDS, first, line))
    return shares


def _rooms(demands: Sequence[RoundDemand]) -> dict[str, int]:
    """Of each analysis that has a limit, how many more of its jobs may run than may in truth run now."""
    rooms: dict[str, int] = {}
    for demand in demands:
        if demand.limit is not None:
            rooms[demand.analysis] = min(demand.limit, rooms.get(demand.analysis, demand.limit))
    for demand in demands:
        if demand.analysis in rooms:
            rooms[demand.analysis] -= min(demand.bound, demand.wanted) + demand.adopted
    return rooms


def _line(demands: Sequence[RoundDemand], numbers: Sequence[int]) -> Iterator[int]:
    """The jobs of an analysis's rounds in their order, of each the number of its round; no more than its
    limit.
    """
    adopted = sum(demands[number].adopted for number in numbers)
    limits = [limit for number in numbers if (limit := demands[number].limit) is not None]
    most = max(0, min(limits) - adopted) if limits else None
    return islice((number for number in numbers for _ in range(demands[number].wanted)), most)
