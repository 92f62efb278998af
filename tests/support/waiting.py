"""What tests of several folders share beside fixtures."""

import os
import time
from collections.abc import Callable
from typing import Any

from gencove_explorer.analysis import Analysis

SECONDS = 60.0
"""How long a test waits for something that ought to happen at once."""
WAIT = 1800.0 if "EXPLORER_TEST_AWS" in os.environ else 60.0
"""How long a test waits for jobs: a real cluster has to start machines first."""


def eventually(holds: Callable[[], object], seconds: float = SECONDS) -> None:
    """Wait until ``holds`` does; fail if it never does."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.01)


def value_of(an: Analysis) -> Any:
    """What the one job of an analysis kept as ``value``."""
    an.run()
    an.wait_done(timeout=60)
    assert an.status()["status"] == "SUCCEEDED", an.status()
    return an.get_output().value("value")
