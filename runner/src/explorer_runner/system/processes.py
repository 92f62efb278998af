"""What the parents of jobs know about processes: how one ended, and that nothing is left behind."""

import ctypes
import os
import signal
import sys
from collections.abc import Collection

CLAIMED = 75
"""Exit code of a job's process that found its attempt claimed by another (EX_TEMPFAIL)."""
UNWRITTEN = 74
"""Exit code of a job's process that could not write its outcome (EX_IOERR)."""
RETRY = 100
"""Exit code of a container whose job is to be tried again: AWS Batch goes by it."""
MAX_ATTEMPTS = 10
"""How often AWS Batch starts a job at most
(https://docs.aws.amazon.com/batch/latest/APIReference/API_RetryStrategy.html)."""
FULL = 73
"""The same, because the disk was full (EX_CANTCREAT)."""
MEANINGFUL = (0, CLAIMED, UNWRITTEN, RETRY, FULL)
"""Exit codes that say something of their own, and so never come from a work function that failed."""

GRACE_SECONDS = 20.0
"""Between SIGTERM and SIGKILL. AWS Batch kills the container 30 s after its SIGTERM, and the parent
needs the rest to write the outcome."""
LEAVE_SECONDS = 27.0
"""After SIGTERM, in a container: what is not written down by then will not be."""

OWN_PYTHON = sys.executable
"""The Python that has the runner: in a job with packages sys.executable is that of the packages."""

TIMED_OUT = "Job attempt duration exceeded timeout"
"""AWS Batch's own reason (https://docs.aws.amazon.com/batch/latest/userguide/job_timeouts.html)."""

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36

_SIGNALS = {
    signal.SIGKILL: "by the system, for lack of memory most likely, or by a person",
    signal.SIGSEGV: "a crash inside compiled code; the log shows the Python line",
    signal.SIGBUS: "a crash inside compiled code, or a full disk under a mapped file",
    signal.SIGABRT: "a library gave up; the log says more",
    signal.SIGFPE: "a division by zero inside compiled code",
    signal.SIGILL: "compiled code that is not made for this processor",
    signal.SIGXCPU: "a limit on CPU time",
    signal.SIGPIPE: "it wrote to a process that had ended",
}


def describe_exit(status: int) -> tuple[int | None, int | None, str]:
    """``(exit code, signal, reason)`` of a process that ended without an outcome.

    ``status`` is what ``os.waitpid`` gave.
    """
    code = os.waitstatus_to_exitcode(status)
    if code >= 0:
        if code == UNWRITTEN:
            return code, None, "its outputs or its outcome could not be stored; the log says why"
        if code == FULL:
            return (
                code,
                None,
                "the disk was full when its outputs or its outcome were to be stored: make room",
            )
        return (
            code,
            None,
            (
                f"its process ended itself with exit code {code} before the work function returned "
                "(os._exit, or a library that ends the process)"
            ),
        )
    name = signal.Signals(-code).name if -code in {int(s) for s in signal.Signals} else f"signal {-code}"
    meaning = _SIGNALS.get(signal.Signals(-code), "") if name.startswith("SIG") else ""
    return 128 - code, -code, f"killed by signal {-code} ({name}){': ' + meaning if meaning else ''}"


def count_oom_kills() -> int:
    """How many processes of this container the kernel has killed for want of memory; 0 where unknown.

    See memory.events in https://docs.kernel.org/admin-guide/cgroup-v2.html, and of version 1
    memory.oom_control.
    """
    for path in ("/sys/fs/cgroup/memory.events", "/sys/fs/cgroup/memory/memory.oom_control"):
        try:
            with open(path) as file:
                return int(dict(line.split() for line in file).get("oom_kill", 0))
        except (OSError, ValueError):
            continue
    return 0


def become_subreaper() -> None:
    """Become the parent of every process below this one that loses its own (Linux; elsewhere nothing).

    See prctl(2), PR_SET_CHILD_SUBREAPER. It is not inherited by forks.
    """
    if _prctl is not None:
        _prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def die_with(parent: int) -> None:
    """Be killed when ``parent``, this process's own, ends (Linux; elsewhere nothing)."""
    if _prctl is not None:
        _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:  # it was faster
            os._exit(UNWRITTEN)


def end_strays(known: Collection[int], group: int) -> None:
    """Kill every child of this process that is not ``known``: what the job ``group`` left behind.

    As a subreaper this process inherits them. Their own children come when they are gone, so this
    is called again at every child's end. Where children cannot be listed (macOS), the job's process
    group is killed instead; what left the group is out of reach there.
    """
    try:
        # The list is kept by thread, and only the main thread of a job's parent ever forks.
        descriptor = os.open(f"/proc/self/task/{os.getpid()}/children", os.O_RDONLY)
    except OSError:
        end_group(group, signal.SIGKILL)
        return
    children = os.read(descriptor, 1 << 16).split()
    os.close(descriptor)
    if len(children) > len(known):
        for pid in map(int, children):
            if pid not in known:
                _kill(pid, signal.SIGKILL)


def end_group(pid: int, number: signal.Signals) -> None:
    """Send a signal to the process group that ``pid`` leads; gone already is fine."""
    try:
        os.killpg(pid, number)
    except ProcessLookupError:
        _kill(pid, number)  # it is so young that it leads no group yet
    except PermissionError:
        pass


def _kill(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except (ProcessLookupError, PermissionError):
        pass


def configure_streams() -> None:
    """Make Python's own streams show each line at once, and never fail on a character."""
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(encoding="utf-8", errors="backslashreplace", line_buffering=True)  # type: ignore[union-attr]


def flush_c_streams() -> None:
    """Write out what C code printed with stdio and has not flushed, as exit(3) does at a process's end."""
    _libc.fflush(None)


_libc = ctypes.CDLL(None)
_prctl = _libc.prctl if sys.platform == "linux" else None
