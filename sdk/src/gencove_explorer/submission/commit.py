"""Writing a Submission: packages, payload, round record, then the executor, and last the index record.

Nothing is checked here that a person could get wrong: see prepare.py.
"""

import hashlib
import platform
import time
from collections.abc import Callable, Mapping, Sequence
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
from explorer_runner.stores.base import Store
from explorer_runner.stores.folder import FolderStore
from gencove_explorer._version import __version__
from gencove_explorer.capture.magics import uses_shell
from gencove_explorer.executors.base import Executor
from gencove_explorer.monitoring.lookup import open_analysis
from gencove_explorer.monitoring.stored_analysis import StoredAnalysis
from gencove_explorer.packages import publish
from gencove_explorer.records.index import IndexRecord
from gencove_explorer.records.open_store import note_made
from gencove_explorer.records.round import RoundRecord
from gencove_explorer.session import Session
from gencove_explorer.submission.contents import PayloadContents
from gencove_explorer.submission.request import USUAL, RunOptions
from gencove_explorer.utils.user import user_name


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
    labels: dict[str, str] = field(default_factory=dict)
    project: str = ""
    """Whose manifest it fulfils."""

    @property
    def ref(self) -> DependencyRef:
        """What an analysis that depends on it stores of it."""
        return DependencyRef(name=self.spec.name, id=self.spec.id, array=self.spec.array, jobs=self.spec.jobs)


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
    store, spec = submission.store, submission.spec
    try:
        record = write_round(submission, session)
        note_made(session.settings.home, store)
        confirm()
        definition = replace(spec.job_definition, image=submission.image)
        index = index_record(spec, record, definition, submission.labels, submission.project)
        submission.executor.submit(store, record, index)
    except AlreadyExists:
        raise  # somebody else submits it under this id
    except ExplorerError:
        confirm()  # what somebody else has taken over meanwhile stays
        # Nobody will run it, and nobody knows its id.
        store.delete(index_key(parse_id(spec.id).date, spec.id))
        store.delete_tree(analysis_prefix(spec.id))
        raise
    finally:
        submission.contents.inputs.discard()
    return open_analysis(session, store, index)


def write_round(submission: Submission, session: Session) -> RoundRecord:
    """Write missing packages, large inputs, payload and round record, in this order; returns the record.

    Raises AlreadyExists if the round was written before.
    """
    store, spec, contents = submission.store, submission.spec, submission.contents
    publish(contents.lock, session.settings.home, store)
    packed = payload.pack(contents.members(spec))
    if isinstance(store, FolderStore):
        store.make_folders(outcomes_prefix(spec.id), logs_prefix(spec.id), closed_prefix(spec.id))
    if contents.inputs.path is not None:
        store.put_file(inputs_key(spec.id), contents.inputs.path, move=True)
    sha256 = payload.keep(store, spec.id, spec.round, packed)
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
        max_failures=submission.options.failures_of(spec.jobs),
        parallel=submission.options.parallel,
        job_definition=spec.job_definition,
        depends_on=spec.depends_on,
    )
    store.create(round_key(spec.id, spec.round), record.to_json())
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
        project=project,
    )
