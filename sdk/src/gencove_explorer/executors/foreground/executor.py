"""run_local: jobs in the foreground, each by its own runner, their output in the cell as it comes."""

import selectors
import signal
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import IO

from explorer_runner.attempt import claim
from explorer_runner.definition import JobDefinition
from explorer_runner.format.keys import (
    FAILED,
    AttemptId,
    OutcomeName,
    analysis_prefix,
    log_key,
    parse_log_name,
)
from explorer_runner.stores.base import Store
from explorer_runner.system import temp_folder
from explorer_runner.system.folders import remove_tree
from gencove_explorer.executors.foreground.launch import (
    Launch,
    RunnerProcess,
    launch_container,
    launch_process,
    scratch_folder,
)
from gencove_explorer.executors.foreground.round_lock import (
    GONE,
    NEVER_STARTED,
    close_unfinished,
    is_round_locked,
    lock_round,
    logs_folder,
)
from gencove_explorer.executors.host.claims import claimed_states, last_claimed
from gencove_explorer.executors.host.machine import (
    FOLLOW_SECONDS,
    POLL_SECONDS,
    location_of,
    resolve_definition,
)
from gencove_explorer.executors.host.processes import owner_of
from gencove_explorer.executors.log_reader import FileLogReader, LogReader
from gencove_explorer.packages import IMAGE_PLATFORM
from gencove_explorer.records.index import IndexRecord, write_index
from gencove_explorer.records.round import RoundRecord, Rounds
from gencove_explorer.records.states import RUNNABLE, JobStates
from gencove_explorer.settings import Settings


class ForegroundExecutor:
    """What other processes see of a run_local: who runs it holds a lock on its round's record."""

    name = "foreground"
    poll_seconds = POLL_SECONDS
    follow_seconds = FOLLOW_SECONDS

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.platform: str | None = None
        self.location = location_of(settings.home)
        self._begin = launch_process
        self._ready: dict[str, tuple[Launch, IO[bytes]]] = {}
        """By id: what starts the runners of an analysis that was submitted, and the hold of its record."""

    def use_containers(self) -> None:
        """Let runners be containers."""
        self.platform, self._begin = IMAGE_PLATFORM, launch_container

    def resolve_definition(self, definition: JobDefinition | None) -> JobDefinition:
        return resolve_definition(definition, self.settings)

    def check_buckets(self, buckets: Mapping[str, str]) -> None:
        """Nothing: whether this machine can read them, the first job shows."""

    def submit(self, store: Store, record: RoundRecord, index: IndexRecord) -> None:
        """Make ready to run it, hold it, and only then list it: ``run`` runs it, here and now.

        To make ready may take minutes (an image is pulled), and a process that sees an analysis which nobody
        holds takes it for one whose process has ended. Raises ExecutorError.
        """
        with ExitStack() as undo:
            undo.callback(store.delete_tree, analysis_prefix(record.id))  # nobody knows of it yet
            start = self._begin(store, record, self.settings)
            lock = undo.enter_context(lock_round(store, record))
            write_index(store, index)
            undo.pop_all()
        self._ready[record.id] = start, lock

    def run(
        self, store: Store, record: RoundRecord, index: IndexRecord, parallel: int, *, goes_on: bool = False
    ) -> bool:
        """Run the jobs of a round that was submitted; see ``run_foreground``."""
        start, lock = self._ready.pop(record.id)
        with lock:
            _sweep(store, scratch_folder(self.settings))
            return run_foreground(store, record, index.array, start, parallel, goes_on=goes_on)

    def has_round(self, store: Store, record: RoundRecord) -> bool:
        """What is run in the foreground needs no submission."""
        return True

    def job_states(
        self,
        rounds: Rounds,
        outcomes: Iterable[OutcomeName],
        open_jobs: Sequence[int],
        focus: int | None = None,
    ) -> tuple[Mapping[int, str], str | None]:
        store = rounds.store
        states = claimed_states(logs_folder(store, rounds.id), rounds, outcomes, open_jobs)
        if is_round_locked(store, rounds[-1]):
            return {index: states.get(index, RUNNABLE) for index in open_jobs}, None
        # The process that ran it is gone without a record. A runner notices that, and writes down
        # what became of its job; what no runner has is closed.
        alive = {index: state for index, state in states.items() if self._lives(rounds, index)}
        close_unfinished(store, rounds[-1], GONE, besides=alive)
        if not alive:
            claim.sweep(logs_folder(store, rounds.id))
        return {index: alive.get(index, FAILED) for index in open_jobs}, GONE

    def _lives(self, rounds: Rounds, index: int) -> bool:
        log = rounds.store.local_path(log_key(rounds[-1].id, AttemptId(index, rounds[-1].round, 1)))
        return claim.inspect(str(log)) in (claim.ClaimState.STARTING, claim.ClaimState.RUNNING)

    def terminate(self, rounds: Rounds, indices: Sequence[int] | None, reason: str) -> None:
        """Ask the runners of these jobs to end; the first failure ends the whole run_local."""
        folder = Path(logs_folder(rounds.store, rounds.id))
        for log in sorted(folder.glob("*.txt")):
            attempt = parse_log_name(log.name)
            if attempt is not None and (indices is None or attempt.index in indices):
                owner = owner_of(str(log))
                if owner is not None:
                    owner.send_signal(signal.SIGTERM)

    def clean_up(self, rounds: Rounds) -> None:
        """Nothing is kept for it."""

    def last_attempt(self, rounds: Rounds, observed: JobStates, index: int) -> AttemptId | None:
        return last_claimed(logs_folder(rounds.store, rounds.id), rounds, observed, index)

    def open_log(self, rounds: Rounds, attempt: AttemptId, since: float) -> LogReader | None:
        path = rounds.store.local_path(log_key(rounds.id, attempt))
        return FileLogReader(path, since) if path and path.exists() else None

    def unfinished_rounds(self) -> list[RoundRecord]:
        return []


