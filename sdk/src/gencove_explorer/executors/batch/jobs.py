"""Batch's jobs: submitted once, found by name, described a hundred at a time."""

import random
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from explorer_runner.errors import AlreadyExists
from explorer_runner.stores.base import Store
from gencove_explorer.aws.clients import AwsClients
from gencove_explorer.aws.errors import THROTTLED, AwsError, translate_errors
from gencove_explorer.errors import ExecutorError
from gencove_explorer.executors.batch import batch_states
from gencove_explorer.executors.batch.submit_job import ROUND
from gencove_explorer.records.closed import read_closed
from gencove_explorer.records.round import RoundRecord
from gencove_explorer.records.states import FINISHED, STATES

_AT_ONCE = 100
"""Jobs of one DescribeJobs
(https://docs.aws.amazon.com/batch/latest/APIReference/API_DescribeJobs.html)."""
_TRIES = 8
_FIRST_PAUSE, _LAST_PAUSE = 0.5, 16.0
_CONFIRM_SECONDS = 60.0
"""Well before SUBMISSION_SECONDS, since clocks differ."""
_LATE_SECONDS = 1800.0
"""Only a machine that slept takes so long: well before others write down that its jobs never came."""
_UNFINISHED = tuple(state for state in STATES if state not in FINISHED)


class Jobs:
    """The jobs of the queues; ids that were found are remembered."""

    def __init__(self, aws: AwsClients, sleep: Callable[[float], object] = time.sleep) -> None:
        self._aws = aws
        self._sleep = sleep
        self._ids: dict[tuple[str, int], str] = {}
        self._details: dict[str, Mapping[str, Any]] = {}

    def submit(
        self,
        analysis: str,
        round: int,
        request: Mapping[str, Any],
        confirm: Callable[[], None] = lambda: None,
    ) -> str:
        """Submit a job, once; returns its id. ``confirm`` is called before each request, and may refuse.

        SubmitJob takes no token that would make it safe to repeat. So when an answer is lost the job is
        looked for by its name before the request is sent again.
        """
        client = self._aws.client("batch", attempts=1)
        failure: ExecutorError
        for tried in range(1, _TRIES + 1):
            confirm()
            try:
                with translate_errors(f"submitting {analysis}"):
                    job = str(client.submit_job(**request)["jobId"])
                break
            except AwsError as error:
                if error.code not in THROTTLED and not _is_servers_fault(error):
                    raise
                lost, failure = error.code not in THROTTLED, error
            except ExecutorError as error:
                if not _is_connection(error):
                    raise
                lost, failure = True, error
            if tried == _TRIES:
                raise failure
            self._sleep(min(_LAST_PAUSE, _FIRST_PAUSE * 2 ** (tried - 1)) * random.uniform(0.5, 1))
            if lost:
                existing = self._find(analysis, str(request["jobQueue"])).get(round)
                if existing is not None:
                    job = existing
                    break
        self._ids[analysis, round] = job
        return job

    def ids(self, records: Iterable[RoundRecord]) -> dict[int, str]:
        """Round -> id of its job, of those rounds of one analysis that Batch knows."""
        records = list(records)
        unknown = [record for record in records if (record.id, record.round) not in self._ids]
        # A retry may run on another queue, and ListJobs looks into one.
        for analysis, queue in dict.fromkeys((record.id, record.place) for record in unknown):
            for round, job in self._find(analysis, queue).items():
                self._ids.setdefault((analysis, round), job)
        return {
            record.round: self._ids[record.id, record.round]
            for record in records
            if (record.id, record.round) in self._ids
        }

    def describe(self, ids: Sequence[str], *, fresh: bool = True) -> dict[str, Mapping[str, Any]]:
        """Id -> what Batch says of a job, of those that it knows; ``fresh=False`` takes the last answer."""
        unknown = [job for job in dict.fromkeys(ids) if fresh or job not in self._details]
        for start in range(0, len(unknown), _AT_ONCE):
            with translate_errors("the state of jobs"):
                answer = self._aws.client("batch").describe_jobs(jobs=unknown[start : start + _AT_ONCE])
            self._details.update({job["jobId"]: job for job in answer["jobs"]})
        return {job: self._details[job] for job in ids if job in self._details}

    def children(self, job: str, states: Sequence[str]) -> Iterator[Mapping[str, Any]]:
        """The jobs of an array that are in these states: a request for every hundred."""
        for state in states:
            yield from self._list(arrayJobId=job, jobStatus=state)

    def terminate(self, job: str, reason: str) -> None:
        with translate_errors(f"ending the job {job}"):
            self._aws.client("batch").terminate_job(jobId=job, reason=reason)

    def cancel(self, job: str, reason: str) -> None:
        """End what has not started: of an array all such children, by one request; what runs goes on
        (https://docs.aws.amazon.com/batch/latest/APIReference/API_CancelJob.html).
        """
        with translate_errors(f"cancelling the job {job}"):
            self._aws.client("batch").cancel_job(jobId=job, reason=reason)

    def unfinished(self, queue: str) -> set[str]:
        """Names of the jobs of a queue that have not ended."""
        return {
            job["jobName"] for state in _UNFINISHED for job in self._list(jobQueue=queue, jobStatus=state)
        }

    def _find(self, analysis: str, queue: str) -> dict[int, str]:
        """Round -> id, of the jobs of an analysis. If one was submitted twice, the older counts."""
        named = [{"name": "JOB_NAME", "values": [analysis]}]
        jobs = [job["jobId"] for job in self._list(jobQueue=queue, filters=named)]
        details = self.describe(jobs)
        rounds: dict[int, str] = {}
        for job in jobs:  # the newest comes first
            round = batch_states.round_of(details[job], ROUND) if job in details else None
            if round is not None:
                rounds[round] = job
        return rounds

    def _list(self, **parameters: Any) -> Iterator[Mapping[str, Any]]:
        with translate_errors("the list of jobs"):
            for page in self._aws.client("batch").get_paginator("list_jobs").paginate(**parameters):
                yield from page["jobSummaryList"]


def require_not_superseded(store: Store, record: RoundRecord) -> None:
    """Raise AlreadyExists if a submission takes so long that its jobs were taken for lost, or will be."""
    age = time.time() - record.submitted
    if age < _CONFIRM_SECONDS:
        return  # as a rule a submission does not pay for this listing
    if age > _LATE_SECONDS:
        raise AlreadyExists(
            f"{record.id} took {age / 60:.0f} min to submit, after which its jobs count as never submitted: "
            "nothing was submitted here; retry_failed() runs them"
        )
    if record.round in read_closed(store, record.id):
        raise AlreadyExists(
            f"{record.id} took so long to submit that somebody has run its jobs again meanwhile: nothing was "
            "submitted here"
        )


def _is_servers_fault(error: AwsError) -> bool:
    response = getattr(error.__cause__, "response", {})
    return bool(response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0) >= 500)


def _is_connection(error: ExecutorError) -> bool:
    from botocore import exceptions

    return isinstance(error.__cause__, exceptions.ConnectionError | exceptions.HTTPClientError)
