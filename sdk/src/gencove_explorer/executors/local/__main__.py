"""``python -m gencove_explorer.executors.local HOME IDLE_SECONDS``: start a scheduler, in the background.

The process that is started ends as soon as the scheduler listens, which is when the caller goes on.
"""

import os
import sys
import time
from pathlib import Path

from gencove_explorer.executors.local.queue import Queue
from gencove_explorer.executors.local.scheduler import Scheduler

_LOCK_SECONDS = 15.0


def main() -> int:
    queue = Queue(Path(sys.argv[1]))
    lock = _lock(queue)
    if lock is None:
        return 0  # somebody else was faster, or will not let go
    scheduler = Scheduler(queue, idle_seconds=float(sys.argv[2]))
    if os.fork() != 0:
        os._exit(0)
    os.chdir("/")
    scheduler.state["pid"] = os.getpid()
    scheduler.run()
    return 0


def _lock(queue: Queue) -> int | None:
    """Wait for a scheduler that is about to end; give up if one listens."""
    deadline = time.monotonic() + _LOCK_SECONDS
    while (lock := queue.lock()) is None:
        if queue.wake() or time.monotonic() > deadline:
            return None
        time.sleep(0.02)
    return lock


if __name__ == "__main__":
    sys.exit(main())
