"""From what AWS Batch says of its jobs to the states of ours: pure functions."""

import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from explorer_runner.format.keys import parse_number
from explorer_runner.system import processes
from gencove_explorer.records.states import FINISHED, RUNNABLE, RUNNING, STATES

LONG_SECONDS = 60.0
"""After so long in RUNNABLE a person wants to know why."""
_DOUBT_SECONDS = 600.0
TOO_LARGE = "MISCONFIGURATION:JOB_RESOURCE_REQUIREMENT"
NOT_STARTED = "Task failed to start"
EXITED = "Essential container in task exited"
DEPENDENT_FAILED = "Dependent Job failed"
NEVER_SUBMITTED = "never submitted: the process that was submitting it was ended just then; retry_failed()"
FORGOTTEN = (
    "unknown: AWS Batch has forgotten it (it does after a week), and it left no outcome; retry_failed()"
)


def round_of(detail: Mapping[str, Any], variable: str) -> int | None:
    """Which round of its analysis a job of Batch runs."""
    environment = detail.get("container", {}).get("environment", [])
    values = [pair.get("value") for pair in environment if pair.get("name") == variable]
    return parse_number(f"{values[0]}.json") if values else None


def counts_of(detail: Mapping[str, Any]) -> dict[str, int]:
    """Number of jobs by state: of an array, or of a single job."""
    summary = detail.get("arrayProperties", {}).get("statusSummary", {})
    if any(summary.values()):
        return {state: summary.get(state, 0) for state in STATES}
    # An array whose children Batch has not made yet counts none of them: its own state is theirs.
    return {detail["status"]: detail.get("arrayProperties", {}).get("size", 1)}


def spread_states(counts: Mapping[str, int], open_jobs: Sequence[int]) -> dict[int, str]:
    """A state for each job that is open, the first ones furthest: Batch starts them in this order.

    Jobs that ended between the look at the store and the one at Batch count as running until the next.
    """
    ahead = [
        state for state in reversed(STATES) if state not in FINISHED for _ in range(counts.get(state, 0))
    ]
    missing = len(open_jobs) - len(ahead)
    return dict(zip(open_jobs, [RUNNING] * max(0, missing) + ahead[max(0, -missing) :], strict=True))


def count_ended(counts: Mapping[str, int]) -> int:
    return sum(counts.get(state, 0) for state in FINISHED)


def reason_of(detail: Mapping[str, Any]) -> str:
    """Why Batch says a job failed, of one that wrote no outcome of its own."""
    container = detail.get("container", {})
    reason, status = container.get("reason"), detail.get("statusReason")
    if str(status).startswith(NOT_STARTED):
        return f"{reason or status} ({_tries(detail)}, as that may pass; a wrong image or secret does not)"
    if reason:
        return str(reason)
    if status and status != EXITED:
        return str(status)
    code = container.get("exitCode")
    if code == 0:
        return "its outcome is missing from the store: its container ended with exit code 0; retry_failed()"
    if code == processes.UNWRITTEN:
        return "its outcome could not be stored; its log says why"
    if code == processes.RETRY:
        return (
            "none of its attempts could begin, or all were told to stop: the store could not be reached, or "
            "the machines were taken away; the log says why, and retry_failed() tries again"
        )
    return f"its container ended with exit code {code} and left no outcome; its log may say why"


def _tries(detail: Mapping[str, Any]) -> str:
    """How often a job was tried; a list of jobs does not tell."""
    attempts = detail.get("attempts")
    return f"attempts: {len(attempts)}" if attempts else f"attempts: up to {processes.MAX_ATTEMPTS}"


def waiting_reason(detail: Mapping[str, Any], now: float | None = None) -> str | None:
    """Why a job has been RUNNABLE for long; None if it has not."""
    now = time.time() if now is None else now
    waits = now - detail.get("createdAt", 0) / 1000
    if waits < LONG_SECONDS:
        return None
    reason = detail.get("statusReason")
    if reason:
        return f"{reason}{_doubt(reason, waits, detail)}"
    return (
        f"RUNNABLE for {waits / 60:.0f} min, and AWS Batch does not say why: its machines may be busy or "
        "starting, or none is large enough: explorer doctor looks at the queue"
    )


def _doubt(reason: str, waits: float, detail: Mapping[str, Any]) -> str:
    """While machines start from none AWS Batch says that none is large enough.

    When a job that depends on others became RUNNABLE it does not tell.
    """
    if not reason.startswith(TOO_LARGE) or (waits >= _DOUBT_SECONDS and not detail.get("dependsOn")):
        return ""
    return (
        " (this may pass: AWS Batch says so, too, while machines start from none; it is true if it stays "
        f"for {_DOUBT_SECONDS / 60:.0f} min)"
    )


def all_wait(states: Iterable[str]) -> bool:
    return set(states) == {RUNNABLE}
