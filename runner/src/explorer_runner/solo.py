"""One attempt in one process, in a folder store: what the forker's children do.

Without S3 there is nothing that needs a parent beside the forker, so the child claims, calls,
publishes and ends in one process: half the cost of a parent and a child each.
"""

import os
import re
import time
from dataclasses import dataclass, field
from pathlib import Path

from explorer_runner import claim, environment, logs, processes
from explorer_runner.child import Job, blank_outcome, clean_up, execute, publish
from explorer_runner.errors import AlreadyExists, StoreError
from explorer_runner.folders import remove_tree
from explorer_runner.keys import FAILED, Attempt
from explorer_runner.outputs import Collected
from explorer_runner.payload import Payload
from explorer_runner.stores import Store
from explorer_runner.stores.folder import FolderStore

_RETRY_SECONDS = 1.0
_CRASHED_AT = re.compile(r'File "(?P<file>[^"]*)", line (?P<line>\d+) in (?P<function>\S+)')


@dataclass(kw_only=True)
class Place:
    """What all attempts of a round share on this host."""

    analysis: str
    round: int
    digest: str
    store: Store
    payload: Payload
    claims: str
    """Folder of the claims, which are the logs."""
    scratch: str
    """Folder in which each attempt gets a folder of its own."""
    environments: str
    uv: str
    variables: dict[str, str] = field(default_factory=dict)
    """The environment variables of each job."""

    @property
    def folder(self) -> str | None:
        """Path of the store, if it is a folder on this machine."""
        return self.store.root if isinstance(self.store, FolderStore) else None

    def scratch_of(self, attempt: Attempt) -> str:
        return f"{self.scratch}/{self.analysis}.{attempt.stem}"

    def log_of(self, attempt: Attempt) -> str:
        return f"{self.claims}/{attempt.stem}.txt"


def make_attempt(place: Place, position: int, attempt: Attempt) -> int:
    """Claim, call, publish, clean up; returns the exit code. Raises AlreadyClaimed."""
    started = time.time()
    os.setsid()
    processes.become_subreaper()
    log_path = place.log_of(attempt)
    lock = claim.claim(place.claims, log_path)
    # The log is opened once more: the lock must not live on in what the job starts.
    log = os.open(log_path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.close(log)
    scratch = place.scratch_of(attempt)
    os.mkdir(scratch, 0o700)
    os.chdir(scratch)
    os.environ["TMPDIR"] = scratch
    job = Job(
        payload=place.payload,
        payload_digest=place.digest,
        store=place.store,
        read_input=lambda: place.payload.read_input(place.store, position),
        attempt=attempt,
        scratch=scratch,
        private=f"{scratch}.files",
        started=started,
    )
    packages: Path | None = None

    def set_up() -> None:
        nonlocal packages
        if place.payload.lock is not None:
            packages = environment.ensure(Path(place.environments), place.payload.lock, place.uv)
            environment.activate(packages)

    def on_call() -> None:
        if packages is not None:
            environment.yield_to_pins(packages)
        claim.running(lock)

    outcome, collected = execute(job, set_up=set_up, on_call=on_call)
    try:
        if os.fstat(lock).st_size > logs.LIMIT:
            logs.trim(log_path)
        publish(place.store, outcome, collected)
    finally:
        clean_up(job)
    return 0 if outcome.succeeded else 1


def write_for(place: Place, attempt: Attempt, started: float, status: int, reason: str | None) -> None:
    """Write the outcome of an attempt whose process ended without one, and clean up after it.

    Tries again while the store cannot be written (a full disk): the job has ended, and that must not
    be lost.
    """
    code, number, found = processes.describe_exit(status)
    log = place.log_of(attempt)
    outcome = blank_outcome(place.analysis, attempt, started, place.digest)
    outcome.status, outcome.exit_code, outcome.signal = FAILED, code, number
    outcome.reason = reason or f"{found}{_crash_line(log)}"
    while True:
        remove_tree(place.scratch_of(attempt))
        remove_tree(f"{place.scratch_of(attempt)}.files")
        try:
            if os.path.exists(log):
                logs.trim(log)
            publish(place.store, outcome, Collected([], [], {}))
            return
        except AlreadyExists:
            return
        except (StoreError, OSError):
            time.sleep(_RETRY_SECONDS)


def _crash_line(log: str) -> str:
    """Where a crash happened, if faulthandler could still write it to the log."""
    try:
        with open(log, "rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - 16_384))
            tail = file.read().decode(errors="replace")
    except OSError:
        return ""
    _, found, dump = tail.rpartition("Fatal Python error")
    own = os.path.dirname(__file__)
    lines = (match for match in _CRASHED_AT.finditer(dump) if not match["file"].startswith(own)) if found else ()
    where = next((m for m in lines if not m["file"].startswith(os.path.dirname(os.__file__))), None)
    return f" (line {where['line']}, in {where['function']})" if where else ""