def run_foreground(
    store: Store, record: RoundRecord, array: bool, start: Launch, parallel: int, *, goes_on: bool = False
) -> bool:
    """Run the jobs of a round, ``parallel`` at once, and copy what they print.

    Stops at the first failure, unless it ``goes_on``; returns whether there was none. An interrupt ends the
    jobs too.
    """
    positions = iter(range(record.jobs))
    runners: list[RunnerProcess] = []
    failed = False
    with selectors.DefaultSelector() as selector:
        try:
            while True:
                while (goes_on or not failed) and len(runners) < parallel:
                    position = next(positions, None)
                    if position is None:
                        break
                    prefix = f"[{record.index_of(position)}] " if array else ""
                    runners.append(RunnerProcess(position, prefix, start, selector))
                if not runners:
                    break
                for key, _ in selector.select():
                    key.data.copy(key.fileobj, selector)
                for runner in [candidate for candidate in runners if candidate.silent]:
                    runners.remove(runner)
                    failed = runner.wait() != 0 or failed
                if failed and not goes_on:
                    for runner in runners:
                        runner.end()
        finally:
            for runner in runners:
                runner.end()
            for runner in runners:
                runner.wait()
            close_unfinished(store, record, NEVER_STARTED)
            claim.sweep(logs_folder(store, record.id))
    return not failed


def _sweep(store: Store, scratch: Path) -> None:
    """Remove the folders of runners that were killed (see explorer_runner.attempt.scratch)."""
    for folder in scratch.glob("*.*.*") if scratch.is_dir() else ():
        nonce, _, stem = folder.name.removesuffix(".files").partition(".")
        logs = Path(str(store.local_path(""))).glob(f"analyses/*_{nonce}*/logs/{stem}.txt")
        if all(
            claim.inspect(str(log)) in (claim.ClaimState.GONE, claim.ClaimState.UNCLAIMED) for log in logs
        ):
            remove_tree(str(folder))
    temp_folder.sweep()


# -- who runs it ------------------------------------------------------------------------------------
