"""Writing a Submission: packages, payload, round record, then the executor, and last the index record.

Nothing is checked here that a person could get wrong: see prepare.py.
"""

import hashlib
import platform
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from explorer_runner.definition import JobDefinition
from explorer_runner.errors import AlreadyExists, ExplorerError
from explorer_runner.format import payload
from explorer_runner.format.keys import (
    analysis_prefix,
    closed_prefix,
    index_key,
    inputs_key,
    logs_prefix,
    outcomes_prefix,
    round_key,
)
from explorer_runner.format.names import parse_id
from explorer_runner.format.payload import DependencyRef, Spec
from explorer_runner.format.reused import Reused
from explorer_runner.stores.base import Store
from explorer_runner.stores.folder import FolderStore
from gencove_explorer._version import __version__
from gencove_explorer.capture.magics import uses_shell
from gencove_explorer.errors import SubmissionError
from gencove_explorer.executors.base import Executor
from gencove_explorer.monitoring.lookup import open_analysis
from gencove_explorer.monitoring.stored_analysis import StoredAnalysis
from gencove_explorer.packages import publish
from gencove_explorer.records.index import IndexRecord, write_index
from gencove_explorer.records.open_store import note_made
from gencove_explorer.records.reuse_index import borrow, give_back, note_round
from gencove_explorer.records.round import RoundRecord
from gencove_explorer.session import Session
from gencove_explorer.submission.contents import PayloadContents
from gencove_explorer.submission.request import USUAL, RunOptions
from gencove_explorer.submission.reuse.lookup import Found
from gencove_explorer.submission.reuse.recipe import recipe_of
from gencove_explorer.utils.log import get_logger
from gencove_explorer.utils.user import user_name

_log = get_logger(__name__)


@dataclass(kw_only=True)
class Submission:
    """One round, checked and pickled, of which nothing has been written yet."""

    spec: Spec
    contents: PayloadContents
    executor: Executor
    store: Store
    image: str | None = None
    """The image that was asked for; the definition in ``spec`` has the one that jobs run in."""
    options: RunOptions = USUAL
    canary: list[int] = field(default_factory=list)
    """The jobs that have to succeed before this round's start: another round runs them."""
    tolerated: bool = False
    """Whether all that wait for it wait for the end of its jobs alone."""
    parts: dict[str, str] = field(default_factory=dict)
    """What all its jobs share, as digests (submission.reuse.recipe)."""
    found: Found | None = None
    """What need not run; None: nobody looked."""
    labels: dict[str, str] = field(default_factory=dict)
    project: str = ""
    """Whose manifest it fulfils."""

    @property
    def ref(self) -> DependencyRef:
        """What an analysis that depends on it stores of it."""
        spec = self.spec
        return DependencyRef(
            name=spec.name, id=spec.id, array=spec.array, jobs=spec.jobs, reused=bool(self.reused)
        )

    @property
    def reused(self) -> Reused:
        """The jobs that are not run."""
        return self.found.reused if self.found else Reused()


def make_spec(
    contents: PayloadContents,
    *,
    id: str,
    name: str,
    jobs: int,
    array: bool,
    indices: list[int] | None,
    job_definition: JobDefinition,
    depends_on: Sequence[DependencyRef],
    pip_packages: Sequence[str],
    round: int = 0,
    all_inputs: bool = False,
) -> Spec:
    """The spec of a round."""
    return Spec(
        id=id,
        name=name,
        round=round,
        python=contents.python,
        explorer=__version__,
        jobs=jobs,
        array=array,
        indices=indices,
        inputs_inside=contents.inputs.inside is not None,
        all_inputs=all_inputs,
        function=contents.facts,
        pip_packages=list(pip_packages),
        job_definition=job_definition,
        depends_on=list(depends_on),
        pickled_with=contents.pickled_with,
    )


def commit(
    submission: Submission, session: Session, confirm: Callable[[], None] = lambda: None
) -> StoredAnalysis:
    """Write an analysis to the store and hand it to its executor.

    ``confirm`` is asked in between; it raises AlreadyExists if somebody else has taken the id over.
    """
    store, spec, origins = submission.store, submission.spec, submission.reused.spans
    try:
        _borrow(store, origins, spec.id)
        # All are written before the first is handed over: a killed submitter leaves no job out.
        record, *others = [write_round(part, session) for part in with_canary(submission)]
        note_made(session.settings.home, store)
        confirm()
        definition = replace(spec.job_definition, image=submission.image)
        index = index_record(spec, record, definition, submission.labels, submission.project)
        if record.jobs:
            submission.executor.submit(store, record, index)
        else:
            write_index(store, index)  # all of it has succeeded before
    except AlreadyExists:
        raise  # somebody else submits it under this id
    except ExplorerError:
        confirm()  # what somebody else has taken over meanwhile stays
        # Nobody will run it, and nobody knows its id.
        store.delete(index_key(parse_id(spec.id).date, spec.id))
        store.delete_tree(analysis_prefix(spec.id))
        give_back(store, origins, spec.id)
        raise
    finally:
        submission.contents.inputs.discard()
    for other in others:
        _submit_others(submission.executor, store, other, index)
    return open_analysis(session, store, index)


