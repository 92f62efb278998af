"""``run_job``: one attempt at one job, by a parent and a child. What containers and run_local start.

    parent: fork -> fetch and check the payload -> claim -> packages -> order ---.
    child:  (waits) ------------------------------------------------> call, report |
    parent: drain the child's output to log and streams <--------------------------'
            -> end what it left behind -> upload files, log and, last, the outcome

The child is forked before the parent touches a store: a process that has used obstore must not
fork. A child that crashes, is killed or ends itself still leaves an outcome, by its parent.
"""

import faulthandler
import json
import os
import resource
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from explorer_runner.attempt import (
    batch_exit,
    checkpoints,
    claim,
    environment,
    log_file,
    report,
    scratch,
    startup_variables,
    supervised_child,
)
from explorer_runner.attempt.execute import JobAttempt, publish
from explorer_runner.attempt.output_pump import OutputPump, Terminated
from explorer_runner.errors import (
    AlreadyExists,
    ExplorerError,
    NotFound,
    OutputError,
    PayloadError,
    StoreError,
    Unreachable,
)
from explorer_runner.format import payload, validation
from explorer_runner.format.keys import STOPPED, AttemptId, log_key, logs_prefix, round_key
from explorer_runner.format.outcome import Outcome
from explorer_runner.outputs import Collected
from explorer_runner.stores.base import RAISE, Store
from explorer_runner.stores.folder import FolderStore
from explorer_runner.stores.uri import open_store
from explorer_runner.system import frames, memory, processes, progress, temp_folder
from explorer_runner.system.folders import remove_tree
from explorer_runner.system.patience import JOB_SECONDS, Patience


@dataclass(frozen=True, kw_only=True)
class AttemptRequest:
    """Which attempt to make, and where things are on this host."""

    store: str
    analysis: str
    round: int
    position: int
    digest: str
    attempt: int = 1
    scratch: str
    """Folder in which jobs get folders of their own."""
    environments: str
    """Folder in which package environments are kept and shared."""
    claims: str | None = None
    """Folder of the claims (and logs, while they grow); None: the store's own, if it is a folder."""
    uv: str | None = None
    """Path of the uv executable; None: look for it when it is needed."""
    batch_job: str | None = None
    """Id of the AWS Batch job that this is an attempt at; None elsewhere."""
    patience: float = JOB_SECONDS
    """Seconds for which requests to a store are tried again whose failure may pass."""


def run_job(order: AttemptRequest, *, foreground: bool = False, forward: bool = True) -> int:
    """Make the attempt and write its outcome; returns the process's exit code: 0 only for success.

    ``foreground=True`` ends the job when standard input closes: with the process that started it.
    ``forward=False`` lets what the job prints go to its log only.
    """
    processes.become_subreaper()
    try:
        leave_after = processes.LEAVE_SECONDS if order.batch_job else None
        drain = OutputPump(foreground=foreground, forward=forward, leave_after=leave_after)
        pid, orders = _fork_child(drain)
        return _Parent(order, drain, pid, orders, foreground).run()
    except (ExplorerError, claim.AlreadyClaimed) as error:
        print(f"explorer: {error}", file=sys.stderr)
        if isinstance(error, claim.AlreadyClaimed):
            return processes.CLAIMED
        if order.batch_job:
            return batch_exit.code_without_outcome(error)
        return 128 + signal.SIGTERM if isinstance(error, Terminated) else processes.UNWRITTEN


def _fork_child(drain: OutputPump) -> tuple[int, BinaryIO]:
    """Start a child that waits for its order; returns its pid and where to write the order."""
    reader, writer = os.pipe()
    sys.stdout.flush()
    sys.stderr.flush()
    parent = os.getpid()
    pid = os.fork()
    if pid == 0:
        os.close(writer)
        processes.die_with(parent)
        drain.become_child()
        faulthandler.enable(file=2)
        supervised_child.follow(os.fdopen(reader, "rb"))
    os.close(reader)
    drain.close_child_ends()
    return pid, os.fdopen(writer, "wb")


def _index_in_round(store: Store, order: AttemptRequest) -> int:
    """Which job an order is about, from the record of its round, where the payload does not tell."""
    key = round_key(order.analysis, order.round)
    try:
        raw = store.read(key, limit=validation.RECORD_BYTES)
        indices = validation.require(payload.load_record(raw, key), {"indices": payload.INDICES})["indices"]
        return order.position if indices is None else int(indices[order.position])
    except (ValueError, KeyError, IndexError) as error:
        raise validation.refused(key, error) from error


