"""The scheduler: one background process a home folder, which runs the queue.

It holds nothing that is not in files too: entries in the queue's folder, outcomes and claims in the
store. Killed at any moment, the next one finds out from these what has ended, what runs and what
has yet to start.
"""

import os
import select
import time
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from explorer_runner.errors import ExplorerError, StoreError
from gencove_explorer._version import __version__
from gencove_explorer.executors.local.backoff import Backoff
from gencove_explorer.executors.local.capacity import Resources, Turns, allocate, largest
from gencove_explorer.executors.local.forkers import ForkerHandle, Forkers
from gencove_explorer.executors.local.growth import submit_grown
from gencove_explorer.executors.local.monitor import JobMonitor
from gencove_explorer.executors.local.orphans import sweep
from gencove_explorer.executors.local.progress import ProgressTracker
from gencove_explorer.executors.local.queue import Entry, Queue, log_line
from gencove_explorer.executors.local.recovery import resume
from gencove_explorer.executors.local.rounds import ActiveRound, describe
from gencove_explorer.executors.local.sweeper import Sweeper
from gencove_explorer.records.index import write_index
from gencove_explorer.records.root_cause import dependency_failed
from gencove_explorer.records.round import RoundRecord

_LOOK_AROUND_SECONDS = 1.0
_STATE_SECONDS = 0.5
_TROUBLE_SECONDS = 0.5
_GROW_SECONDS = 60.0


