"""Progress of what takes a while here and now: a bar in a terminal or a notebook, lines in a log."""

import io
import sys
import threading
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from explorer_runner.system import progress as transfers
from gencove_explorer.utils.log import get_logger

if TYPE_CHECKING:
    from rich.progress import Progress, ProgressColumn

_SHOW_AFTER_SECONDS = 0.5
_LOG_SECONDS = 10.0
_DRAW_SECONDS = 0.2
"""Between two pictures of a bar in a notebook: each is a message to the browser."""
_COLUMNS = 400
"""As wide as a bar in a notebook may become, which scrolls: a name, its counts, and never a second line."""
_HTML = '<pre style="line-height: normal; overflow-x: auto; white-space: pre">{code}</pre>'
_STYLES = {
    "bar.back": "#aaaaaa",
    **dict.fromkeys(("progress.download", "progress.elapsed", "progress.data.speed"), "none"),
}
"""A page may be light or dark: rich's own colours are for a dark terminal."""

_log = get_logger(__name__)


@contextmanager
def progress(what: str, total: int) -> Iterator[Callable[[int], None]]:
    """A function to be told of each bytes that are done, from any thread.

    In a terminal or a notebook a bar appears, elsewhere a line every ten seconds; neither for what is
    done at once.
    """
    begin = time.monotonic()
    lock = threading.Lock()
    done = 0
    show = _bar(what, total) if is_watched() else _lines(what, total)
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


def show_transfers() -> None:
    """Have downloads and uploads, of a store on S3 and of File, show themselves likewise in this process."""
    transfers.report = progress


def is_watched() -> bool:
    """Whether a person sees a bar: in a terminal or a notebook."""
    return _in_notebook() or sys.stderr.isatty()


@contextmanager
def open_bar(
    what: str,
    total: int | None,
    columns: "Sequence[ProgressColumn]",
    *,
    transient: bool = False,
    **fields: Any,
) -> Iterator[Callable[..., None]]:
    """A bar of rich's columns; gives a function that takes what ``rich.progress.Progress.update`` takes.

    fields: what the columns show besides, until it is updated.
    With ``transient`` it is gone at the end.
    """
    from rich.console import Console
    from rich.progress import Progress

    if _in_notebook():
        # Not started: rich's own updates in a notebook need ipywidgets, and IPython's displays nothing.
        bar = Progress(*columns, console=Console(file=io.StringIO(), force_jupyter=False))
        task = bar.add_task(what, total=total, **fields)
        display = _Display(bar)

        def update(**changes: Any) -> None:
            bar.update(task, **changes)
            display.draw()

        try:
            yield update
        finally:
            if transient:
                display.clear()
            else:
                display.draw(last=True)
    else:
        with Progress(*columns, console=Console(stderr=True), transient=transient) as bar:
            yield partial(bar.update, bar.add_task(what, total=total, **fields))


def _bar(what: str, total: int) -> Generator[None, int, None]:
    from rich.progress import BarColumn, DownloadColumn, TextColumn, TransferSpeedColumn

    done = yield
    name = TextColumn("{task.description}", markup=False)
    columns = (name, BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with open_bar(what, total or None, columns, transient=True) as update:
        while True:
            update(completed=done)
            done = yield


def _lines(what: str, total: int) -> Generator[None, int, None]:
    due = 0.0
    while True:
        done = yield
        if time.monotonic() >= due:
            due = time.monotonic() + _LOG_SECONDS
            _log.info("%s: %s of %s MB", what, f"{done / 1e6:,.0f}", f"{total / 1e6:,.0f}" if total else "?")


def _in_notebook() -> bool:
    """Whether a Jupyter kernel runs this: where one does, IPython is loaded."""
    ipython = sys.modules.get("IPython")
    return ipython is not None and hasattr(ipython.get_ipython(), "kernel")


class _Display:
    """Pictures of a bar in the cell that runs, each in the place of the one before."""

    def __init__(self, bar: "Progress") -> None:
        self._bar = bar
        self._handle: Any = None
        self._due = 0.0

    def draw(self, *, last: bool = False) -> None:
        if not last and time.monotonic() < self._due:
            return
        self._due = time.monotonic() + _DRAW_SECONDS
        picture = {"text/plain": self._as_text(), "text/html": self._as_html()}
        if self._handle is None:
            from IPython.display import display

            self._handle = display(picture, raw=True, display_id=True)  # type: ignore[no-untyped-call]
        else:
            self._handle.update(picture, raw=True)

    def clear(self) -> None:
        if self._handle is not None:
            self._handle.update({"text/plain": ""}, raw=True)

    def _as_text(self) -> str:
        from rich.console import Console

        console = Console(file=io.StringIO(), force_jupyter=False, color_system=None, width=_COLUMNS)
        with console.capture() as text:
            console.print(self._bar)
        return text.get().rstrip()

    def _as_html(self) -> str:
        from rich.console import Console
        from rich.theme import Theme

        console = Console(
            file=io.StringIO(),
            force_jupyter=False,
            color_system="truecolor",
            theme=Theme(_STYLES),
            width=_COLUMNS,
            record=True,
        )
        console.print(self._bar)
        return console.export_html(code_format=_HTML, inline_styles=True)
