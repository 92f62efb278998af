"""Nothing that is read may fill the memory: each test may take a gigabyte more than is in use before."""

import resource
import sys
from collections.abc import Iterator

import psutil
import pytest

_ROOM = 1 << 30


@pytest.fixture(autouse=True)
def bounded_memory() -> Iterator[None]:
    if sys.platform != "linux":
        yield  # elsewhere the limit is not kept
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (psutil.Process().memory_info().vms + _ROOM, hard))
    yield
    resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