class Scheduler:
    """Runs the rounds of a queue; holds its lock. ``run`` returns after ``idle_seconds`` without work."""

    def __init__(self, queue: Queue, *, idle_seconds: float) -> None:
        self.queue = queue
        self.progress = ProgressTracker(queue)
        self.backoff = Backoff()
        self.idle_seconds = idle_seconds
        self.capacity = Resources(1, 64)
        self.turns = Turns()
        self.sweeper = Sweeper(queue)
        self.rounds: dict[str, ActiveRound] = {}
        self.requests: dict[Path, dict[str, Any]] = {}
        self.bell = queue.open_wake_pipe()
        self.poll = select.poll()
        self.poll.register(self.bell, select.POLLIN)
        self.forkers = Forkers(queue, self.poll)
        self.monitor = JobMonitor(self.rounds, self.progress, self.forkers, self.backoff, self.ended)
        self.changed = True
        self.stopping = False
        self.look_around_at = self.write_state_at = 0.0
        self.state: dict[str, Any] = {"pid": os.getpid(), "version": __version__, "started": time.time()}
        self.busy_at = time.monotonic()

    def run(self) -> None:
        while not self.stopping and not self.idle():
            try:
                self.step()
            except (OSError, ExplorerError) as error:
                # A full disk, most likely. All is in files, and each step is taken again until it is done.
                log_line(str(error))
                time.sleep(_TROUBLE_SECONDS)
                self.changed, self.look_around_at = True, 0.0
            for descriptor, _ in self.poll.poll(self.poll_timeout() * 1000):
                if descriptor == self.bell:
                    os.read(self.bell, 4096)
                    self.look_around_at = 0.0
                else:
                    self.read_reports(self.forkers.find_reporting(descriptor))
        for forker in self.forkers:
            forker.close()

    def step(self) -> None:
        now = time.monotonic()
        if now >= self.look_around_at:
            self.look_around_at = now + _LOOK_AROUND_SECONDS
            self.look_for_forkers()
            self.poll_queue()
        self.monitor.check(now)
        for round in self.rounds.values():
            if round.grown and now >= round.grow_at:
                self.backoff.try_step("a further round", round.entry, partial(self.grow, round, now))
        if self.changed:
            self.changed = False
            for round in list(self.rounds.values()):
                self.backoff.try_step("dependencies", round.entry, partial(self.release, round))
                self.backoff.try_step("closed jobs", round.entry, partial(self.write_closed, round))
            self.start_jobs()
            self.forget_ended()
        if now >= self.write_state_at:
            self.write_state_at = now + _STATE_SECONDS
            self.write_state()

    def poll_timeout(self) -> float:
        """Seconds until something is due though nothing happens."""
        now = time.monotonic()
        if self.changed or self.stopping:
            return 0.0
        growing = (round.grow_at - now for round in self.rounds.values() if round.grown)
        return max(0.001, min(self.look_around_at - now, self.monitor.due_in(now), *growing))

    def idle(self) -> bool:
        """Whether there has been nothing to do for so long that the scheduler may end."""
        now = time.monotonic()
        if self.rounds or self.requests or self.backoff.reasons():
            self.busy_at = now
        if now - self.busy_at < self.idle_seconds:
            return False
        # A process that wakes us from here on finds no reader and starts the next scheduler, which waits for
        # the lock; one that did so before has left an entry or a request.
        self.poll.unregister(self.bell)
        os.close(self.bell)
        if not self.queue.has_news():
            return True
        self.bell = self.queue.open_wake_pipe()
        self.poll.register(self.bell, select.POLLIN)
        self.busy_at, self.look_around_at = now, 0.0
        return False

    # -- the queue's folder -----------------------------------------------------------------------

    def poll_queue(self) -> None:
        """See what is new in the queue's folder: rounds, requests, and what is no longer needed there."""
        if not self.queue.is_wake_pipe(self.bell):
            # The home folder was removed. What is there now, by the same name, is another scheduler's.
            self.stopping = True
            return
        self.forkers.kill_late()
        self.progress.keep_only(self.rounds)
        # Requests are read before the rounds: what a request is about was there before it.
        requests = self.queue.read_requests()
        late = self._admit_rounds()
        self._carry_out(requests, late)
        self._sweep(late)
        self.changed = True

    def _admit_rounds(self) -> list[RoundRecord]:
        """Admit the rounds of new entries; returns those that cannot be admitted yet."""
        new = self.queue.take_new()
        entries = self.queue.accepted_entries(besides=set(self.rounds))
        for path, entry in entries:
            if self.progress.use_newest_credentials(entry) or path in new:
                self.backoff.forget(entry.store)  # the submitter has just reached it
        # Those of S3 last: a store that does not answer keeps us waiting.
        for path, entry in sorted(entries, key=lambda item: item[1].store.startswith("s3://")):
            admit = partial(self.admit, path, entry, fresh=path in new)
            self.backoff.try_step("admission", entry, admit)
        queued = [*(entry for _, entry in entries), *(active.entry for active in self.rounds.values())]
        self.backoff.keep_only({place for entry in queued for place in (entry.key, entry.store)})
        return [entry.record for _, entry in entries if entry.key not in self.rounds]

    def _carry_out(self, requests: Mapping[Path, dict[str, Any]], late: Sequence[RoundRecord]) -> None:
        """Carry out new requests, and forget those that concern no round any more."""
        for path, request in requests.items():
            if path not in self.requests:
                self.requests[path] = request
                self.carry_out(request)
        for path, request in list(self.requests.items()):
            if not self.concerned(request) and not any(is_about(request, record) for record in late):
                del self.requests[path]
                path.unlink(missing_ok=True)

    def _sweep(self, late: Sequence[RoundRecord]) -> None:
        """Remove what killed processes left, where nothing of a running round can be among it."""
        if not self.forkers and not self.monitor.adopted and not late:
            sweep(self.queue.scratch)  # what killed forkers left behind, and no job uses
        self.sweeper.sweep_home()
        if not self.rounds and not late:
            self.sweeper.sweep_stores(self.progress.folders())

    def admit(self, path: Path, entry: Entry, *, fresh: bool) -> None:
        """Take a round into the queue."""
        round = ActiveRound(path, entry)
        if round.key in self.rounds:
            return
        store = self.progress.store_of(entry)
        write_index(store, entry.index)
        claims = self.progress.make_claims(round)
        self.progress.begin(round, fresh=fresh)
        claimed = {} if fresh else resume(round, store, claims)
        self.rounds[round.key] = round
        self.measure()
        for position, attempt in claimed.items():
            self.monitor.adopt(round, position, attempt.attempt)
        for request in self.requests.values():
            self.end_asked(round, request)  # it was asked while the round could not be taken in

    def measure(self) -> None:
        """Take the most that any open round was submitted with as what there is: each fits its own."""
        sizes = [Resources(record.entry.cpus, record.entry.memory_mb) for record in self.rounds.values()]
        self.capacity = largest(sizes) if sizes else self.capacity

    def carry_out(self, request: dict[str, Any]) -> None:
        self.stopping = self.stopping or "stop" in request
        for round in self.rounds.values():
            self.end_asked(round, request)

    def end_asked(self, round: ActiveRound, request: dict[str, Any]) -> None:
        if is_about(request, round.record):
            round.close_grown(request["indices"], request["reason"])
            self.monitor.end(round, round.positions_of(request["indices"]), request["reason"])

    def concerned(self, request: dict[str, Any]) -> bool:
        """Whether a request is not fulfilled yet."""
        return any(
            is_about(request, round.record) and round.positions_of(request["indices"])
            for round in self.rounds.values()
        )

    def release(self, round: ActiveRound) -> None:
        reason = self.progress.why_halted(round)
        if reason is not None:
            round.halt(reason)
            self.monitor.end(round, round.never_started(self.heard(round)), reason)
        elif not self.progress.waits_for_canary(round):
            round.release(
                lambda ref: self.progress.dependency(round, ref),
                lambda ref, index: dependency_failed(self.progress.store_of(round.entry), ref, index),
            )

    def write_closed(self, round: ActiveRound) -> None:
        self.changed |= self.progress.write_closed(round)

    def grow(self, round: ActiveRound, now: float) -> None:
        """Submit jobs that were killed for their memory as a further round, with more.

        The first at once, those that follow together, more and more rarely: a round costs a few objects.
        """
        submit_grown(self.queue, self.progress.store_of(round.entry), round)
        round.grow_at, round.grow_pause = now + round.grow_pause, min(_GROW_SECONDS, 2 * round.grow_pause)
        self.changed, self.look_around_at = True, 0.0

    # -- forkers ----------------------------------------------------------------------------------

    def read_reports(self, forker: ForkerHandle) -> None:
        try:
            for report in forker.read():
                self.take_report(report)
        except EOFError:
            self.lose(forker)

    def look_for_forkers(self) -> None:
        """Let go of those that are gone, and whose reports have no end."""
        for forker in [candidate for candidate in self.forkers if candidate.is_gone]:
            self.read_reports(forker)
            if forker in self.forkers:
                self.lose(forker)

    def take_report(self, report: dict[str, list[Any]]) -> None:
        self.changed = True
        for key, position, attempt, pid in report.get("started", ()):
            self.rounds[key].started(position, attempt, pid)
        for key, position, attempt, ok in report.get("ended", ()):
            self.ended(self.rounds[key], position, attempt, ok)
        for key, position, attempt in report.get("claimed", ()):
            self.monitor.adopt(self.rounds[key], position, attempt)
        for key, position, _ in report.get("dropped", ()):
            round = self.rounds[key]
            round.close(position, round.ending[position])
        for key in report.get("opened", ()):
            self.opened(key)
        for key, reason, silent in report.get("unopened", ()):
            self.unopened(key, (StoreError if silent else ExplorerError)(reason))
        for key, reason in report.get("broken", ()):
            if key in self.rounds:
                self.broken(self.rounds[key], reason)

    def opened(self, key: str) -> None:
        """A forker has opened the payload of a round, which may have ended meanwhile."""
        round = self.rounds.get(key)
        if round is not None:
            round.opened = True
            self.backoff.succeeded("opening", round.entry)

    def unopened(self, key: str, error: ExplorerError) -> None:
        """A forker could not open it this time."""
        round = self.rounds.get(key)
        if round is not None:
            for position in round.withdraw():
                round.close(position, round.ending[position])
            self.backoff.failed("opening", round.entry, error)

    def broken(self, round: ActiveRound, reason: str) -> None:
        """Its payload can never be opened: its jobs fail, unless it is the store that is away."""
        try:
            self.progress.require(round)
        except StoreError as error:
            self.unopened(round.key, error)
            return
        round.granted.clear()
        round.end(range(round.record.jobs), reason)

    def lose(self, forker: ForkerHandle) -> None:
        """A forker is gone: its jobs go on by themselves."""
        rounds = [record for record in self.rounds.values() if self.forkers.find(record) is forker]
        why_never = self.forkers.lose(forker)
        for round in rounds:
            if round.announced and not round.opened:
                reason = f"what starts its jobs ended before it had opened their payload ({self.queue.log})"
                grows = not forker.was_killed  # that says nothing of the next one
                self.backoff.failed("opening", round.entry, ExplorerError(reason), grows=grows)
            for position, attempt in round.orphan().items():
                self.monitor.adopt(round, position, attempt)
            if why_never is not None:
                round.end(range(round.record.jobs), why_never)
        self.changed = True

    def start_jobs(self) -> None:
        """Decide how many jobs of each round may run, and hand the forkers what they may start."""
        rounds = [record for record in self.rounds.values() if record.open]
        rounds.sort(key=lambda item: item.path.name)  # by time: some were admitted late
        able = {record.key for record in rounds if self.can_start(record)}
        demands = [record.demand(self.heard(record), startable=record.key in able) for record in rounds]
        self.turns.note(self.capacity, demands, time.monotonic())
        for round, width in zip(rounds, allocate(self.capacity, demands, self.turns.had), strict=True):
            if round.key not in able:
                self.narrow(round, 0 if round.halted else width)
            elif width != round.width or (width and round.ready):
                hand = partial(self.hand_to, round, width)
                # What one that fails was to have is for those behind it, at once.
                self.changed |= not self.backoff.try_step("start", round.entry, hand)
        for forker in self.forkers:
            forker.flush()

    def narrow(self, round: ActiveRound, width: int) -> None:
        """Let the forker of a round that nothing can be started of now run fewer jobs."""
        forker = self.forkers.find(round)
        if forker is not None and width < round.width:
            round.widen(width, forker.send("start", [round.key, width, []]))

    def can_start(self, round: ActiveRound) -> bool:
        return not round.halted and not any(
            self.backoff.waits(what, round.entry) for what in ("opening", "start")
        )

    def heard(self, round: ActiveRound) -> int:
        """How many commands the forker of a round has carried out."""
        forker = self.forkers.find(round)
        return 0 if forker is None else forker.heard

    def hand_to(self, round: ActiveRound, width: int) -> None:
        self.progress.require(round)
        forker = self.forkers.make_ready(round, self.progress.claims_of(round))
        jobs = round.grant(width)
        if jobs or width != round.width:
            round.widen(width, forker.send("start", [round.key, width, jobs]))

    def forget_ended(self) -> None:
        for key, round in list(self.rounds.items()):
            if round.open or round.closing or round.grown:
                continue
            alone = not any(
                record.record.id == round.record.id for record in self.rounds.values() if record is not round
            )
            forget = partial(self.progress.forget_claims, round, alone=alone)
            if self.backoff.try_step("logs", round.entry, forget):
                round.path.unlink(missing_ok=True)
                del self.rounds[key]
                self.measure()
                forker = self.forkers.find(round)
                if round.announced and forker is not None:
                    forker.send("forget", key)
        self.forkers.dismiss_unused(self.rounds.values())

    def ended(self, round: ActiveRound, position: int, attempt: int, ok: bool) -> None:
        self.monitor.forget(round, position, attempt)
        if round.ended(position, attempt, ok):
            self.progress.record_ended(round, [round.record.index_of(position)], ok=ok)
        self.changed = True

    def write_state(self) -> None:
        """Tell people what the scheduler is doing, if that has changed."""
        state = {
            **self.state,
            **describe(self.rounds.values(), self.capacity),
            "forkers": [forker.pid for forker in self.forkers],
            "troubles": self.backoff.reasons(),
        }
        # By now the home folder may be another scheduler's.
        if state != self.state and self.queue.is_wake_pipe(self.bell):
            self.queue.write_state(state)
            self.state = state


def is_about(request: dict[str, Any], record: RoundRecord) -> bool:
    """Whether a request is to end jobs of a round: one that came later, a retry, is not meant.

    A request tells the last round that there was. An older version's does not, and is about all.
    """
    return record.id == request.get("terminate") and record.round <= request.get("round", record.round)
