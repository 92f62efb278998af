"""Batch jobs: their states, and the rules by which they move from one to the next."""

import time
import uuid
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

STATES = ("SUBMITTED", "PENDING", "RUNNABLE", "STARTING", "RUNNING", "SUCCEEDED", "FAILED")
SUBMITTED, PENDING, RUNNABLE, STARTING, RUNNING, SUCCEEDED, FAILED = STATES
ENDED = (SUCCEEDED, FAILED)
WAITING = (SUBMITTED, PENDING, RUNNABLE)

TIMED_OUT = "Job attempt duration exceeded timeout"
CONTAINER_EXITED = "Essential container in task exited"
NOT_STARTED = "Task failed to start"
DEPENDENT_FAILED = "Dependent Job failed"
CHILD_FAILED = "Array Child Job failed"
OUT_OF_MEMORY = "OutOfMemoryError: Container killed due to memory usage"


def now() -> int:
    """Milliseconds since 1970."""
    return int(time.time() * 1000)


@dataclass(frozen=True)
class Ended:
    """How the container of an attempt ended."""

    exit_code: int | None
    reason: str = ""
    """Of the container, such as OutOfMemoryError."""
    status_reason: str = CONTAINER_EXITED
    """Of the attempt."""


@dataclass(eq=False)
class Job:
    """A job, an array, or a child of one. Children share their parent's request."""

    id: str
    request: dict[str, Any]
    """As SubmitJob had it, with what the job definition gives filled in."""
    parent: "Job | None" = None
    index: int | None = None
    children: list["Job"] = field(default_factory=list)
    dependencies: list["Job"] = field(default_factory=list)
    """What it waits for, of those that are not of its own array."""
    own_status: str = SUBMITTED
    reason: str | None = None
    created: int = field(default_factory=now)
    started: int | None = None
    stopped: int | None = None
    attempts: list[dict[str, Any]] = field(default_factory=list)
    stream: str | None = None
    exit_code: int | None = None
    container_reason: str = ""
    ending: str | None = None
    """Why it was asked to end."""
    counts: Counter[str] = field(default_factory=Counter)
    """Number of children by state, kept up as they move: asking must not cost what the array is long."""

    @property
    def status(self) -> str:
        """An array is PENDING until all its children have ended
        (https://docs.aws.amazon.com/batch/latest/userguide/array_jobs.html).
        """
        if not self.children:
            return self.own_status
        if self.counts[SUCCEEDED] + self.counts[FAILED] < len(self.children):
            return PENDING
        return FAILED if self.counts[FAILED] else SUCCEEDED

    def summary(self) -> dict[str, int]:
        """Number of children by state."""
        return {state: self.counts[state] for state in STATES}

    @property
    def queue(self) -> str:
        return str(self.request["jobQueue"])

    @property
    def timeout(self) -> int | None:
        return self.request["timeout"].get("attemptDurationSeconds")

    def move(self, status: str, reason: str | None = None) -> None:
        """Go on to a state."""
        if self.parent is not None:
            self.parent.counts[self.own_status] -= 1
            self.parent.counts[status] += 1
        self.own_status = status
        self.reason = reason
        if status in ENDED:
            self.stopped = now()

    # -- waiting ------------------------------------------------------------------------------------

    def may_start(self) -> bool:
        """Whether all that it waits for has succeeded; a failed dependency fails the job.

        See https://docs.aws.amazon.com/batch/latest/userguide/job_dependencies.html.
        """
        states = [each.status for each in self.dependencies]
        if FAILED in states:
            self.move(FAILED, DEPENDENT_FAILED)
            return False
        return all(state == SUCCEEDED for state in states)

    # -- the end of an attempt ----------------------------------------------------------------------

    def attempted(self, ended: Ended) -> None:
        """An attempt has ended: the job succeeds, is tried again, or fails.

        What was terminated or ran into its timeout is not tried again
        (https://docs.aws.amazon.com/batch/latest/userguide/job_timeouts.html).
        """
        self.exit_code, self.container_reason = ended.exit_code, ended.reason
        container = {"logStreamName": self.stream, "reason": ended.reason, "exitCode": ended.exit_code}
        self.attempts.append(
            {
                "container": {name: value for name, value in container.items() if value not in (None, "")},
                "startedAt": self.started,
                "stoppedAt": now(),
                "statusReason": self.ending or ended.status_reason,
            }
        )
        if self.ending:
            self.move(FAILED, self.ending)
        elif ended.exit_code == 0:
            self.move(SUCCEEDED, ended.status_reason)
        elif self._tried_again(ended):
            self.move(RUNNABLE)
        else:
            self.move(FAILED, ended.status_reason)

    def _tried_again(self, ended: Ended) -> bool:
        """By the retry strategy: the first rule that matches decides, and without one it is tried again.

        See https://docs.aws.amazon.com/batch/latest/APIReference/API_EvaluateOnExit.html.
        """
        strategy = self.request["retryStrategy"]
        if ended.status_reason == TIMED_OUT or len(self.attempts) >= strategy.get("attempts", 1):
            return False
        facts = {
            "onStatusReason": ended.status_reason,
            "onReason": ended.reason,
            "onExitCode": "" if ended.exit_code is None else str(ended.exit_code),
        }
        for rule in strategy.get("evaluateOnExit", []):
            patterns = {name: rule[name] for name in facts if name in rule}
            if all(fnmatchcase(facts[name], pattern) for name, pattern in patterns.items()):
                return bool(rule["action"].upper() == "RETRY")
        return True

    # -- how it is shown ----------------------------------------------------------------------------

    def summarised(self) -> dict[str, Any]:
        """As ListJobs shows it."""
        shown: dict[str, Any] = {
            "jobId": self.id,
            "jobArn": self.arn,
            "jobName": self.request["jobName"],
            "jobDefinition": self.request["jobDefinition"],
            "createdAt": self.created,
            "status": self.status,
            "startedAt": self.started,
            "stoppedAt": self.stopped,
            "statusReason": self.reason,
        }
        if self.children:
            self._ended_with_children(shown)
            shown["arrayProperties"] = {"size": len(self.children)}
        elif self.index is not None:
            shown["arrayProperties"] = {"index": self.index}
        if self.exit_code is not None or self.container_reason:
            shown["container"] = {"exitCode": self.exit_code, "reason": self.container_reason or None}
        return _without_none(shown)

    def described(self) -> dict[str, Any]:
        """As DescribeJobs shows it."""
        shown = self.summarised()
        container = {
            **self.request["container"],
            **shown.get("container", {}),
            "logStreamName": self.stream,
        }
        shown.update(
            jobQueue=self.queue,
            dependsOn=self.request["dependsOn"],
            parameters={},
            tags=self.request["tags"],
            retryStrategy=self.request["retryStrategy"],
            timeout=self.request["timeout"] or None,
            attempts=list(self.attempts),
            container=_without_none(container),
        )
        if self.children:
            shown["arrayProperties"] = {"size": len(self.children), "statusSummary": self.summary()}
        return _without_none(shown)

    @property
    def arn(self) -> str:
        return str(self.request["jobArn"]).replace("JOB", self.id)

    def _ended_with_children(self, shown: dict[str, Any]) -> None:
        begun = [child.started for child in self.children if child.started]
        shown["startedAt"] = min(begun, default=None)
        if shown["status"] in ENDED:
            shown["stoppedAt"] = max(child.stopped or 0 for child in self.children)
            if shown["status"] == FAILED:
                shown["statusReason"] = CHILD_FAILED

    def family(self) -> Iterator["Job"]:
        """The jobs that run for it: its children, or itself."""
        yield from self.children or [self]


def make_job(request: dict[str, Any], dependencies: list[tuple[Job | None, str | None]]) -> Job:
    """A job, with its children if it is an array.

    A dependency is a job and its type: None waits for all of it, N_TO_N for the child of the same index,
    SEQUENTIAL (without a job) for the child before.
    """
    job = Job(str(uuid.uuid4()), request)
    plain = [other for other, kind in dependencies if other is not None and kind != "N_TO_N"]
    paired = [other for other, kind in dependencies if other is not None and kind == "N_TO_N"]
    job.dependencies = plain
    for index in range(request["arrayProperties"].get("size", 0)):
        child = Job(f"{job.id}:{index}", request, parent=job, index=index)
        child.dependencies = plain + [other.children[index] for other in paired]
        if index and any(kind == "SEQUENTIAL" for _, kind in dependencies):
            child.dependencies.append(job.children[-1])
        job.children.append(child)
    job.counts[SUBMITTED] = len(job.children)
    return job


def _without_none(data: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in data.items() if value is not None}
