"""Reconcile: make what runs match what git says.

plan      load the manifests, read the newest revision, look at its runs, decide
apply     prepare what is to run, write the next revision, and converge on it: submit, retry, stop

Ids are chosen in the revision before anything is submitted, so a process that dies at any point leaves a
revision that the next one converges on. The loser of the race for a revision plans again.
"""

import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from explorer_runner.errors import AlreadyExists
from explorer_runner.format.names import new_id
from gencove_explorer.aws.buckets import BucketLister
from gencove_explorer.aws.clients import AwsClients
from gencove_explorer.errors import PlanError
from gencove_explorer.manifests.inputs import ObjectLister
from gencove_explorer.manifests.load import ManifestFolder, load_folder
from gencove_explorer.monitoring.lookup import find_analysis
from gencove_explorer.monitoring.waiting import wait
from gencove_explorer.reconcile.actions import MISSING, STARTS, WAIT
from gencove_explorer.reconcile.apply import Applier
from gencove_explorer.reconcile.desired import desired_runs
from gencove_explorer.reconcile.input_rows import RowChanges, compare, rows_of
from gencove_explorer.reconcile.leases import Leases
from gencove_explorer.reconcile.next_revision import needs_revision, next_revision
from gencove_explorer.reconcile.observed import observe_runs
from gencove_explorer.reconcile.plan import DesiredRun, Plan, PlanOptions, make_plan
from gencove_explorer.reconcile.prepare import SubmissionPreparer
from gencove_explorer.reconcile.render import is_same
from gencove_explorer.reconcile.revision import Revision
from gencove_explorer.reconcile.revision_store import Revisions, project_of
from gencove_explorer.session import Session
from gencove_explorer.utils.git import Checkout, actor, read_checkout
from gencove_explorer.utils.log import get_logger

_TRIES = 10
_log = get_logger(__name__)


