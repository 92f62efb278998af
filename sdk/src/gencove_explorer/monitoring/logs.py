"""Showing the log of one job: what it wrote lately, or as it writes it."""

import codecs
import re
import sys
import time
from collections.abc import Callable
from datetime import timedelta

from explorer_runner.attempt import log_file
from explorer_runner.errors import NotFound
from explorer_runner.format.keys import FAILED, AttemptId, log_key
from explorer_runner.format.reused import Origin
from explorer_runner.stores.base import Store
from explorer_runner.text import visible
from gencove_explorer.executors.log_reader import LogReader
from gencove_explorer.monitoring.stored_analysis import StoredAnalysis
from gencove_explorer.records.states import FINISHED, JobStates
from gencove_explorer.utils.durations import format_duration, parse_duration

_LARGEST_LOG = 4 * log_file.LIMIT
"""Bytes that are read of a log in the store: more than any that was put there."""
_TAIL = 1000
"""Characters of what was shown last, by which it is found again in the whole log."""
_MARGIN_SECONDS = 600.0
"""How long advice holds, at least; the clocks of hosts and what a job says before it starts fit in."""


def write_text(text: str) -> None:
    """Write to standard output as it is: a log is what its job printed, colours and all."""
    sys.stdout.write(text)
    sys.stdout.flush()


def write_note(text: str) -> None:
    """Write a remark of our own to standard error."""
    sys.stderr.write(f"[explorer] {visible(text)}\n")
    sys.stderr.flush()


def show_log(
    stored: StoredAnalysis,
    index: int,
    *,
    live: bool,
    since: str | float | timedelta,
    write: Callable[[str], object] = write_text,
    note: Callable[[str], object] = write_note,
    call: Callable[[str], str] | None = None,
) -> None:
    """Write the log of a job; ``note`` takes remarks of our own. Ctrl-C ends a live tail quietly.

    call: what a person types to see the log since a length of time; default: the method's call.
    """
    length = parse_duration(since)
    observed = stored.observe(index)
    origin = stored.origin_of(index)
    if origin is not None:
        note(f"job {index} of {stored.id} was reused from job {origin.attempt.index} of {origin.analysis}")
    try:
        if live and origin is None:
            _follow(stored, index, length, write, note)
        else:
            _show_once(stored, observed, index, length, write, note, call or _method(stored, index))
    except KeyboardInterrupt:
        if not live:
            raise
        note(f"no longer following job {index} of {stored.id}: it goes on")


def show_failed(
    stored: StoredAnalysis, pattern: re.Pattern[str] | None, write: Callable[[str], object]
) -> int:
    """Write the logs of all failed jobs, each line marked with its job, or the lines that match.

    Returns how many lines that were.
    """
    observed = stored.observe()
    count = 0
    for index in observed.indices(FAILED):
        attempt = stored.executor_of(index).last_attempt(stored.rounds, observed, index)
        data = _reader(stored, attempt, 0.0).read() if attempt is not None else b""
        for line in data.decode(errors="replace").splitlines():
            if pattern is None or pattern.search(line):
                write(f"[{index}] {line}\n")
                count += 1
    return count


def _show_once(
    stored: StoredAnalysis,
    observed: JobStates,
    index: int,
    length: float,
    write: Callable[[str], object],
    note: Callable[[str], object],
    call: Callable[[str], str],
) -> None:
    attempt = _last_attempt(stored, observed, index)
    state = observed.states[index]
    if attempt is None:
        reason = stored.reason_of(observed, index)
        note(f"job {index} of {stored.id} is {state} and has no log" + (f": {reason}" if reason else ""))
        return
    if state in FINISHED and index in observed.outcomes:
        outcome = stored.outcome(observed, index)
        ended, started = time.time() - outcome.ended, time.time() - outcome.started
        if ended > length:
            # All of it, and still so when somebody types this a while later.
            show = call(format_duration(max(3600.0, started + _MARGIN_SECONDS)))
            note(f"job {index} of {stored.id} ended {format_duration(ended)} ago: {show} shows its log")
            return
    data = _reader(stored, attempt, time.time() - length, stored.origin_of(index)).read()
    write(data.decode(errors="replace"))
    if not data:
        note(
            f"job {index} of {stored.id} ({state}) has written nothing in the last {format_duration(length)}"
        )


def _last_attempt(stored: StoredAnalysis, observed: JobStates, index: int) -> AttemptId | None:
    """The attempt whose log a job has; of a job that was reused its origin's."""
    origin = stored.origin_of(index)
    if origin is not None:
        return origin.attempt
    return stored.executor_of(index).last_attempt(stored.rounds, observed, index)


def _method(stored: StoredAnalysis, index: int) -> Callable[[str], str]:
    job = f"{index}, " if stored.record.array else ""
    return lambda since: f'logs({job}since="{since}")'


def _follow(
    stored: StoredAnalysis,
    index: int,
    length: float,
    write: Callable[[str], object],
    note: Callable[[str], object],
) -> None:
    decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
    attempt: AttemptId | None = None
    reader: LogReader | None = None
    state_told: str | None = None
    shown = ""
    shortest, longest = stored.executor_of(index).follow_seconds
    pause = shortest
    while True:
        observed = stored.observe(index)
        now = stored.executor_of(index).last_attempt(stored.rounds, observed, index)
        if now is not None and now != attempt:
            if reader is not None:
                write(decoder.decode(reader.read()))
                note(f"attempt {now.attempt}")
            attempt, reader = now, _reader(stored, now, time.time() - length if attempt is None else 0.0)
        data = reader.read() if reader is not None else b""
        text = decoder.decode(data)
        shown = (shown + text)[-_TAIL:]
        write(text)
        state = observed.states[index]
        if state in FINISHED:
            if attempt is not None:
                write(_rest(stored, attempt, shown))
            reason = stored.reason_of(observed, index)
            note(f"job {index} of {stored.id} {state}" + (f": {reason}" if reason else ""))
            return
        if reader is None and state != state_told:
            state_told = state
            note(
                f"job {index} of {stored.id} is {state}" + (f": {observed.reason}" if observed.reason else "")
            )
        pause = shortest if data else min(pause * 1.5, longest)
        time.sleep(pause)


def _reader(
    stored: StoredAnalysis, attempt: AttemptId, since: float, origin: Origin | None = None
) -> LogReader:
    """The log where it grows, else the store's copy, written at the job's end."""
    if origin is not None:
        return _StoreReader(stored.store, log_key(origin.analysis, attempt))
    growing = stored.executor_of(attempt.index).open_log(stored.rounds, attempt, since)
    return growing or _StoreReader(stored.store, log_key(stored.id, attempt))


def _rest(stored: StoredAnalysis, attempt: AttemptId, shown: str) -> str:
    """What the store has of a log after the text that was shown last: a log service lags behind."""
    key = log_key(stored.id, attempt)
    if stored.store.local_path(key) is not None or not shown:
        return ""
    stored_text = _StoreReader(stored.store, key).read().decode(errors="replace")
    position = stored_text.rfind(shown)
    return stored_text[position + len(shown) :] if position >= 0 else ""


class _StoreReader:
    """A log that its job has put into the store: all of it, once."""

    def __init__(self, store: Store, key: str) -> None:
        self._store, self._key = store, key
        self._done = False

    def read(self) -> bytes:
        if self._done:
            return b""
        try:
            data = self._store.read(self._key, limit=_LARGEST_LOG)
        except NotFound:
            return b""
        self._done = True
        return data
