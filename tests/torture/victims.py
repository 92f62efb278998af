"""The processes of an episode by what they are: only what descends from this process is ever touched."""

import os
import time

import psutil

SCHEDULER, FORKER, JOB, OPENING = "scheduler", "forker", "job", "opening"
CLIENT, RUNNER = "client", "runner"
ROLES = (SCHEDULER, FORKER, JOB, OPENING, CLIENT, RUNNER)
_SHORT_LIVED_SECONDS = 0.5


class Victims:
    """Finds processes; remembers which were forkers, to tell them from jobs once their scheduler is gone."""

    def __init__(self) -> None:
        self._forkers: set[int] = set()

    def choose(self, role: str, pick: float) -> tuple[str, psutil.Process] | None:
        """A process of a role, or of the next one that has any; ``pick`` says which, as a share."""
        deadline = time.monotonic() + (_SHORT_LIVED_SECONDS if role == OPENING else 0.0)
        while not (found := self.find()).get(role) and time.monotonic() < deadline:
            pass  # what opens payloads lives for milliseconds
        start = ROLES.index(role)
        for other in (*ROLES[start:], *ROLES[:start]):
            if found.get(other):
                return other, found[other][int(pick * len(found[other]))]
        return None

    def find(self) -> dict[str, list[psutil.Process]]:
        """All processes by role, in the order of their pids."""
        below = sorted(psutil.Process().children(recursive=True), key=lambda process: process.pid)
        commands = {process.pid: _command(process) for process in below}
        schedulers = {pid for pid, command in commands.items() if "gencove_explorer.local" in command}
        found: dict[str, list[psutil.Process]] = {}
        for process in below:
            role = self._role(process, commands[process.pid], schedulers)
            if role is not None:
                found.setdefault(role, []).append(process)
        return found

    def _role(self, process: psutil.Process, command: str, schedulers: set[int]) -> str | None:
        if process.pid in schedulers:
            return SCHEDULER
        if "torture.workload" in command:
            return CLIENT
        if "explorer_runner --foreground" in command:
            return RUNNER
        if "explorer_runner.start_forker" not in command:
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
