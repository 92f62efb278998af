"""The forker: the parent of all local jobs, one forked process a job.

Single-threaded and small, because the cost of a fork grows with what is loaded: nothing is
imported here but the standard library, cloudpickle and the runner, and no job ever runs in this
process. It never uses obstore (what has used it must not fork), SQLite or threads.

Commands come as lines of JSON on standard input, reports go to standard output:

    in   {"round": {...}}                                      a round, before its first job
         {"start": [key, width, [[position, attempt], ...]]}   queue jobs; at most width at once
         {"kill": [key, position, attempt, reason, gently]}    end a job, or drop it from the queue
         {"forget": key}                                       a round that has ended
    out  {"started": [[key, position, attempt, pid], ...], "ended": [[key, position, attempt, ok], ...],
          "claimed": [...], "dropped": [...], "broken": [[key, reason], ...],
          "heard": how many commands were carried out}

When its scheduler is gone (end of input) it starts nothing more, sees its running jobs to their
end, and ends. Killed, it leaves jobs that go on by themselves: the claim is theirs, not its own.
"""

import faulthandler
import gc
import json
import os
import select
import signal
import sys
import time
from collections import deque
from dataclasses import dataclass
from typing import Any, NoReturn

import cloudpickle.cloudpickle  # noqa: F401  loaded once here instead of once in every job

from explorer_runner import claim, environment, fork_hooks, frames, processes
from explorer_runner.errors import ExplorerError
from explorer_runner.keys import FAILED, SUCCEEDED, Attempt, outcome_key, payload_key
from explorer_runner.payload import Payload, load
from explorer_runner.solo import Place, make_attempt, say_why, write_for
from explorer_runner.stores import open_store

REPORT_SECONDS = 0.02
_FORK_RETRY_SECONDS = 0.5


class Round:
    """A round that jobs are started of."""

    def __init__(self, key: str, place: Place) -> None:
        self.key = key
        self.place = place
        self.width = 0
        self.queue: deque[tuple[int, int]] = deque()
        self.running = 0


@dataclass
class Running:
    """A process of ours: a job, or a writer that closes a job which died."""

    round: Round
    position: int
    attempt: Attempt
    started: float
    reason: str | None = None
    kill_at: float | None = None
    writer: bool = False

    @property
    def name(self) -> list[Any]:
        return [self.round.key, self.position, self.attempt.attempt]


