"""Fork hooks, kept for the processes that need them.

``threading`` and ``logging`` register functions that put their locks right in the child of a fork.
The forker has one thread and no locks held, so there is nothing to put right in its children; yet
the hooks touch so many pages of memory, each copied for it, that they cost as much as the rest of a
fork. They are held back while the forker loads its modules, and registered in each job, which may
start threads and fork itself.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

_held_back: list[dict[str, Callable[[], Any]]] = []


@contextmanager
def held_back() -> Iterator[None]:
    """Remember hooks that modules register when imported, instead of registering them."""
    register = os.register_at_fork
    os.register_at_fork = lambda **hooks: _held_back.append(hooks)
    try:
        yield
    finally:
        os.register_at_fork = register


def register() -> None:
    """Register what was held back: called in a job, before user code."""
    for hooks in _held_back:
        os.register_at_fork(**hooks)
