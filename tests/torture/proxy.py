"""When requests to an S3 server meet what of the bad networks and busy servers of ``tests/weather.py``."""

import random
import threading
from collections import Counter
from collections.abc import Callable

from support.weather import Fault, Weather

_KINDS = {
    "throttle": (0.4, "503"),
    "outage": (1.0, "503"),
    "hang": (0.3, "hang"),
    "cut": (0.4, "drop"),
    "lie": (0.3, "cut"),  # a part of the answer, which says that it is all
    "lose": (0.3, "lose"),
}
"""Which share of the requests each kind meets, and with what fault."""


class Proxy(Weather):
    """Meets shares of the requests, as long as it is told."""

    def __init__(self, target: str) -> None:
        super().__init__(target)
        self._dice: dict[str, random.Random] = {}
        self._ends: dict[str, threading.Event] = {}
        self.met: Counter[str] = Counter()
        """How many requests met each kind."""

    def begin(self, kind: str, pick: float) -> Callable[[], None] | None:
        """Meet a share of the requests with a kind of weather; returns what ends it."""
        if kind in self._dice:
            return None
        self._ends[kind] = threading.Event()
        self._dice[kind] = random.Random(pick)

        def end() -> None:
            del self._dice[kind]
            self._ends[kind].set()

        return end

    def meet(self, method: str, path: str) -> Fault | None:
        for kind, dice in list(self._dice.items()):
            share, fault = _KINDS[kind]
            if dice.random() < share:
                self.met[kind] += 1
                return Fault(fault, 1, "SlowDown", over=self._ends[kind])
        self.met["none"] += 1
        return None
