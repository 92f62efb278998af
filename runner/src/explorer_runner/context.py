"""What a work function is given: AnalysisContext, and GlobalConfig.

These classes live here and not in the SDK because a pickled annotation (``ac: AnalysisContext``)
travels by reference: whatever unpickles a work function must be able to import them.
"""

import copyreg
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from explorer_runner.definition import JobDefinition
from explorer_runner.errors import InvalidName, NoSuchDependency
from explorer_runner.format.keys import AttemptId
from explorer_runner.format.payload import DependencyRef, Spec
from explorer_runner.format.reused import read_reused
from explorer_runner.outputs import OUTPUTS, Output
from explorer_runner.results import JobFailure, JobOutput, Results
from explorer_runner.stores.base import Store

if TYPE_CHECKING:
    from explorer_runner.files.checkpoint import Checkpoint

_RESERVED = ("__class__", "__dict__", "__weakref__")
"""Names whose attributes are the object's own, whatever it holds."""


class GlobalConfig:
    """What all jobs of an analysis share: keyword arguments, read as attributes, never changed.

    GlobalConfig(age_map={"human": 20}).age_map["human"]
    """

    def __init__(self, /, **values: Any) -> None:
        for name in _RESERVED:
            if name in values:
                raise InvalidName(
                    f"the global config cannot hold {name!r}, a name of Python's own: choose another"
                )
        self.__dict__.update(values)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # pickle and copy ask for such names before the object is filled
            raise AttributeError(name)
        names = ", ".join(self.__dict__) or "nothing"
        raise AttributeError(f"the global config has no {name!r}; it has {names}")

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"the global config is read-only: pass {name}= to GlobalConfig(...)")

    def __delattr__(self, name: str) -> None:
        raise AttributeError("the global config is read-only")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, GlobalConfig) and self.__dict__ == other.__dict__

    __hash__ = None  # type: ignore[assignment]  # it may hold anything, so it is as unhashable as a dict

    def __repr__(self) -> str:
        return f"GlobalConfig({', '.join(f'{name}={value!r}' for name, value in self.__dict__.items())})"


def _reduce(config: GlobalConfig) -> tuple[Any, ...]:
    return copyreg.__newobj__, (GlobalConfig,), vars(config)  # type: ignore[attr-defined]


# pickle asks objects for their __reduce_ex__, which may be the name of a value.
copyreg.pickle(GlobalConfig, _reduce)


class Dependency:
    """An analysis that the running one depends on: its outputs.

    ``get_output()`` reads the job of the same index where the dependency was given as ``each(...)``,
    else job 0 (with a warning if there are more).
    """

    def __init__(self, ref: DependencyRef, results: Results, job_index: int | None) -> None:
        self.id: str = ref.id
        """Id of the analysis."""
        self.name: str = ref.name
        """Its name."""
        self._own = job_index if ref.each else None
        self._results = results

    def get_output(self, job_index: int | None = None) -> JobOutput:
        """The outputs of one of its jobs. Raises IndexError."""
        return self._results.get_output(self._own if job_index is None else job_index)

    def get_outputs(self) -> list[JobOutput]:
        """The outputs of all its jobs, in its inputs' order."""
        return self._results.get_outputs()

    def values(self, key: str, **missing: Any) -> list[Any]:
        """One value of all its jobs, in its inputs' order.

        ``missing=None`` (or any value) stands in for jobs that kept no such value; without it they
        raise NoSuchOutput.
        """
        return self._results.values(key, **missing)

    def failures(self) -> "list[JobFailure]":
        """Its jobs that failed, in its inputs' order: of a dependency given as ``finished(...)``."""
        return self._results.failures()

    def __iter__(self) -> Iterator[JobOutput]:
        """The outputs of its jobs that succeeded, in its inputs' order."""
        return iter(self._results.succeeded())

    def __repr__(self) -> str:
        return f"Dependency({self.name!r}, {self.id!r})"


class AnalysisContext:
    """The one argument of a work function."""

    def __init__(
        self,
        *,
        spec: Spec,
        store: Store,
        index: int,
        attempt: int,
        input: Any,
        global_config: GlobalConfig,
        private: str,
        scratch: str,
    ) -> None:
        self.id: str = spec.id
        """Id of the analysis."""
        self.name: str = spec.name
        """Name of the analysis."""
        self.job_index: int = index
        """Which job of the analysis this is, from zero."""
        self.attempt: int = attempt
        """Which try at this job this is, from one."""
        self.input: Any = input
        """The job's own input."""
        self.global_config: GlobalConfig = global_config
        """What all jobs share, read-only."""
        self.job_definition: JobDefinition = spec.job_definition
        """CPUs, memory, image, timeout and the rest of what was asked for."""
        self.output: Output = Output(f"{private}/{OUTPUTS}", scratch)
        """Where to put files and values."""
        self._spec = spec
        self._store = store
        self._private = private
        self._downloads = f"{private}/downloads"

    @property
    def global_context(self) -> GlobalConfig:
        """The same object as ``global_config``."""
        return self.global_config

    @cached_property
    def checkpoint(self) -> "Checkpoint":
        """A folder that the next attempt at this job finds as it was saved: see ``Checkpoint``.

        It costs nothing until its ``path`` is looked at.
        """
        from explorer_runner.files.checkpoint import Checkpoint  # most jobs have none

        attempt = AttemptId(self.job_index, self._spec.round, self.attempt)
        return Checkpoint(self._store, self.id, attempt, self._private)

    def dependency(self, name: str) -> Dependency:
        """The analysis called ``name`` that this one depends on. Raises NoSuchDependency."""
        return Dependency(
            *find_dependency(self._spec.depends_on, name, self._store, self._downloads), self.job_index
        )

    def __repr__(self) -> str:
        return f"AnalysisContext(id={self.id!r}, job_index={self.job_index}, attempt={self.attempt})"


def find_dependency(
    refs: list[DependencyRef], name: str, store: Store, downloads: str
) -> tuple[DependencyRef, Results]:
    """The dependency called ``name`` and its results, or NoSuchDependency naming those there are."""
    by_name: Mapping[str, DependencyRef] = {ref.name: ref for ref in refs}
    if name not in by_name:
        names = ", ".join(map(repr, by_name)) or "none"
        raise NoSuchDependency(f"no dependency is called {name!r}; there are: {names}")
    ref = by_name[name]
    return ref, Results(
        store,
        ref.id,
        name=ref.name,
        jobs=ref.jobs,
        array=ref.array,
        downloads=downloads,
        reused=read_reused(store, ref.id) if ref.reused else None,
    )
