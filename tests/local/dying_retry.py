"""retry_failed() in a process that kills itself before its n-th write: run by test_retries.py."""

import sys
from dataclasses import replace

from reconcile.dying import WRITES, Countdown, Dying

from gencove_explorer.analysis import JobDefinition
from gencove_explorer.executors.local.executor import LocalExecutor
from gencove_explorer.monitoring.lookup import find_analysis
from gencove_explorer.session import Session
from gencove_explorer.submission.retry import retry_failed


def main(analysis: str, memory_mb: str, steps: str) -> None:
    countdown = Countdown(int(steps))
    session = Session()
    executor = LocalExecutor(session.settings)
    executor.queue = Dying(executor.queue, ("add_round",), countdown)
    session.executor = executor
    stored = find_analysis(session, analysis)
    stored = replace(stored, store=Dying(stored.store, WRITES, countdown))
    retry_failed(stored, JobDefinition(cpu=1, memory_mb=int(memory_mb)), None, session)
    print(f"done with {countdown.left} steps to spare")


if __name__ == "__main__":
    main(*sys.argv[1:])
