"""Jobs that go on although their forker is gone, or that another process started.

Their claim says whether they live. Nobody waits for them, so they are looked at; one that has ended
without an outcome is lost, and that is written down for it.
"""

import os
import signal
import time
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from explorer_runner.attempt import claim
from explorer_runner.errors import AlreadyExists
from explorer_runner.format.keys import FAILED, STOPPED, SUCCEEDED, AttemptId, outcome_key
from explorer_runner.format.outcome import Outcome, write
from explorer_runner.stores.base import Store
from explorer_runner.system import memory, temp_folder
from explorer_runner.system import processes as runner_processes
from explorer_runner.system.folders import remove_tree
from gencove_explorer.executors.host import processes

LOOK_SECONDS = 0.2
GRACE_SECONDS = 1.5
"""How long an ended job may be without an outcome: its old forker may be about to write it."""

_SEARCH_SECONDS = 1.0
"""Between two searches among all processes, which take some milliseconds."""

LOST = (
    "Host lost: the job's process ended without an outcome while nobody was watching it "
    "(the executor was killed, or the machine restarted)"
)


@dataclass
class OrphanedJob:
    """One attempt that is watched."""

    analysis: str
    attempt: AttemptId
    log: str
    payload: str
    may_grow: bool = False
    """Whether it goes on with more memory if it is killed for that."""
    since: float = field(default_factory=time.monotonic)
    gone_since: float | None = None
    killed: str | None = None
    kill_at: float | None = None
    _process: psutil.Process | None = None
    _look_at: float = 0.0

    @property
    def process(self) -> psutil.Process | None:
        """Its main process, or what that left behind with its claim; looked for again when it has ended."""
        now = time.monotonic()
        if now >= self._look_at and (self._process is None or not self._process.is_running()):
            self._look_at = now + _SEARCH_SECONDS
            self._process = processes.owner_of(self.log)
        return self._process

    @property
    def age(self) -> float:
        """Seconds it has been running: from its start where the process is known, else from its adoption."""
        age = processes.age(self.process) if self.process is not None else None
        return time.monotonic() - self.since if age is None else age

    def kill(self, reason: str, *, gently: bool) -> None:
        """End whatever holds its claim; SIGKILL follows if it is ``gently`` and that does not help."""
        self.killed = self.killed or reason
        holders = processes.end_holders(self.log, signal.SIGTERM if gently else signal.SIGKILL)
        # One that was started just now claims it a moment later.
        patience = runner_processes.GRACE_SECONDS if holders and gently else _SEARCH_SECONDS
        self.kill_at = time.monotonic() + patience

    def kill_overdue(self) -> None:
        """End by SIGKILL what was told to end and has not."""
        if self.kill_at is not None and time.monotonic() >= self.kill_at:
            self.kill_at = time.monotonic() + _SEARCH_SECONDS
            processes.end_holders(self.log, signal.SIGKILL)

    def check(self, store: Store) -> bool | None:
        """True or False when it has ended, by success; None while it lives."""
        for status in (SUCCEEDED, FAILED, STOPPED):
            if store.exists(outcome_key(self.analysis, self.attempt, status)):
                return status == SUCCEEDED
        if claim.inspect(self.log) in (claim.ClaimState.STARTING, claim.ClaimState.RUNNING):
            self.gone_since = None
            return None
        now = time.monotonic()
        self.gone_since = self.gone_since or now
        if now - self.gone_since < GRACE_SECONDS:
            return None
        return self._write_lost(store)

    def _write_lost(self, store: Store) -> bool:
        index, round, attempt = self.attempt
        grows = self.may_grow and (self.killed or "").startswith(memory.OUT_OF_MEMORY)
        outcome = Outcome(
            analysis=self.analysis,
            index=index,
            round=round,
            attempt=attempt,
            status=STOPPED if grows else FAILED,
            reason=self.killed or LOST,
            started=_created(self.log),
            ended=time.time(),
            payload=self.payload,
        )
        try:
            write(store, outcome)
        except AlreadyExists:
            pass
        return False


def sweep(folder: Path) -> None:
    """Remove all that lies in a folder for scratch; not being there is fine."""
    if folder.is_dir():
        for entry in os.scandir(folder):
            remove_tree(entry.path)
        temp_folder.sweep()


def _created(path: str) -> float:
    try:
        return os.stat(path).st_ctime
    except OSError:
        return time.time()
