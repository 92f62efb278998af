"""run_local: jobs in the foreground, each by its own runner, their output in the cell as it comes."""

import fcntl
import os
import selectors
import signal
from collections.abc import Container, Iterable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import IO

from explorer_runner import claim, temporary
from explorer_runner.definition import JobDefinition
from explorer_runner.errors import ExplorerError
from explorer_runner.folders import remove_tree
from explorer_runner.keys import (
    FAILED,
    Attempt,
    OutcomeName,
    analysis_prefix,
    log_key,
    logs_prefix,
    parse_log_name,
    round_key,
)
from explorer_runner.outcome import read as read_outcome
from explorer_runner.stores import Store
from gencove_explorer.local.client import LocalExecutor, claimed_states, last_claimed
from gencove_explorer.local.processes import owner_of
from gencove_explorer.local.queue import Queue
from gencove_explorer.observe import RUNNABLE, Observed, settle
from gencove_explorer.packages import IMAGE_PLATFORM
from gencove_explorer.readers import FileReader, Reader
from gencove_explorer.records import (
    Closed,
    IndexRecord,
    RoundRecord,
    read_closed,
    write_closed,
    write_index,
)
from gencove_explorer.runner import Runner, Start, in_container, on_host, scratch_folder
from gencove_explorer.settings import Settings
from gencove_explorer.stored import StoredAnalysis

GONE = "the process that ran it ended (run_local)"
LOST = "Host lost: its runner was ended before it could write what became of the job (run_local)"
NEVER_STARTED = "never started: run_local ended before its turn"


class ForegroundExecutor:
    """What other processes see of a run_local: who runs it holds a lock on its round's record."""

    name = "foreground"
    poll_seconds = LocalExecutor.poll_seconds
    tail_seconds = LocalExecutor.tail_seconds

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.platform: str | None = None
        self.place = Queue(settings.home).place
        self._begin = on_host
        self._ready: dict[str, tuple[Start, IO[bytes]]] = {}
        """By id: what starts the runners of an analysis that was submitted, and the hold of its record."""

    def use_containers(self) -> None:
        """Let runners be containers."""
        self.platform, self._begin = IMAGE_PLATFORM, in_container

    def fit(self, definition: JobDefinition | None) -> JobDefinition:
        return LocalExecutor(self.settings).fit(definition)

    def admit(self, buckets: Mapping[str, str]) -> None:
        """Nothing: whether this machine can read them, the first job shows."""

    def submit(self, store: Store, record: RoundRecord, index: IndexRecord) -> None:
        """Make ready to run it, hold it, and only then list it: ``run`` runs it, here and now.

        To make ready may take minutes (an image is pulled), and whoever sees an analysis that nobody
        holds takes it for one whose process has ended. Raises ExecutorError.
        """
        with ExitStack() as undo:
            undo.callback(store.delete_tree, analysis_prefix(record.id))  # nobody knows of it yet
            start = self._begin(store, record, self.settings)
            held = undo.enter_context(hold(store, record))
            write_index(store, index)
            undo.pop_all()
        self._ready[record.id] = start, held

    def run(self, stored: StoredAnalysis, parallel: int) -> None:
        """Run the jobs of an analysis that was submitted; see ``run_foreground``."""
        start, held = self._ready.pop(stored.id)
        with held:
            _sweep(stored.store, scratch_folder(self.settings))
            run_foreground(stored, start, parallel)

    def knows(self, store: Store, record: RoundRecord) -> bool:
        """What is run in the foreground needs no submission."""
        return True

    def describe(
        self,
        store: Store,
        rounds: Sequence[RoundRecord],
        outcomes: Iterable[OutcomeName],
        open_jobs: Sequence[int],
        asked: int | None = None,
    ) -> tuple[Mapping[int, str], str | None]:
        last = {index: record for record in rounds for index in record.all_indices()}
        states = claimed_states(_logs(store, rounds[-1].id), last, outcomes, open_jobs)
        if is_held(store, rounds[-1]):
            return {index: states.get(index, RUNNABLE) for index in open_jobs}, None
        # Whoever ran it is gone, and did not even write that down. A runner notices, and writes down
        # what became of its job; what no runner has is closed.
        alive = {index: state for index, state in states.items() if self._lives(store, rounds, index)}
        close_unended(store, rounds[-1], GONE, besides=alive)
        if not alive:
            claim.sweep(_logs(store, rounds[-1].id))
        return {index: alive.get(index, FAILED) for index in open_jobs}, GONE

    def _lives(self, store: Store, rounds: Sequence[RoundRecord], index: int) -> bool:
        log = store.path(log_key(rounds[-1].id, Attempt(index, rounds[-1].round, 1)))
        return claim.inspect(str(log)) in (claim.Life.STARTING, claim.Life.RUNNING)

    def terminate(
        self, store: Store, rounds: Sequence[RoundRecord], indices: Sequence[int] | None, reason: str
    ) -> None:
        """Ask the runners of these jobs to end; the first failure ends the whole run_local."""
        folder = Path(_logs(store, rounds[-1].id))
        for log in sorted(folder.glob("*.txt")):
            attempt = parse_log_name(log.name)
            if attempt is not None and (indices is None or attempt.index in indices):
                owner = owner_of(str(log))
                if owner is not None:
                    owner.send_signal(signal.SIGTERM)

    def last_attempt(
        self, store: Store, rounds: Sequence[RoundRecord], observed: Observed, index: int
    ) -> Attempt | None:
        return last_claimed(_logs(store, rounds[0].id), rounds, observed, index)

    def open_log(
        self, store: Store, rounds: Sequence[RoundRecord], attempt: Attempt, since: float
    ) -> Reader | None:
        path = store.path(log_key(rounds[-1].id, attempt))
        return FileReader(path, since) if path and path.exists() else None

    def open_rounds(self) -> list[RoundRecord]:
        return []


