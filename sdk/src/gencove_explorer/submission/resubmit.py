"""An analysis that was found in the store, run again: nothing is unpickled, its parts are taken as bytes.

What was changed since it was found is pickled here, as for a new one.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from explorer_runner.context import GlobalConfig
from explorer_runner.format.keys import SUCCEEDED
from explorer_runner.format.package_versions import packages_in
from explorer_runner.format.payload import DependencyRef
from gencove_explorer.capture.function_pickler import FunctionPickler
from gencove_explorer.capture.inputs import pickle_inputs
from gencove_explorer.capture.modules import JobModules
from gencove_explorer.errors import DependencyError, NoSuchAnalysis
from gencove_explorer.executors.base import Executor
from gencove_explorer.monitoring.inputs import check_whole
from gencove_explorer.monitoring.lookup import open_analysis
from gencove_explorer.monitoring.stored_analysis import StoredAnalysis
from gencove_explorer.packages import check_requirements, lock
from gencove_explorer.records.index import find
from gencove_explorer.records.states import JobStates
from gencove_explorer.session import Session
from gencove_explorer.submission.contents import PayloadContents, check_python, contents_from_store
from gencove_explorer.submission.request import UNCHANGED, AnalysisRequest


def reuse_contents(
    request: AnalysisRequest,
    inputs: Sequence[Any],
    config: GlobalConfig | None,
    array: bool,
    session: Session,
    executor: Executor,
) -> tuple[PayloadContents, list[str]]:
    """The contents and the requirements of one that was found. Raises ExplorerError.

    ``inputs`` are those to run or, of one that keeps its own, their rows; ``config`` is another than
    its own.
    """
    origin, folder = request.stored, session.settings.home / "tmp"
    assert origin is not None
    stored, keeps_input = origin.payload(), request.input is UNCHANGED
    if keeps_input:
        check_whole(origin, stored)
    rows = inputs if keeps_input else ()
    contents = contents_from_store(origin.store, stored, rows, folder, same_analysis=False)
    try:
        check_python(contents)
        requirements = origin.record.pip_packages
        if request.pip_packages != requirements:
            requirements = check_requirements(request.pip_packages)
            contents.lock = lock(requirements, session.settings.home, executor.platform)
        modules = JobModules(contents.lock)
        capture = FunctionPickler(modules)
        if config is not None:
            contents.global_config = capture.value(config, "global_config")
            contents.pickled_with |= packages_in(contents.global_config)
        if not keeps_input:
            contents.inputs = pickle_inputs(inputs, array, modules, folder)
            contents.pickled_with |= packages_in(contents.inputs.beginning)
        contents.buckets = capture.buckets | contents.inputs.buckets
    except BaseException:
        contents.inputs.discard()
        raise
    return contents, requirements


def recorded_dependencies(
    origin: StoredAnalysis, name: str, session: Session, executor: Executor
) -> Iterator[DependencyRef]:
    """The dependencies of one that was found. Raises DependencyError for what its jobs could not read."""
    store = session.store_of(executor)
    for ref in origin.record.depends_on:
        try:
            dependency = open_analysis(session, store, find(store, ref.id))
        except NoSuchAnalysis as error:
            raise DependencyError(
                f"{name} depends on {ref.name} ({ref.id}), which is not in the store {store.uri}, where its "
                "jobs would look for it: it was deleted, or ran elsewhere. Set another, depends_on = [...]"
            ) from error
        if executor.name != "foreground" and not dependency.whole:
            raise DependencyError(
                f"{ref.id}, on which {name} depends, ran one job of an array (run_local of one job): jobs "
                "would wait for the others. run() it, and set depends_on = [...]"
            )
        if executor.name == "foreground" and not _can_be_read(ref, observed := dependency.observe()):
            raise DependencyError(
                f"{ref.id}, which run_local needs, is {observed.state}: wait_done() or "
                "retry_failed() of it first"
            )
        yield ref


def _can_be_read(ref: DependencyRef, observed: JobStates) -> bool:
    """Whether a dependency is as far as a job needs it."""
    return observed.finished if ref.finished else observed.state == SUCCEEDED
