"""From Analysis objects to drafts: the order of dependencies, and everything pickled and checked.

Nothing is written here. All that one ``run()`` submits is prepared before the first byte of it is
stored, so that an error in the last analysis of a chain leaves nothing behind.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from explorer_runner.context import GlobalConfig
from explorer_runner.definition import JobDefinition
from explorer_runner.format.keys import SUCCEEDED
from explorer_runner.format.names import check_name, derive_name, new_id
from explorer_runner.format.payload import DependencyRef
from explorer_runner.results import check_index
from gencove_explorer.capture.signature import check_function, function_name, returns_value, writes_outputs
from gencove_explorer.errors import DependencyError, SubmissionError
from gencove_explorer.executors.base import Executor
from gencove_explorer.packages import check_requirements, lock, use_pinned
from gencove_explorer.session import Backend, Draft
from gencove_explorer.submission.commit import pickle_parts
from gencove_explorer.submission.resubmit import parts_again, recorded
from gencove_explorer.utils.log import get_logger

if TYPE_CHECKING:
    from gencove_explorer.analysis import Analysis

_log = get_logger(__name__)

MAX_DEPENDENCIES = 20
"""AWS Batch's limit on the dependencies of a job."""


class Each:
    """A dependency job by job; made by ``each``."""

    def __init__(self, analysis: "Analysis") -> None:
        self.analysis = analysis

    def __repr__(self) -> str:
        return f"each({self.analysis!r})"


def in_order(target: "Analysis") -> list["Analysis"]:
    """``target`` and all that it depends on, dependencies first, each once.

    Raises DependencyError for a cycle, or for something that is not an analysis.
    """
    order: list[Analysis] = []
    path: list[Analysis] = []

    def visit(analysis: "Analysis") -> None:
        if any(each is analysis for each in path):
            names = " -> ".join(each.name for each in [*path, analysis])
            raise DependencyError(f"the dependencies go in a circle: {names}")
        if any(each is analysis for each in order):
            return
        path.append(analysis)
        for dependency, _ in dependencies(analysis):
            visit(dependency)
        path.pop()
        order.append(analysis)

    visit(target)
    return order


def dependencies(analysis: "Analysis") -> Iterable[tuple["Analysis", bool]]:
    """``(analysis, each)`` for each dependency. Raises DependencyError."""
    from gencove_explorer.analysis import Analysis

    if analysis._keeps("depends_on"):
        return  # its record names them
    given = analysis.depends_on
    if given is None:
        return
    if isinstance(given, Analysis | Each) or not isinstance(given, Iterable):
        raise DependencyError(f"depends_on of {analysis.name} is {given!r}: use a list, depends_on=[...]")
    for entry in given:
        found = entry.analysis if isinstance(entry, Each) else entry
        if not isinstance(found, Analysis):
            raise DependencyError(f"depends_on of {analysis.name} holds {entry!r}, which is not an Analysis")
        yield found, isinstance(entry, Each)


def prepare(
    analysis: "Analysis",
    backend: Backend,
    executor: Executor,
    refs: Callable[["Analysis"], DependencyRef],
    only: int | None = None,
    analysis_id: str | None = None,
) -> Draft:
    """Check and pickle one analysis; ``refs`` names what its dependencies were, or will be, submitted as.

    ``only`` is the one job of it that is to be run; None: all. ``analysis_id`` was chosen for it before.
    """
    name = name_of(analysis)
    inputs, array = analysis._inputs_to_submit()
    jobs = len(inputs)
    refs_of = (
        recorded(analysis._found_as(), name, backend, executor)
        if analysis._keeps("depends_on")
        else _given(analysis, refs)
    )
    depends_on = _check_refs(analysis, refs_of, jobs, array)
    indices = None if only is None else [check_index(only, jobs, name)]
    chosen = inputs if indices is None else [inputs[index] for index in indices]
    asked = check_definition(analysis.job_definition)
    definition, image = executor.fit(asked), own_image(asked, executor)
    labels = _labels(analysis.labels)
    if analysis.function is None and analysis._origin is not None:
        config = None if analysis._keeps("global_config") else _config(analysis.global_config)
        parts, requirements = parts_again(analysis, chosen, config, array, backend, executor)
    else:
        check_function(analysis.function, name)
        assert analysis.function is not None
        _warn_of_no_output(analysis.function, name, array)
        requirements = check_requirements(analysis.pip_packages)
        config = _config(analysis.global_config)
        home, platform = backend.settings.home, executor.platform
        if analysis._lock is None:
            locked = lock(requirements, home, platform)
        else:
            locked = use_pinned(analysis._lock, home, backend.store, platform)
        parts = pickle_parts(analysis.function, chosen, array, config, locked, home / "tmp", image=image)
    try:
        executor.admit(parts.buckets)
    except BaseException:
        parts.inputs.discard()
        raise
    return Draft(
        id=analysis_id or new_id(name),
        name=name,
        parts=parts,
        jobs=jobs,
        array=array,
        indices=indices,
        definition=definition,
        image=asked.image if asked else None,
        depends_on=depends_on,
        pip_packages=requirements,
        labels=labels,
    )


