"""Reconcile in a process that kills itself before its n-th write or call: run by test_kills.py."""

import os
import signal
import sys
from pathlib import Path
from typing import Any

from gencove_explorer.reconcile.reconciler import Reconciler
from gencove_explorer.session import Session

WRITES = ("create", "put_file", "delete", "delete_tree")
CALLS = ("submit", "terminate")


class Countdown:
    """Kills this process at the n-th step."""

    def __init__(self, steps: int) -> None:
        self.left = steps

    def step(self) -> None:
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        self.left -= 1


class Dying:
    """Something else, of which each of some methods is a step before and a step after it."""

    def __init__(self, of: Any, methods: tuple[str, ...], countdown: Countdown) -> None:
        self._of, self._methods, self._countdown = of, methods, countdown

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._of, name)
        if name not in self._methods:
            return found

        def call(*arguments: Any, **more: Any) -> Any:
            self._countdown.step()
            result = found(*arguments, **more)
            self._countdown.step()
            return result

        return call


def main(folder: str, steps: str) -> None:
    countdown = Countdown(int(steps))
    session = Session()
    session.store = Dying(session.store, WRITES, countdown)
    executor = session.executor
    if hasattr(executor, "queue"):
        executor.queue = Dying(executor.queue, ("add_round", "add_request"), countdown)
    session.executor = Dying(executor, CALLS, countdown)
    Reconciler(Path(folder), session).reconcile()
    print(f"done with {countdown.left} steps to spare")


if __name__ == "__main__":
    main(*sys.argv[1:])
