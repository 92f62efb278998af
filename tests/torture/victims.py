"""The processes of an episode by what they are: only what descends from this process is ever touched."""

import os
import time

import psutil

SCHEDULER, FORKER, JOB = "scheduler", "forker", "job"
OPENING, OPENER = "opening process", "forker that opens"
CLIENT, RUNNER = "client", "runner"
ROLES = (SCHEDULER, FORKER, JOB, OPENING, OPENER, CLIENT, RUNNER)
_SHORT_LIVED = {OPENING: 1.0, OPENER: 1.0}
"""Seconds to look for one, of what exists for milliseconds only."""


class Victims:
    """Finds processes; remembers which were forkers, to tell them from jobs once their scheduler is gone."""

    def __init__(self) -> None:
        self._forkers: set[int] = set()

    def choose(self, role: str, pick: float) -> tuple[str, psutil.Process] | None:
        """A process of a role; where it has none, of another one of the executor's. ``pick`` is a share."""
        deadline = time.monotonic() + _SHORT_LIVED.get(role, 0.0)
        while not (found := self.find()).get(role) and time.monotonic() < deadline:
            pass
        for other in (role, FORKER, SCHEDULER, JOB):
            if found.get(other):
                return other, found[other][int(pick * len(found[other]))]
        return None

    def find(self) -> dict[str, list[psutil.Process]]:
        """All processes by role, in the order of their pids."""
        below = sorted(psutil.Process().children(recursive=True), key=lambda process: process.pid)
        commands = {process.pid: _command(process) for process in below}
        schedulers = {
            pid for pid, command in commands.items() if "gencove_explorer.executors.local" in command
        }
        found: dict[str, list[psutil.Process]] = {}
        for process in below:
            role = self._role(process, commands[process.pid], schedulers)
            if role is not None:
                found.setdefault(role, []).append(process)
        opening = {_parent(process) for process in found.get(OPENING, ())}
        found[OPENER] = [process for process in found.get(FORKER, ()) if process.pid in opening]
        return found

    def _role(self, process: psutil.Process, command: str, schedulers: set[int]) -> str | None:
        if process.pid in schedulers:
            return SCHEDULER
        if "torture.workload" in command:
            return CLIENT
        if "explorer_runner --foreground" in command:
            return RUNNER
        if "explorer_runner.forker.start" not in command:
            return None
        try:
            parent = process.ppid()
            if parent in schedulers:
                self._forkers.add(process.pid)
            if process.pid in self._forkers:
                return FORKER
            return OPENING if parent in self._forkers and os.getsid(process.pid) == parent else JOB
        except (psutil.Error, ProcessLookupError):
            return None


def _parent(process: psutil.Process) -> int:
    try:
        return process.ppid()
    except psutil.Error:
        return 0


def _command(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


def reap(besides: set[int]) -> None:
    """Collect descendants that ended and that nobody waits for: they came to us, as a subreaper."""
    for process in psutil.Process().children():
        try:
            if process.pid not in besides and process.status() == psutil.STATUS_ZOMBIE:
                os.waitpid(process.pid, os.WNOHANG)
        except (psutil.Error, ChildProcessError):
            pass
