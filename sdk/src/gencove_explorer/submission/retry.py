"""Running failed jobs again, under the same id, as a further round."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from explorer_runner.definition import JobDefinition
from explorer_runner.errors import AlreadyExists, NotFinished
from explorer_runner.format.keys import FAILED, SUCCEEDED
from explorer_runner.format.package_versions import packages_in
from explorer_runner.format.payload import Payload
from gencove_explorer.capture.function_pickler import FunctionPickler
from gencove_explorer.capture.modules import JobModules
from gencove_explorer.capture.signature import check_function, source_of
from gencove_explorer.errors import DependencyError, NoSuchAnalysis
from gencove_explorer.monitoring.lookup import open_analysis
from gencove_explorer.monitoring.stored_analysis import StoredAnalysis
from gencove_explorer.records.closed import Closed, write_closed
from gencove_explorer.records.index import find
from gencove_explorer.records.round import RoundRecord
from gencove_explorer.records.states import JobStates
from gencove_explorer.session import Session
from gencove_explorer.submission.commit import Submission, make_spec, write_round
from gencove_explorer.submission.contents import PayloadContents, check_python, contents_from_store
from gencove_explorer.submission.prepare import check_definition, custom_image
from gencove_explorer.submission.request import RunOptions
from gencove_explorer.submission.reuse.recipe import parts_of
from gencove_explorer.utils.log import get_logger

_log = get_logger(__name__)


Function = Callable[[Any], Any]


def retry_failed(
    stored: StoredAnalysis,
    definition: JobDefinition | None,
    function: Function | None,
    session: Session | None = None,
) -> int:
    """Submit the failed jobs again, those of dependencies first; returns how many of its own.

    A definition or function is used for all of them, or an error, a warning or a log line says for which
    jobs it was not. Raises NotFinished or AlreadyExists.
    """
    check_definition(definition)
    if function is not None:
        check_function(function, stored.record.name)
    given = _in_words(definition, function)
    session = session or Session()
    rounds = stored.rounds  # before the states: of what somebody else adds from here on, we want the number
    observed = stored.observe()
    failed = observed.indices(FAILED)
    if not failed:
        return _say_nothing_failed(stored, observed, given)
    for dependency in _dependencies(stored, session):
        retry_failed(dependency, None, None, session)
    retry = _Retry(stored, session, observed, definition, function)
    done = 0
    for number, (record, indices) in enumerate(rounds.by_round(failed), rounds[-1].round + 1):
        if not retry.submit(number, record, indices):
            break
        done += len(indices)
    if done:
        _log.info("%s: running %s again", stored.id, _jobs(done, "failed "))
    if given and observed.unfinished:
        others = _jobs(len(observed.unfinished))
        _log.info("%s: %s had not ended, and the %s is not used for those", stored.id, others, given)
    if done < len(failed):
        _say_taken(stored, len(failed) - done, given)
    return done


class _Retry:
    """Submits failed jobs as further rounds."""

    def __init__(
        self,
        stored: StoredAnalysis,
        session: Session,
        observed: JobStates,
        definition: JobDefinition | None,
        function: Function | None,
    ) -> None:
        self._stored, self._session, self._observed = stored, session, observed
        self._definition, self._function = definition, function
        self._executor = session.executor_of(stored.store)

    def submit(self, number: int, record: RoundRecord, indices: list[int]) -> bool:
        """Submit jobs of a round as round ``number``; False if somebody else has just written that."""
        stored, executor = self._stored, self._executor
        requested = self._definition or _requested_definition(stored, record)
        definition, image = executor.resolve_definition(requested), custom_image(requested, executor)
        contents = self._contents(record, indices, image)
        spec = make_spec(
            contents,
            id=stored.id,
            name=stored.record.name,
            jobs=stored.record.jobs,
            array=stored.record.array,
            indices=indices,
            job_definition=definition,
            depends_on=stored.record.depends_on,
            pip_packages=stored.record.pip_packages,
            round=number,
        )
        submission = Submission(
            spec=spec,
            parts=parts_of(contents, spec),
            contents=contents,
            executor=executor,
            store=stored.store,
            image=requested.image,
            tolerated=record.tolerated,
            options=RunOptions(max_failures=record.max_failures, parallel=record.parallel),
            canary=self._canary(record),
        )
        self._close_missing(record, indices)
        try:
            new = write_round(submission, self._session)
        except AlreadyExists:
            return False
        finally:
            contents.inputs.discard()
        executor.submit(stored.store, new, stored.record)
        return True

    def _canary(self, record: RoundRecord) -> list[int]:
        """What the jobs of a round still wait for: those of its canary that are run again, too."""
        return [index for index in record.canary if self._observed.states[index] != SUCCEEDED]

    def _contents(self, record: RoundRecord, indices: list[int], image: str | None) -> PayloadContents:
        loaded = self._stored.payload(record.round)
        contents = _contents_of(self._stored, self._session, record, loaded, indices)
        if self._function is not None:
            contents.source, contents.facts = source_of(self._function)
            capture = FunctionPickler(JobModules(loaded.lock), imports=image is None)
            with capture.pickling_by_value(self._function):
                contents.function = capture.function(self._function)
            contents.pickled_with |= packages_in(contents.function)
        return contents

    def _close_missing(self, record: RoundRecord, indices: list[int]) -> None:
        """First of all, so that a process that still submits the old round sees it, and stops."""
        missing = sorted(set(indices).intersection(self._observed.unsubmitted))
        if missing:
            reason = self._observed.reason or "never submitted"
            write_closed(self._stored.store, self._stored.id, record.round, Closed.of({reason: missing}))


def _say_nothing_failed(stored: StoredAnalysis, observed: JobStates, given: str) -> int:
    """Returns 0, the number of jobs that run again. Raises NotFinished if ``given`` may yet be wanted."""
    if given and observed.unfinished:
        raise NotFinished(
            f"{stored.id}: no job has failed, and {len(observed.unfinished):,} of {observed.submitted:,} "
            f"have not ended: the {given} is used for none of them. wait_done(), then retry_failed() with it "
            "again; terminate_all() before, if they need not go on"
        )
    if given:
        _log.warning("%s: no job has failed, so the %s is not used: set it and run()", stored.id, given)
    return 0


def _say_taken(stored: StoredAnalysis, jobs: int, given: str) -> None:
    """Raises AlreadyExists if somebody else runs failed jobs again without what was ``given``."""
    taken = f"{stored.id}: somebody else is running its failed jobs again just now"
    if given:
        raise AlreadyExists(
            f"{taken}: the {given} is not used for {_jobs(jobs)}. wait_done(), then retry_failed() with it "
            "for those that fail again"
        )
    _log.warning("%s", taken)


def _in_words(definition: JobDefinition | None, function: Function | None) -> str:
    """What failed jobs are to be run again with; empty if as they were."""
    given = {"function": function, "job_definition": definition}
    return " and ".join(name for name, value in given.items() if value is not None)


def _jobs(count: int, kind: str = "") -> str:
    return f"1 {kind}job" if count == 1 else f"{count:,} {kind}jobs"


def _dependencies(stored: StoredAnalysis, session: Session) -> list[StoredAnalysis]:
    """What it depends on, which lies where it does. Raises DependencyError for what was deleted."""
    dependencies = []
    for ref in stored.record.depends_on:
        if ref.finished:
            continue  # that its jobs have ended is enough
        try:
            dependencies.append(open_analysis(session, stored.store, find(stored.store, ref.id)))
        except NoSuchAnalysis as error:
            raise DependencyError(
                f"{stored.id} cannot be run again: {ref.name} ({ref.id}), which it depends on, was deleted. "
                f"Submit both anew: run() of {stored.record.name}, with depends_on=[...]"
            ) from error
    return dependencies


def _requested_definition(stored: StoredAnalysis, record: RoundRecord) -> JobDefinition:
    """What a round was asked for: on AWS Batch its definition has the image's digest.

    So the runner's image of today is taken again, and not always the one of the first day.
    """
    if record.image != "":
        return replace(record.job_definition, image=record.image)
    # Written before rounds said so: the index has what the first one was asked for.
    if record.job_definition.image != stored.rounds[0].job_definition.image:
        return record.job_definition
    return replace(record.job_definition, image=stored.record.job_definition.image)


def _contents_of(
    stored: StoredAnalysis, session: Session, record: RoundRecord, loaded: Payload, indices: list[int]
) -> PayloadContents:
    position_of = {index: position for position, index in enumerate(record.all_indices())}
    rows = [loaded.spec.row_of(position_of[index]) for index in indices]
    folder = session.settings.home / "tmp"
    contents = contents_from_store(stored.store, loaded, rows, folder, same_analysis=True)
    check_python(contents)
    return contents
