"""Executors: where jobs run. One small protocol, two implementations, no registry.

Results never pass through an executor: they are in the store.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from explorer_runner.definition import JobDefinition
from explorer_runner.keys import Attempt, OutcomeName
from explorer_runner.stores import Store
from gencove_explorer.errors import ConfigError
from gencove_explorer.observe import Observed
from gencove_explorer.records import IndexRecord, RoundRecord
from gencove_explorer.settings import Settings


class Executor(Protocol):
    """Starts the jobs of rounds that are in the store, and tells what it sees of them."""

    name: str
    """As rounds record it."""
    place: str
    """Which of its kind it is, as rounds record it."""

    def fit(self, definition: JobDefinition | None) -> JobDefinition:
        """The definition to submit with; None asks for the default.

        Raises SubmissionError for one that could never start here.
        """
        ...

    def submit(self, store: Store, record: RoundRecord, index: IndexRecord) -> None:
        """Commit to running a round. All of it is in the store but its index, which comes last."""
        ...

    def describe(
        self,
        store: Store,
        rounds: Sequence[RoundRecord],
        outcomes: Iterable[OutcomeName],
        open_jobs: Sequence[int],
    ) -> tuple[Mapping[int, str], str | None]:
        """``(index -> state, why they wait)`` of jobs that have not ended according to the store."""
        ...

    def terminate(self, analysis: str, indices: Sequence[int] | None, reason: str) -> None:
        """End jobs (None: all), those that have not started too."""
        ...

    def last_attempt(
        self, store: Store, rounds: Sequence[RoundRecord], observed: Observed, index: int
    ) -> Attempt | None:
        """The latest attempt at a job, which may be running; None if there was none yet."""
        ...

    def log_path(self, store: Store, analysis: str, attempt: Attempt) -> Path | None:
        """Where on this machine the log of an attempt grows; None if it does not."""
        ...

    def open_rounds(self) -> list[RoundRecord]:
        """Rounds that have not ended, of all analyses."""
        ...


def open_executor(settings: Settings) -> Executor:
    """The executor that ``run()`` uses."""
    if settings.executor == "batch":
        raise ConfigError(
            f"executor is 'batch' ({settings.source('executor')}), which this version does not have yet: "
            "set EXPLORER_EXECUTOR=local to run on this machine"
        )
    from gencove_explorer.local.client import LocalExecutor

    return LocalExecutor(settings)
