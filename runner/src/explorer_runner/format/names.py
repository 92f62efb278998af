"""Names and ids: their grammar, how they are made, and what they say.

An id is ``2023-05-08T154506_age_17eb494f3d5349c88959bace7a6b7873``: the UTC time of submission
without colons, the analysis's name, 32 hex digits. It is also the name of the job on AWS Batch,
which takes 1 to 128 letters, digits, hyphens and underscores
(https://docs.aws.amazon.com/batch/latest/APIReference/API_SubmitJob.html, jobName).
"""

import re
import time
import uuid
from collections.abc import Callable
from typing import NamedTuple

from explorer_runner.errors import InvalidName
from explorer_runner.text import shown

BATCH_NAME_LENGTH = 128
_SHOWN = 200
_STAMP_LENGTH = len("2023-05-08T154506")
NAME_LENGTH = BATCH_NAME_LENGTH - _STAMP_LENGTH - 32 - len("__")

_NAME = re.compile(rf"[A-Za-z0-9_-]{{1,{NAME_LENGTH}}}")
_ID = re.compile(
    rf"(\d{{4}}-\d{{2}}-\d{{2}})T(\d{{6}})_([A-Za-z0-9_-]{{1,{NAME_LENGTH}}})_([0-9a-f]{{32}})", re.ASCII
)


class AnalysisId(NamedTuple):
    """The parts of an id."""

    date: str
    """UTC date of submission, ``YYYY-MM-DD``."""
    clock: str
    """UTC time of submission, ``HHMMSS``."""
    name: str
    nonce: str
    """32 hex digits that make the id unique."""


def check_name(name: str) -> str:
    """Return ``name``, or raise InvalidName saying what AWS Batch would refuse."""
    if isinstance(name, str) and _NAME.fullmatch(name):
        return name
    raise InvalidName(
        f"name={shown(name, _SHOWN)} cannot name a job on AWS Batch: use 1 to {NAME_LENGTH} of the "
        "characters A-Z a-z 0-9 _ - (the id adds time and digits, up to 128 in all)"
    )


def derive_name(function_name: str) -> str:
    """Make an analysis's name of a function's: what does not fit is replaced or cut."""
    if function_name == "<lambda>":
        return "lambda"
    return re.sub(r"[^A-Za-z0-9_-]", "_", function_name)[:NAME_LENGTH] or "work"


def new_id(
    name: str,
    *,
    clock: Callable[[], float] = time.time,
    nonce: Callable[[], str] = lambda: uuid.uuid4().hex,
) -> str:
    """Make a fresh id for an analysis called ``name``."""
    stamp = time.strftime("%Y-%m-%dT%H%M%S", time.gmtime(clock()))
    return f"{stamp}_{check_name(name)}_{nonce()}"


def check_id(value: object) -> None:
    """An id, as a check of a record (checked.py) has it."""
    if not isinstance(value, str) or _ID.fullmatch(value) is None:
        raise ValueError("an analysis id")


def parse_id(analysis_id: str) -> AnalysisId:
    """Take an id apart, or raise InvalidName.

    Everything that builds a store key from an id given by a person goes through here first, so
    that no id can name a path outside its analysis.
    """
    match = _ID.fullmatch(analysis_id) if isinstance(analysis_id, str) else None
    if match is None:
        raise InvalidName(
            f"{shown(analysis_id, _SHOWN)} is not an analysis id, which looks like "
            "2023-05-08T154506_age_17eb494f3d5349c88959bace7a6b7873"
        )
    return AnalysisId(*match.groups())
