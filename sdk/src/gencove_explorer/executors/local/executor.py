"""What a notebook does with the local executor. Everything is found in files; nobody is asked."""

import errno
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from explorer_runner.attempt.environment import find_uv
from explorer_runner.definition import JobDefinition
from explorer_runner.format.keys import AttemptId, OutcomeName
from explorer_runner.stores.base import Store
from explorer_runner.system.folders import ensure_private
from gencove_explorer._version import __version__
from gencove_explorer.errors import ExecutorError, StoreError
from gencove_explorer.executors.host.claims import claimed_states, last_claimed
from gencove_explorer.executors.host.machine import FOLLOW_SECONDS, POLL_SECONDS, resolve_definition
from gencove_explorer.executors.host.runtime import find_runtime, variables_of
from gencove_explorer.executors.local.lost_rounds import close_lost_jobs, end_unqueued
from gencove_explorer.executors.local.queue import Entry, Queue
from gencove_explorer.executors.local.recovery import claims_folder, load_progress
from gencove_explorer.executors.log_reader import FileLogReader, LogReader
from gencove_explorer.records.halts import canary_words, open_canary
from gencove_explorer.records.index import IndexRecord, write_index
from gencove_explorer.records.round import RoundRecord, Rounds
from gencove_explorer.records.states import PENDING, RUNNABLE, RUNNING, STARTING, SUBMITTED, JobStates
from gencove_explorer.settings import Settings
from gencove_explorer.utils.log import get_logger

_START_SECONDS = 20.0
_USE = {"cpus", "cpus_in_use", "memory_mb", "memory_mb_in_use", "running"}
"""What the scheduler tells of the machine's use."""
_log = get_logger(__name__)


