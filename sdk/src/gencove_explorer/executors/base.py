"""Executors: where jobs run. One small protocol, two implementations, no registry.

Results never pass through an executor: they are in the store.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from explorer_runner.definition import JobDefinition
from explorer_runner.format.keys import AttemptId, OutcomeName
from explorer_runner.stores.base import Store
from gencove_explorer.executors.log_reader import LogReader
from gencove_explorer.records.index import IndexRecord
from gencove_explorer.records.round import RoundRecord, Rounds
from gencove_explorer.records.states import JobStates


class Executor(Protocol):
    """Starts the jobs of rounds that are in the store, and tells what it sees of them."""

    name: str
    """As rounds record it."""
    location: str
    """Which of its kind it is, as rounds record it."""
    platform: str | None
    """What packages are resolved for, as uv names platforms; None: this machine."""
    poll_seconds: tuple[float, float]
    """Shortest and longest pause between two looks, when somebody waits."""
    follow_seconds: tuple[float, float]
    """Likewise of looks at a log that is followed."""

    def resolve_definition(self, definition: JobDefinition | None) -> JobDefinition:
        """The definition to submit with; None asks for the default.

        Raises SubmissionError for one that could never start here.
        """
        ...

    def check_buckets(self, buckets: Mapping[str, str]) -> None:
        """Raise SubmissionError unless jobs can read the inputs that lie in these S3 buckets.

        Each comes with the key of one of them.
        """
        ...

    def submit(self, store: Store, record: RoundRecord, index: IndexRecord) -> None:
        """Commit to running a round, and list its analysis. All else of it is in the store."""
        ...

    def has_round(self, store: Store, record: RoundRecord) -> bool:
        """Whether a round of which nothing has ended yet was submitted. It may lag a moment."""
        ...

    def job_states(
        self,
        rounds: Rounds,
        outcomes: Iterable[OutcomeName],
        open_jobs: Sequence[int],
        focus: int | None = None,
    ) -> tuple[Mapping[int, str], str | None]:
        """``(index -> state, why they wait)`` of jobs that have not ended according to the store.

        AWS Batch tells how many jobs of an array are in which state; which of them is exact only for
        the job that is ``focus``. FAILED is what the store has a reason for by then, or what was
        never submitted; that may still change for a while, so it is not written down at once.
        """
        ...

    def terminate(self, rounds: Rounds, indices: Sequence[int] | None, reason: str) -> None:
        """End jobs (None: all), those that have not started too."""
        ...

    def clean_up(self, rounds: Rounds) -> None:
        """Remove what the executor keeps for an analysis that has ended."""
        ...

    def last_attempt(self, rounds: Rounds, observed: JobStates, index: int) -> AttemptId | None:
        """The latest attempt at a job, which may be running; None if there was none yet."""
        ...

    def open_log(self, rounds: Rounds, attempt: AttemptId, since: float) -> LogReader | None:
        """What an attempt has written since a time, and still writes; None if that is not to be had."""
        ...

    def unfinished_rounds(self) -> list[RoundRecord]:
        """Rounds that have not ended, of all analyses."""
        ...
