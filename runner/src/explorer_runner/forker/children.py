"""What the forker's children do: make an attempt, or close one that died."""

import errno
import os
import signal
import time
from typing import NoReturn

from explorer_runner.attempt import claim
from explorer_runner.attempt.direct import RoundContext, make_attempt, write_lost_outcome
from explorer_runner.forker import fork_hooks
from explorer_runner.forker.rounds import ForkedJob
from explorer_runner.format.keys import FAILED, SUCCEEDED, AttemptId, outcome_key
from explorer_runner.system import memory, processes

_DEATH_SECONDS = 2.0


def run_child(job: ForkedJob, private: tuple[int, ...]) -> NoReturn:
    """The forked process: make the attempt, or write the outcome of one that died. Never returns."""
    code = processes.UNWRITTEN
    try:
        signal.set_wakeup_fd(-1)
        fork_hooks.register()
        for descriptor in private:
            os.close(descriptor)
        if job.writer:
            code = _close_attempt(job)
        else:
            code = _make_attempt(job.round.place, job.position, job.attempt, job.slot)
    except BaseException as error:
        code = _say_why(error)
    finally:
        os._exit(code)


def _make_attempt(place: RoundContext, position: int, attempt: AttemptId, slot: int) -> int:
    """Make an attempt, where the store is no folder with a parent of its own; returns the exit code."""
    try:
        if place.folder is not None:
            return make_attempt(place, position, attempt, slot)
        return _with_parent(place, position, attempt)
    except claim.AlreadyClaimed:
        return processes.CLAIMED


def _close_attempt(job: ForkedJob) -> int:
    """Write the outcome of an attempt whose process ended without one; CLAIMED if it is another's."""
    place = job.round.place
    log = place.begin(job.attempt, job.slot, job.started)
    place.was_away()  # a claim in a store that is away tells nothing
    # What the job forked holds its lock too; the forker has killed it, which takes a moment.
    deadline = time.monotonic() + _DEATH_SECONDS
    while lives := claim.inspect(log) in (claim.ClaimState.STARTING, claim.ClaimState.RUNNING):
        if time.monotonic() > deadline:
            break
        time.sleep(0.005)
    keys = (outcome_key(place.job.analysis, job.attempt, status) for status in (SUCCEEDED, FAILED))
    if lives or any(place.job.store.exists(key) for key in keys):
        return processes.CLAIMED  # ours found the attempt claimed, or ended before it could claim it
    place.job.outcome.add_peak(job.peak * memory.UNIT)
    write_lost_outcome(place, log, job.died, job.reason)
    return 0


def _say_why(error: BaseException) -> int:
    """Leave in the log why an attempt could not be made or its outcome not written; returns the exit code."""
    try:
        os.write(2, f"explorer: {type(error).__name__}: {error}\n".encode(errors="backslashreplace"))
    except OSError:
        pass
    cause = error if isinstance(error, OSError) else error.__cause__
    full = isinstance(cause, OSError) and cause.errno in (errno.ENOSPC, errno.EDQUOT)
    return processes.FULL if full else processes.UNWRITTEN


def _with_parent(place: RoundContext, position: int, attempt: AttemptId) -> int:
    # Here, since it brings more along than a forker should hold.
    from explorer_runner.attempt.supervised import AttemptRequest, run_job

    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.setsid()
    order = AttemptRequest(
        store=place.job.store.uri,
        analysis=place.job.analysis,
        round=place.job.round,
        position=position,
        digest=place.job.digest,
        attempt=attempt.attempt,
        scratch=place.scratch,
        environments=place.environments,
        claims=place.claims,
        uv=place.uv,
    )
    code = run_job(order, forward=False)
    return code if code in (0, processes.CLAIMED, processes.UNWRITTEN) else 1