class LocalExecutor:
    """Runs jobs on this machine, in the background, with AWS Batch's semantics."""

    name = "local"
    platform: str | None = None
    poll_seconds = POLL_SECONDS
    follow_seconds = FOLLOW_SECONDS

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.queue = Queue(settings.home)
        self.location = self.queue.location

    # -- the protocol (gencove_explorer.executors.base) --------------------------------------------------

    def resolve_definition(self, definition: JobDefinition | None) -> JobDefinition:
        """The definition to use. Raises SubmissionError for one that asks for more than this machine has."""
        return resolve_definition(definition, self.settings)

    def check_buckets(self, buckets: Mapping[str, str]) -> None:
        """Nothing: whether this machine can read them, the first job shows."""

    def submit(self, store: Store, record: RoundRecord, index: IndexRecord) -> None:
        """Commit to running a round whose payload is in the store, and wake the scheduler."""
        ensure_private(str(self.settings.home))
        entry = Entry(
            store=store.uri,
            record=record,
            index=index,
            runtime=find_runtime(self.settings.home),
            uv=find_uv(),
            variables=variables_of(record, self.settings),
            cpus=self.settings.cpus,
            memory_mb=self.settings.memory_mb,
        )
        with _errors(self.queue):
            self.queue.make()
            self.queue.stopped.unlink(missing_ok=True)
            added = self.queue.add_round(entry)
        try:
            self.wake()
        except ExecutorError:
            if self.queue.take_back(added):
                raise
        _list(store, index)

    def has_round(self, store: Store, record: RoundRecord) -> bool:
        """Whether the queue has the round; that of another machine is not to be seen from here."""
        if record.place != self.location or self.queue.has_round(f"{record.id}.{record.round}"):
            return True
        claims = claims_folder(self.queue, store, record.id)
        return any(Path(claims).glob(f"*.{record.round}-*.txt"))

    def job_states(
        self,
        rounds: Rounds,
        outcomes: Iterable[OutcomeName],
        open_jobs: Sequence[int],
        focus: int | None = None,
    ) -> tuple[Mapping[int, str], str | None]:
        """The states of jobs that have not ended, and why they wait if it is known."""
        claims = claims_folder(self.queue, rounds.store, rounds.id)
        states = claimed_states(claims, rounds, outcomes, open_jobs)
        unclaimed = [index for index in open_jobs if index not in states]
        canary = open_canary(rounds, unclaimed, outcomes)
        if unclaimed:
            self._add_waiting(rounds, unclaimed, states, bool(canary))
        states.update(close_lost_jobs(self.queue, rounds, open_jobs))
        reason = None
        if self.queue.stopped.exists():
            reason = "the local executor is stopped: explorer executor start"
        else:
            self.wake(silently=True)
            if unclaimed and all(states[index] == RUNNABLE for index in unclaimed):
                running = sum(state in (STARTING, RUNNING) for state in states.values())
                record = rounds.last(unclaimed[0])
                limited = record.parallel is not None and running >= record.parallel
                reason = (
                    f"parallel={record.parallel}: at most so many jobs of it run at once"
                    if limited
                    else self._why_runnable(record.job_definition)
                )
            reason = self._trouble(rounds) or reason or (canary_words(canary) if canary else None)
        return states, reason

    def terminate(self, rounds: Rounds, indices: Sequence[int] | None, reason: str) -> None:
        """Ask for jobs to be ended; it is carried out even if everything is killed meanwhile."""
        with _errors(self.queue):
            self.queue.add_request(
                {
                    "terminate": rounds.id,
                    "round": rounds[-1].round,
                    "indices": None if indices is None else list(indices),
                    "reason": reason,
                }
            )
        self.wake()
        end_unqueued(self.queue, rounds, indices)

    def clean_up(self, rounds: Rounds) -> None:
        """Nothing is kept for it."""

    def last_attempt(self, rounds: Rounds, observed: JobStates, index: int) -> AttemptId | None:
        """The latest attempt at a job, which may be running; None if there was none yet."""
        return last_claimed(claims_folder(self.queue, rounds.store, rounds.id), rounds, observed, index)

    def open_log(self, rounds: Rounds, attempt: AttemptId, since: float) -> LogReader | None:
        """The file in which the log of an attempt grows."""
        path = Path(claims_folder(self.queue, rounds.store, rounds.id), f"{attempt.stem}.txt")
        return FileLogReader(path, since) if path.exists() else None

    def unfinished_rounds(self) -> list[RoundRecord]:
        """The rounds that have not ended."""
        return [entry.record for entry in self.queue.unfinished_rounds()]

    # -- the scheduler ------------------------------------------------------------------------------

    def wake(self, *, silently: bool = False) -> None:
        """Ring for the scheduler; start one if nobody hears and there is something to do."""
        if self.queue.wake(silently=silently):
            if self.queue.read_state().get("version") not in (None, __version__):
                self._hand_over()
        elif self.queue.has_news() or any(self.queue.accepted.glob("[0-9]*.json")):
            self.start()

    def start(self) -> None:
        """Start a scheduler; returns when it listens. One that is there already is fine."""
        ensure_private(str(self.settings.home))
        with _errors(self.queue):
            self.queue.make()
            self.queue.stopped.unlink(missing_ok=True)
        command = [sys.executable, "-P", "-m", "gencove_explorer.executors.local", str(self.settings.home)]
        try:
            with open(self.queue.log, "ab") as log:
                ended = subprocess.run(
                    [*command, str(self.settings.idle_seconds)],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
        except OSError as error:
            raise ExecutorError(f"the local executor could not be started: {error}") from error
        if ended.returncode != 0:
            raise ExecutorError(f"the local executor could not be started: {self.queue.log} says why")

    def stop(self) -> None:
        """End the scheduler. Running jobs go on to their end, waiting ones wait for the next start."""
        with _errors(self.queue):
            self.queue.make()
            self.queue.stopped.touch()
        self._end_scheduler()

    def _hand_over(self) -> None:
        """Let a scheduler of another version end, and start ours: it takes over all there is."""
        self._end_scheduler()
        self.start()

    def _end_scheduler(self) -> None:
        with _errors(self.queue):
            self.queue.add_request({"stop": True})
        if self.queue.wake():
            _wait_until(lambda: not self.queue.alive(), "the local executor does not end")
        self.queue.cancel_requests("stop")

    # -- states ---------------------------------------------------------------------------------------

    def _add_waiting(
        self, rounds: Rounds, unclaimed: Sequence[int], states: dict[int, str], canary_open: bool
    ) -> None:
        progress = {
            ref.id: load_progress(rounds.store, ref.id, ref.jobs)
            for record in rounds
            for ref in record.depends_on
        }
        unseen = {record.round: self.queue.is_new(f"{record.id}.{record.round}") for record in rounds}
        for index in unclaimed:
            record = rounds.last(index)
            waits = bool(record.canary) and canary_open
            for ref in record.depends_on:
                upstream = progress[ref.id]
                waits = (
                    waits
                    or upstream is None
                    or not (index in upstream.succeeded if ref.each else upstream.finished)
                )
            new = unseen[record.round]
            states[index] = SUBMITTED if new else PENDING if waits else RUNNABLE

    def _trouble(self, rounds: Rounds) -> str | None:
        """What keeps the scheduler from going on with one of these rounds, if anything does."""
        troubles = self.queue.read_state().get("troubles", {})
        places = [rounds.store.uri, *(f"{record.id}.{record.round}" for record in rounds)]
        reason = next((troubles[place] for place in places if place in troubles), None) if troubles else None
        return reason and f"the local executor cannot go on with it, and tries again: {reason}"

    def _why_runnable(self, definition: JobDefinition) -> str | None:
        state = self.queue.read_state()
        if not state.keys() >= _USE:
            return None
        free = (state["cpus"] - state["cpus_in_use"], state["memory_mb"] - state["memory_mb_in_use"])
        if not state["running"] and definition.cpu <= free[0] and definition.memory_mb <= free[1]:
            return None  # it is about to start
        return (
            f"waits for {definition.cpu} CPUs and {definition.memory_mb} MiB: {state['cpus_in_use']} of "
            f"{state['cpus']} CPUs and {state['memory_mb_in_use']} of {state['memory_mb']} MiB are in use"
        )


def _list(store: Store, index: IndexRecord) -> None:
    """List an analysis whose entry is in the queue. That it runs is settled: an error here cannot undo it,
    and the scheduler lists it too.
    """
    try:
        write_index(store, index)
    except StoreError as error:
        _log.warning(
            "%s was submitted, but cannot be listed yet; the local executor tries again: %s", index.id, error
        )


@contextmanager
def _errors(queue: Queue) -> Iterator[None]:
    """Say what could not be written into the queue's folder."""
    try:
        yield
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        advice = ": the disk is full. Make room, then do it again" if full else ""
        raise ExecutorError(f"the local executor's queue in {queue.folder}: {error}{advice}") from error


def _wait_until(done: Callable[[], bool], otherwise: str) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while not done():
        if time.monotonic() > deadline:
            raise ExecutorError(otherwise)
        time.sleep(0.01)
