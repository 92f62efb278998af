"""The index record: what listings and ``get_analysis`` know of an analysis; written last at submission."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import ClassVar

from explorer_runner.errors import AlreadyExists, NoSuchJob, NotFound
from explorer_runner.format import validation
from explorer_runner.format.keys import index_key
from explorer_runner.format.names import check_id, check_name, parse_id
from explorer_runner.results import check_index
from explorer_runner.stores.base import Store
from gencove_explorer.errors import NoSuchAnalysis
from gencove_explorer.records.base import DescribedRecord, read_record, unreadable


@dataclass(frozen=True, kw_only=True)
class IndexRecord(DescribedRecord):
    """What listings and ``get_analysis`` know of an analysis; written last at submission."""

    id: str
    name: str
    user: str
    submitted: float
    """Seconds since 1970, UTC."""
    jobs: int
    array: bool
    executor: str
    """Where it was submitted to: local, foreground (run_local) or batch."""
    python: str
    host: str = ""
    explorer: str = ""
    pip_packages: list[str] = field(default_factory=list)
    labels: dict[str, str] = field(default_factory=dict)
    reused: int = 0
    """How many of its jobs were not run, as they had succeeded in other analyses."""
    project: str = ""
    """Whose manifest of this name it fulfils; empty for what people submit by hand."""

    checks: ClassVar[Mapping[str, validation.Check]] = {
        "id": check_id,
        "name": check_name,
        "user": validation.text(),
        "submitted": validation.number(0, validation.LATEST),
        "jobs": validation.whole(1, validation.JOBS),
        "array": validation.flag,
        "executor": validation.text(),
        "python": validation.text(),
        "host": validation.text(),
        "explorer": validation.text(),
        "pip_packages": validation.listed(validation.text()),
        "labels": validation.mapped(validation.text(None)),
        "reused": validation.whole(0, validation.JOBS),
        "project": validation.text(),
    }

    def one_job(self, job_index: int | None, call: str, otherwise: str = "") -> int:
        """The job that is meant, of a single job without an index too. Raises NoSuchJob, or InvalidArgument.

        ``call``: the method's name, and ``otherwise`` what else might be meant.
        """
        if job_index is not None:
            return check_index(job_index, self.jobs, self.name)
        if self.array:
            raise NoSuchJob(
                f"{self.name} is an array: say which job, {call}(0) to {call}({self.jobs - 1}){otherwise}"
            )
        return 0


def write_index(store: Store, record: IndexRecord) -> None:
    """List the analysis; it being listed already is fine (ids are unique)."""
    try:
        store.create(index_key(parse_id(record.id).date, record.id), record.to_json())
    except AlreadyExists:
        pass


def index_of_id(analysis_id: str) -> IndexRecord:
    """What an id alone tells of an analysis, where its index record cannot be read."""
    parts = parse_id(analysis_id)
    try:
        submitted = datetime.strptime(f"{parts.date}T{parts.clock}+0000", "%Y-%m-%dT%H%M%S%z").timestamp()
    except ValueError:
        submitted = 0.0  # digits that are no time
    return IndexRecord(
        id=analysis_id,
        name=parts.name,
        user="?",
        submitted=submitted,
        jobs=1,
        array=False,
        executor="?",
        python="?",
    )


def read_index(store: Store, analysis_id: str) -> IndexRecord:
    """Raises NotFound, or PayloadError for one that cannot be read."""
    key = index_key(parse_id(analysis_id).date, analysis_id)
    record = read_record(store, key, IndexRecord, analysis_id)
    if record.id != analysis_id:
        raise unreadable(f"{key} is about another analysis, {record.id}", analysis_id)
    return record


def find(store: Store, analysis_id: str) -> IndexRecord:
    """The index record of an analysis. Raises InvalidName, NoSuchAnalysis or PayloadError."""
    parse_id(analysis_id)
    try:
        return read_index(store, analysis_id)
    except NotFound as error:
        raise NoSuchAnalysis(f"no analysis {analysis_id} in the store {store.uri}") from error
