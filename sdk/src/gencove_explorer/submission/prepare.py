"""From a request to a Submission: everything checked and pickled, and nothing written yet.

All that one ``run()`` submits is prepared before the first byte of it is stored, so that an error in the last
analysis of a chain leaves nothing behind.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from explorer_runner.context import GlobalConfig
from explorer_runner.definition import JobDefinition
from explorer_runner.format.keys import SUCCEEDED
from explorer_runner.format.names import check_name, new_id
from explorer_runner.format.payload import DependencyRef, Spec
from explorer_runner.results import check_index
from gencove_explorer.capture.signature import check_function, returns_value, writes_outputs
from gencove_explorer.errors import DependencyError, NoSuchAnalysis, SubmissionError
from gencove_explorer.executors.base import Executor
from gencove_explorer.monitoring.lookup import open_analysis
from gencove_explorer.packages import check_requirements, lock, use_pinned
from gencove_explorer.records.index import find
from gencove_explorer.session import Session
from gencove_explorer.submission.array_input import inputs_of
from gencove_explorer.submission.commit import Submission, make_spec
from gencove_explorer.submission.contents import PayloadContents, pickle_contents
from gencove_explorer.submission.request import UNCHANGED, AnalysisRequest
from gencove_explorer.submission.resubmit import recorded_dependencies, reuse_contents
from gencove_explorer.submission.reuse.explain import explain_nothing
from gencove_explorer.submission.reuse.lookup import Found, Wanted, find_reusable
from gencove_explorer.submission.reuse.recipe import FILES, files_part, parts_of, shared_files
from gencove_explorer.utils.log import get_logger

_log = get_logger(__name__)

MAX_DEPENDENCIES = 20
"""AWS Batch's limit on the dependencies of a job."""


@dataclass
class _Jobs:
    """The jobs of a request: which there are, and which of them are to be run."""

    count: int
    array: bool
    indices: list[int] | None
    """The jobs to run; None: all."""
    inputs: Sequence[Any]
    """The inputs to run or, of a rerun that keeps its own, their positions."""


def prepare(
    request: AnalysisRequest,
    session: Session,
    executor: Executor,
    depends_on: Iterable[DependencyRef],
    *,
    only: int | None = None,
    analysis_id: str | None = None,
    project: str = "",
    planned: Mapping[str, Submission] | None = None,
    tolerated: bool = False,
) -> Submission:
    """Check and pickle one analysis. Raises SubmissionError or another ExplorerError.

    depends_on: what the dependencies of the request were, or will be, submitted as.
    only: the one job of it that is to be run; None: all.
    analysis_id: was chosen for it before.
    project: whose manifest it fulfils.
    planned: by id, those of its dependencies that were prepared and are not committed yet.
    tolerated: whether all that wait for it wait for the end of its jobs alone.
    """
    name = check_name(request.name)
    jobs = _jobs(request, only)
    if request.depends_on is None:
        assert request.stored is not None, "one that was made here says what it depends on"
        depends_on = recorded_dependencies(request.stored, name, session, executor)
    refs = _check_dependencies(depends_on, name, jobs, session, executor)
    requested = check_definition(request.job_definition)
    definition, image = executor.resolve_definition(requested), custom_image(requested, executor)
    labels = _check_labels(request.labels)
    if request.is_rerun:
        config = _check_config(request.global_config)
        contents, requirements = reuse_contents(request, jobs.inputs, config, jobs.array, session, executor)
    else:
        contents, requirements = _new_contents(request, jobs, image, session, executor)
    try:
        executor.check_buckets(contents.buckets)
    except BaseException:
        contents.inputs.discard()
        raise
    spec = make_spec(
        contents,
        id=analysis_id or new_id(name),
        name=name,
        jobs=jobs.count,
        array=jobs.array,
        indices=jobs.indices,
        job_definition=definition,
        depends_on=refs,
        pip_packages=requirements,
    )
    parts, found = parts_of(contents, spec), None
    if request.options.reuse:
        parts, found = _look_for_results(contents, spec, parts, session, executor, planned or {})
        if found.origins:
            spec = replace(spec, indices=found.to_run, all_inputs=True)
    return Submission(
        spec=spec,
        parts=parts,
        found=found,
        contents=contents,
        executor=executor,
        store=session.store_of(executor),
        image=requested.image if requested else None,
        options=request.options,
        tolerated=tolerated,
        labels=labels,
        project=project,
    )


def _look_for_results(
    contents: PayloadContents,
    spec: Spec,
    parts: dict[str, str],
    session: Session,
    executor: Executor,
    planned: Mapping[str, Submission],
) -> tuple[dict[str, str], Found]:
    """The parts with what shared files hold, and what need not run."""
    inputs, shared = contents.inputs, shared_files(contents)
    named = frozenset().union(*inputs.addresses.values())
    versions = session.file_versions.of(named | shared)
    texts = {address: version.version for address, version in versions.items()}
    if named:
        inputs.resolve_files(texts)
    wanted = Wanted(
        parts={**parts, FILES: files_part(shared, texts) if shared else ""},
        depends_on=spec.depends_on,
        named=inputs.identities,
        content=inputs.content_identities,
        addresses=inputs.addresses,
        shared_files=shared,
        versions=versions,
    )
    store = session.store_of(executor)
    found = find_reusable(store, wanted, {id: submission.reused for id, submission in planned.items()})
    if not found.rounds:
        found.note = explain_nothing(store, spec.name, parts)
    return dict(wanted.parts), found