class Forker:
    def __init__(self, commands: int, reports: int) -> None:
        self.commands, self.reports = commands, reports
        self.rounds: dict[str, Round] = {}
        self.running: dict[int, Running] = {}
        self.orphaned = False
        self.fork_again_at = 0.0
        self.heard = b""
        self.commanded = 0
        """How many commands were carried out."""
        self.report: dict[str, list[Any]] = {}
        self.reported = 0.0
        self.variables: dict[str, str] | None = None
        self.wake, wakeup = os.pipe()
        for descriptor in (self.wake, wakeup, commands):
            os.set_blocking(descriptor, False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(wakeup, warn_on_full_buffer=False)
        self.private = (self.wake, wakeup, commands, reports)
        self.poll = select.poll()
        self.poll.register(self.wake, select.POLLIN)
        self.poll.register(commands, select.POLLIN)

    def run(self) -> None:
        processes.become_subreaper()
        while not (self.orphaned and not self.running):
            self.start_jobs()
            self.send_report()
            for descriptor, _ in self.poll.poll(self.patience()):
                if descriptor == self.wake:
                    os.read(self.wake, 4096)
                else:
                    self.hear()
            self.reap()
            self.kill_overdue()

    # -- starting ---------------------------------------------------------------------------------

    def start_jobs(self) -> None:
        for round in self.rounds.values():
            while round.queue and round.running < round.width and time.monotonic() >= self.fork_again_at:
                position, attempt = round.queue.popleft()
                index = round.place.payload.spec.index_of(position)
                job = Running(round, position, Attempt(index, round.place.round, attempt), time.time())
                if not self.fork(job):
                    round.queue.appendleft((position, attempt))
                    return
                round.running += 1

    def fork(self, job: Running, status: int = 0) -> bool:
        """Fork a process for ``job``; False if the system has none to give right now."""
        place = job.round.place
        if place.variables is not self.variables:
            self.variables = place.variables
            os.environ.clear()
            os.environ.update(place.variables)
        try:
            pid = os.fork()
        except OSError:
            self.fork_again_at = time.monotonic() + _FORK_RETRY_SECONDS
            return False
        if pid == 0:
            _in_child(job, status, self.private)
        self.running[pid] = job
        if not job.writer:
            self.note("started", [*job.name, pid])
        return True

    # -- ending -----------------------------------------------------------------------------------

    def reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            job = self.running.pop(pid, None)
            processes.end_strays(self.running, pid)
            if job is not None:
                self.ended(job, status)

    def ended(self, job: Running, status: int) -> None:
        code = os.waitstatus_to_exitcode(status)
        if job.writer:
            if code == processes.CLAIMED:
                self.done("claimed", job, job.name)
            else:
                self.done("ended", job, [*job.name, False])
        elif code == processes.CLAIMED:
            self.done("claimed", job, job.name)
        elif code in (0, 1) and self.has_outcome(job, SUCCEEDED if code == 0 else FAILED):
            self.done("ended", job, [*job.name, code == 0])
        else:
            job.writer, job.kill_at = True, None
            while not self.fork(job, status):
                time.sleep(_FORK_RETRY_SECONDS)

    def has_outcome(self, job: Running, status: str) -> bool:
        place = job.round.place
        # On S3 the job has a parent of its own, whose exit code can be believed.
        return place.folder is None or os.access(
            f"{place.folder}/{outcome_key(place.analysis, job.attempt, status)}", os.F_OK
        )

    def done(self, kind: str, job: Running, entry: list[Any]) -> None:
        job.round.running -= 1
        self.note(kind, entry)

    def kill_overdue(self) -> None:
        for pid, job in self.running.items():
            if job.kill_at is not None and time.monotonic() >= job.kill_at:
                job.kill_at = None
                processes.end_group(pid, signal.SIGKILL)

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
        *lines, self.heard = (self.heard + chunk).split(b"\n")
        self.commanded += len(lines)
        for line in lines:
            for command, argument in json.loads(line).items():
                getattr(self, f"do_{command}")(argument)

    def do_round(self, facts: dict[str, Any]) -> None:
        key = facts.pop("key")
        try:
            payload = _load_aside(facts)
            store = open_store(facts.pop("store"))
            if payload.lock is None:
                environment.show_python(facts["variables"])
            self.rounds[key] = Round(key, Place(store=store, payload=payload, **facts))
        except ExplorerError as error:
            self.note("broken", [key, str(error)])
        gc.collect()
        gc.freeze()

    def do_start(self, argument: tuple[str, int, list[tuple[int, int]]]) -> None:
        key, width, jobs = argument
        if key in self.rounds:
            if width < self.rounds[key].width:
                self.report.setdefault("started", [])  # the scheduler waits to hear that it is so
            self.rounds[key].width = width
            self.rounds[key].queue.extend((position, attempt) for position, attempt in jobs)

    def do_kill(self, argument: tuple[str, int, int, str, bool]) -> None:
        key, position, attempt, reason, gently = argument
        for pid, job in self.running.items():
            if job.name == [key, position, attempt] and not job.writer:
                job.reason = job.reason or reason
                processes.end_group(pid, signal.SIGTERM if gently else signal.SIGKILL)
                job.kill_at = time.monotonic() + processes.GRACE_SECONDS if gently else None
                return
        round = self.rounds.get(key)
        if round is not None and (position, attempt) in round.queue:
            round.queue.remove((position, attempt))
            self.note("dropped", [key, position, attempt])

    def do_forget(self, key: str) -> None:
        self.rounds.pop(key, None)

    def note(self, kind: str, entry: list[Any]) -> None:
        self.report.setdefault(kind, []).append(entry)

    def send_report(self) -> None:
        busy = any(round.queue for round in self.rounds.values()) or self.running
        if not self.report or (busy and time.monotonic() - self.reported < REPORT_SECONDS):
            return
        line = json.dumps({**self.report, "heard": self.commanded}).encode() + b"\n"
        self.report, self.reported = {}, time.monotonic()
        try:
            while line:
                line = line[os.write(self.reports, line) :]
        except BrokenPipeError:
            pass  # the end of the commands will say so

    def patience(self) -> int | None:
        """Milliseconds until something is due even if nothing happens."""
        now = time.monotonic()
        due = [job.kill_at for job in self.running.values() if job.kill_at is not None]
        if self.report:
            due.append(self.reported + REPORT_SECONDS)
        if self.fork_again_at > now:
            due.append(self.fork_again_at)
        return max(0, int((min(due) - now) * 1000) + 1) if due else None


def _in_child(job: Running, status: int, private: tuple[int, ...]) -> NoReturn:
    """The forked process: make the attempt, or write the outcome of one that died. Never returns."""
    code = processes.UNWRITTEN
    try:
        signal.set_wakeup_fd(-1)
        fork_hooks.register()
        for descriptor in private:
            os.close(descriptor)
        if job.writer:
            code = _close_attempt(job, status)
        elif job.round.place.folder is not None:
            code = make_attempt(job.round.place, job.position, job.attempt)
        else:
            code = _with_parent(job)
    except claim.AlreadyClaimed:
        code = processes.CLAIMED
    except BaseException as error:
        say_why(error)
    finally:
        os._exit(code)


def _close_attempt(job: Running, status: int) -> int:
    place = job.round.place
    if claim.inspect(place.log_of(job.attempt)) in (claim.Life.STARTING, claim.Life.RUNNING):
        return processes.CLAIMED  # ours ended before it could claim, another process makes the attempt
    write_for(place, job.attempt, job.started, status, job.reason)
    return 0


def _with_parent(job: Running) -> int:
    from explorer_runner.job import Order, run_job  # brings more along than a forker should hold

    place = job.round.place
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.setsid()
    os.dup2(1, 2)  # its output goes to its log, not to the executor's
    order = Order(
        store=place.store.uri,
        analysis=place.analysis,
        round=place.round,
        position=job.position,
        digest=place.digest,
        attempt=job.attempt.attempt,
        scratch=place.scratch,
        environments=place.environments,
        claims=place.claims,
        uv=place.uv,
    )
    code = run_job(order)
    return code if code in (0, processes.CLAIMED, processes.UNWRITTEN) else 1


def _load_aside(facts: dict[str, Any]) -> Payload:
    """Read, check and open a payload in a process of its own; nothing is unpickled.

    Reading a zip takes modules that would make every later fork dearer, and on S3 it takes obstore.
    """
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            with os.fdopen(writer, "wb") as out:
                try:
                    store = open_store(facts["store"])
                    members = load(store, payload_key(facts["analysis"], facts["round"]), facts["digest"]).members
                    frames.write(out, members)
                except ExplorerError as error:
                    frames.write(out, {"error": str(error).encode()})
        finally:
            os._exit(0)
    os.close(writer)
    try:
        with os.fdopen(reader, "rb") as source:
            members = frames.read(source)
    except EOFError as error:
        raise ExplorerError(f"the payload could not be opened: {error}") from error
    finally:
        os.waitpid(pid, 0)
    if "error" in members:
        raise ExplorerError(members["error"].decode())
    return Payload(members)


def main() -> None:
    """Serve a scheduler on standard input and output."""
    commands, reports = os.dup(0), os.dup(1)
    with open(os.devnull, "r+b", buffering=0) as nothing:
        os.dup2(nothing.fileno(), 0)
        os.dup2(nothing.fileno(), 1)
    processes.use_as_output()
    faulthandler.enable(file=2)
    gc.collect()
    gc.freeze()
    Forker(commands, reports).run()

