"""The forker: the parent of all local jobs, one forked process a job.

Single-threaded and small, because the cost of a fork grows with what is loaded: nothing is
imported here but the standard library, cloudpickle and the runner, and no job ever runs in this
process. It never uses obstore (what has used it must not fork), SQLite or threads.

Commands come as lines of JSON through one pipe, reports go through another. Neither is a standard stream: a
user's code may run when Python starts (sitecustomize), and print or read. All jobs of a forker have those
environment variables in common that it was started with (startup).

    in   {"round": {...}}                                      a round, before its first job
         {"start": [key, width, [[position, attempt], ...]]}   queue jobs; at most width at once
         {"kill": [key, position, attempt, reason, gently]}    end a job, or drop it from the queue
         {"forget": key}                                       a round that has ended
    out  {"started": [[key, position, attempt, pid], ...], "ended": [[key, position, attempt, ok], ...],
          "claimed": [...], "dropped": [...], "opened": [key, ...], "broken": [[key, reason], ...],
          "unopened": [[key, reason, silent], ...], "heard": how many commands were carried out}

A round is opened before its first job, beside all else. Of one that is "broken" nothing can ever run;
one that was "unopened" this time is forgotten, to be sent again (silent: its store does not answer).

When its scheduler is gone (end of input) it starts nothing more, sees its running jobs to their
end, and ends. Killed, it leaves jobs that go on by themselves: the claim is theirs, not its own.
"""

import atexit
import faulthandler
import gc
import json
import logging
import os
import select
import signal
import time
from collections import deque
from typing import Any

import cloudpickle.cloudpickle  # noqa: F401  loaded once here instead of once in every job

from explorer_runner.attempt import environment
from explorer_runner.attempt.direct import clear_end_reason, forget_slots, write_end_reason
from explorer_runner.errors import ExplorerError
from explorer_runner.forker.children import run_child
from explorer_runner.forker.payload_loader import LoadFailed, PayloadLoad, PayloadLoads
from explorer_runner.forker.rounds import ForkedJob, Round, make_round
from explorer_runner.forker.warm_up import warm_up
from explorer_runner.format.keys import FAILED, SUCCEEDED, AttemptId
from explorer_runner.system import processes, temp_folder

REPORT_SECONDS = 0.02
_FORK_RETRY_SECONDS = 0.5