def _jobs(request: AnalysisRequest, only: int | None) -> _Jobs:
    inputs: Sequence[Any]
    if request.is_rerun and request.input is UNCHANGED:
        assert request.stored is not None
        inputs, array = range(request.stored.record.jobs), request.stored.record.array
    else:
        inputs, array = inputs_of(request.unpickled_input())
    if only is None:
        return _Jobs(len(inputs), array, None, inputs)
    index = check_index(only, len(inputs), request.name)
    return _Jobs(len(inputs), array, [index], [inputs[index]])


def _new_contents(
    request: AnalysisRequest, jobs: _Jobs, image: str | None, session: Session, executor: Executor
) -> tuple[PayloadContents, list[str]]:
    """The contents and the requirements of an analysis whose function is here."""
    check_function(request.function, request.name)
    assert request.function is not None
    _warn_of_no_output(request.function, request.name, jobs.array)
    requirements = check_requirements(request.pip_packages)
    config = _check_config(request.unpickled_config()) or GlobalConfig()
    home, platform = session.settings.home, executor.platform
    if request.lock is None:
        locked = lock(requirements, home, platform)
    else:
        locked = use_pinned(request.lock, home, session.store, platform)
    contents = pickle_contents(
        request.function, jobs.inputs, jobs.array, config, locked, home / "tmp", image=image
    )
    return contents, requirements


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


def _check_dependencies(
    refs: Iterable[DependencyRef], name: str, jobs: _Jobs, session: Session, executor: Executor
) -> list[DependencyRef]:
    by_name: dict[str, DependencyRef] = {}
    for ref in refs:
        other = by_name.setdefault(ref.name, ref)
        if other != ref:
            raise DependencyError(
                f"{name} depends on two analyses called {ref.name!r}: give one of them another "
                "name=, so that ac.dependency(name) says which"
                if other.id != ref.id
                else f"{name} depends on {ref.name!r} in two ways ({other.kind} and {ref.kind}): use "
                "one of them"
            )
        if ref.each and not (jobs.array and ref.array and ref.jobs == jobs.count):
            own, upstream = _describe_jobs(jobs.count, jobs.array), _describe_jobs(ref.jobs, ref.array)
            raise DependencyError(
                f"each({ref.name}) needs two arrays of one size, but {name} has {own}, "
                f"{ref.name} has {upstream}"
            )
    if len(by_name) > MAX_DEPENDENCIES:
        unfinished = [ref for ref in by_name.values() if not _has_succeeded(ref, session, executor)]
        if len(unfinished) > MAX_DEPENDENCIES:
            raise DependencyError(
                f"{name} depends on {len(unfinished)} analyses that have not succeeded yet, "
                f"AWS Batch allows {MAX_DEPENDENCIES}: put an analysis that gathers some of them in between"
            )
    return list(by_name.values())


def _has_succeeded(ref: DependencyRef, session: Session, executor: Executor) -> bool:
    store = session.store_of(executor)
    try:
        return open_analysis(session, store, find(store, ref.id)).observe().state == SUCCEEDED
    except NoSuchAnalysis:
        return False  # it is about to be submitted


def _describe_jobs(jobs: int, array: bool) -> str:
    return f"an array of {jobs}" if array else "a single job"


def check_definition(definition: object) -> JobDefinition | None:
    """Return a job definition, or None, or raise SubmissionError."""
    if definition is not None and not isinstance(definition, JobDefinition):
        raise SubmissionError(f"job_definition={definition!r}: use JobDefinition(cpu=1, memory_mb=4000)")
    return definition


def custom_image(requested: JobDefinition | None, executor: Executor) -> str | None:
    """The user's own image that jobs will run in, with packages unknown here; None: the usual one."""
    image = requested.image if requested else None
    if image is not None and executor.platform is None:
        _log.warning("the image %s is not used on this machine: run_local(container=True) does", image)
        return None
    return image


def _check_config(config: object) -> GlobalConfig | None:
    if config is not None and not isinstance(config, GlobalConfig):
        raise SubmissionError(f"global_config={config!r}: use GlobalConfig(name=value, ...)")
    return config


def _check_labels(labels: object) -> dict[str, str]:
    if labels is None:
        return {}
    if not isinstance(labels, dict) or not all(
        isinstance(text, str) for pair in labels.items() for text in pair
    ):
        raise SubmissionError(f"labels={labels!r}: use a dictionary of strings")
    return dict(labels)
