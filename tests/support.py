"""What tests of several folders share beside fixtures."""

import time
from collections.abc import Callable

SECONDS = 60.0
"""How long a test waits for something that ought to happen at once."""


def eventually(holds: Callable[[], object], seconds: float = SECONDS) -> None:
    """Wait until ``holds`` does; fail if it never does."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.01)