def run_foreground(stored: StoredAnalysis, start: Start, parallel: int) -> None:
    """Run the jobs of an analysis, ``parallel`` at once, and copy what they print.

    Stops at the first failure and raises it as JobFailed; an interrupt ends the jobs too.
    """
    record = stored.rounds[-1]
    positions = iter(range(record.jobs))
    runners: list[Runner] = []
    failed = False
    with selectors.DefaultSelector() as selector:
        try:
            while True:
                while not failed and len(runners) < parallel:
                    position = next(positions, None)
                    if position is None:
                        break
                    runners.append(Runner(stored, position, start, selector))
                if not runners:
                    break
                for key, _ in selector.select():
                    key.data.copy(key.fileobj, selector)
                for runner in [each for each in runners if each.silent]:
                    runners.remove(runner)
                    failed = runner.wait() != 0 or failed
                if failed:
                    for runner in runners:
                        runner.end()
        finally:
            for runner in runners:
                runner.end()
            for runner in runners:
                runner.wait()
            close_unended(stored.store, record, NEVER_STARTED)
            claim.sweep(_logs(stored.store, stored.id))
    if failed:
        stored.require_success()


def _sweep(store: Store, scratch: Path) -> None:
    """Remove the folders of runners that were killed (explorer_runner.leftovers says how they are named)."""
    for folder in scratch.glob("*.*.*") if scratch.is_dir() else ():
        nonce, _, stem = folder.name.removesuffix(".files").partition(".")
        logs = Path(str(store.path(""))).glob(f"analyses/*_{nonce}*/logs/{stem}.txt")
        if all(claim.inspect(str(log)) in (claim.Life.GONE, claim.Life.UNCLAIMED) for log in logs):
            remove_tree(str(folder))
    temporary.sweep()


# -- who runs it ------------------------------------------------------------------------------------


def hold(store: Store, record: RoundRecord) -> IO[bytes]:
    """Hold the round's record until it is closed, so that others see that somebody runs it."""
    path = store.path(round_key(record.id, record.round))
    if path is None:
        raise ExplorerError("run_local keeps its analyses in a folder")
    file = open(path, "rb")
    fcntl.flock(file, fcntl.LOCK_EX)
    return file


def is_held(store: Store, record: RoundRecord) -> bool:
    """Whether somebody runs the round."""
    path = store.path(round_key(record.id, record.round))
    assert path is not None
    with open(path, "rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def close_unended(store: Store, record: RoundRecord, reason: str, besides: Container[int] = ()) -> None:
    """Write down that those jobs of a round which have not ended, ``besides`` some, never will.

    ``reason`` is that of jobs which never began. One that failed, and might have been tried again,
    keeps its own; one that began and left no outcome was lost with its runner.
    """
    from explorer_runner.results import outcome_names

    jobs = 1 + max(record.all_indices())
    states, failed, _ = settle(jobs, [record], outcome_names(store, record.id), read_closed(store, record.id))
    reasons: dict[str, list[int]] = {}
    for index in record.all_indices():
        if states[index] is None and index not in besides:
            why = reason
            if index in failed:
                outcome = read_outcome(store, record.id, Attempt(*failed[index][:3]), failed[index].status)
                why = outcome.reason or reason
            elif os.path.exists(f"{_logs(store, record.id)}/{Attempt(index, record.round, 1).stem}.txt"):
                why = LOST
            reasons.setdefault(why, []).append(index)
    if reasons:
        write_closed(store, record.id, record.round, Closed.of(reasons))


def _logs(store: Store, analysis: str) -> str:
    return str(store.path(logs_prefix(analysis)))
