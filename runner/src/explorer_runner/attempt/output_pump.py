"""The parent's side of a running child: its output, its end, and the wish to end it."""

import os
import select
import signal
import time
from types import FrameType
from typing import BinaryIO

from explorer_runner.attempt import grace, log_file
from explorer_runner.errors import ExplorerError
from explorer_runner.system import memory, processes

_MARK_SECONDS = 5.0
_MEASURE_SECONDS = 0.5
_CHUNK = 1 << 16


class Terminated(ExplorerError):
    """The parent was asked to end before the work function was called."""


class OutputPump:
    """Copies what a child prints to the parent's own streams and to the log, until the child ends.

    SIGTERM to the parent, or the end of its standard input where ``foreground`` is set, is passed
    on to the child's process group; ``reason`` then says so. ``leave_after``: so many seconds after a
    SIGTERM this process ends with RETRY, whatever it is at.
    """

    def __init__(self, *, foreground: bool, forward: bool = True, leave_after: float | None = None) -> None:
        self.reason: str | None = None
        self.stopped = False
        """Whether it was SIGTERM that ended the job: its executor's wish, or that of its machine."""
        self.peak = 0
        """The most memory that the child and what it started have had together, in bytes, when looked at."""
        self._measure_at = 0.0
        self._ends = [os.pipe(), os.pipe()]
        self._foreground = foreground
        self._leave_after = leave_after
        self._child: int | None = None
        self._kill_at = 0.0
        self._end_at = 0.0
        self._log: BinaryIO | None = None
        self._log_path = ""
        self._marked = time.monotonic()
        self._deaf: set[int] = set() if forward else {1, 2}
        self._wake, wakeup = os.pipe()
        os.set_blocking(wakeup, False)
        os.set_blocking(self._wake, False)
        signal.signal(signal.SIGTERM, self._on_sigterm)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        self._wakeup = wakeup

    def become_child(self) -> None:
        """In the child: take the writing ends as standard output and error."""
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.setsid()
        processes.become_subreaper()
        processes.configure_streams()  # before the streams become pipes, which cannot say where they are
        with open(os.devnull, "rb") as nothing:
            os.dup2(nothing.fileno(), 0)
        for number, (reader, writer) in enumerate(self._ends, start=1):
            os.dup2(writer, number)
            os.close(reader)
            os.close(writer)
        os.close(self._wake)
        os.close(self._wakeup)

    def close_child_ends(self) -> None:
        """In the parent, after the fork."""
        wakeup = self._wakeup
        if self._leave_after is not None:
            wakeup = grace.watch(wakeup, self._leave_after, processes.RETRY)
        signal.set_wakeup_fd(wakeup)
        for reader, writer in self._ends:
            os.close(writer)
            os.set_blocking(reader, False)

    def log_to(self, file: BinaryIO, path: str) -> None:
        """Write to this log from now on."""
        self._log, self._log_path = file, path

    def say(self, text: str) -> None:
        """Print a line of the parent's own, in the log too."""
        self._write(2, text.encode(errors="backslashreplace"))

    def begins(self, pid: int) -> None:
        """From here on the child may be at work: a wish to end is passed on to it."""
        self._child = pid

    def until_end_of(self, pid: int) -> int:
        """Copy until the child has ended; returns its wait status. What it left behind is ended."""
        self.begins(pid)
        if self.reason:  # asked to end before this: the child may have begun all the same
            self._end(self.reason)
        readers = {reader: number for number, (reader, _) in enumerate(self._ends, start=1)}
        watched = [*readers, self._wake, *([0] if self._foreground else [])]
        while True:
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                break
            self._measure(pid)
            ready, _, _ = select.select(watched, [], [], self._patience())
            for descriptor in ready:
                if descriptor == self._wake:
                    os.read(self._wake, _CHUNK)
                elif descriptor == 0:
                    if not os.read(0, _CHUNK):
                        watched.remove(0)
                        self._end("ended with its run_local: that was interrupted, or its process is gone")
                elif not self._copy(descriptor, readers[descriptor]):
                    watched.remove(descriptor)
            if self._end_at and not self._kill_at and time.monotonic() >= self._end_at:
                self._end(processes.TIMED_OUT)
            if self._kill_at and time.monotonic() >= self._kill_at:
                processes.end_group(pid, signal.SIGKILL)
        signal.signal(signal.SIGTERM, lambda *_: None)  # from here on there is only writing down
        self._end_strays()
        for reader, number in readers.items():
            while self._copy(reader, number):
                pass
        return status

    def limit(self, seconds: float) -> None:
        """End the job after this time, as AWS Batch would."""
        self._end_at = time.monotonic() + seconds

    def _patience(self) -> float | None:
        due = min(self._kill_at or self._end_at or float("inf"), self._measure_at or float("inf"))
        return max(0.0, due - time.monotonic()) if due != float("inf") else None

    def _measure(self, pid: int) -> None:
        """Look at the child's memory now and then: the first time after it has run for a while."""
        if not self._foreground:
            return  # a container, or a scheduler, knows
        now = time.monotonic()
        if self._measure_at and now >= self._measure_at:
            self.peak = max(self.peak, memory.tree_bytes(pid))
        if now >= self._measure_at:
            self._measure_at = now + _MEASURE_SECONDS

    def _copy(self, reader: int, number: int) -> bool:
        """Copy what there is to read; False at the end, or when there is nothing right now."""
        try:
            chunk = os.read(reader, _CHUNK)
        except BlockingIOError:
            return False
        self._write(number, chunk)
        return bool(chunk)

    def _write(self, number: int, chunk: bytes) -> None:
        if number not in self._deaf:
            try:
                _write_all(number, chunk)
            except OSError:  # nobody listens any more: the log goes on
                self._deaf.add(number)
        if self._log is not None:
            try:
                _write_all(self._log.fileno(), chunk)
                self._keep_small(self._log.fileno())
            except OSError:  # a full disk must not stop the job; its outcome will say so
                self._log = None

    def _keep_small(self, descriptor: int) -> None:
        size = os.fstat(descriptor).st_size
        if size > 2 * log_file.LIMIT:
            log_file.trim(self._log_path)
        elif time.monotonic() - self._marked > _MARK_SECONDS:
            self._marked = time.monotonic()
            log_file.mark(self._log_path, time.time(), size)

    def _on_sigterm(self, number: int, frame: FrameType | None) -> None:
        self.stopped = True
        self._end("it was asked to end (SIGTERM): terminated, timed out, or its machine was taken away")
        if self._child is None:
            raise Terminated(self.reason)

    def _end(self, reason: str) -> None:
        self.reason = self.reason or reason
        if self._child is not None:
            processes.end_group(self._child, signal.SIGTERM)
            self._kill_at = self._kill_at or time.monotonic() + processes.GRACE_SECONDS

    def _end_strays(self) -> None:
        """End what the child left behind, and what that leaves behind in turn."""
        while True:
            processes.end_strays((), self._child or 0)
            try:
                os.waitpid(-1, 0)
            except ChildProcessError:
                return


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]