class _Parent:
    def __init__(
        self, order: AttemptRequest, drain: OutputPump, pid: int, orders: BinaryIO, foreground: bool
    ) -> None:
        self.order = order
        self.foreground = foreground
        """Whether nobody else sees to limits."""
        self.drain = drain
        self.pid = pid
        self.orders = orders
        self.patience = Patience(order.patience)
        self.store = open_store(order.store, absent=RAISE, patience=self.patience)
        self.job = JobAttempt(
            analysis=order.analysis, round=order.round, digest=order.digest, payload=None, store=self.store
        )
        self.job.outcome.started = time.time()
        self.oom_kills = processes.count_oom_kills()
        self.logs: str | None = None
        """Folder of claims that only this host knows: neither the store's nor an executor's."""

    def run(self) -> int:
        order = self.order
        try:
            self.loaded = payload.load(self.store, order.analysis, order.round, order.digest)
            # run_local tries nothing again.
            self.job.may_grow = self.loaded.spec.job_definition.may_grow and not self.foreground
            index = self.loaded.spec.index_of(order.position)
        except (PayloadError, NotFound) as error:
            return self._refuse(error)
        attempt = AttemptId(index, order.round, order.attempt)
        if order.batch_job:
            ended = batch_exit.ended_before(self.store, order.analysis, attempt, self._retries)
            if ended is not None:
                self.drain.say(f"explorer: an attempt before this one has ended job {index}\n")
                return ended
        folder = scratch.attempt_folder(order.scratch, order.analysis, attempt.stem)
        self.job.begin(attempt, folder, self.job.outcome.started)
        log = self._claim()
        try:
            outcome, collected = self._run_child(log)
            return self._finish(outcome, collected, log)
        finally:
            self._clean_up(log)

    def _refuse(self, error: ExplorerError) -> int:
        """Write the outcome of a job whose payload cannot even be opened."""
        order = self.order
        index = _index_in_round(self.store, order)
        self.job.begin(AttemptId(index, order.round, order.attempt), "", self.job.outcome.started)
        self.drain.say(f"{error}\n")
        publish(self.store, self.job.fail(str(error)), Collected([], [], {}))
        return 1

    def _claim(self) -> str:
        """Claim the attempt; returns the path of its log."""
        logs_folder = self.store.local_path(logs_prefix(self.order.analysis))
        folder = self.order.claims or (os.fspath(logs_folder) if logs_folder else None)
        if folder is None:
            scratch.sweep(self.order.scratch)
            folder = self.logs = scratch.logs_folder(self.order.scratch, self.order.analysis)
        log = f"{folder}/{self.job.attempt.stem}.txt"
        while True:
            if isinstance(self.store, FolderStore) and logs_folder == Path(folder):
                self.store.make_folders(logs_prefix(self.order.analysis))
            else:
                os.makedirs(folder, mode=0o700, exist_ok=True)
            try:
                self.lock = claim.claim(folder, log)
            except FileNotFoundError:
                continue  # a sibling on this host ended in between, and forgot the folder
            return log

    def _run_child(self, log: str) -> tuple[Outcome, Collected]:
        nothing = Collected([], [], {})
        with open(log, "ab", buffering=0) as file:
            self.drain.log_to(file, log)
            progress.log = open(log, "a")
            try:
                self._send_order()
            except ExplorerError as error:
                self.drain.say(f"{error}\n")
                self.orders.close()
                self.drain.until_end_of(self.pid)
                if self.order.batch_job and isinstance(error, Unreachable):
                    raise
                ended = (128 + signal.SIGTERM, signal.SIGTERM) if self.drain.reason else (1, None)
                return self.job.fail(str(error), *ended), nothing
            except BrokenPipeError:
                pass  # the child is gone before its order came: its end says why
            status = self.drain.until_end_of(self.pid)
        outcome, collected = report.read(f"{self.job.private}/report") or (None, nothing)
        if outcome is None or (self.drain.stopped and not outcome.succeeded):
            checkpoints.save_left(self.job, log)
        peak = max(self.drain.peak, memory.take_peak(log))
        if self.order.batch_job:
            peak = max(peak, memory.container_bytes())
        if outcome is None:
            outcome = self._describe_end(status, log, peak)
        outcome.add_peak(peak)
        return outcome, collected

    def _describe_end(self, status: int, log: str, peak: int) -> Outcome:
        """The outcome of a child that ended without a report."""
        peak = max(peak, memory.resident_bytes(resource.getrusage(resource.RUSAGE_CHILDREN)))
        code, number, reason = processes.describe_exit(status)
        reason += log_file.crash_line(log)
        if number == signal.SIGKILL and processes.count_oom_kills() > self.oom_kills:
            peak = max(peak, memory.container_bytes())
            asked = self.loaded.spec.job_definition
            words = "Container killed due to memory usage"
            reason = memory.reason(peak, asked.memory_mb, words, asked.memory_limit_name)
        elif not supervised_child.has_resumed(self.job.private):
            reason = startup_variables.explain(self._variables(), log_file.tail(log))
        outcome = self.job.fail(self.drain.reason or reason, code, number)
        outcome.add_peak(peak)
        return outcome

    def _send_order(self) -> None:
        spec = self.loaded.spec
        payload.check_python(spec)
        raw = self.loaded.read_input(self.store, self.order.position)
        folder = None
        if self.loaded.lock is not None:
            uv = self.order.uv or environment.find_uv()
            folder = environment.ensure(Path(self.order.environments), self.loaded.lock, self.store, uv)
        os.makedirs(self.job.scratch, mode=0o700)
        facts = {
            "store": self.order.store,
            "patience": self.order.patience,
            "digest": self.order.digest,
            "attempt": self.job.attempt,
            "scratch": self.job.scratch,
            "private": self.job.private,
            "environment": os.fspath(folder) if folder else None,
            "variables": self._variables(),
            "start_again": startup_variables.are_missing(self._variables(), os.environ),
            "started": self.job.outcome.started,
        }
        claim.running(self.lock)
        if self.foreground and spec.job_definition.timeout_seconds:
            self.drain.limit(spec.job_definition.timeout_seconds)
        members = {name: data for name, data in self.loaded.members.items() if name != payload.INPUTS}
        self.drain.begins(self.pid)
        frames.write(self.orders, {**members, "facts": json.dumps(facts).encode(), "input": raw})
        self.orders.close()

    def _variables(self) -> dict[str, str]:
        """The environment variables that the job has beside its parent's."""
        definition = self.loaded.spec.job_definition
        return {"OMP_NUM_THREADS": str(definition.cpu), **definition.environment}

    def _finish(self, outcome: Outcome, collected: Collected, log: str) -> int:
        if self.order.batch_job and self.drain.stopped and not outcome.succeeded:
            outcome.status = STOPPED  # terminated, timed out, or reclaimed and tried again: AWS Batch knows
        self.patience.seconds = float("inf")  # the work is done: as long as the job's time lasts
        if isinstance(self.store, FolderStore):
            self.store.was_away()  # raises: the log lies in it
        log_file.trim(log)
        self._keep_log(log)
        try:
            publish(self.store, outcome, collected)
        except AlreadyExists as error:
            raise claim.AlreadyClaimed(str(error)) from error
        except (StoreError, OutputError, OSError) as error:
            outcome = self.job.fail(f"the outputs could not be stored: {error}")
            publish(self.store, outcome, Collected([], [], {}))
        if outcome.succeeded:
            checkpoints.forget(self.job)
        if self.order.batch_job:
            return batch_exit.code_of(self.store, outcome, self._retries)
        return 0 if outcome.succeeded else batch_exit.own_code(outcome)

    def _clean_up(self, log: str) -> None:
        remove_tree(self.job.scratch)
        temp_folder.forget(self.job.scratch)
        remove_tree(self.job.private)
        if self.logs is not None:
            scratch.forget(self.logs, log)
        os.close(self.lock)

    @property
    def _retries(self) -> int:
        return self.loaded.spec.job_definition.retries

    def _keep_log(self, log: str) -> None:
        key = log_key(self.order.analysis, self.job.attempt)
        if self.store.local_path(key) != Path(log):
            try:
                self.store.put_file(key, Path(log))
            except StoreError as error:  # a lost log is no reason to lose the outputs
                print(f"explorer: the log could not be stored: {error}", file=sys.stderr)
