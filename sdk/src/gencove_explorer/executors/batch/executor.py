"""Running rounds on AWS Batch. A job of Batch is found by its name, which is its analysis's id.

Nothing about Batch is kept in the store but what is final: why jobs ended that left no outcome.
Jobs are forgotten about a week after their end; by then the store knows all of them.
"""

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from explorer_runner.definition import JobDefinition
from explorer_runner.errors import CorruptPayload
from explorer_runner.format.keys import FAILED, AttemptId, OutcomeName, log_key
from explorer_runner.format.names import parse_id
from explorer_runner.stores.base import Store
from gencove_explorer.aws.buckets import check_bucket, check_object
from gencove_explorer.aws.clients import AwsClients
from gencove_explorer.errors import ConfigError, SubmissionError
from gencove_explorer.executors.batch import batch_states, job_definitions, submit_job
from gencove_explorer.executors.batch.cloudwatch import CloudWatchLogReader
from gencove_explorer.executors.batch.dependencies import Dependencies
from gencove_explorer.executors.batch.endings import Endings, settled_now
from gencove_explorer.executors.batch.halts import Halts
from gencove_explorer.executors.batch.images import Images
from gencove_explorer.executors.batch.jobs import Jobs, require_not_superseded
from gencove_explorer.executors.batch.limits import ParallelLimits
from gencove_explorer.executors.log_reader import LogReader
from gencove_explorer.packages import IMAGE_PLATFORM
from gencove_explorer.records.closed import Closed, write_closed
from gencove_explorer.records.halts import canary_words, open_canary
from gencove_explorer.records.index import IndexRecord, write_index
from gencove_explorer.records.round import RoundRecord, Rounds, read_rounds, unreadable_round
from gencove_explorer.records.states import (
    FINISHED,
    PENDING,
    RUNNING,
    STARTING,
    SUBMISSION_SECONDS,
    SUBMITTED,
    JobStates,
)
from gencove_explorer.settings import Settings
from gencove_explorer.utils.log import get_logger

_log = get_logger(__name__)
_MIN_TIMEOUT = 60
_CERTAIN_SECONDS = 3600.0
"""After so long no submission is under way, though clocks differ: require_open stops it well before."""
_REMEMBERED_SECONDS = 6 * 24 * 3600.0


