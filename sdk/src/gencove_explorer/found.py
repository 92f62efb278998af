"""What an analysis that was found was made of: to look at, and to run again.

To be run again nothing is unpickled: its parts are taken as bytes, but for those that were changed here.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from explorer_runner import unpickling
from explorer_runner.context import GlobalConfig
from explorer_runner.errors import PayloadError, PythonMismatch
from explorer_runner.keys import SUCCEEDED
from explorer_runner.payload import DependencyRef, Payload, python_minor
from explorer_runner.versions import find_lack, packages_in
from gencove_explorer.backend import Backend
from gencove_explorer.capture import Capture
from gencove_explorer.errors import DependencyError, NoSuchAnalysis, SubmissionError
from gencove_explorer.executors import Executor
from gencove_explorer.inputs import pickle_inputs
from gencove_explorer.modules import Modules
from gencove_explorer.packages import check_requirements, lock
from gencove_explorer.stored import StoredAnalysis, find
from gencove_explorer.submission import Parts, check_python, stored_parts

if TYPE_CHECKING:
    from gencove_explorer.analysis import Analysis


def stored_input(stored: StoredAnalysis) -> Any:
    """What an analysis was submitted with, as ``input=`` takes it. Raises PayloadError."""
    loaded = _open(stored)
    _check_whole(stored, loaded)
    raw = loaded.read_inputs(stored.store, range(stored.record.jobs))
    packages = loaded.spec.pickled_with
    found = [_unpickle(each, stored, f"input of job {index}", packages) for index, each in enumerate(raw)]
    # A single job's list was given as a list of one: by itself it would mean an array.
    return found if stored.record.array or isinstance(found[0], list) else found[0]


def stored_config(stored: StoredAnalysis) -> GlobalConfig:
    """What an analysis was submitted with. Raises PayloadError."""
    loaded = _open(stored)
    config: GlobalConfig = _unpickle(loaded.global_config, stored, "global config", loaded.spec.pickled_with)
    return config


def parts_again(
    analysis: "Analysis",
    chosen: Sequence[Any],
    config: GlobalConfig | None,
    array: bool,
    backend: Backend,
    executor: Executor,
) -> tuple[Parts, list[str]]:
    """The parts and the requirements of one that was found. Raises ExplorerError.

    ``chosen`` are the inputs to run or, of one that keeps its own, their positions; ``config`` is another
    than its own.
    """
    origin, folder = analysis._found_as(), backend.settings.home / "tmp"
    loaded, same = origin.payload(), analysis._keeps("input")
    if same:
        _check_whole(origin, loaded)
    parts = stored_parts(origin.store, loaded, chosen if same else (), folder, same_analysis=False)
    try:
        check_python(parts)
        requirements = origin.record.pip_packages
        if analysis.pip_packages != requirements:
            requirements = check_requirements(analysis.pip_packages)
            parts.lock = lock(requirements, backend.settings.home, executor.platform)
        modules = Modules(parts.lock)
        capture = Capture(modules)
        if config is not None:
            parts.global_config = capture.value(config, "global_config")
            parts.pickled_with |= packages_in(parts.global_config)
        if not same:
            parts.inputs = pickle_inputs(chosen, array, modules, folder)
            parts.pickled_with |= packages_in(parts.inputs.beginning)
        parts.buckets = capture.buckets | parts.inputs.buckets
    except BaseException:
        parts.inputs.discard()
        raise
    return parts, requirements


def recorded(
    origin: StoredAnalysis, name: str, backend: Backend, executor: Executor
) -> Iterator[DependencyRef]:
    """The dependencies of one that was found. Raises DependencyError for what its jobs could not read."""
    store = backend.store_of(executor)
    for ref in origin.record.depends_on:
        try:
            found = backend.open(store, find(store, ref.id))
        except NoSuchAnalysis as error:
            raise DependencyError(
                f"{name} depends on {ref.name} ({ref.id}), which is not in the store {store.uri}, where its "
                "jobs would look for it: it was deleted, or ran elsewhere. Set another, depends_on = [...]"
            ) from error
        if executor.name != "foreground" and not found.whole:
            raise DependencyError(
                f"{ref.id}, on which {name} depends, ran one job of an array (run_local of one job): jobs "
                "would wait for the others. run() it, and set depends_on = [...]"
            )
        if executor.name == "foreground" and (state := found.observe().state) != SUCCEEDED:
            raise DependencyError(
                f"{ref.id}, which run_local needs, is {state}: wait_done() or retry_failed() of it first"
            )
        yield ref


def dependency_of(stored: StoredAnalysis, ref: DependencyRef) -> StoredAnalysis:
    """What an analysis depends on lies in its store. Raises NoSuchAnalysis."""
    try:
        record = find(stored.store, ref.id)
    except NoSuchAnalysis as error:
        raise NoSuchAnalysis(
            f"{ref.name} ({ref.id}), on which {stored.id} depends, is not there any more: it was deleted"
        ) from error
    return replace(stored, record=record, _rounds={})


def _open(stored: StoredAnalysis) -> Payload:
    """The payload, of which a part is about to be unpickled."""
    loaded = stored.payload()
    if loaded.spec.python != python_minor():
        raise PythonMismatch(
            f"{stored.id} was submitted from Python {loaded.spec.python}, and only that can read what it was "
            f"given; this is Python {python_minor()}"
        )
    return loaded


def _unpickle(raw: bytes, stored: StoredAnalysis, what: str, pickled_with: Mapping[str, str]) -> Any:
    try:
        return unpickling.loads(raw)
    except Exception as error:
        lack = find_lack(error, pickled_with)
        why = f"it {lack.explain('this Python')}: {lack.advise()}" if lack else repr(error)
        raise PayloadError(
            f"the {what} of {stored.id} cannot be read here, though its jobs may: {why}"
        ) from error


def _check_whole(stored: StoredAnalysis, loaded: Payload) -> None:
    if loaded.spec.indices is not None and len(loaded.spec.indices) < loaded.spec.jobs:
        raise SubmissionError(
            f"{stored.id} holds the input of job {loaded.spec.indices[0]} alone (run_local of one job): "
            "take the analysis that it was made from"
        )
