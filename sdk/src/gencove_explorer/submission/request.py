"""What a person asked to run, as plain data: what is below the public classes is given requests alone."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

from explorer_runner.context import GlobalConfig
from explorer_runner.format.payload import ALL
from gencove_explorer.errors import InvalidArgument
from gencove_explorer.monitoring.inputs import stored_config, stored_input
from gencove_explorer.monitoring.stored_analysis import StoredAnalysis


class _Unchanged(Enum):
    UNCHANGED = "unchanged"


UNCHANGED: Final = _Unchanged.UNCHANGED
"""Stands for the input of an analysis that was found in the store; None is an input like any other."""


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """How an analysis is run; nothing that a result depends on. Raises InvalidArgument."""

    reuse: bool = False
    """Whether jobs that succeeded before, with all that can change a result the same, are not run again."""
    canary: int | None = None
    """So many jobs run first, and the others when all of these succeeded; None: all at once."""
    max_failures: int | float | None = None
    """So many jobs (or, below 1, such a share of them) may fail before no more are started; None: all."""
    parallel: int | None = None
    """So many jobs may run at once; None: as many as there is room for."""

    def __post_init__(self) -> None:
        if not isinstance(self.reuse, bool):
            raise InvalidArgument(f"reuse={self.reuse!r}: use True or False")
        for name in ("canary", "parallel"):
            value = getattr(self, name)
            if value is not None and not _is_count(value):
                raise InvalidArgument(f"{name}={value!r}: use a number of jobs, from 1")
        share = isinstance(self.max_failures, float) and 0 < self.max_failures < 1
        if self.max_failures is not None and not share and not _is_count(self.max_failures):
            raise InvalidArgument(
                f"max_failures={self.max_failures!r}: use a number of jobs, from 1, or a share of them, "
                "such as 0.05"
            )

    def failures_of(self, jobs: int) -> int | None:
        """``max_failures`` as a number, of so many jobs; of a share of them at least 1."""
        if isinstance(self.max_failures, float):
            return max(1, math.ceil(self.max_failures * jobs))
        return self.max_failures

    @property
    def chosen(self) -> dict[str, Any]:
        """Those that are not the usual ones, by name."""
        return {name: value for name, value in vars(self).items() if value != getattr(USUAL, name)}

    def for_dependencies(self) -> "RunOptions":
        """The options of what is run because another analysis depends on it."""
        return RunOptions(reuse=self.reuse)


USUAL: Final = RunOptions()


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


@dataclass(frozen=True, eq=False, kw_only=True)
class AnalysisRequest:
    """One analysis that is to be run, as it was asked for: only the types of its dependencies are checked.

    ``Analysis.run``, ``run_local`` and ``to_manifest`` make one, and so does each manifest. Two requests are
    never equal: a chain of analyses is a graph of these objects.
    """

    name: str
    function: Callable[[Any], Any] | None
    """The work function; None: that of ``stored``."""
    input: Any
    """What ``input=`` was given; UNCHANGED: what ``stored`` was submitted with."""
    global_config: GlobalConfig | None
    """What all jobs share; None: what ``stored`` was submitted with, or nothing."""
    depends_on: "Sequence[Dependency] | None"
    """What has to succeed before; None: what ``stored`` depends on."""
    job_definition: Any = None
    pip_packages: Sequence[str] | None = None
    labels: Any = None
    lock: bytes | None = None
    """Packages that were resolved before; None: they are resolved at submission."""
    options: RunOptions = USUAL
    stored: StoredAnalysis | None = None
    """The analysis of the store that this one was found as; None of one that was made here."""
    last_run: StoredAnalysis | None = None
    """What ``run`` or ``run_local`` has made of it last; as a dependency it need not run again."""
    last_trial: StoredAnalysis | None = None
    """What ``run_local`` has made of one that was found: of use to other run_local alone."""

    @property
    def is_rerun(self) -> bool:
        """Whether the work function is the stored one, of which nothing is unpickled."""
        return self.function is None and self.stored is not None

    def unpickled_input(self) -> Any:
        """What ``input=`` was given, now or then. Raises PayloadError if that cannot be unpickled here."""
        if self.input is not UNCHANGED:
            return self.input
        assert self.stored is not None, "one that was made here has an input"
        return stored_input(self.stored)

    def unpickled_config(self) -> GlobalConfig | None:
        """Likewise what all jobs share."""
        if self.global_config is not None or self.stored is None:
            return self.global_config
        return stored_config(self.stored)


@dataclass(frozen=True)
class Dependency:
    """One entry of ``depends_on``."""

    request: AnalysisRequest
    kind: str = ALL
    """How it is waited for (explorer_runner.format.payload): ALL, EACH or FINISHED."""
