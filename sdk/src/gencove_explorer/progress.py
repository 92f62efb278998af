"""Progress of what takes a while here and now, in bytes: a bar for people, lines in a log."""

import sys
import threading
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager

from explorer_runner import progress as transfers
from gencove_explorer.log import get_logger

_SHOW_AFTER_SECONDS = 0.5
_LOG_SECONDS = 10.0

_log = get_logger(__name__)


@contextmanager
def progress(what: str, total: int) -> Iterator[Callable[[int], None]]:
    """A function to be told of each bytes that are done, from any thread.

    In a terminal a bar appears, elsewhere a line every ten seconds; neither for what is done at once.
    """
    begin = time.monotonic()
    lock = threading.Lock()
    done = 0
    show = _bar(what, total) if sys.stderr.isatty() else _lines(what, total)
    next(show)

    def advance(size: int) -> None:
        nonlocal done
        with lock:
            done += size
            if time.monotonic() - begin > _SHOW_AFTER_SECONDS:
                show.send(done)

    try:
        yield advance
    finally:
        show.close()


def _bar(what: str, total: int) -> Generator[None, int, None]:
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    done = yield
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=total or None)
        while True:
            bar.update(task, completed=done)
            done = yield


def _lines(what: str, total: int) -> Generator[None, int, None]:
    due = 0.0
    while True:
        done = yield
        if time.monotonic() >= due:
            due = time.monotonic() + _LOG_SECONDS
            _log.info("%s: %s of %s MB", what, f"{done / 1e6:,.0f}", f"{total / 1e6:,.0f}" if total else "?")


def show_transfers() -> None:
    """Have downloads and uploads, of a store on S3 and of File, show themselves likewise in this process."""
    transfers.report = progress