def _warn_of_no_output(function: Callable[..., object], name: str, array: bool) -> None:
    if writes_outputs(function):
        return
    if returns_value(function):
        _log.warning(
            '%s returns a value, which is not kept: inside it, keep it with ac.output.value("key", ...)',
            name,
        )
    elif array:
        _log.warning("%s keeps no output: nothing will come back of it but what it prints", name)


def ref_of_draft(draft: Draft, each: bool = False) -> DependencyRef:
    return DependencyRef(name=draft.name, id=draft.id, each=each, array=draft.array, jobs=draft.jobs)


def name_of(analysis: "Analysis") -> str:
    """The analysis's name, as given (checked) or derived from its function."""
    if analysis._name is not None:
        return check_name(analysis._name)
    function = analysis.function
    if function is None:
        if analysis._stored is not None:
            return analysis._stored.record.name
        return "analysis"
    return derive_name(function_name(function))


def _given(analysis: "Analysis", refs: Callable[["Analysis"], DependencyRef]) -> Iterator[DependencyRef]:
    for dependency, each in dependencies(analysis):
        yield replace(refs(dependency), each=each)


def _check_refs(
    analysis: "Analysis", refs: Iterable[DependencyRef], jobs: int, array: bool
) -> list[DependencyRef]:
    found: dict[str, DependencyRef] = {}
    for ref in refs:
        if found.get(ref.name, ref) != ref:
            raise DependencyError(
                f"{analysis.name} depends on two analyses called {ref.name!r}: give one of them another "
                "name=, so that ac.dependency(name) says which"
                if found[ref.name].id != ref.id
                else f"{analysis.name} depends on {ref.name!r} as a whole and with each(): use one of the two"
            )
        if ref.each and not (array and ref.array and ref.jobs == jobs):
            own, other = _jobs(jobs, array), _jobs(ref.jobs, ref.array)
            raise DependencyError(
                f"each({ref.name}) needs two arrays of one size, but {analysis.name} has {own}, "
                f"{ref.name} has {other}"
            )
        found[ref.name] = ref
    if len(found) > MAX_DEPENDENCIES:
        given = {id(each): each for each, _ in dependencies(analysis)}
        unfinished = [each for each in given.values() if not _succeeded(each)]
        if len(unfinished) > MAX_DEPENDENCIES:
            raise DependencyError(
                f"{analysis.name} depends on {len(unfinished)} analyses that have not succeeded yet, "
                f"AWS Batch allows {MAX_DEPENDENCIES}: put an analysis that gathers some of them in between"
            )
    return list(found.values())


def _succeeded(analysis: "Analysis") -> bool:
    return analysis._stored is not None and analysis._stored.observe().state == SUCCEEDED


def _jobs(jobs: int, array: bool) -> str:
    return f"an array of {jobs}" if array else "a single job"


def check_definition(definition: object) -> JobDefinition | None:
    """Return a job definition, or None, or raise SubmissionError."""
    if definition is not None and not isinstance(definition, JobDefinition):
        raise SubmissionError(f"job_definition={definition!r}: use JobDefinition(cpu=1, memory_mb=4000)")
    return definition


def own_image(asked: JobDefinition | None, executor: Executor) -> str | None:
    """The user's own image that jobs will run in, with packages unknown here; None: the usual one."""
    image = asked.image if asked else None
    if image is not None and executor.platform is None:
        _log.warning("the image %s is not used on this machine: run_local(container=True) does", image)
        return None
    return image


def _config(config: object) -> GlobalConfig:
    if config is None:
        return GlobalConfig()
    if not isinstance(config, GlobalConfig):
        raise SubmissionError(f"global_config={config!r}: use GlobalConfig(name=value, ...)")
    return config


def _labels(labels: object) -> dict[str, str]:
    if labels is None:
        return {}
    if not isinstance(labels, dict) or not all(
        isinstance(each, str) for pair in labels.items() for each in pair
    ):
        raise SubmissionError(f"labels={labels!r}: use a dictionary of strings")
    return dict(labels)