class BatchExecutor:
    """Runs rounds as jobs of AWS Batch. Made by the session; what it may not do is keep states of its own."""

    name = "batch"
    platform: str | None = IMAGE_PLATFORM
    poll_seconds = (0.5, 15.0)
    follow_seconds = (1.0, 5.0)

    def __init__(self, settings: Settings, aws: AwsClients | None = None) -> None:
        self.settings = settings
        self.location = settings.batch.queue or ""
        self.aws = aws or AwsClients(settings.batch.region)
        self.images = Images(self.aws)
        self.definitions = job_definitions.JobDefinitions(self.aws)
        self.jobs = Jobs(self.aws)
        self.limits = ParallelLimits(self.aws)
        self.halts = Halts(self.jobs)
        self._endings = Endings(self.jobs, self.location, self.submit, self.job_states)

    # -- submission ---------------------------------------------------------------------------------

    def resolve_definition(self, definition: JobDefinition | None) -> JobDefinition:
        """The definition to use, its image by digest: Batch forgets in a week what a job ran in.

        What Batch would refuse is refused here, before anything is written.
        """
        requested = definition or JobDefinition()
        self._check_settings()
        if requested.timeout_seconds is not None and requested.timeout_seconds < _MIN_TIMEOUT:
            raise SubmissionError(
                f"job_definition asks for timeout_seconds={requested.timeout_seconds}: AWS Batch takes "
                f"{_MIN_TIMEOUT} and more"
            )
        return replace(requested, image=self._image(requested))

    def check_buckets(self, buckets: Mapping[str, str]) -> None:
        """Look at each bucket of inputs once, and at one object in it: is it here, and may it be read."""
        for bucket, key in sorted(buckets.items()):
            check_bucket(self.aws, bucket)
            if key:
                check_object(self.aws, bucket, key)

    def submit(self, store: Store, record: RoundRecord, index: IndexRecord) -> None:
        """List the analysis and submit its round: killed in between, it is listed, and seen to be missing."""
        submit_job.check_labels(index.labels)
        body = job_definitions.definition_body(
            self._image(record.job_definition), record.job_definition.secrets, self.settings.batch
        )
        definition = self.definitions.arn(body)
        dependencies = Dependencies(store, self.jobs).of(record, index.jobs)
        if record.round == 0:
            write_index(store, index)
        if dependencies.failed:
            every = {dependencies.failed: list(record.all_indices())}
            write_closed(store, record.id, record.round, Closed.of(every))
            return
        resources = self.limits.make(record) if record.parallel is not None else None
        request = submit_job.submit_job_request(
            record,
            index,
            store=store.uri,
            queue=self._queue,
            region=self.aws.region,
            definition=definition,
            depends_on=dependencies.depends_on,
            resources=resources,
        )
        self.jobs.submit(record.id, record.round, request, lambda: require_not_superseded(store, record))
        if record.parallel is not None:
            self.limits.sweep(lambda analysis_id: self._has_ended(store, analysis_id))

    def clean_up(self, rounds: Rounds) -> None:
        """Remove the limit of an analysis that has ended, if it had one."""
        if any(record.parallel is not None and record.executor == self.name for record in rounds):
            self.limits.remove(rounds.id)

    def _has_ended(self, store: Store, analysis_id: str) -> bool:
        """Whether all jobs of an analysis have ended, or nothing is left of it."""
        try:
            parse_id(analysis_id)
            rounds = read_rounds(store, analysis_id)
        except (ValueError, CorruptPayload):
            return False
        return None not in settled_now(rounds)

    def has_round(self, store: Store, record: RoundRecord) -> bool:
        """Whether Batch has a job of that name and round."""
        return record.round in self.jobs.ids([record])

    def _image(self, definition: JobDefinition) -> str:
        image = definition.image or self.settings.batch.image
        assert image is not None, "checked by resolve_definition"
        return self.images.pin(image)

    def _check_settings(self) -> None:
        self._queue  # noqa: B018  raises
        if self.settings.batch.image is None:
            raise ConfigError(
                "batch.image is not set: the repository of the runner image (EXPLORER_BATCH__IMAGE); "
                "explorer doctor shows what else is missing"
            )
        if not self.settings.store.startswith("s3://"):
            raise ConfigError(
                f"the store is the folder {self.settings.store} ({self.settings.source('store')}), which "
                "jobs on AWS Batch cannot reach: set EXPLORER_STORE=s3://bucket/prefix, or "
                "EXPLORER_EXECUTOR=local"
            )

    @property
    def _queue(self) -> str:
        if self.settings.batch.queue is None:
            raise ConfigError(
                "AWS Batch is not configured here: set EXPLORER_BATCH__QUEUE (explorer doctor shows what "
                "else is missing), or EXPLORER_EXECUTOR=local to run on this machine"
            )
        return self.settings.batch.queue

    # -- states ---------------------------------------------------------------------------------------

    def job_states(
        self,
        rounds: Rounds,
        outcomes: Iterable[OutcomeName],
        open_jobs: Sequence[int],
        focus: int | None = None,
    ) -> tuple[Mapping[int, str], str | None]:
        """The states of jobs that have not ended: one request, whatever their number."""
        by_round = rounds.by_round(open_jobs)
        ids = self.jobs.ids(record for record, _ in by_round)
        child = (
            ""  # Batch's id of the job that a person asks about: of an array its parent tells counts alone
        )
        if focus is not None and focus in open_jobs and rounds.last(focus).round in ids:
            child = _child(rounds.last(focus), ids[rounds.last(focus).round], focus)
        details = self.jobs.describe([*ids.values(), *([child] if child else [])])
        states: dict[int, str] = {}
        reason = None
        for record, own_jobs in by_round:
            detail = details.get(ids.get(record.round, ""))
            own = self._states(rounds, record, detail, own_jobs)
            if detail is not None and (record.canary or record.max_failures is not None):
                halted, why = self.halts.look(rounds, record, detail, own)
                own.update(halted)
                reason = reason or why
            states.update(own)
            if detail is None and FAILED in own.values():
                reason = batch_states.NEVER_SUBMITTED
            elif detail and not reason and batch_states.all_wait(states.values()):
                reason = batch_states.waiting_reason(self._first_child(record, detail))
        if focus is not None and child in details and states.get(focus) not in FINISHED:
            status = details[child]["status"]
            states[focus] = RUNNING if status in FINISHED else status
            reason = batch_states.waiting_reason(details[child]) if status == "RUNNABLE" else None
        canary = open_canary(rounds, [index for index in open_jobs if states.get(index) == PENDING], outcomes)
        return states, reason or (canary_words(canary) if canary else None)

    def _states(
        self,
        rounds: Rounds,
        record: RoundRecord,
        detail: Mapping[str, Any] | None,
        open_jobs: Sequence[int],
    ) -> dict[int, str]:
        """The states of a round's open jobs; what Batch ended by itself is written down."""
        if detail is None:
            age = time.time() - record.submitted
            if age > _CERTAIN_SECONDS:
                reason = batch_states.FORGOTTEN if age > _REMEMBERED_SECONDS else batch_states.NEVER_SUBMITTED
                return self._endings.close(rounds, record, dict.fromkeys(open_jobs, reason))
            # Clocks differ and a throttled submission takes its time: it may still come, so nothing is
            # written down.
            return dict.fromkeys(open_jobs, SUBMITTED if age < SUBMISSION_SECONDS else FAILED)
        counts = batch_states.counts_of(detail)
        states = batch_states.spread_states(counts, open_jobs)
        if batch_states.count_ended(counts) > record.jobs - len(open_jobs):
            reasons = self._endings.reasons(record, detail, counts)
            states.update(self._endings.close(rounds, record, reasons))
        return states

    def _first_child(self, record: RoundRecord, detail: Mapping[str, Any]) -> Mapping[str, Any]:
        """The job that tells why an array waits: its first. Asked only when it has waited for long."""
        if record.jobs == 1 or batch_states.waiting_reason(detail) is None:
            return detail
        first = f"{detail['jobId']}:0"
        return self.jobs.describe([first]).get(first, detail)

    # -- ending, logs ---------------------------------------------------------------------------------

    def terminate(self, rounds: Rounds, indices: Sequence[int] | None, reason: str) -> None:
        """End jobs: what has not started is cancelled, what runs gets a signal, within a minute."""
        ids = self.jobs.ids([other for other in rounds if other.executor == self.name])
        jobs = set(ids.values())
        if indices is not None:
            last = {index: rounds.last(index) for index in indices}
            jobs = {
                _child(record, ids[record.round], index)
                for index, record in last.items()
                if record.round in ids
            }
        for job in sorted(jobs):
            self.jobs.terminate(job, reason)

    def last_attempt(self, rounds: Rounds, observed: JobStates, index: int) -> AttemptId | None:
        """The latest attempt: of an ended job by its outcome, else Batch knows."""
        ended = observed.outcomes.get(index)
        if ended is not None and observed.states[index] in FINISHED:
            return AttemptId(index, ended.round, ended.attempt)
        record = rounds.last(index)
        detail = self._detail(record, index, fresh=False)
        if detail is None:
            return AttemptId(index, ended.round, ended.attempt) if ended else None
        begun = len(detail.get("attempts", [])) + (detail["status"] in (STARTING, RUNNING))
        return AttemptId(index, record.round, begun) if begun else None

    def open_log(self, rounds: Rounds, attempt: AttemptId, since: float) -> LogReader | None:
        """The log stream of an attempt; None once the store has the log, or if Batch knows of no stream."""
        if rounds.store.exists(log_key(rounds.id, attempt)):
            return None
        record = next(other for other in rounds if other.round == attempt.round)
        detail = self._detail(record, attempt.index, fresh=True)
        if detail is None:
            return None
        attempts = [attempted.get("container", {}) for attempted in detail.get("attempts", [])]
        container = attempts[attempt.attempt - 1] if attempt.attempt <= len(attempts) else detail["container"]
        if "logStreamName" not in container:
            return None
        group = self.settings.batch.log_group or "/aws/batch/job"
        return CloudWatchLogReader(self.aws, group, container["logStreamName"], since)

    def _detail(self, record: RoundRecord, index: int, *, fresh: bool) -> Mapping[str, Any] | None:
        ids = self.jobs.ids([record])
        if record.round not in ids:
            return None
        child = _child(record, ids[record.round], index)
        return self.jobs.describe([child], fresh=fresh).get(child)

    def unfinished_rounds(self) -> list[RoundRecord]:
        """The rounds of this store that the queue has not ended."""
        from gencove_explorer.records.open_store import open_configured_store

        store = open_configured_store(self.settings.store, region=self.aws.region)
        records = []
        for name in self.jobs.unfinished(self._queue):
            try:
                parse_id(name)
            except ValueError:
                continue  # somebody else's job
            try:
                records += read_rounds(store, name)[-1:]
            except CorruptPayload:  # what it depends on is not known, but that it is unfinished
                records.append(unreadable_round(name, self.name))
        return records


def _child(record: RoundRecord, job: str, index: int) -> str:
    """Batch's id of one job of a round."""
    if record.jobs == 1:
        return job
    position = index if record.indices is None else record.indices.index(index)
    return f"{job}:{position}"
