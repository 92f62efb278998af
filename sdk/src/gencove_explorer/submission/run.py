"""Running a chain of analyses: all of it is prepared first, then submitted, dependencies first."""

from collections.abc import Iterator, Sequence

from explorer_runner.format.keys import SUCCEEDED
from explorer_runner.format.payload import FINISHED, DependencyRef
from explorer_runner.stores.base import Store
from gencove_explorer.errors import DependencyError, InvalidArgument
from gencove_explorer.executors.base import Executor
from gencove_explorer.monitoring.stored_analysis import StoredAnalysis
from gencove_explorer.session import Session
from gencove_explorer.submission.commit import Submission, commit
from gencove_explorer.submission.prepare import prepare
from gencove_explorer.submission.request import AnalysisRequest
from gencove_explorer.utils.log import get_logger

_log = get_logger(__name__)

Prepared = list[tuple[AnalysisRequest, Submission]]


def submit(requests: Sequence[AnalysisRequest]) -> Iterator[tuple[AnalysisRequest, StoredAnalysis]]:
    """Submit the last request, and before it those of the others that are not in the store yet.

    ``requests`` are all that the last one depends on, dependencies first. Yields each as it is submitted.
    """
    session = Session()
    prepared = _prepare(requests, session, session.executor)
    try:
        for request, submission in prepared:
            yield request, commit(submission, session)
            if submission.found is not None:
                _log.info("%s: %s", request.name, submission.found.in_words)
    finally:
        for _, submission in prepared:
            submission.contents.inputs.discard()  # what was submitted has been taken


def run_here(
    requests: Sequence[AnalysisRequest], job_index: int | None, parallel: int, container: bool = False
) -> Iterator[tuple[AnalysisRequest, StoredAnalysis]]:
    """Run the last request in the foreground, and before it those of the others that have not succeeded.

    Yields each as it is submitted, before its jobs run.
    """
    if isinstance(parallel, bool) or not isinstance(parallel, int) or parallel < 1:
        raise InvalidArgument(f"parallel={parallel!r}: use a number of jobs, from 1")
    session = Session()
    executor = session.foreground
    if container:
        executor.use_containers()
    prepared = _prepare(requests, session, executor, only=job_index)
    try:
        for request, submission in prepared:
            stored = commit(submission, session)
            yield request, stored
            goes_on = submission.tolerated
            well = executor.run(stored.store, stored.rounds[-1], stored.record, parallel, goes_on=goes_on)
            if not well and not goes_on:
                stored.require_success()
    finally:
        for _, submission in prepared:
            submission.contents.inputs.discard()  # of those that a failure before them kept from running


def _prepare(
    requests: Sequence[AnalysisRequest], session: Session, executor: Executor, *, only: int | None = None
) -> Prepared:
    """Prepare all that has to be run for the last request (of itself ``only`` one job); writes nothing."""
    store, foreground = session.store_of(executor), executor.name == "foreground"
    tolerated = tolerated_among(requests)
    refs: dict[AnalysisRequest, DependencyRef] = {}
    prepared: Prepared = []
    try:
        for request in requests:
            is_target = request is requests[-1]
            needs_success = foreground and request not in tolerated
            run = None if is_target else _usable_run(request, store, foreground, needs_success, only)
            if run is not None:
                refs[request] = run.ref
                continue
            depends_on = [
                refs[dependency.request].of_kind(dependency.kind) for dependency in request.depends_on or ()
            ]
            planned = {submission.spec.id: submission for _, submission in prepared}
            submission = prepare(
                request,
                session,
                executor,
                depends_on,
                only=only if is_target else None,
                planned=planned,
                tolerated=request in tolerated,
            )
            refs[request] = submission.ref
            prepared.append((request, submission))
    except BaseException:
        for _, submission in prepared:
            submission.contents.inputs.discard()
        raise
    return prepared


def tolerated_among(requests: Sequence[AnalysisRequest]) -> set[AnalysisRequest]:
    """Those that others depend on, all of which wait for the end of their jobs alone."""
    kinds: dict[AnalysisRequest, set[str]] = {}
    for request in requests:
        for dependency in request.depends_on or ():
            kinds.setdefault(dependency.request, set()).add(dependency.kind)
    return {request for request, own in kinds.items() if own == {FINISHED}}


def _usable_run(
    dependency: AnalysisRequest, store: Store, foreground: bool, needs_success: bool, only: int | None
) -> StoredAnalysis | None:
    """The run of a dependency that jobs can read where they will run; None: it has to be run (again)."""
    runs = [dependency.last_run, dependency.last_trial if foreground else None]
    here = [run for run in runs if run is not None and run.store.uri == store.uri]
    # One job may be tried over what was tried of its dependency; all jobs read all of it.
    usable = [run for run in here if only is not None or run.whole]
    return next((run for run in usable if not foreground or _has_ended(run, needs_success)), None)


def _has_ended(stored: StoredAnalysis, needs_success: bool) -> bool:
    """Whether its results can be read; of one that failed, and needs to have succeeded, not."""
    observed = stored.observe()
    if not observed.finished:
        raise DependencyError(
            f"{stored.id}, which run_local needs, is {observed.state}: wait_done() first, or terminate_all()"
        )
    return observed.state == SUCCEEDED or not needs_success
