"""What is done to an episode. Each kind can be switched off; what one does is undone after a while."""

import os
import random
import resource
import signal
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psutil

from torture.proxy import Proxy
from torture.victims import FORKER, JOB, ROLES, SCHEDULER, Victims

PROCESSES = ("kill", "stop")
LIMITS = ("descriptors", "processes")
DISK = ("disk", "inodes")
STORE = ("vanish",)
S3 = ("throttle", "outage", "hang", "cut", "lie", "lose")
LARGE = "large"
"""No weather: payloads that no pipe holds, which take a while to be opened."""
SWEPT = "swept"
"""No weather: clients that are killed as they write; what killed processes left must be swept at the end."""
KINDS = (*PROCESSES, *LIMITS, *DISK, *STORE, *S3, LARGE, SWEPT)
OFF: dict[str, str] = {}
"""What does not hold yet, and why: it is on only where it is asked for."""
SCENES = {
    "folder": (*PROCESSES, *LIMITS, *STORE),
    "disk": (*PROCESSES, *DISK),
    "s3": (*PROCESSES, *S3),
}
"""Where jobs run, and what can happen there."""

_CGROUPS = Path("/sys/fs/cgroup/pids")
_FILES_AT_ONCE = 10_000


@dataclass(frozen=True)
class Action:
    """One thing that is done."""

    after: float
    """Seconds since the one before."""
    kind: str
    role: str
    """What kind of process it is done to, if it is done to one."""
    pick: float
    """Which of these, as a share of their number."""
    lasts: float
    """Seconds until it is undone."""


def plan_actions(dice: random.Random, kinds: list[str], seconds: float) -> list[Action]:
    """What happens in so many seconds."""
    actions: list[Action] = []
    passed = 0.0
    while kinds:
        after = dice.uniform(0.1, 0.9)
        passed += after
        if passed > seconds:
            break
        kind = dice.choice(kinds)
        role = dice.choice([SCHEDULER, FORKER, JOB] if kind in LIMITS else ROLES)
        actions.append(Action(after, kind, role, dice.random(), dice.uniform(0.2, 2.5)))
    return actions


class Weather:
    """Carries actions out."""

    def __init__(self, victims: Victims, store: Path, disk: Path | None, proxy: Proxy | None) -> None:
        self.victims = victims
        self._store, self._disk, self._proxy = store, disk, proxy
        self._undo: list[tuple[float, Callable[[], None]]] = []
        self.log: list[str] = []
        self.done: Counter[str] = Counter()

    def carry_out(self, action: Action) -> None:
        """Do it, and remember how to undo it."""
        if action.kind in (*PROCESSES, *LIMITS):
            chosen = self.victims.choose(action.role, action.pick)
            if chosen is None:
                return
            role, victim = chosen
            what, undo = f" {role}", self._to_process(action, victim)
        else:
            what, undo = "", self._to_all(action)
        self.done[f"{action.kind}{what}"] += 1
        self.log.append(f"{time.time():.2f} {action.kind}{what} for {action.lasts:.1f} s")
        if undo is not None:
            self._undo.append((time.monotonic() + action.lasts, undo))

    def clear_up(self, *, entirely: bool = False) -> None:
        """Undo what has lasted long enough, or all there is."""
        now = time.monotonic()
        due = [undo for at, undo in self._undo if entirely or at <= now]
        self._undo = [(at, undo) for at, undo in self._undo if undo not in due]
        for undo in due:
            undo()

    def _to_process(self, action: Action, victim: psutil.Process) -> Callable[[], None] | None:
        if action.kind == "kill":
            return _send(victim, signal.SIGKILL)
        if action.kind == "stop":
            _send(victim, signal.SIGSTOP)
            return lambda: _send(victim, signal.SIGCONT)
        if action.kind == "descriptors":
            return _limit(victim, resource.RLIMIT_NOFILE, lambda: victim.num_fds() + 1)
        if os.getuid() == 0:
            return _limit_by_cgroup(victim)
        return _limit(victim, resource.RLIMIT_NPROC, lambda: 1)

    def _to_all(self, action: Action) -> Callable[[], None] | None:
        if action.kind == "vanish":
            return _take_away(self._store)
        if action.kind == "disk":
            assert self._disk is not None
            return _fill(self._disk)
        if action.kind == "inodes":
            assert self._disk is not None
            return _fill_inodes(self._disk)
        assert self._proxy is not None
        return self._proxy.begin(action.kind, action.pick)


def _send(victim: psutil.Process, number: signal.Signals) -> None:
    try:
        victim.send_signal(number)
    except psutil.Error:
        pass  # it has ended by itself


def _limit(victim: psutil.Process, what: int, most: Callable[[], int]) -> Callable[[], None] | None:
    """Let a process, and what it forks from now on, have no more of something."""
    try:
        resource.prlimit(victim.pid, what, (most(), resource.getrlimit(what)[1]))
    except (OSError, psutil.Error):
        return None

    def undo() -> None:
        try:
            if victim.is_running():
                resource.prlimit(victim.pid, what, resource.getrlimit(what))
        except OSError:
            pass  # it has ended

    return undo


def _limit_by_cgroup(victim: psutil.Process) -> Callable[[], None] | None:
    """Let a process fork nothing more; what it has forked before is not counted."""
    group = _CGROUPS / f"explorer-torture-{os.getpid()}-{victim.pid}"
    try:
        group.mkdir()
    except OSError:
        return None  # it is in it already, or there are no such groups
    for name, text in (("cgroup.procs", str(victim.pid)), ("pids.max", "1")):
        _tell(group / name, text)

    def undo() -> None:
        for member in (group / "cgroup.procs").read_text().split():
            _tell(_CGROUPS / "cgroup.procs", member)
        group.rmdir()

    return undo


def _tell(file: Path, text: str) -> None:
    try:
        file.write_text(text)
    except OSError:
        pass  # that process has ended


def _take_away(store: Path) -> Callable[[], None] | None:
    """Rename the store's folder; back again even if somebody has made another meanwhile."""
    away = store.with_name(f"{store.name}.away")
    if away.exists() or not store.exists():
        return None
    store.rename(away)

    def undo() -> None:
        if store.exists():
            store.rename(store.with_name(f"{store.name}.made-{time.monotonic_ns()}"))
        away.rename(store)

    return undo


def _fill(disk: Path) -> Callable[[], None] | None:
    filler = disk / "filler"
    if filler.exists():
        return None
    try:
        with open(filler, "xb") as file:
            room = os.statvfs(disk)
            os.posix_fallocate(file.fileno(), 0, room.f_bavail * room.f_frsize)
    except OSError:
        pass  # somebody was faster: it is as full
    return lambda: filler.unlink(missing_ok=True)


def _fill_inodes(disk: Path) -> Callable[[], None] | None:
    folder = disk / "fillers"
    if folder.exists():
        return None
    made: list[Path] = []
    try:
        folder.mkdir()
        for number in range(_FILES_AT_ONCE):
            (folder / str(number)).touch()
            made.append(folder / str(number))
    except OSError:
        pass  # that was the last one

    def undo() -> None:
        for path in made:
            path.unlink()
        if folder.exists():
            folder.rmdir()

    return undo
