"""Everything that is about to run, checked and pickled before the first byte of a revision is written."""

from collections.abc import Mapping
from dataclasses import replace

from explorer_runner.format.payload import FINISHED, DependencyRef, python_minor
from gencove_explorer.errors import NoSuchAnalysis, PackageError, SubmissionError
from gencove_explorer.manifests.build import build
from gencove_explorer.manifests.inputs import input_of_output
from gencove_explorer.manifests.load import LoadedManifest
from gencove_explorer.manifests.schema import OutputInput
from gencove_explorer.monitoring.lookup import find_analysis
from gencove_explorer.monitoring.stored_analysis import StoredAnalysis
from gencove_explorer.reconcile.actions import RESUME, STARTS
from gencove_explorer.reconcile.plan import Plan
from gencove_explorer.reconcile.revision import Revision, RevisionEntry
from gencove_explorer.session import Session
from gencove_explorer.submission.commit import Submission
from gencove_explorer.submission.prepare import prepare


class SubmissionPreparer:
    """The submissions of a plan's new analyses, by name; only large inputs are written, and privately."""

    def __init__(self, session: Session, manifests: Mapping[str, LoadedManifest], plan: Plan) -> None:
        self._session, self._manifests, self._plan = session, manifests, plan
        self._prepared: dict[str, Submission] = {}
        self._recorded_runs: dict[str, StoredAnalysis] = {}

    def prepare(self, revision: Revision) -> None:
        """Prepare all that is to be submitted whole. Raises ExplorerError, naming the manifest."""
        for row in self._plan.rows:
            if row.action in (*STARTS, RESUME):  # a new one may depend on one that is still missing
                self.submission(row.name, revision)

    def submission(self, name: str, revision: Revision) -> Submission:
        """The submission of one manifest, under the id that the revision chose."""
        if name not in self._prepared:
            try:
                self._prepared[name] = self._prepare(self._manifests[name], revision)
            except (SubmissionError, PackageError) as error:
                raise type(error)(f"{self._manifests[name].file}: {error}") from error
        return self._prepared[name]

    def forget(self, name: str) -> None:
        """Prepare this one again when it is asked for: a submission can be committed once."""
        submission = self._prepared.pop(name, None)
        if submission is not None:
            submission.contents.inputs.discard()

    def discard(self) -> None:
        """Remove the files of submissions that nobody committed."""
        for submission in self._prepared.values():
            submission.contents.inputs.discard()

    def _prepare(self, loaded: LoadedManifest, revision: Revision) -> Submission:
        entry, session, manifest = revision.entries[loaded.name], self._session, loaded.manifest
        refs = {name: self._ref(name, analysis_id) for name, analysis_id in entry.depends_on.items()}
        if loaded.local and session.settings.executor == "batch":
            raise SubmissionError(
                f"{loaded.local} is a file of the repository, which jobs on AWS Batch cannot "
                "read: put it into a bucket, and give its address"
            )
        value = None
        if isinstance(manifest.input, OutputInput):
            upstream = manifest.input.output.manifest
            value = input_of_output(manifest.input, self._recorded(upstream, entry.depends_on[upstream]))
        request = build(loaded, value=value)
        if request.lock is None:
            request = replace(request, lock=self._former_lock(loaded.name, entry))
        return prepare(
            request,
            session,
            session.executor,
            [refs[name].of_kind(kind) for name, kind in manifest.dependencies().items()],
            analysis_id=entry.id,
            project=revision.project,
            tolerated=self._is_tolerated(loaded.name),
            planned={submission.spec.id: submission for submission in self._prepared.values()},
        )

    def _is_tolerated(self, name: str) -> bool:
        """Whether all manifests that depend on it wait for the end of its jobs alone."""
        kinds = [loaded.manifest.dependencies().get(name) for loaded in self._manifests.values()]
        return {kind for kind in kinds if kind is not None} == {FINISHED}

    def _ref(self, name: str, analysis_id: str) -> DependencyRef:
        submission = self._prepared.get(name)
        if submission is not None and submission.spec.id == analysis_id:
            return submission.ref
        return replace(self._recorded(name, analysis_id).ref, name=name)

    def _recorded(self, name: str, analysis_id: str) -> StoredAnalysis:
        if analysis_id not in self._recorded_runs:
            try:
                self._recorded_runs[analysis_id] = find_analysis(self._session, analysis_id)
            except NoSuchAnalysis as error:
                raise SubmissionError(
                    f"its dependency {name} was recorded as {analysis_id}, which was deleted: "
                    f"explorer reconcile --rerun {name}"
                ) from error
        return self._recorded_runs[analysis_id]

    def _former_lock(self, name: str, entry: RevisionEntry) -> bytes | None:
        """The packages of the recorded run, if the requirements are the same: a release is no reason."""
        former = self._plan.base.entries.get(name) if self._plan.base else None
        specification = entry.specification
        if former is None or not specification.pip_packages:
            return None
        last = former.specification
        if (last.pip_packages, last.folders, last.lock) != (
            specification.pip_packages,
            specification.folders,
            None,
        ):
            return None
        try:
            loaded = find_analysis(self._session, former.id).payload()
        except NoSuchAnalysis:
            return None
        return loaded.lock if loaded.spec.python == python_minor() else None
