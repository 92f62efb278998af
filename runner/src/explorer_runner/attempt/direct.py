"""One attempt in one process, in a folder store: what the forker's children do.

Without S3 there is nothing that needs a parent beside the forker, so the child claims, calls,
publishes and ends in one process: half the cost of a parent and a child each.
"""

import os
import stat
import time
from collections.abc import Iterable
from pathlib import Path

from explorer_runner.attempt import checkpoints, claim, environment, log_file
from explorer_runner.attempt.execute import JobAttempt, execute, publish
from explorer_runner.errors import AlreadyExists, StoreError
from explorer_runner.format.keys import AttemptId
from explorer_runner.outputs import OUTPUTS, Collected
from explorer_runner.stores.folder import FolderStore
from explorer_runner.system import memory, processes, temp_folder
from explorer_runner.system.folders import remove_tree

_RETRY_SECONDS = 1.0
_PRIVATE_FOLDER = stat.S_IFDIR | 0o700


class RoundContext:
    """Where the jobs of a round run on this host; ``job`` becomes one attempt in each process."""

    def __init__(
        self,
        job: JobAttempt,
        *,
        claims: str,
        scratch: str,
        environments: str,
        uv: str,
        variables: dict[str, str],
    ) -> None:
        self.job = job
        self.claims = claims
        """Folder of the claims, which are the logs."""
        self.scratch = scratch
        """Folder of the slots' folders: an attempt has that of its slot to itself."""
        self.environments = environments
        self.uv = uv
        self.variables = variables
        """The environment variables of each job."""
        self.folder = job.store.root if isinstance(job.store, FolderStore) else None
        """Path of the store, if it is a folder on this machine."""

    def was_away(self) -> bool:
        """Wait for a store, which holds the claims too, that is away; False if it was there."""
        return isinstance(self.job.store, FolderStore) and self.job.store.was_away()

    def begin(self, attempt: AttemptId, slot: int, started: float) -> str:
        """Make ``job`` this attempt; returns the path of its log."""
        self.job.begin(attempt, f"{self.scratch}/{slot}", started)
        return f"{self.claims}/{attempt[0]}.{attempt[1]}-{attempt[2]}.txt"


def make_attempt(place: RoundContext, position: int, attempt: AttemptId, slot: int) -> int:
    """Claim, call, publish, clean up; returns the exit code. Raises AlreadyClaimed."""
    os.setsid()
    processes.become_subreaper()
    log_path = place.begin(attempt, slot, time.time())
    lock = _claim(place, log_path)
    # The log is opened once more: the lock must not live on in what the job starts.
    log = os.open(log_path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.close(log)
    job = place.job
    enter_scratch(job.scratch)
    environment.set_temp_folders(temp_folder.reach(place.scratch, str(slot)), job.private)
    packages: Path | None = None

    def set_up() -> None:
        nonlocal packages
        if job.payload.lock is not None:
            packages = environment.ensure(Path(place.environments), job.payload.lock, job.store, place.uv)
            environment.activate(packages)

    def on_call() -> None:
        if packages is not None:
            environment.prefer_user_pins(packages)
        claim.running(lock)

    collected = execute(
        job, read_input=lambda: job.payload.read_input(job.store, position), set_up=set_up, on_call=on_call
    )
    job.outcome.add_peak(memory.take_peak(log_path))
    if not job.outcome.succeeded and (reason := _read_end_reason(job.scratch)):
        job.outcome.reason = reason
        checkpoints.save_left(job, log_path)  # it was told to end, and took that as an exception
    try:
        if os.fstat(lock).st_size > log_file.LIMIT:
            place.was_away()
            log_file.trim(log_path)
        publish(job.store, job.outcome, collected)
        if job.outcome.succeeded:
            checkpoints.forget(job)
    finally:
        leave_scratch(job)
    return 0 if job.outcome.succeeded else 1


def _claim(place: RoundContext, log: str) -> int:
    while True:
        try:
            return claim.claim(place.claims, log)
        except FileNotFoundError:
            if not place.was_away():
                raise


def write_end_reason(scratch: str, reason: str) -> None:
    """Leave word for a job that gets a signal: it may handle that, and then says itself why it ended."""
    try:
        with open(f"{scratch}.reason", "w") as file:
            file.write(reason)
    except OSError:
        pass  # a full disk: then the reason is the signal


def clear_end_reason(scratch: str) -> None:
    """Remove what ``tell_to_end`` left."""
    try:
        os.unlink(f"{scratch}.reason")
    except OSError:
        pass


def _read_end_reason(scratch: str) -> str | None:
    try:
        with open(f"{scratch}.reason") as file:
            return file.read()
    except FileNotFoundError:
        return None


def enter_scratch(path: str) -> None:
    """Make the slot's folder the working directory. It is empty, or not there.

    Making and removing a folder takes a file system longer than all else that a small job does, so
    a folder that a job left empty serves the next one.
    """
    try:
        os.chdir(path)
    except FileNotFoundError:
        os.mkdir(path, 0o700)
        os.chdir(path)


def leave_scratch(job: JobAttempt) -> None:
    """Leave the slot's folders as new, or not at all."""
    os.chdir("/")
    if not _is_empty(job.scratch):
        remove_tree(job.scratch)
    if os.access(job.private, os.F_OK) and not (
        os.listdir(job.private) == [OUTPUTS] and _is_empty(f"{job.private}/{OUTPUTS}")
    ):
        remove_tree(job.private)


def forget_slots(scratch: str, slots: Iterable[int]) -> None:
    """Remove the empty folders of slots, and their common folder if nothing else is in it."""
    for slot in slots:
        private = f"{scratch}/{slot}.files"
        for folder in (f"{scratch}/{slot}", f"{private}/{OUTPUTS}", private):
            _remove_empty(folder)
    temp_folder.forget(scratch)
    _remove_empty(scratch)


def _is_empty(folder: str) -> bool:
    """Whether a job left a folder as it was made."""
    try:
        return not os.listdir(folder) and os.stat(folder).st_mode == _PRIVATE_FOLDER
    except OSError:
        return False


def _remove_empty(folder: str) -> None:
    try:
        os.rmdir(folder)
    except OSError:
        pass  # it is not there, or a job could not clean up: the next scheduler sweeps


def write_lost_outcome(place: RoundContext, log: str, wait_status: int, reason: str | None) -> None:
    """Write the outcome of the attempt that ``place.job`` is, which ended without one; clean up after it.

    Tries again while the store cannot be written (a full disk): the job has ended, and that must not
    be lost.
    """
    job = place.job
    code, number, description = processes.describe_exit(wait_status)
    outcome = job.fail(reason or f"{description}{log_file.crash_line(log)}", code, number)
    outcome.add_peak(memory.take_peak(log))
    checkpoints.save_left(job, log)
    while True:
        remove_tree(job.scratch)
        remove_tree(job.private)
        try:
            if os.path.exists(log):
                log_file.trim(log)
            publish(job.store, outcome, Collected([], [], {}))
            return
        except AlreadyExists:
            return
        except (StoreError, OSError):
            time.sleep(_RETRY_SECONDS)
