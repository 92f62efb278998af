"""The scheduler's side of forkers: which there are, commands to them, reports from them.

There is one for each Python and each set of variables that a process reads when it starts, of the rounds
that are open (startup): a forker's children have these as if they had been started with them.
"""

import json
import os
import select
import signal
import subprocess
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from explorer_runner.attempt import log_file, startup_variables
from explorer_runner.system.folders import make_private
from gencove_explorer.executors.local.queue import Queue, iterate_lines
from gencove_explorer.executors.local.rounds import ActiveRound, Ground

_CHUNK = 1 << 20
_TRIES = 3
"""How often a forker may die in a row by its variables, before it has carried out a command."""
_START_SECONDS = 60.0
"""How long one may take until it is ready: code of the user's may run first, and never end."""
_SPARE = 2
"""How many forkers stay without an open round, for the next one."""


class ForkerHandle:
    """A running forker (explorer_runner.forker.server has the protocol)."""

    def __init__(self, ground: Ground, log: Path) -> None:
        self.ground = ground
        self.sent = 0
        """How many commands it was sent."""
        self.heard = 0
        """How many commands it has carried out, as far as is known."""
        self.late = False
        """Whether it was killed because it did not get ready."""
        self._ready = False
        self._begun = time.monotonic()
        self._unsent = bytearray()
        self._unread = bytearray()
        commands, self._commands = os.pipe()
        self.reports, reports = os.pipe()
        try:
            self._start(commands, reports, log)
        except BaseException:
            self.close()
            raise
        finally:
            os.close(commands)
            os.close(reports)
        os.set_blocking(self._commands, False)
        os.set_blocking(self.reports, False)

    def _start(self, commands: int, reports: int, log: Path) -> None:
        self._log = str(log)
        code = f"from explorer_runner.forker.start import main; main({commands}, {reports})"
        with open(log, "ab") as output:
            self._log_begins = output.tell()
            self._process = subprocess.Popen(
                [self.ground.runtime, "-P", "-s", "-c", code],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd="/",
                env=dict(self.ground.variables),
                pass_fds=(commands, reports),
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    def announce(self, round: ActiveRound, claims: str, queue: Queue) -> None:
        """Tell of a round, before its first job."""
        scratch = queue.scratch / str(self.pid)
        make_private(str(scratch))
        self.send(
            "round",
            {
                "key": round.key,
                "store": round.entry.store,
                "analysis": round.record.id,
                "round": round.record.round,
                "digest": round.record.payload,
                "claims": claims,
                "scratch": str(scratch),
                "environments": str(queue.environments),
                "uv": round.entry.uv,
                "variables": round.entry.variables,
            },
        )

    def send(self, command: str, argument: Any) -> int:
        """Send a command; returns its number, to compare with ``heard``."""
        self._unsent += json.dumps({command: argument}).encode() + b"\n"
        self.sent += 1
        self.flush()
        return self.sent

    def flush(self) -> bool:
        """Write what the pipe takes now; True if nothing is left to write."""
        try:
            while self._unsent:
                del self._unsent[: os.write(self._commands, self._unsent)]
        except BlockingIOError:
            return False
        except BrokenPipeError:
            self._unsent.clear()  # it is gone; the end of its reports says so
        return True

    def read(self) -> Iterator[dict[str, Any]]:
        """The reports that have come. Raises EOFError when the forker is gone."""
        while True:
            try:
                chunk = os.read(self.reports, _CHUNK)
            except BlockingIOError:
                return
            if not chunk:
                raise EOFError
            self._ready = True
            self._unread += chunk
            for line in iterate_lines(self._unread):
                report = json.loads(line)
                self.heard = max(self.heard, report.pop("heard", 0))
                yield report

    @property
    def is_gone(self) -> bool:
        """Whether its process has ended. The end of its reports may not tell: what it left behind, killed
        in the wrong moment, can have the pipe open.
        """
        return self._process.poll() is not None

    def dismiss(self) -> None:
        """Tell it that no command will come: it sees its running jobs to their end, and ends."""
        if self._commands >= 0:
            os.close(self._commands)
            self._commands = -1
            self._unsent.clear()

    def close(self) -> None:
        """Let go of it."""
        self.dismiss()
        if self.reports >= 0:
            os.close(self.reports)
            self.reports = -1

    def reap(self) -> None:
        """After its end."""
        self.close()
        self._process.wait()

    def kill_if_late(self, seconds: float) -> None:
        """Kill it if it was not ready ``seconds`` after its start."""
        if not self._ready and time.monotonic() - self._begun > seconds:
            self.late = True
            self._process.kill()

    @property
    def was_killed(self) -> bool:
        """Whether somebody else killed it, as the system does when it has no memory left."""
        return self._process.returncode == -signal.SIGKILL and not self.late

    @property
    def may_blame_variables(self) -> bool:
        """Whether it may have ended by the environment variables that it was started with."""
        return (
            bool(startup_variables.names_read_at_start(dict(self.ground.variables))) and not self.was_killed
        )

    def why_gone(self) -> str:
        """Why it ended before it had carried out a command."""
        words = "it did not get ready" if self.late else log_file.tail(self._log, self._log_begins)
        return f"{startup_variables.explain(dict(self.ground.variables), words)}; {self._log} says more"


class Forkers:
    """The forkers of a scheduler, each started when a round needs it."""

    def __init__(self, queue: Queue, poll: select.poll) -> None:
        self._queue = queue
        self._poll = poll
        """Where their reports are waited for."""
        self._running: dict[Ground, ForkerHandle] = {}
        """The one that was needed last comes last."""
        self._dismissed: list[ForkerHandle] = []
        self._failures: dict[Ground, int] = {}

    def __iter__(self) -> Iterator[ForkerHandle]:
        return iter([*self._running.values(), *self._dismissed])

    def __len__(self) -> int:
        return len(self._running) + len(self._dismissed)

    def find(self, round: ActiveRound) -> ForkerHandle | None:
        """The forker of a round, if it runs."""
        return self._running.get(round.ground)

    def find_reporting(self, descriptor: int) -> ForkerHandle:
        return next(handle for handle in self if handle.reports == descriptor)

    def make_ready(self, round: ActiveRound, claims: str) -> ForkerHandle:
        """The forker of a round, started and told of the round where that was not done before."""
        if round.ground not in self._running:
            self._running[round.ground] = ForkerHandle(round.ground, self._queue.log)
            self._poll.register(self._running[round.ground].reports, select.POLLIN)
        forker = self._running[round.ground]
        if not round.announced:
            self._running[round.ground] = self._running.pop(round.ground)
            forker.announce(round, claims, self._queue)
            round.announce()
        return forker

    def dismiss_unused(self, rounds: Iterable[ActiveRound]) -> None:
        """Let forkers end that none of the open ``rounds`` needs, but for the last few."""
        if len(self._running) <= _SPARE:
            return
        needed = {round.ground for round in rounds}
        unused = [ground for ground in self._running if ground not in needed]
        for ground in unused[:-_SPARE]:
            forker = self._running.pop(ground)
            forker.dismiss()
            self._dismissed.append(forker)

    def kill_late(self) -> None:
        """Kill those that do not get ready."""
        for forker in self:
            forker.kill_if_late(_START_SECONDS)

    def lose(self, forker: ForkerHandle) -> str | None:
        """Let go of one that is gone; why its rounds can never run, if their variables are to blame."""
        self._poll.unregister(forker.reports)
        forker.reap()
        if forker in self._dismissed:
            self._dismissed.remove(forker)
            return None
        del self._running[forker.ground]
        failures = self._failures.pop(forker.ground, 0) + 1
        if forker.heard or not forker.may_blame_variables:
            return None
        if failures >= _TRIES or forker.late:
            return forker.why_gone()
        self._failures[forker.ground] = failures
        return None
