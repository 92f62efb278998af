"""Make the ids of a revision true: submitted, run again, stopped. Whatever is so already is left alone.

Another process may write the next revision meanwhile, and stops what it sees running of this one. So a
submission looks for it twice: before, and at the end, for what the other process cannot have seen.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

from explorer_runner.definition import JobDefinition
from explorer_runner.errors import AlreadyExists, NotFinished
from explorer_runner.format.keys import analysis_prefix, index_key
from explorer_runner.format.names import parse_id
from explorer_runner.format.payload import load
from gencove_explorer.errors import NoSuchAnalysis
from gencove_explorer.monitoring.lookup import find_analysis
from gencove_explorer.reconcile.actions import MISSING, RESUME, RETRY, STARTS
from gencove_explorer.reconcile.leases import Lease, Leases
from gencove_explorer.reconcile.observed import observe_run
from gencove_explorer.reconcile.plan import Plan
from gencove_explorer.reconcile.prepare import SubmissionPreparer
from gencove_explorer.reconcile.revision import Revision, RevisionEntry
from gencove_explorer.reconcile.revision_store import Revisions
from gencove_explorer.records.index import write_index
from gencove_explorer.records.round import RoundRecord, read_rounds
from gencove_explorer.session import Session
from gencove_explorer.submission.commit import commit, index_record
from gencove_explorer.submission.retry import retry_failed
from gencove_explorer.utils.log import get_logger

_log = get_logger(__name__)


class Applier:
    """Makes one revision true, once that is written. It may be killed anywhere: the next one goes on."""

    def __init__(
        self,
        session: Session,
        revisions: Revisions,
        revision: Revision,
        preparing: SubmissionPreparer,
        claims: Leases,
    ) -> None:
        self._session, self._revisions, self._revision = session, revisions, revision
        self._preparing, self._claims = preparing, claims
        self._submitted: dict[str, str] = {}
        """Id -> name of what this process has submitted."""

    def run(self, plan: Plan) -> None:
        """Carry out what a plan's rows say of this revision, dependencies first; then stop what is to end."""
        for row in plan.rows:
            if row.action in STARTS or row.action == RESUME:
                self._insist(self._submit, row.name)
            elif row.action == RETRY:
                self._insist(self._retry, row.name)
        for analysis_id, name in {**self._revision.leaving, **self._overtaken()}.items():
            self._stop(name, analysis_id)

    def _insist(self, step: Callable[[str], None], name: str) -> None:
        """Take a step; if somebody else takes it over meanwhile, see to it that they end it, or do it."""
        while True:
            try:
                return step(name)
            except AlreadyExists as taken:  # the claim, the round, or its jobs: next time they are found
                _log.info("%s: %s", name, taken)
                self._preparing.forget(name)

    def _submit(self, name: str) -> None:
        entry = self._revision.entries[name]
        store = self._session.store
        rounds = read_rounds(store, entry.id)
        last = 0 if len(_first_rounds(rounds)) == len(rounds) else len(rounds) - 1
        claim = self._claims.acquire(entry.id, max(0, last), lambda: self._is_submitted(entry))
        if claim is None:
            return
        with claim:
            if not self._is_wanted(name, entry):
                claim.release()
                return
            if self._is_begun(entry):
                self._finish(entry, claim)
            else:
                if claim.number > 1:
                    store.delete_tree(analysis_prefix(entry.id))  # what a killed process left
                submission = self._preparing.submission(name, self._revision)
                commit(submission, self._session, claim.renew)
                if submission.found is not None:
                    _log.info("%s: %s", name, submission.found.in_words)
        self._submitted[entry.id] = name
        _log.info("%s: submitted as %s", name, entry.id)

    def _is_begun(self, entry: RevisionEntry) -> bool:
        """Whether its executor may know of it; what is not even listed was left by a killed process."""
        store = self._session.store
        rounds = read_rounds(store, entry.id)
        if not rounds:
            return False
        listed = store.exists(index_key(parse_id(entry.id).date, entry.id))
        return listed or self._session.executor_named(rounds[-1].executor).has_round(store, rounds[-1])

    def _finish(self, entry: RevisionEntry, claim: Lease) -> None:
        """Hand over a round that is in the store, and that nobody handed over."""
        store = self._session.store
        rounds = read_rounds(store, entry.id)
        first, last = rounds[0], rounds[-1]
        spec = load(store, entry.id, first.round, first.payload).spec
        definition = replace(
            spec.job_definition, image=JobDefinition.from_json(entry.specification.job_definition).image
        )
        index = index_record(spec, first, definition, entry.specification.labels, self._revision.project)
        executor = self._session.executor_named(last.executor)
        together = _first_rounds(rounds)
        for record in together if last in together else [last]:
            if not executor.has_round(store, record):
                claim.renew()
                executor.submit(store, record, index)
        write_index(store, index)

    def _retry(self, name: str) -> None:
        entry = self._revision.entries[name]

        def done() -> bool:
            enough = len(read_rounds(self._session.store, entry.id)) >= entry.rounds
            return enough and self._is_submitted(entry)

        claim = self._claims.acquire(entry.id, entry.rounds - 1, done)
        if claim is None:
            return
        with claim:
            if not self._is_wanted(name, entry):
                claim.release()
                return
            self._submitted[entry.id] = name
            if len(read_rounds(self._session.store, entry.id)) >= entry.rounds:
                self._finish(entry, claim)
                return
            definition = JobDefinition.from_json(entry.specification.job_definition)
            try:
                retry_failed(find_analysis(self._session, entry.id), definition, None, self._session)
            except NotFinished as error:  # what was taken for lost has come after all
                _log.info("%s: %s", name, error)

    def _is_wanted(self, name: str, entry: RevisionEntry) -> bool:
        """Whether the newest revision has this run, and those that it reads, too."""
        if self._revisions.is_newest(self._revision):
            return True
        newest_ids = self._newest_ids()
        if newest_ids.issuperset([entry.id, *entry.depends_on.values()]):
            return True
        _log.warning("%s: not submitted, a newer revision asks for another run", name)
        return False

    def _overtaken(self) -> dict[str, str]:
        """Id -> name of what was submitted here and is in the newest revision no more."""
        if not self._submitted or self._revisions.is_newest(self._revision):
            return {}
        newest_ids = self._newest_ids()
        return {id: name for id, name in self._submitted.items() if id not in newest_ids}

    def _newest_ids(self) -> set[str]:
        newest = self._revisions.newest()
        return {entry.id for entry in newest.entries.values()} if newest else set()

    def _is_submitted(self, entry: RevisionEntry) -> bool:
        return observe_run(self._session, entry.id).state != MISSING

    def _stop(self, name: str, analysis_id: str) -> None:
        seen = observe_run(self._session, analysis_id)
        if seen.finished or seen.state == MISSING:
            return
        try:
            find_analysis(self._session, analysis_id).terminate()
        except NoSuchAnalysis:
            return  # deleted just now
        _log.info("%s: asked %s to end", name, analysis_id)


def _first_rounds(rounds: Sequence[RoundRecord]) -> list[RoundRecord]:
    """What one run() has written: its only round, or that of its canary and that of the other jobs."""
    return [record for record in rounds if record.round == 0 or (record.round == 1 and record.canary)]
