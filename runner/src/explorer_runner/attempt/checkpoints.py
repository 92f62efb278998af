"""What becomes of a job's checkpoint at an attempt's end. Most have none, and load nothing."""

import contextlib
import os

from explorer_runner.attempt.execute import JobAttempt
from explorer_runner.format.keys import CHECKPOINT


def save_left(job: JobAttempt, log: str) -> None:
    """Save what a process that was ended left in its checkpoint; the log tells of it."""
    if os.path.isdir(f"{job.private}/{CHECKPOINT}"):
        from explorer_runner.files import checkpoint

        with contextlib.suppress(OSError), open(log, "a") as file, contextlib.redirect_stderr(file):
            checkpoint.save_left(job.store, job.analysis, job.attempt, job.private)


def forget(job: JobAttempt) -> None:
    """Remove what a job kept for its next attempt, where it may: it has succeeded."""
    if os.path.isdir(f"{job.private}/{CHECKPOINT}"):
        from explorer_runner.files import checkpoint

        checkpoint.forget(job.store, job.analysis, job.attempt, job.private)
