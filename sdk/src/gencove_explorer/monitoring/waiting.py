"""Waiting for jobs: polls that grow rarer, a bar for people, and never a hand on the jobs."""

import random
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager

from explorer_runner.format.keys import SUCCEEDED
from explorer_runner.results import JobOutput
from gencove_explorer.errors import InvalidArgument, WaitTimeout
from gencove_explorer.monitoring.stored_analysis import StoredAnalysis
from gencove_explorer.records.states import FINISHED, RUNNING, JobStates
from gencove_explorer.utils.log import get_logger
from gencove_explorer.utils.progress import is_watched, open_bar

_SHOW_AFTER_SECONDS = 0.5
_LOG_SECONDS = (5.0, 60.0)
"""Between two lines in a log: at first, and at most; each pause is twice the last one."""

_log = get_logger(__name__)


def wait(
    stored: StoredAnalysis, until: Callable[[JobStates], bool], timeout: float | None = None
) -> JobStates:
    """Poll until ``until`` holds; returns what was seen then.

    Polls begin close together, so that a short job is seen at once, and grow rarer by the length of
    the wait and the cost of a look. Raises WaitTimeout; an interrupt only ends the waiting.
    """
    if timeout is not None and (isinstance(timeout, bool | str) or not timeout >= 0):
        raise InvalidArgument(f"timeout={timeout!r}: use a number of seconds, from 0")
    begin = time.monotonic()
    shortest, longest = stored.executor.poll_seconds
    with _show(stored) as show:
        while True:
            spent = time.process_time()
            observed = stored.observe()
            # Looking must stay below a fortieth of a core.
            costs = 40 * (time.process_time() - spent)
            if until(observed):
                show(observed)
                if observed.finished:
                    stored.clean_up()
                return observed
            now = time.monotonic()
            if timeout is not None and now - begin >= timeout:
                raise WaitTimeout(f"{stored.id} is {observed.state} after {timeout:g} s; its jobs go on")
            if now - begin > _SHOW_AFTER_SECONDS:
                show(observed)
            pause = max(shortest, (now - begin) / 10, costs) * random.uniform(0.8, 1.2)
            left = timeout - (now - begin) if timeout is not None else longest
            time.sleep(min(pause, longest, max(0.0, left)))


@contextmanager
def leaving_jobs_alone(stored: StoredAnalysis) -> Iterator[None]:
    """An interrupt ends the waiting, not the jobs; this says so, and how to come back."""
    try:
        yield
    except KeyboardInterrupt:
        _log.warning(
            "no longer waiting; the jobs go on. To come back, from anywhere: "
            "JobManager().get_analysis(job_id=%r).wait_done()",
            stored.id,
        )
        raise


def has_begun(observed: JobStates) -> bool:
    """Whether a job runs, or all have ended."""
    return observed.finished or RUNNING in observed.counts or any(s in observed.counts for s in FINISHED)


def outputs_as_they_finish(stored: StoredAnalysis) -> Iterator[JobOutput]:
    """The outputs of jobs that succeed, as they do; at the end JobFailed if any did not."""
    given: set[int] = set()
    while True:
        observed = wait(stored, lambda now: now.finished or bool(set(now.indices(SUCCEEDED)) - given))
        fresh = [index for index in observed.indices(SUCCEEDED) if index not in given]
        given.update(fresh)
        yield from stored.results.read([observed.outcomes[index] for index in fresh])
        if observed.finished:
            stored.require_success(observed)
            return


@contextmanager
def _show(stored: StoredAnalysis) -> Iterator[Callable[[JobStates], None]]:
    """A function that shows progress: a bar for people, a line now and then in a log."""
    if not is_watched():
        yield _log_lines(stored)
        return
    update: Callable[..., None] | None = None
    with ExitStack() as bar:

        def show(observed: JobStates) -> None:
            nonlocal update
            if update is None:
                if observed.finished:
                    return  # it took no time: nothing to show
                update = bar.enter_context(_open_bar(stored, observed))
            done = sum(count for state, count in observed.counts.items() if state in FINISHED)
            update(completed=done, states=observed.in_words)

        yield show


def _open_bar(stored: StoredAnalysis, observed: JobStates) -> AbstractContextManager[Callable[..., None]]:
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[states]}", markup=False),
    )
    return open_bar(stored.record.name, observed.submitted, columns, states="")


def _log_lines(stored: StoredAnalysis) -> Callable[[JobStates], None]:
    pause, longest = _LOG_SECONDS
    due = time.monotonic() + pause

    def show(observed: JobStates) -> None:
        nonlocal pause, due
        if not observed.finished and time.monotonic() >= due:
            pause = min(2 * pause, longest)
            due = time.monotonic() + pause
            _log.info("%s: %s", stored.id, observed.in_words)

    return show
