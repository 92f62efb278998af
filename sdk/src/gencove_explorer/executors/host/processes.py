"""Processes on this machine, seen from outside: whose a log is, how much memory a tree holds."""

import os
import signal
import time
from collections.abc import Collection, Iterable
from dataclasses import dataclass

import psutil


def owner_of(log: str) -> psutil.Process | None:
    """The process that makes the attempt whose log this is: the session leader that writes it; if there is
    none any more, one that inherited the claim.
    """
    holders = holders_of(log)
    return next((holder for holder in holders if _leads_session(holder)), next(iter(holders), None))


def holders_of(log: str) -> list[psutil.Process]:
    """The processes that write a log, or inherited its claim from one that did.

    Where the system does not tell who writes (macOS), they are the session leaders that have it open.
    """
    log = os.path.realpath(log)  # the kernel names open files so, though the home folder be a link
    return [
        process for process in psutil.process_iter() if process.pid != os.getpid() and _holds(process, log)
    ]


def _holds(process: psutil.Process, log: str) -> bool:
    try:
        modes = [getattr(file, "mode", None) for file in process.open_files() if file.path == log]
    except (psutil.Error, OSError):
        return False
    return any(_leads_session(process) if mode is None else "a" in mode for mode in modes)


def _leads_session(process: psutil.Process) -> bool:
    try:
        return os.getsid(process.pid) == process.pid
    except OSError:
        return False


def age(process: psutil.Process) -> float | None:
    """Seconds since a process started, by a clock that nobody sets where the system tells it (Linux)."""
    try:
        with open(f"/proc/{process.pid}/stat") as file:
            ticks = int(file.read().rpartition(")")[2].split()[19])  # starttime, see proc_pid_stat(5)
        return time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")
    except OSError:
        pass  # it is gone, or this is macOS
    try:
        return max(0.0, time.time() - process.create_time())
    except psutil.Error:
        return None


@dataclass(frozen=True)
class Tree:
    """A process with everything below it."""

    resident: int
    """Bytes of memory; what processes share is counted for each of them, so this is an upper bound."""
    processes: int
    """How many there are; 0 if it is gone."""


def trees(pids: Collection[int]) -> dict[int, Tree]:
    """The tree of each process."""
    children: dict[int, list[psutil.Process]] = {}
    for process in psutil.process_iter():
        try:
            children.setdefault(process.ppid(), []).append(process)
        except psutil.Error:
            continue
    below = {pid: list(_tree(pid, children)) for pid in pids}
    return {pid: Tree(sum(map(_resident, tree)), len(tree)) for pid, tree in below.items()}


def exact_bytes(pid: int) -> int:
    """Memory of a process with everything below it, shared pages counted once."""
    try:
        top = psutil.Process(pid)
        tree = [top, *top.children(recursive=True)]
    except psutil.Error:
        return 0
    return sum(_exact(process) for process in tree)


def end_holders(log: str, number: signal.Signals) -> bool:
    """Send a signal to the process groups of all that hold the claim of a log, SIGKILL to all below them too;
    False if nobody does.
    """
    holders = holders_of(log)
    below = [child for holder in holders for child in _below(holder)] if number == signal.SIGKILL else []
    for group in _groups_of(holders) - {os.getpgrp()}:
        try:
            os.killpg(group, number)
        except (ProcessLookupError, PermissionError):
            pass  # it has just ended
    for child in below:
        try:
            child.send_signal(number)
        except psutil.Error:
            pass
    return bool(holders)


def _groups_of(processes: Iterable[psutil.Process]) -> set[int]:
    groups = set()
    for process in processes:
        try:
            groups.add(os.getpgid(process.pid))
        except OSError:
            continue
    return groups


def _below(process: psutil.Process) -> list[psutil.Process]:
    try:
        return process.children(recursive=True)
    except psutil.Error:
        return []


def _tree(pid: int, children: dict[int, list[psutil.Process]]) -> Iterable[psutil.Process]:
    try:
        yield psutil.Process(pid)
    except psutil.Error:
        return
    stack = [pid]
    while stack:
        for child in children.get(stack.pop(), ()):
            yield child
            stack.append(child.pid)


def _resident(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss)
    except psutil.Error:
        return 0


def _exact(process: psutil.Process) -> int:
    try:
        full = process.memory_full_info()
    except psutil.Error:
        return _resident(process)
    # Linux shares a page's size among its users (pss); elsewhere what only this process has (uss).
    return int(getattr(full, "pss", None) or full.uss)
