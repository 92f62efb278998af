"""Everything that is about to run, checked and pickled before the first byte of a revision is written."""

from collections.abc import Mapping

from explorer_runner.format.payload import DependencyRef, python_minor
from gencove_explorer.analysis import Analysis
from gencove_explorer.errors import NoSuchAnalysis, PackageError, SubmissionError
from gencove_explorer.manifests.build import build
from gencove_explorer.manifests.inputs import input_of_output
from gencove_explorer.manifests.load import Loaded
from gencove_explorer.manifests.schema import OutputInput
from gencove_explorer.reconcile.actions import RESUME, STARTS
from gencove_explorer.reconcile.plan import Plan
from gencove_explorer.reconcile.revision import Entry, Revision
from gencove_explorer.session import Backend, Draft
from gencove_explorer.submission.prepare import prepare, ref_of_draft


class Preparing:
    """The drafts of a plan's new analyses, by name."""

    def __init__(self, backend: Backend, manifests: Mapping[str, Loaded], plan: Plan) -> None:
        self._backend, self._manifests, self._plan = backend, manifests, plan
        self._drafts: dict[str, Draft] = {}
        self._found: dict[str, Analysis] = {}

    def prepare(self, revision: Revision) -> None:
        """Prepare all that is to be submitted whole. Raises ExplorerError, naming the manifest."""
        for row in self._plan.rows:
            if row.action in (*STARTS, RESUME):  # a new one may depend on one that is still missing
                self.draft(row.name, revision)

    def draft(self, name: str, revision: Revision) -> Draft:
        """The draft of one manifest, under the id that the revision chose."""
        if name not in self._drafts:
            try:
                self._drafts[name] = self._prepare(self._manifests[name], revision)
            except (SubmissionError, PackageError) as error:
                raise type(error)(f"{self._manifests[name].file}: {error}") from error
        return self._drafts[name]

    def forget(self, name: str) -> None:
        """Prepare this one anew when it is asked for: a draft can be submitted once."""
        draft = self._drafts.pop(name, None)
        if draft is not None:
            draft.parts.inputs.discard()

    def discard(self) -> None:
        """Remove the files of drafts that nobody submitted."""
        for draft in self._drafts.values():
            draft.parts.inputs.discard()

    def _prepare(self, loaded: Loaded, revision: Revision) -> Draft:
        entry = revision.entries[loaded.name]
        refs: dict[int, DependencyRef] = {}
        dependencies: dict[str, Analysis] = {}
        for name, analysis_id in entry.depends_on.items():
            draft = self._drafts.get(name)
            if draft is not None and draft.id == analysis_id:
                analysis = Analysis(name=name)
                refs[id(analysis)] = ref_of_draft(draft)
            else:
                analysis = self._recorded(name, analysis_id)
                record = analysis._submitted().record
                refs[id(analysis)] = DependencyRef(
                    name=name, id=record.id, array=record.array, jobs=record.jobs
                )
            dependencies[name] = analysis
        if loaded.local and self._backend.settings.executor == "batch":
            raise SubmissionError(
                f"{loaded.local} is a file of the repository, which jobs on AWS Batch cannot "
                "read: put it into a bucket, and give its address"
            )
        source = loaded.manifest.input
        value = None
        if isinstance(source, OutputInput):
            value = input_of_output(source, dependencies[source.output.manifest]._submitted())
        analysis = build(loaded, dependencies, value)
        if analysis._lock is None:
            analysis._lock = self._former_lock(loaded.name, entry)
        backend = self._backend
        draft = prepare(
            analysis, backend, backend.executor, lambda each: refs[id(each)], analysis_id=entry.id
        )
        draft.project = revision.project
        return draft

    def _recorded(self, name: str, analysis_id: str) -> Analysis:
        if analysis_id not in self._found:
            try:
                self._found[analysis_id] = Analysis._found(self._backend.find(analysis_id))
            except NoSuchAnalysis as error:
                raise SubmissionError(
                    f"its dependency {name} was recorded as {analysis_id}, which was deleted: "
                    f"explorer reconcile --rerun {name}"
                ) from error
        return self._found[analysis_id]

    def _former_lock(self, name: str, entry: Entry) -> bytes | None:
        """The packages of the recorded run, if the requirements are the same: a release is no reason."""
        former = self._plan.base.entries.get(name) if self._plan.base else None
        asked = entry.specification
        if former is None or not asked.pip_packages:
            return None
        last = former.specification
        if (last.pip_packages, last.folders, last.lock) != (asked.pip_packages, asked.folders, None):
            return None
        try:
            loaded = self._backend.find(former.id).payload()
        except NoSuchAnalysis:
            return None
        return loaded.lock if loaded.spec.python == python_minor() else None
