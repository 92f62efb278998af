"""The store's layout: every key that Explorer reads or writes, and the grammar of output keys.

    index/<YYYY-MM-DD>/<id>.json                                 listings read this alone
    analyses/<id>/payloads/<round>.zip                           what runs (see payload.py)
    analyses/<id>/payloads/<round>-<sha256>.zip                  the same, where that name was taken
    analyses/<id>/inputs.bin                                     inputs too large for the payload
    analyses/<id>/rounds/<round>.json                            one a submission: run, retry, retry
    analyses/<id>/outcomes/<index>.<round>-<attempt>.<STATUS>.json   last write of a job
    analyses/<id>/closed/<round>-<n>.json                        jobs that will start no attempt any more
    analyses/<id>/files/<index>/<round>-<attempt>/<key>          output files
    analyses/<id>/values/<index>/<round>-<attempt>/<key>.<kind>  output values too large for an outcome
    analyses/<id>/logs/<index>.<round>-<attempt>.txt             log, .marks beside it (attempt/log_file.py)
    packages/<sha256>/<wheel>                                    packages of all analyses, by content
    analyses/<id>/checkpoints/<index>/<round>-<attempt>-<n>.json what a job saved of its checkpoint
    analyses/<id>/checkpoints/<index>/files/<sha256>             the files of these
    analyses/<id>/borrowers/<id>                                 who reads results of it as its own
    analyses/<id>/deleting                                       that it is being deleted
    reuse/<recipe>/<id>.<round>[.<identity>]                     rounds of equal jobs but for their inputs
    projects/<project>/<number>.json                             revisions that reconcile wrote
    projects/<project>/inputs/<sha256>.json                      the rows of an input, by name and digest
    claims/<project>/<id>.<round>/<n>.json                       leases: which reconcile submits a round now

Nothing is updated in place: what changes is a numbered record, created only if it is not there.
"""

import re
from typing import NamedTuple

from explorer_runner.errors import InvalidKey
from explorer_runner.text import shown

SEGMENT_BYTES = 240
"""Longest segment of a key: file systems end at 255 bytes, stored values add a suffix."""
KEY_BYTES = 700
"""Longest output key: S3 ends at 1,024 bytes, the layout's own part included."""

SUCCEEDED = "SUCCEEDED"
FAILED = "FAILED"
STOPPED = "STOPPED"
"""Of an attempt that was ended from outside: whether the job is tried again, its executor decides."""
_OUTCOMES = (SUCCEEDED, FAILED, STOPPED)

CHECKPOINT = "checkpoint"
"""Folder, in a job's private one, of what it keeps for its next attempt."""

PACKAGES = "packages"
"""Prefix of the wheels."""

_NUMBER = "(0|[1-9][0-9]{0,5})"
"""As keys have numbers: what else ``int`` takes (1_0, +1, other scripts' digits) names another key."""
_ATTEMPT = rf"{_NUMBER}\.{_NUMBER}-{_NUMBER}"
_OUTCOME_NAME = re.compile(rf"{_ATTEMPT}\.({'|'.join(_OUTCOMES)})\.json")
_LOG_NAME = re.compile(rf"{_ATTEMPT}\.txt")
_CLOSED_NAME = re.compile(rf"{_NUMBER}-{_NUMBER}\.json")
_NUMBERED = re.compile(rf"{_NUMBER}\.json")

_UNSAFE = re.compile(r"[\x00-\x1f\x7f\\]")


def check_key(key: object, what: str = "output key") -> str:
    """Return ``key`` if it is a relative path that every store can hold, else raise InvalidKey."""
    if not isinstance(key, str):
        raise InvalidKey(f"{what} {shown(key)} is not a string but {type(key).__name__}")
    problem = _problem(key)
    if problem:
        raise InvalidKey(
            f"{what} {shown(key, 2 * KEY_BYTES)} {problem}: a key is a relative path such as 'table.csv' or "
            "'plots/age.png'"
        )
    return key


def _problem(key: str) -> str | None:
    if not key:
        return "is empty"
    if key.startswith("/"):
        return "is absolute"
    if _UNSAFE.search(key):
        return "holds a control character or a backslash"
    try:
        size = len(key.encode())
    except UnicodeEncodeError:
        return "is not valid Unicode"
    if size > KEY_BYTES:
        return f"is longer than {KEY_BYTES} bytes"
    for segment in key.split("/"):
        if segment in ("", ".", ".."):
            return f"has {segment!r} as a part" if segment else "has an empty part"
        if len(segment.encode()) > SEGMENT_BYTES:
            return f"has a part longer than {SEGMENT_BYTES} bytes"
    return None


class AttemptId(NamedTuple):
    """One try at one job: which index, in which round, the how-manieth."""

    index: int  # type: ignore[assignment]  # instead of tuple.index, which nobody wants here
    round: int
    attempt: int

    @property
    def stem(self) -> str:
        return f"{self.index}.{self.round}-{self.attempt}"

    @property
    def folder(self) -> str:
        return f"{self.index}/{self.round}-{self.attempt}"


