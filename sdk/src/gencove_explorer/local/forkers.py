"""The scheduler's side of a forker: start it, send commands, read reports."""

import json
import os
import select
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from explorer_runner.folders import make_private
from gencove_explorer.local.queue import Queue, iterate_lines
from gencove_explorer.local.rounds import ActiveRound

_CHUNK = 1 << 20


class ForkerHandle:
    """A running forker (explorer_runner.forker has the protocol)."""

    def __init__(self, runtime: str, log: Path) -> None:
        self.runtime = runtime
        self.sent = 0
        """How many commands it was sent."""
        self.heard = 0
        """How many commands it has carried out, as far as is known."""
        with open(log, "ab") as errors:
            self._process = subprocess.Popen(
                [runtime, "-P", "-s", "-c", "from explorer_runner.start_forker import main; main()"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                cwd="/",
                env={"LANG": "C.UTF-8"},
                start_new_session=True,
            )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._commands = self._process.stdin.fileno()
        self.reports = self._process.stdout.fileno()
        os.set_blocking(self._commands, False)
        os.set_blocking(self.reports, False)
        self._unsent = bytearray()
        self._unread = bytearray()

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

    def close(self) -> None:
        """Let go of it: it sees its running jobs to their end, and ends."""
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()

    def reap(self) -> None:
        """After its end."""
        self.close()
        self._process.wait()


class Forkers:
    """The forkers of a scheduler: one for each runtime, started when a round needs it."""

    def __init__(self, queue: Queue, poll: select.poll) -> None:
        self._queue = queue
        self._poll = poll
        """Where their reports are waited for."""
        self._running: dict[str, ForkerHandle] = {}

    def __iter__(self) -> Iterator[ForkerHandle]:
        return iter(self._running.values())

    def __len__(self) -> int:
        return len(self._running)

    def find(self, round: ActiveRound) -> ForkerHandle | None:
        """The forker of a round, if it runs."""
        return self._running.get(round.entry.runtime)

    def find_reporting(self, descriptor: int) -> ForkerHandle:
        return next(each for each in self if each.reports == descriptor)

    def make_ready(self, round: ActiveRound, claims: str) -> ForkerHandle:
        """The forker of a round, started and told of the round where that was not done before."""
        runtime = round.entry.runtime
        if runtime not in self._running:
            self._running[runtime] = ForkerHandle(runtime, self._queue.log)
            self._poll.register(self._running[runtime].reports, select.POLLIN)
        forker = self._running[runtime]
        if not round.announced:
            forker.announce(round, claims, self._queue)
            round.announce()
        return forker

    def lose(self, forker: ForkerHandle) -> None:
        """Let go of one that is gone."""
        self._poll.unregister(forker.reports)
        del self._running[forker.runtime]
        forker.reap()