class Forker:
    """Starts and reaps. What runs for every job is written plainly: each page of memory that it
    touches is copied once for every fork.
    """

    def __init__(self, commands: int, reports: int) -> None:
        self.commands, self.reports = commands, reports
        self.rounds: dict[str, Round] = {}
        self.running: dict[int, ForkedJob] = {}
        self.unwritten: deque[ForkedJob] = deque()
        """Jobs that died without an outcome, which no process writes right now."""
        self.slots: list[int] = []
        """Scratch folders that no job has; with those that jobs have they are 0, 1, 2, ..."""
        self.killing = False
        self.orphaned = False
        self.fork_again_at = 0.0
        self.unread = b""
        self.heard = 0
        self.report: dict[str, list[Any]] = {}
        self.report_due = False
        self.reported = 0.0
        self.variables: dict[str, str] | None = None
        self.own_variables = dict(os.environ)
        """Those it was started with, and what Python adds to them (LC_CTYPE, where there is no locale)."""
        self.scratch = ""
        self.wake, wakeup = os.pipe()
        for descriptor in (self.wake, wakeup, commands):
            os.set_blocking(descriptor, False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(wakeup, warn_on_full_buffer=False)
        self.private = (self.wake, wakeup, commands, reports)
        self.poll = select.poll()
        self.poll.register(self.wake, select.POLLIN)
        self.poll.register(commands, select.POLLIN)
        self.openings = PayloadLoads(self.poll)

    def run(self) -> None:
        processes.become_subreaper()
        self.report_due = True  # so that the scheduler hears of it
        while not (self.orphaned and not self.running and not self.unwritten):
            self.start_jobs()
            for descriptor, _ in self.poll.poll(self.report_or_patience()):
                if descriptor == self.wake:
                    os.read(self.wake, 4096)
                    self.reap()
                elif descriptor == self.commands:
                    self.hear()
                else:
                    self.openings.receive(descriptor)
            if self.killing:
                self.kill_overdue()
        forget_slots(self.scratch, self.slots)

    # -- starting ---------------------------------------------------------------------------------

    def start_jobs(self) -> None:
        if self.openings.due:
            self.open_payloads()
        if self.unwritten and not self.write_outcomes():
            return
        for round in self.rounds.values():
            while round.queue and round.running < round.width:
                position, attempt = round.queue[0]
                index = round.place.job.payload.spec.index_of(position)
                attempted = AttemptId(index, round.place.job.round, attempt)
                slot = self.slots.pop() if self.slots else len(self.running)
                job = ForkedJob(round, position, attempted, slot, time.time())
                pid = self.fork(job)
                if pid is None:
                    self.slots.append(slot)
                    self.rounds[round.key] = self.rounds.pop(round.key)  # the next one is first to try again
                    return
                round.queue.popleft()
                round.running += 1
                self.note("started", [round.key, position, attempt, pid])

    def write_outcomes(self) -> bool:
        """Fork those who write the outcomes of jobs that died; False if the system has no process to give."""
        while self.unwritten and time.monotonic() >= self.fork_again_at:
            if self.fork(self.unwritten[0]) is None:
                return False
            self.unwritten.popleft()
        return True

    def fork(self, job: ForkedJob) -> int | None:
        """Fork a process for ``job``; None if the system has none to give right now."""
        self.use(job.round.place.variables)
        try:
            pid = os.fork()
        except OSError:
            self.fork_again_at = time.monotonic() + _FORK_RETRY_SECONDS
            return None
        if pid == 0:
            run_child(job, (*self.private, *self.openings.readers()))
        self.running[pid] = job
        return pid

    def use(self, variables: dict[str, str]) -> None:
        """Take a round's environment variables as our own, for its jobs to inherit."""
        if variables is not self.variables:
            self.variables = variables
            os.environ.clear()
            os.environ.update({**self.own_variables, **variables})

    def open_payloads(self) -> None:
        for opening in self.openings.next():
            self.use(opening.facts["variables"])
            try:
                self.openings.start(opening, self.private)
            except OSError as error:
                key = opening.facts["key"]
                self.openings.give_up(key)
                self.note("unopened", [key, f"no process was to be had to open its payload: {error}", False])

    def opened(self, opening: PayloadLoad, status: int) -> None:
        """The process that opened a payload has ended."""
        key = opening.facts["key"]
        try:
            payload = opening.result(status)
            if payload.lock is None:
                environment.prepend_python(opening.facts["variables"])
                self.variables = None
            self.rounds[key] = make_round(opening.facts, payload, opening.width, opening.queue)
            self.report.setdefault("opened", []).append(key)
            # Where a job is about to start, that is reported with it.
            self.report_due = self.report_due or not (opening.width and opening.queue)
        except LoadFailed as error:
            self.note("unopened", [key, str(error), error.silent])
        except ExplorerError as error:
            self.note("broken", [key, str(error)])
        gc.collect()
        gc.freeze()

    # -- ending -----------------------------------------------------------------------------------

    def reap(self) -> None:
        while True:
            try:
                pid, status, usage = os.wait4(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            job = self.running.pop(pid, None)
            opening = None if job is not None else self.openings.take(pid)
            opened_now = self.openings.pids()
            processes.end_strays({*self.running, *opened_now} if opened_now else self.running, pid)
            if job is not None:
                job.peak = job.peak if job.writer else usage.ru_maxrss
                self.ended(job, status)
            elif opening is not None:
                self.opened(opening, status)

    def ended(self, job: ForkedJob, status: int) -> None:
        code = os.waitstatus_to_exitcode(status)
        round = job.round
        if job.writer:
            if job.is_to_write_again(code):
                # After a while: what ended it, a lack of memory perhaps, is to pass.
                self.fork_again_at = time.monotonic() + _FORK_RETRY_SECONDS
                self.unwritten.append(job)
                return
        elif not (code in (0, 1) and self.has_outcome(job, SUCCEEDED if code == 0 else FAILED)):
            job.writer, job.died, job.kill_at = True, status, None
            self.unwritten.append(job)
            return
        round.running -= 1
        self.slots.append(job.slot)
        if job.reason is not None:
            clear_end_reason(f"{self.scratch}/{job.slot}")
        if job.writer and code == processes.CLAIMED:
            self.note("claimed", [round.key, job.position, job.attempt.attempt])
        else:
            self.note("ended", [round.key, job.position, job.attempt.attempt, code == 0 and not job.writer])

    def has_outcome(self, job: ForkedJob, status: str) -> bool:
        """Whether the job wrote its outcome: the exit code alone may be the work function's own."""
        outcomes = job.round.outcomes
        return outcomes is None or os.access(f"{outcomes}{job.attempt.stem}.{status}.json", os.F_OK)

    def kill_overdue(self) -> None:
        now = time.monotonic()
        for pid, job in self.running.items():
            if job.kill_at is not None and now >= job.kill_at:
                job.kill_at = None
                processes.end_group(pid, signal.SIGKILL)
        self.killing = any(job.kill_at is not None for job in self.running.values())

    # -- commands and reports ---------------------------------------------------------------------

    def hear(self) -> None:
        try:
            chunk = os.read(self.commands, 1 << 20)
        except BlockingIOError:
            return
        if not chunk:
            self.orphaned = True
            self.poll.unregister(self.commands)
            for round in self.rounds.values():
                round.queue.clear()
            self.openings.give_up_all()
        *lines, self.unread = (self.unread + chunk).split(b"\n")
        for line in lines:
            for command, argument in json.loads(line).items():
                getattr(self, f"do_{command}")(argument)
        self.heard += len(lines)

    def do_round(self, facts: dict[str, Any]) -> None:
        self.use(facts["variables"])
        if not self.scratch:
            self.scratch = facts["scratch"]
            temp_folder.reach(self.scratch, "0")  # its jobs share the link, and the forker holds it
            warm_up(f"{self.scratch}/warm-up")
        self.openings.add(facts)

    def do_start(self, argument: tuple[str, int, list[tuple[int, int]]]) -> None:
        key, width, jobs = argument
        round = self.rounds.get(key) or self.openings.find(key)
        if round is not None:
            self.report_due = self.report_due or width < round.width  # the scheduler waits to hear it
            round.width = width
            round.queue.extend((position, attempt) for position, attempt in jobs)

    def do_kill(self, argument: tuple[str, int, int, str, bool]) -> None:
        key, position, attempt, reason, gently = argument
        round = self.rounds.get(key) or self.openings.find(key)
        for pid, job in self.running.items():
            if (job.round, job.position, job.attempt.attempt) == (
                round,
                position,
                attempt,
            ) and not job.writer:
                job.reason = job.reason or reason
                write_end_reason(f"{self.scratch}/{job.slot}", reason)
                processes.end_group(pid, signal.SIGTERM if gently else signal.SIGKILL)
                job.kill_at = time.monotonic() + processes.GRACE_SECONDS if gently else None
                self.killing = self.killing or gently
                return
        if round is not None and (position, attempt) in round.queue:
            round.queue.remove((position, attempt))
            self.note("dropped", [key, position, attempt])

    def do_forget(self, key: str) -> None:
        self.rounds.pop(key, None)
        self.openings.give_up(key)

    def note(self, kind: str, entry: list[Any]) -> None:
        self.report.setdefault(kind, []).append(entry)
        self.report_due = True

    def report_or_patience(self) -> int | None:
        """Send the report if it is due; milliseconds until something is due though nothing happens."""
        now = time.monotonic()
        wait = None
        if self.report_due:
            wait = self.reported + REPORT_SECONDS - now
            if wait <= 0 or not self.running:
                self.send_report()
                self.reported, wait = now, None
        if self.killing or self.fork_again_at > now:
            due = [job.kill_at for job in self.running.values() if job.kill_at is not None]
            due += [self.fork_again_at] if self.fork_again_at > now else []
            wait = min([deadline - now for deadline in due] + ([] if wait is None else [wait]))
        return None if wait is None else max(0, int(wait * 1000)) + 1

    def send_report(self) -> None:
        line = json.dumps({**self.report, "heard": self.heard}).encode() + b"\n"
        self.report, self.report_due = {}, False
        try:
            while line:
                line = line[os.write(self.reports, line) :]
        except BrokenPipeError:
            pass  # the end of the commands will say so


def main(commands: int, reports: int) -> None:
    """Serve a scheduler through these pipes."""
    for descriptor in (commands, reports):
        os.set_inheritable(descriptor, False)
    with open(os.devnull, "r+b", buffering=0) as nothing:
        os.dup2(nothing.fileno(), 1)
    processes.configure_streams()
    faulthandler.enable(file=2)
    atexit.unregister(logging.shutdown)  # see child._call
    gc.collect()
    gc.freeze()
    Forker(commands, reports).run()