class OutcomeName(NamedTuple):
    """What the name of an outcome tells without reading it."""

    index: int  # type: ignore[assignment]  # instead of tuple.index, which nobody wants here
    round: int
    attempt: int
    status: str


def wheel_key(sha256: str, filename: str) -> str:
    return f"{PACKAGES}/{sha256}/{filename}"


def index_key(date: str, analysis_id: str) -> str:
    return f"index/{date}/{analysis_id}.json"


def analysis_prefix(analysis_id: str) -> str:
    return f"analyses/{analysis_id}"


def payload_key(analysis_id: str, round: int) -> str:
    return f"analyses/{analysis_id}/payloads/{round}.zip"


def contended_payload_key(analysis_id: str, round: int, sha256: str) -> str:
    """Of a round whose payload's name was taken, by another submission of that round or a killed one."""
    return f"analyses/{analysis_id}/payloads/{round}-{sha256}.zip"


def inputs_key(analysis_id: str) -> str:
    return f"analyses/{analysis_id}/inputs.bin"


def rounds_prefix(analysis_id: str) -> str:
    return f"analyses/{analysis_id}/rounds"


def round_key(analysis_id: str, round: int) -> str:
    return f"analyses/{analysis_id}/rounds/{round}.json"


def closed_prefix(analysis_id: str) -> str:
    return f"analyses/{analysis_id}/closed"


def closed_key(analysis_id: str, round: int, number: int) -> str:
    return f"analyses/{analysis_id}/closed/{round}-{number}.json"


def outcomes_prefix(analysis_id: str) -> str:
    return f"analyses/{analysis_id}/outcomes"


def outcome_key(analysis_id: str, attempt: AttemptId, status: str) -> str:
    return f"analyses/{analysis_id}/outcomes/{attempt.stem}.{status}.json"


def checkpoints_prefix(analysis_id: str, index: int) -> str:
    return f"analyses/{analysis_id}/checkpoints/{index}"


def checkpoint_key(analysis_id: str, attempt: AttemptId, number: int) -> str:
    index, round, count = attempt
    return f"analyses/{analysis_id}/checkpoints/{index}/{round}-{count}-{number}.json"


def checkpoint_file_key(analysis_id: str, index: int, sha256: str) -> str:
    return f"analyses/{analysis_id}/checkpoints/{index}/files/{sha256}"


def borrowers_prefix(analysis_id: str) -> str:
    return f"analyses/{analysis_id}/borrowers"


def borrower_key(analysis_id: str, borrower: str) -> str:
    return f"analyses/{analysis_id}/borrowers/{borrower}"


def deleting_key(analysis_id: str) -> str:
    return f"analyses/{analysis_id}/deleting"


def recipe_prefix(recipe: str) -> str:
    """Where the rounds of one recipe are named."""
    return f"reuse/{recipe}"


def logs_prefix(analysis_id: str) -> str:
    return f"analyses/{analysis_id}/logs"


def log_key(analysis_id: str, attempt: AttemptId) -> str:
    return f"analyses/{analysis_id}/logs/{attempt.stem}.txt"


def file_key(analysis_id: str, attempt: AttemptId, key: str) -> str:
    return f"analyses/{analysis_id}/files/{attempt.folder}/{key}"


def value_key(analysis_id: str, attempt: AttemptId, key: str, kind: str) -> str:
    return f"analyses/{analysis_id}/values/{attempt.folder}/{key}.{kind}"


def parse_outcome_name(name: str) -> OutcomeName | None:
    """Read ``<index>.<round>-<attempt>.<STATUS>.json``; None for any other file."""
    match = _OUTCOME_NAME.fullmatch(name)
    if match is None:
        return None
    index, round, attempt, status = match.groups()
    return OutcomeName(int(index), int(round), int(attempt), status)


def parse_log_name(name: str) -> AttemptId | None:
    """Read ``<index>.<round>-<attempt>.txt``; None for any other file."""
    match = _LOG_NAME.fullmatch(name)
    return AttemptId(*map(int, match.groups())) if match else None


def parse_closed_name(name: str) -> int | None:
    """The round of ``<round>-<n>.json``; None for any other file."""
    match = _CLOSED_NAME.fullmatch(name)
    return int(match[1]) if match else None


def parse_number(name: str) -> int | None:
    """Read ``<n>.json``; None for any other file."""
    match = _NUMBERED.fullmatch(name)
    return int(match[1]) if match else None


def project_prefix(project: str) -> str:
    """Where the revisions of a project are, by number."""
    return f"projects/{project}"


def lease_prefix(project: str, analysis: str, round: int) -> str:
    """Where the leases of a round are, by number: the highest counts."""
    return f"claims/{project}/{analysis}.{round}"
