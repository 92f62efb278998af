"""What a person asked to run, as plain data: what is below the public classes is given requests alone."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

from explorer_runner.context import GlobalConfig
from gencove_explorer.monitoring.inputs import stored_config, stored_input
from gencove_explorer.monitoring.stored_analysis import StoredAnalysis


class _Unchanged(Enum):
    UNCHANGED = "unchanged"


UNCHANGED: Final = _Unchanged.UNCHANGED
"""Stands for the input of an analysis that was found in the store; None is an input like any other."""


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
    each: bool
    """Whether job i waits for, and reads, job i of it alone."""
