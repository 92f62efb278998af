"""Running analyses: submission of a whole chain, the run in the foreground, and ending jobs."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from explorer_runner.keys import SUCCEEDED
from explorer_runner.payload import DependencyRef
from explorer_runner.stores import Store
from gencove_explorer.backend import Backend, Draft
from gencove_explorer.drafts import in_order, prepare, ref_of_draft
from gencove_explorer.errors import DependencyError
from gencove_explorer.executors import Executor
from gencove_explorer.log import get_logger
from gencove_explorer.stored import StoredAnalysis, by_executor
from gencove_explorer.submission import user_name

if TYPE_CHECKING:
    from gencove_explorer.analysis import Analysis

_log = get_logger(__name__)


def submit(target: "Analysis") -> list["Analysis"]:
    """Submit ``target`` and those of its dependencies that are not in the store yet.

    Returns what was submitted, dependencies first.
    """
    backend = Backend()
    drafts = _prepare(target, backend, backend.executor)
    try:
        for analysis, draft in drafts:
            analysis._stored = backend.submit(draft)
    finally:
        for _, draft in drafts:
            draft.parts.inputs.discard()  # what was submitted has been taken
    return [analysis for analysis, _ in drafts]


def run_here(target: "Analysis", job_index: int | None, parallel: int, container: bool = False) -> None:
    """Run ``target`` in the foreground, and before it those dependencies that have not succeeded."""
    from gencove_explorer.foreground import ForegroundExecutor

    if isinstance(parallel, bool) or not isinstance(parallel, int) or parallel < 1:
        raise ValueError(f"parallel={parallel!r}: use a number of jobs, from 1")
    backend = Backend()
    here = backend.executor_named(ForegroundExecutor.name)
    assert isinstance(here, ForegroundExecutor)
    if container:
        here.use_containers()
    drafts = _prepare(target, backend, here, only=job_index)
    try:
        for analysis, draft in drafts:
            stored = backend.submit_foreground(draft)
            if analysis._ran_here(stored):
                _log.info("Analysis ID: %s", stored.id)
            here.run(stored, parallel)
    finally:
        for _, draft in drafts:
            draft.parts.inputs.discard()  # of those that a failure before them kept from running


def terminate(stored: StoredAnalysis, indices: Sequence[int] | None) -> None:
    """End jobs that have not ended (None: all)."""
    observed = stored.observe()
    open_jobs = observed.unfinished
    wanted = open_jobs if indices is None else [index for index in indices if index in set(open_jobs)]
    rounds = stored.rounds
    by_name = by_executor(rounds, wanted)
    for name, jobs in by_name.items():
        asked = None if indices is None and len(by_name) == 1 else jobs
        executor = stored.executor_named(name)
        executor.terminate(stored.store, rounds, asked, f"Terminated by {user_name()}")


def _prepare(
    target: "Analysis", backend: Backend, executor: Executor, *, only: int | None = None
) -> list[tuple["Analysis", Draft]]:
    """Prepare all that has to be run for ``target`` (of itself ``only`` one job); nothing is written."""
    foreground = executor is not backend.executor
    store = backend.local_store if foreground else backend.store
    drafts: dict[int, Draft] = {}
    serving: dict[int, StoredAnalysis] = {}
    prepared: list[tuple[Analysis, Draft]] = []

    def ref(analysis: "Analysis") -> DependencyRef:
        if id(analysis) in drafts:
            return ref_of_draft(drafts[id(analysis)])
        record = serving[id(analysis)].record
        return DependencyRef(name=record.name, id=record.id, array=record.array, jobs=record.jobs)

    try:
        for analysis in in_order(target):
            run = None if analysis is target else _serving(analysis, store, foreground, only)
            if run is not None:
                serving[id(analysis)] = run
                continue
            job = only if analysis is target else None
            drafts[id(analysis)] = prepare(analysis, backend, executor, ref, job)
            prepared.append((analysis, drafts[id(analysis)]))
    except BaseException:
        for _, draft in prepared:
            draft.parts.inputs.discard()
        raise
    return prepared


def _serving(
    dependency: "Analysis", store: Store, foreground: bool, only: int | None
) -> StoredAnalysis | None:
    """The run of a dependency that jobs can read where they will run; None: it has to be run (again)."""
    runs = [dependency._stored, dependency._tried if foreground else None]
    here = [run for run in runs if run is not None and run.store.uri == store.uri]
    # One job may be tried over what was tried of its dependency; all jobs read all of it.
    usable = [run for run in here if only is not None or run.whole]
    return next((run for run in usable if not foreground or _has_succeeded(run)), None)


def _has_succeeded(stored: StoredAnalysis) -> bool:
    observed = stored.observe()
    if not observed.finished:
        raise DependencyError(
            f"{stored.id}, which run_local needs, is {observed.state}: wait_done() first, or terminate_all()"
        )
    return observed.state == SUCCEEDED
