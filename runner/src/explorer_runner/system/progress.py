"""Progress of what takes a while: lines in a log, unless another way to show it is set."""

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TextIO

Advance = Callable[[int], None]
"""To be told how many more bytes are done, from any thread."""

EVERY_SECONDS = 10.0
"""Between two lines; nothing is said of what is done sooner."""

log: TextIO | None = None
"""Where the lines go; None: to standard error."""


@contextmanager
def lines(what: str, total: int, *, every: float = EVERY_SECONDS) -> Iterator[Advance]:
    """Lines about a transfer of ``total`` bytes."""
    lock = threading.Lock()
    done, due = 0, time.monotonic() + every

    def advance(size: int) -> None:
        nonlocal done, due
        with lock:
            done += size
            if time.monotonic() >= due:
                due = time.monotonic() + every
                _say(f"{what}: {done / 1e6:,.0f} of {total / 1e6:,.0f} MB")

    yield advance


report: Callable[[str, int], AbstractContextManager[Advance]] = lines
"""What transfers of this process tell of themselves: what is transferred, and its bytes in all."""


@contextmanager
def waiting(what: str, *, every: float = EVERY_SECONDS) -> Iterator[None]:
    """Lines about something that is waited for and tells nothing of itself."""
    begin = time.monotonic()
    over = threading.Event()

    def tell() -> None:
        while not over.wait(every):
            _say(f"{what}: {time.monotonic() - begin:.0f} s so far")

    teller = threading.Thread(target=tell, daemon=True)
    teller.start()
    try:
        yield
    finally:
        over.set()
        teller.join()


def _say(line: str) -> None:
    stream = log or sys.stderr
    stream.write(f"{line}\n")
    stream.flush()