def with_canary(submission: Submission) -> list[Submission]:
    """The rounds of a submission: one, or that of its canary and that of all other jobs.

    Both payloads have all inputs. The rows are the same, and large inputs lie beside them, once.
    """
    wanted = submission.spec.indices
    jobs = range(submission.spec.jobs) if wanted is None else wanted
    canary = spread(jobs, submission.options.canary or 0)
    if not canary or submission.executor.name == "foreground":
        return [submission]
    first = set(canary)
    spec = replace(submission.spec, indices=canary, all_inputs=True)
    others = replace(spec, round=1, indices=[index for index in jobs if index not in first])
    # Batch has to be told when it fails, though nobody else would mind.
    first_round = replace(submission, spec=spec, tolerated=False)
    return [first_round, replace(submission, spec=others, found=None, canary=canary)]


def spread(jobs: Sequence[int], count: int) -> list[int]:
    """So many of the jobs, evenly spread, the first and the last among them; none if that were all."""
    if count >= len(jobs) or not count:
        return []
    steps = max(1, count - 1)
    return [jobs[round(step * (len(jobs) - 1) / steps)] for step in range(count)]


def _submit_others(executor: Executor, store: Store, record: RoundRecord, index: IndexRecord) -> None:
    """Hand over the round behind a canary, which runs by now: an error cannot undo that, and is said."""
    try:
        executor.submit(store, record, index)
    except ExplorerError as error:
        _log.warning(
            "%s: its canary was submitted, the other %s jobs could not be: %s. After wait_done() "
            "retry_failed() submits them",
            record.id,
            f"{record.jobs:,}",
            error,
        )


def _borrow(store: Store, origins: Iterable[str], analysis_id: str) -> None:
    """Keep what this analysis reuses from being deleted. Raises SubmissionError if it just was."""
    lost = borrow(store, origins, analysis_id)
    if lost:
        raise SubmissionError(
            f"{lost[0]}, whose results were to be reused, is being deleted just now: run() again, which "
            "looks anew"
        )


def write_round(submission: Submission, session: Session) -> RoundRecord:
    """Write missing packages, large inputs, payload and round record, in this order; returns the record.

    Raises AlreadyExists if the round was written before.
    """
    store, spec, contents = submission.store, submission.spec, submission.contents
    alone = not submission.canary  # else the canary's round has brought packages and large inputs
    if alone:
        publish(contents.lock, session.settings.home, store)
    packed = payload.pack(contents.members(spec))
    if isinstance(store, FolderStore):
        store.make_folders(outcomes_prefix(spec.id), logs_prefix(spec.id), closed_prefix(spec.id))
    if contents.inputs.path is not None and alone:
        store.put_file(inputs_key(spec.id), contents.inputs.path, move=True)
    sha256 = payload.keep(store, spec.id, spec.round, packed)
    identities = contents.inputs.identities
    record = RoundRecord(
        id=spec.id,
        round=spec.round,
        executor=submission.executor.name,
        place=submission.executor.location,
        indices=spec.indices,
        jobs=spec.jobs if spec.indices is None else len(spec.indices),
        payload=sha256,
        submitted=time.time(),
        user=user_name(),
        python=spec.python,
        shell=uses_shell(contents.function),
        source=hashlib.sha256(contents.source.encode()).hexdigest(),
        image=submission.image,
        tolerated=submission.tolerated,
        reused=submission.reused,
        recipe=recipe_of(submission.parts),
        identity=identities[0].hex() if len(identities) == 1 else "",
        parts=submission.parts,
        max_failures=submission.options.failures_of(spec.jobs),
        parallel=submission.options.parallel,
        canary=submission.canary,
        job_definition=spec.job_definition,
        depends_on=spec.depends_on,
    )
    store.create(round_key(spec.id, spec.round), record.to_json())
    note_round(store, record.recipe, record.entry)
    return record


def index_record(
    spec: Spec, record: RoundRecord, requested: JobDefinition, labels: Mapping[str, str], project: str = ""
) -> IndexRecord:
    """What listings show of an analysis. ``requested``: its definition, with the image that was asked for."""
    return IndexRecord(
        id=spec.id,
        name=spec.name,
        user=record.user,
        submitted=record.submitted,
        jobs=spec.jobs,
        array=spec.array,
        executor=record.executor,
        python=spec.python,
        host=platform.node(),
        explorer=__version__,
        pip_packages=spec.pip_packages,
        labels=dict(labels),
        job_definition=requested,
        depends_on=spec.depends_on,
        reused=len(record.reused),
        project=project,
    )