@dataclass
class Reconciler:
    """The manifests of a folder, and the project that they are of."""

    folder: Path
    session: Session = field(default_factory=Session)
    allow_dirty: bool = False
    allow_older: bool = False
    clock: Callable[[], float] = time.time
    objects: ObjectLister = field(default_factory=lambda: BucketLister(AwsClients()))

    @cached_property
    def checkout(self) -> Checkout:
        return read_checkout(self.folder)

    @cached_property
    def loaded(self) -> ManifestFolder:
        """The manifests. Raises ManifestError with every fault of every file."""
        loaded = load_folder(self.folder, self.objects)
        loaded.require()
        return loaded

    @cached_property
    def revisions(self) -> Revisions:
        return Revisions(self.session.store, project_of(self.folder, self.session.settings))

    # -- plan -----------------------------------------------------------------------------------------

    def plan(self, choice: PlanOptions | None = None) -> Plan:
        """What would happen, and why; nothing is written. Raises ManifestError or PlanError."""
        desired = desired_runs(self.loaded.manifests)
        newest = self.revisions.newest()
        self._check_age(newest)
        seen, inputs = observe_runs(self.session, newest), self._row_changes(desired, newest)
        return make_plan(self.revisions.project, desired, newest, seen, choice, inputs)

    def _row_changes(
        self, desired: Mapping[str, DesiredRun], newest: Revision | None
    ) -> dict[str, RowChanges]:
        """What became of the rows of inputs that are other ones than recorded: a read for each of these."""
        changes = {}
        for name, entry in (newest.entries if newest else {}).items():
            want = desired.get(name)
            if want is None or not want.rows or want.specification.input == entry.specification.input:
                continue
            old = self.revisions.kept_rows(entry.specification.input)
            if old is not None:
                changes[name] = compare(old, rows_of(want.rows))
        return changes

    def _keep_rows(self, plan: Plan) -> None:
        """Keep the rows of inputs that are about to be recorded, by which a later plan says what changed."""
        for row in plan.rows:
            want = plan.wanted.get(row.name)
            if row.action in STARTS and want is not None and want.rows:
                self.revisions.keep_rows(want.specification.input, rows_of(want.rows))

    def _check_age(self, newest: Revision | None) -> None:
        """Refuse a checkout that is older than what was reconciled last."""
        if newest is None or newest.commit is None or self.checkout.commit is None or self.allow_older:
            return
        older = self.checkout.is_ancestor(newest.commit)
        if older:
            raise PlanError(
                f"this checkout, {self.checkout.commit[:10]}, is older than {newest.commit[:10]}, which "
                f"revision {newest.number} of {newest.project} was made from: pull, or say --allow-older to "
                "go back"
            )
        if older is None:
            how = "git fetch --unshallow" if self.checkout.shallow else f"git fetch origin {newest.commit}"
            raise PlanError(
                f"revision {newest.number} of {newest.project} was made from commit {newest.commit[:10]}, "
                f"which this clone does not have, so it may be newer than this checkout: {how}; or, if it is "
                "gone for good, say --allow-older"
            )

    # -- apply ----------------------------------------------------------------------------------------

    def reconcile(
        self,
        choice: PlanOptions | None = None,
        expected: Mapping[str, Any] | None = None,
        announce: Callable[[Plan], None] = lambda plan: None,
    ) -> Plan:
        """Plan and apply; returns the plan that was applied.

        ``expected``, a saved plan, is the only one that may be; ``announce`` is told of each that is
        about to be.
        """
        choice = choice or PlanOptions()
        for _ in range(_TRIES):
            plan = self.plan(choice)
            if expected is not None and not is_same(expected, plan, self.checkout):
                raise PlanError(
                    f"the saved plan, of revision {expected.get('revision')} and commit "
                    f"{expected.get('commit')}, is not what would happen now, at revision {plan.number} and "
                    f"commit {self.checkout.commit}: plan again"
                )
            announce(plan)
            try:
                self.apply(plan)
                return plan
            except AlreadyExists:
                _log.info("revision %d was written by somebody else: planning again", plan.number + 1)
                choice = replace(choice, rerun=self._not_yet(choice.rerun, plan))
        raise PlanError(f"{_TRIES} other revisions were written meanwhile: try again")

    def _not_yet(self, names: Collection[str], plan: Plan) -> list[str]:
        """Those of the manifests to be run anew that were not, since the plan."""
        newest = self.revisions.newest()
        before, now = (
            {name: entry.id for name, entry in item.entries.items()} if item else {}
            for item in (plan.base, newest)
        )
        return [name for name in names if name in before and before[name] == now.get(name)]

    def apply(self, plan: Plan) -> Revision | None:
        """Write the revision that a plan makes, and converge on it.

        Raises AlreadyExists, with nothing written, if another revision was written since the plan.
        """
        self._check_dirty(plan)
        revision = plan.base
        preparing = SubmissionPreparer(self.session, self.loaded.manifests, plan)
        try:
            if needs_revision(plan):
                revision = self._next(plan)
                preparing.prepare(revision)
                self._keep_rows(plan)
                self.revisions.add(revision)
            if revision is not None:
                claims = Leases(self.session.store, self.revisions.project, self.clock)
                Applier(self.session, self.revisions, revision, preparing, claims).run(plan)
        finally:
            preparing.discard()
        return revision

    def _next(self, plan: Plan) -> Revision:
        return next_revision(
            plan,
            lambda name: new_id(name, clock=self.clock),
            time=self.clock(),
            actor=actor(),
            commit=self.checkout.commit,
            dirty=self.checkout.dirty,
        )

    def _check_dirty(self, plan: Plan) -> None:
        if self.session.settings.executor != "batch" or self.allow_dirty or not plan.changes:
            return
        if self.checkout.dirty:
            what = "is not committed" if self.checkout.commit else "is not in a git repository"
            raise PlanError(
                f"{self.folder} {what}, so nobody could tell what runs: commit it, or say --allow-dirty"
            )

    # -- wait -----------------------------------------------------------------------------------------

    def wait(self, choice: PlanOptions | None = None) -> Plan:
        """Wait for every run to end, and run what waits for their outputs; returns the plan at the end."""
        choice = replace(choice or PlanOptions(), rerun=(), prune=False)
        while True:
            before = self.plan(choice)
            for row in before.rows:
                seen = before.seen.get(row.id)
                if seen and not seen.finished and seen.state != MISSING and row.name in before.wanted:
                    wait(find_analysis(self.session, row.id), lambda observed: observed.finished)
            now = self.plan(choice)
            waited = {row.name for row in before.rows if row.action == WAIT}
            ready = [row.name for row in now.rows if row.name in waited and row.action in STARTS]
            if not ready:
                break
            self.reconcile(replace(choice, select=ready))
        self._remember(now)
        return now

    def _remember(self, plan: Plan) -> None:
        """Record which runs have succeeded: nobody needs to look at them again."""
        if plan.base is None:
            return
        revision = self._next(replace(plan, rows=()))
        if revision.entries != plan.base.entries:
            try:
                self.revisions.add(revision)
            except AlreadyExists:
                pass  # another process was faster, and looked as well
