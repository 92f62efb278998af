"""Analysis: a function, its inputs, and what became of them.

from gencove_explorer.analysis import Analysis, AnalysisContext

def work(ac: AnalysisContext):
ac.output.value("length", len(ac.input))

an = Analysis(function=work, input=["foo", "bars"])
an.run()
an.wait_done()
an.values("length")      # [3, 4]
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any

from explorer_runner.context import AnalysisContext, GlobalConfig, find_dependency
from explorer_runner.definition import JobDefinition
from explorer_runner.format.names import check_name, derive_name
from explorer_runner.format.payload import ALL, EACH, FINISHED
from explorer_runner.results import JobOutput
from gencove_explorer.errors import DependencyError, InvalidArgument, NotSubmitted
from gencove_explorer.utils.log import get_logger

if TYPE_CHECKING:
    from os import PathLike
    from pathlib import Path

    from gencove_explorer.monitoring.reports import Failures
    from gencove_explorer.monitoring.stored_analysis import StoredAnalysis
    from gencove_explorer.submission import request

__all__ = ["Analysis", "AnalysisContext", "GlobalConfig", "JobDefinition", "each", "finished"]

_log = get_logger(__name__)


class Dependency:
    """An analysis, and how another waits for it; made by ``each`` and ``finished``."""

    def __init__(self, analysis: "Analysis", kind: str) -> None:
        if not isinstance(analysis, Analysis):
            raise InvalidArgument(f"{kind}({analysis!r}): use {kind}(analysis)")
        self.analysis = analysis
        self.kind = kind

    def __repr__(self) -> str:
        return f"{self.kind}({self.analysis!r})"


def each(analysis: "Analysis") -> Dependency:
    """Depend on ``analysis`` job by job: job i waits for, and reads, its job i only.

    Both must be arrays of one size.
    """
    return Dependency(analysis, EACH)


def finished(analysis: "Analysis") -> Dependency:
    """Depend on the end of ``analysis``: it is waited for until all its jobs have ended, well or not."""
    return Dependency(analysis, FINISHED)


class Analysis:
    """A work function over its inputs, run here or by an executor, and found again by id.

    function: called with an AnalysisContext; may be given later, before ``run``.
    input: a list is an array, one job an element; anything else, and a list of one, is one job.
    name: of the analysis; default: the function's.
    job_definition: what each job asks for; default: 2 CPUs and 4,000 MiB.
    global_config: what all jobs share.
    pip_packages: requirements as pip takes them; a job sees these and the standard library only.
    depends_on: analyses that must have succeeded before; or ``each(analysis)``, ``finished(analysis)``.
    labels: text for people, kept with the analysis.

    Its jobs are addressed by a zero-based index. Nothing is checked before ``run`` or ``run_local``.
    """

    def __init__(
        self,
        function: Callable[[AnalysisContext], Any] | None = None,
        input: Any = None,
        *,
        name: str | None = None,
        job_definition: JobDefinition | None = None,
        global_config: GlobalConfig | None = None,
        pip_packages: Sequence[str] | None = None,
        depends_on: "Sequence[Analysis | Dependency] | None" = (),
        labels: Mapping[str, str] | None = None,
    ) -> None:
        self.function = function
        self.input = input
        self.job_definition = job_definition
        self.global_config = global_config
        self.pip_packages = pip_packages
        self.depends_on = depends_on
        self.labels = labels
        self._name = name
        self._lock: bytes | None = None
        """Packages that were resolved before; None: they are at submission."""
        self._options: request.RunOptions | None = None
        """How its manifest says that it is run."""
        self._stored: StoredAnalysis | None = None
        """The latest run."""
        self._origin: StoredAnalysis | None = None
        """What ``get_analysis`` found; None of an analysis that was made here."""
        self._tried: StoredAnalysis | None = None
        """The latest ``run_local`` of one that was found."""

    # An analysis that was found has none of these three of its own until somebody asks for them.

    @cached_property
    def input(self) -> Any:
        """What it was submitted with, unpickled now. Raises PayloadError if that cannot be done here."""
        from gencove_explorer.monitoring.inputs import stored_input

        return stored_input(self._found_as())

    @cached_property
    def global_config(self) -> GlobalConfig | None:
        """What it was submitted with, unpickled now. Raises PayloadError if that cannot be done here."""
        from gencove_explorer.monitoring.inputs import stored_config

        return stored_config(self._found_as())

    @cached_property
    def depends_on(self) -> "Sequence[Analysis | Dependency] | None":
        """What it depended on, found as well. Raises NoSuchAnalysis for what was deleted."""
        from gencove_explorer.monitoring.lookup import dependency_of

        stored = self._found_as()
        refs = stored.record.depends_on
        analyses = [self._from_stored(dependency_of(stored, ref)) for ref in refs]
        return [_waited_for(one, ref.kind) for ref, one in zip(refs, analyses, strict=True)]

    # -- running --------------------------------------------------------------------------------------

    def run(
        self,
        *,
        reuse: bool | None = None,
        canary: int | None = None,
        max_failures: int | float | None = None,
        parallel: int | None = None,
    ) -> str:
        """Submit to the configured executor and return the id at once.

        reuse: do not run jobs again that succeeded before, in any analysis of the store, with the same code,
            configuration, packages, image and input; also of dependencies that are run for it.
        canary: so many jobs, spread over the array, run first; the others when all of these succeeded. With
            as many as there are, or more, all run at once.
        max_failures: when so many jobs (0.05: such a share of them) have failed for good, no more are
            started, here at once, on AWS Batch by whoever looks. Each retry counts anew.
        parallel: at most so many jobs run at once.

        Runs every dependency first that was not run yet. Raises SubmissionError (or another
        ExplorerError) before anything is written if it cannot be.
        """
        from gencove_explorer.submission.run import submit

        given = {"reuse": reuse, "canary": canary, "max_failures": max_failures, "parallel": parallel}
        analyses = self._requests({name: value for name, value in given.items() if value is not None})
        for asked, stored in submit(list(analyses)):
            analyses[asked]._stored = stored
            _log.info("Analysis ID: %s", stored.id)
        return self.id

    def run_local(self, job_index: int | None = None, parallel: int = 1, container: bool = False) -> None:
        """Run here and now, in processes of its own, with the output in the cell as it comes.

        With ``container`` they are containers, by Docker, of the image and with the limits that the
        jobs have on AWS Batch: the last mile before the cluster, and the same on any machine.

        Of the job definition's limits ``timeout_seconds`` holds, ``memory_mb`` in containers alone;
        ``retries`` are not made.

        An array's jobs run one after the other, or ``parallel`` at once, or only ``job_index``.
        Dependencies that have not succeeded are run first, here. Stops at the first failure and
        raises JobFailed with the job's own traceback.

        Id, status and outputs speak of the latest run. Of an analysis that ``get_analysis`` found they go
        on speaking of that: the run is one of its own, under the id that is logged.
        """
        from gencove_explorer.submission.run import run_here

        analyses = self._requests()
        for asked, stored in run_here(list(analyses), job_index, parallel, container):
            if asked.stored is None:
                analyses[asked]._stored = stored
            else:  # one that was found: the run is an analysis beside it
                analyses[asked]._tried = stored
                _log.info("Analysis ID: %s", stored.id)

    def retry_failed(
        self,
        job_definition: JobDefinition | None = None,
        function: Callable[[AnalysisContext], Any] | None = None,
    ) -> int:
        """Run the failed jobs again, under the same id, with more memory or a mended function.

        Failed jobs of dependencies are run again first. Returns how many jobs of its own it runs
        again; nothing happens where nothing failed. Raises NotFinished if the definition or function that
        is given would be used for no job, while some that have not ended may yet fail; AlreadyExists if
        somebody else runs them again at the same moment.
        """
        from gencove_explorer.submission.retry import retry_failed

        return retry_failed(self._submitted(), job_definition, function)

    # -- what became of it ----------------------------------------------------------------------------

    @property
    def id(self) -> str:
        """Id of the latest run. Raises NotSubmitted."""
        return self._submitted().id

    @property
    def name(self) -> str:
        """Its name, given or derived."""
        if self._name is not None:
            return check_name(self._name)
        if self.function is None:
            return self._stored.record.name if self._stored is not None else "analysis"
        from gencove_explorer.capture.signature import function_name

        return derive_name(function_name(self.function))

    def status(self, job_index: int | None = None) -> dict[str, Any]:
        """``{'status': 'SUCCEEDED'}``; of an array also ``'jobs'``, counts by state; ``'reason'`` if any.

        The states are AWS Batch's seven, on every executor; and NOT_RUN, of a job that ``run_local`` of
        one job of an array left out. After ``retry_failed`` there is also ``'rounds'``: how many jobs
        each submission ran, and what it changed.
        """
        return self._submitted().status(job_index)

    def logs(
        self, job_index: int | None = None, live: bool = False, since: str | float | timedelta = "10m"
    ) -> None:
        """Print the log of one job: what it wrote in the last ``since``, or ``live`` until it ends.

        Ctrl-C stops following, not the job.
        """
        from gencove_explorer.monitoring.logs import show_log

        stored = self._submitted()
        show_log(stored, stored.record.one_job(job_index, "logs"), live=live, since=since)

    def get_output(self, job_index: int | None = None) -> JobOutput:
        """The outputs of one job; of an array without an index those of job 0, with a warning.

        Raises NotFinished, or JobFailed with the job's traceback.
        """
        return self._submitted().get_output(job_index)

    def get_outputs(self) -> Iterator[JobOutput]:
        """The outputs of all jobs as they finish, waiting for them; at the end JobFailed if any failed."""
        from gencove_explorer.monitoring.waiting import outputs_as_they_finish

        return outputs_as_they_finish(self._submitted())

    def values(self, key: str, **missing: Any) -> list[Any]:
        """One value of all jobs, in the inputs' order.

        ``missing=None`` (or any value) stands in for jobs that failed or kept no such value; without
        it they raise JobFailed or NoSuchOutput.
        """
        stored = self._submitted()
        if not missing:
            stored.require_success(whole=True)
        return stored.results.values(key, **missing)

    def failures(self) -> "Failures":
        """The failed jobs, grouped by exception and line."""
        return self._submitted().failures()

    # -- waiting and ending ---------------------------------------------------------------------------

    def wait_running_or_done(self, timeout: float | None = None) -> None:
        """Block until a job runs or all have ended. Raises WaitTimeout after ``timeout`` seconds."""
        from gencove_explorer.monitoring.waiting import has_begun, leaving_jobs_alone, wait

        stored = self._submitted()
        with leaving_jobs_alone(stored):
            wait(stored, has_begun, timeout)

    def wait_done(self, timeout: float | None = None) -> None:
        """Block until all jobs have ended, well or not. Raises WaitTimeout after ``timeout`` seconds."""
        from gencove_explorer.monitoring.waiting import leaving_jobs_alone, wait

        stored = self._submitted()
        with leaving_jobs_alone(stored):
            wait(stored, lambda observed: observed.finished, timeout)

    def terminate(self, job_index: int | None = None) -> None:
        """End one job; jobs that depend on it fail. It may take up to a minute."""
        stored = self._submitted()
        stored.terminate([stored.record.one_job(job_index, "terminate", " or terminate_all()")])

    def terminate_all(self) -> None:
        """End all jobs, those that have not started too."""
        self._submitted().terminate()

    def delete(self) -> None:
        """Remove all that the store holds of it. Raises InUse unless it has finished."""
        from gencove_explorer.session import Session

        stored = self._submitted()
        stored.delete(Session().unfinished_rounds)
        self._stored = None

    def dependency(self, name: str) -> "Analysis":
        """The analysis called ``name`` that this one depends on.

        Raises NoSuchDependency, or NoSuchAnalysis if it was deleted.
        """
        from gencove_explorer.monitoring.lookup import dependency_of

        stored = self._submitted()
        ref, _ = find_dependency(stored.record.depends_on, name, stored.store, stored.downloads)
        return self._from_stored(dependency_of(stored, ref))

    @property
    def source(self) -> str:
        """The text of the work function that was submitted."""
        return self._submitted().payload().source

    def __repr__(self) -> str:
        if self._stored is None:
            return f"<Analysis {self.name}, not submitted>"
        return f"<Analysis {self._stored.id}>"

    def _repr_html_(self) -> str | None:
        if self._stored is None:
            return None
        from gencove_explorer.monitoring.tables import analyses_as_html

        return analyses_as_html([self._stored])

    # -- as a file that is committed ----------------------------------------------------------------

    @classmethod
    def from_manifest(cls, path: "str | PathLike[str]") -> "Analysis":
        """The analysis of a manifest, as a notebook would have built it. Raises ManifestError."""
        from gencove_explorer.manifests.build import from_manifest

        return cls._from_request(from_manifest(path), {})

    def to_manifest(self, folder: "str | PathLike[str]") -> "Path":
        """Write ``<name>.yaml`` and the function's source into a folder; returns the manifest's path.

        What it depends on is written too, unless it is there. Raises ManifestError for what cannot be
        written down.
        """
        from gencove_explorer.manifests.export import to_manifest

        *_, asked = self._requests()
        return to_manifest(asked, folder)

    # -- inside ---------------------------------------------------------------------------------------

    @classmethod
    def _from_stored(cls, stored: "StoredAnalysis") -> "Analysis":
        """An analysis from the store: nothing is unpickled, and what it was made of stays there."""
        analysis = cls(
            name=stored.record.name,
            job_definition=stored.record.job_definition,
            pip_packages=list(stored.record.pip_packages),
            labels=dict(stored.record.labels),
        )
        del analysis.input, analysis.global_config, analysis.depends_on
        analysis._stored = analysis._origin = stored
        return analysis

    @classmethod
    def _from_request(
        cls, asked: "request.AnalysisRequest", made: "dict[request.AnalysisRequest, Analysis]"
    ) -> "Analysis":
        """The analysis of a manifest's request; those that it depends on are ``made`` once."""
        if asked not in made:
            upstream = [(cls._from_request(one.request, made), one.kind) for one in asked.depends_on or ()]
            made[asked] = cls(
                function=asked.function,
                input=asked.input,
                name=asked.name,
                job_definition=asked.job_definition,
                global_config=asked.global_config,
                pip_packages=asked.pip_packages,
                depends_on=[_waited_for(analysis, kind) for analysis, kind in upstream],
                labels=asked.labels,
            )
            made[asked]._lock, made[asked]._options = asked.lock, asked.options
        return made[asked]

    def _requests(self, chosen: Mapping[str, Any] | None = None) -> "dict[request.AnalysisRequest, Analysis]":
        """The requests of this analysis, last, and before it of all that it depends on, dependencies first.

        ``chosen`` are options for this run. Raises DependencyError for a circle, or for something that is
        not an analysis.
        """
        from gencove_explorer.submission import request

        made: dict[Analysis, request.AnalysisRequest] = {}
        path: list[Analysis] = []
        usual = self._options or request.USUAL
        options = replace(usual, **(chosen or {}))
        others = options.for_dependencies()

        def make(analysis: Analysis) -> request.AnalysisRequest:
            if analysis in path:
                names = " -> ".join(one.name for one in [*path, analysis])
                raise DependencyError(f"the dependencies go in a circle: {names}")
            if analysis not in made:
                path.append(analysis)
                upstream = [request.Dependency(make(one), kind) for one, kind in analysis._dependencies()]
                path.pop()
                made[analysis] = analysis._request(upstream, options if analysis is self else others)
            return made[analysis]

        make(self)
        return {asked: analysis for analysis, asked in made.items()}

    def _dependencies(self) -> "Iterator[tuple[Analysis, str]]":
        """``(analysis, kind)`` for each dependency; none of one that was found, whose record names them."""
        given = vars(self).get("depends_on")
        if given is None:
            return
        if isinstance(given, Analysis | Dependency) or not isinstance(given, Iterable):
            raise DependencyError(f"depends_on of {self.name} is {given!r}: use a list, depends_on=[...]")
        for entry in given:
            analysis = entry.analysis if isinstance(entry, Dependency) else entry
            if not isinstance(analysis, Analysis):
                raise DependencyError(f"depends_on of {self.name} holds {entry!r}, which is not an Analysis")
            yield analysis, entry.kind if isinstance(entry, Dependency) else ALL

    def _request(
        self, upstream: "Sequence[request.Dependency]", options: "request.RunOptions"
    ) -> "request.AnalysisRequest":
        """What is asked for; of one that was found, what nobody set or looked at is unchanged."""
        from gencove_explorer.submission.request import UNCHANGED, AnalysisRequest

        own = vars(self)
        config = own.get("global_config", UNCHANGED)
        return AnalysisRequest(
            name=self.name,
            function=self.function,
            input=own.get("input", UNCHANGED),
            global_config=None if config is UNCHANGED else GlobalConfig() if config is None else config,
            depends_on=upstream if "depends_on" in own else None,
            job_definition=self.job_definition,
            pip_packages=self.pip_packages,
            labels=self.labels,
            lock=self._lock,
            options=options,
            stored=self._origin,
            last_run=self._stored,
            last_trial=self._tried,
        )

    def _found_as(self) -> "StoredAnalysis":
        assert self._origin is not None, "one that was made here has all attributes"
        return self._origin

    def _submitted(self) -> "StoredAnalysis":
        if self._stored is None:
            raise NotSubmitted(f"{self.name} was not submitted yet: call run() or run_local() first")
        return self._stored


def _waited_for(analysis: Analysis, kind: str) -> Analysis | Dependency:
    """An entry of ``depends_on``."""
    return analysis if kind == ALL else Dependency(analysis, kind)
