"""The SDK's errors; they join the runner's tree (explorer_runner.errors).

ExplorerError
├── ConfigError          a setting that cannot be used
├── SubmissionError      an analysis that is refused before anything is written
│   ├── CaptureError     the function or an input takes along what cannot travel
│   └── DependencyError  dependencies that cannot be: a cycle, two of one name, too many
├── NotSubmitted         a call that needs an id on an analysis that was never submitted
├── NoSuchAnalysis       no analysis of that id in the store (also a KeyError)
├── InvalidFilter        a time, date or name to find or show by that is none (also a ValueError)
├── JobFailed            a job failed; carries its outcome
├── WaitTimeout          waiting took longer than it was allowed to (also a TimeoutError)
├── SheetError           a sheet of samples that cannot be read
├── ManifestError        manifests that cannot be used; carries every fault of every file
├── PlanError            a reconcile that is refused before anything is written
├── InUse                an analysis that cannot be deleted yet
└── ExecutorError        the local executor, AWS or Docker cannot be used, or does not answer
"""

from collections.abc import Sequence
from typing import Any

from explorer_runner.errors import (
    AlreadyExists,
    CommandFailed,
    CorruptPayload,
    ExplorerError,
    InvalidArgument,
    InvalidDefinition,
    InvalidKey,
    InvalidName,
    NoSuchDependency,
    NoSuchJob,
    NoSuchOutput,
    NotFinished,
    NotFound,
    OutputError,
    PackageError,
    PayloadError,
    PythonMismatch,
    StoreError,
    UnsupportedFormat,
)
from explorer_runner.format.outcome import Outcome

__all__ = [
    "AlreadyExists",
    "CaptureError",
    "CommandFailed",
    "ConfigError",
    "CorruptPayload",
    "DependencyError",
    "ExecutorError",
    "ExplorerError",
    "InUse",
    "InvalidArgument",
    "InvalidDefinition",
    "InvalidFilter",
    "InvalidKey",
    "InvalidName",
    "JobFailed",
    "ManifestError",
    "NoSuchAnalysis",
    "NoSuchDependency",
    "NoSuchJob",
    "NoSuchOutput",
    "NotFinished",
    "NotFound",
    "NotSubmitted",
    "OutputError",
    "PackageError",
    "PayloadError",
    "PlanError",
    "PythonMismatch",
    "SheetError",
    "StoreError",
    "SubmissionError",
    "UnsupportedFormat",
    "WaitTimeout",
]


class ConfigError(ExplorerError):
    """A setting cannot be used."""


class SubmissionError(ExplorerError):
    """The analysis is refused; nothing was written."""


class CaptureError(SubmissionError):
    """The work function or an input takes along what cannot travel."""


class DependencyError(SubmissionError):
    """The dependencies cannot be honoured."""


class SheetError(ExplorerError, ValueError):
    """A sheet of samples cannot be read."""


class ManifestError(ExplorerError):
    """Manifests cannot be used."""

    def __init__(self, faults: Sequence[Any]) -> None:
        super().__init__("\n".join(map(str, faults)))
        self.faults = list(faults)
        """All that is wrong: file, line, field, what was found, what is allowed."""


class PlanError(ExplorerError):
    """What is asked of reconcile is refused; nothing was written."""


class NotSubmitted(ExplorerError):
    """The analysis was never submitted."""


class NoSuchAnalysis(ExplorerError, KeyError):
    """The store holds no analysis of that id."""


class InvalidFilter(ExplorerError, ValueError):
    """What analyses or lines of a log are to be found by cannot be used."""


class JobFailed(ExplorerError):
    """A job failed."""

    def __init__(self, message: str, outcome: Outcome | None = None) -> None:
        super().__init__(message)
        self.outcome = outcome
        """What is known of the failed attempt; None if it never reached the runner."""


class WaitTimeout(ExplorerError, TimeoutError):
    """The time that was allowed for waiting is over; the jobs go on."""


class InUse(ExplorerError):
    """The analysis cannot be deleted yet."""


class ExecutorError(ExplorerError):
    """The local executor, AWS or Docker cannot be used, or does not answer."""
