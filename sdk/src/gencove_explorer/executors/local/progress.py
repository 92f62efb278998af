"""The scheduler's view of the stores: how far analyses are, where logs lie, what was closed."""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from explorer_runner.attempt import claim
from explorer_runner.format.keys import AttemptId, log_key, logs_prefix, parse_log_name
from explorer_runner.format.payload import DependencyRef
from explorer_runner.stores.base import RAISE, Store
from explorer_runner.stores.folder import FolderStore
from explorer_runner.system.folders import make_private
from explorer_runner.system.patience import Patience
from gencove_explorer.executors.local.lost_rounds import close_lost_of
from gencove_explorer.executors.local.queue import Entry, Queue
from gencove_explorer.executors.local.recovery import claims_folder, load_progress
from gencove_explorer.executors.local.rounds import ActiveRound, Progress
from gencove_explorer.records.closed import Closed, write_closed
from gencove_explorer.records.halts import why_halted_in
from gencove_explorer.records.open_store import open_configured_store


class ProgressTracker:
    """Opens each store once, and keeps the progress of analyses that jobs wait for."""

    def __init__(self, queue: Queue) -> None:
        self._queue = queue
        self._stores: dict[str, Store] = {}
        self._newest: dict[str, Entry] = {}
        self._progress: dict[str, Progress] = {}

    def use_newest_credentials(self, entry: Entry) -> bool:
        """Take a store's credentials from its newest entry: they have just written to it, while those
        of older ones may have expired. True if they changed.
        """
        known = self._newest.get(entry.store)
        if known is not None and known.record.submitted >= entry.record.submitted:
            return False
        self._newest[entry.store] = entry
        changed = known is not None and _aws(known) != _aws(entry)
        if changed:
            self._stores.pop(entry.store, None)
        return changed

    def store_of(self, entry: Entry) -> Store:
        """The store of a round, with the environment as it needs it: S3 is opened at the first request."""
        variables = _aws(self._newest.get(entry.store, entry))
        if entry.store.startswith("s3://") and variables != _aws_of(os.environ):
            for name in _aws_of(os.environ):
                del os.environ[name]
            os.environ.update(variables)
        if entry.store not in self._stores:
            self._stores[entry.store] = open_configured_store(
                entry.store, variables, absent=RAISE, patience=Patience()
            )
        return self._stores[entry.store]

    def folders(self) -> list[FolderStore]:
        """The stores in folders that were opened."""
        return [store for store in self._stores.values() if isinstance(store, FolderStore)]

    def make_claims(self, round: ActiveRound) -> str:
        """The folder of a round's claims, made where it is not there."""
        store, folder = self.store_of(round.entry), self.claims_of(round)
        if isinstance(store, FolderStore):
            store.make_folders(logs_prefix(round.record.id))
        else:
            make_private(folder)
        return folder

    def require(self, round: ActiveRound) -> None:
        """Raise StoreError if the store of a round is away: its jobs could not even begin."""
        store = self.store_of(round.entry)
        if isinstance(store, FolderStore):
            store.was_away()

    def claims_of(self, round: ActiveRound) -> str:
        """The folder of a round's claims, which are its logs."""
        return claims_folder(self._queue, self.store_of(round.entry), round.record.id)

    def forget_claims(self, round: ActiveRound, *, alone: bool) -> None:
        """Remove the claims of a round that has ended, unless they lie in the store as its logs.

        A job's parent puts the log there; one that was killed with its job, for its memory or by a
        person, could not. ``alone``: no other round of its analysis is open.
        """
        store = self.store_of(round.entry)
        if alone:
            claim.sweep(self.claims_of(round))
        if isinstance(store, FolderStore):
            return
        folder, analysis = self.claims_of(round), round.record.id
        if not os.path.isdir(folder):
            return  # this was done before, and the entry could not be removed
        uploaded = set(store.list_names(logs_prefix(analysis)))
        for name in os.listdir(folder):
            attempt = parse_log_name(f"{name.rpartition('.')[0]}.txt")
            if attempt is not None and attempt.round == round.record.round:
                if name.endswith(".txt") and name not in uploaded:
                    store.put_file(log_key(analysis, attempt), Path(f"{folder}/{name}"))
                os.unlink(f"{folder}/{name}")
        if not os.listdir(folder):
            os.rmdir(folder)

    def attempt_of(self, round: ActiveRound, position: int, attempt: int) -> AttemptId:
        return AttemptId(round.record.index_of(position), round.record.round, attempt)

    def log_of(self, round: ActiveRound, position: int, attempt: int) -> str:
        return f"{self.claims_of(round)}/{self.attempt_of(round, position, attempt).stem}.txt"

    # -- progress ---------------------------------------------------------------------------------

    def begin(self, round: ActiveRound, *, fresh: bool) -> None:
        """A round is taken in: what was known of its analysis counts no more. Of a ``fresh`` first one no
        job has ended; of any other the store knows which have, and is read when somebody asks.
        """
        if fresh and round.record.round == 0:
            reused = set(round.record.reused.origins)
            self._progress[round.record.id] = Progress(round.entry.index.jobs, reused)
        else:
            self._progress.pop(round.record.id, None)

    def record_ended(self, round: ActiveRound, indices: Iterable[int], *, ok: bool) -> None:
        """The last word on these jobs is in the store."""
        known = self._progress.get(round.record.id)
        if known is not None:  # else it is read with them, when somebody asks
            (known.succeeded if ok else known.failed).update(indices)

    def dependency(self, round: ActiveRound, ref: DependencyRef) -> Progress | None:
        """How far a dependency of a round is; None if the store does not hold it."""
        return self._load(round, ref.id, ref.jobs)

    def waits_for_canary(self, round: ActiveRound) -> bool:
        """Whether jobs of a round's canary have not succeeded yet."""
        canary = round.record.canary
        if not canary or not round.waiting:
            return False
        known = self._load(round, round.record.id, round.entry.index.jobs)
        return known is None or not known.succeeded.issuperset(canary)

    def why_halted(self, round: ActiveRound) -> str | None:
        """Why no more jobs of a round are started; None: they may be."""
        if round.halted is None and (round.has_failed_enough or self._has_canary_failed(round)):
            store = self.store_of(round.entry)
            return why_halted_in(store, round.record, round.entry.index.jobs)
        return round.halted

    def _has_canary_failed(self, round: ActiveRound) -> bool:
        if not self.waits_for_canary(round):
            return False
        known = self._load(round, round.record.id, round.entry.index.jobs)
        ended = known.succeeded | known.failed if known else set()
        return ended.issuperset(round.record.canary)

    def _load(self, round: ActiveRound, analysis: str, jobs: int) -> Progress | None:
        if analysis not in self._progress:
            store = self.store_of(round.entry)
            progress = load_progress(store, analysis, jobs)
            if progress is None:
                return None
            if not progress.finished and close_lost_of(self._queue, store, analysis, progress):
                progress = load_progress(store, analysis, jobs) or progress
            self._progress[analysis] = progress
        return self._progress[analysis]

    def keep_only(self, active: Mapping[str, ActiveRound]) -> None:
        """Let what this scheduler does not run itself be read anew: others may have changed it."""
        own = {round.record.id for round in active.values()}
        self._progress = {
            analysis: progress for analysis, progress in self._progress.items() if analysis in own
        }

    # -- closed jobs ------------------------------------------------------------------------------

    def write_closed(self, round: ActiveRound) -> bool:
        """Write down the jobs of a round that were closed since the last time; True if there were any."""
        if not round.closing:
            return False
        store = self.store_of(round.entry)
        write_closed(store, round.record.id, round.record.round, Closed.of(round.closing))
        for indices in round.closing.values():
            self.record_ended(round, indices, ok=False)
        round.closing = {}
        return True


def _aws(entry: Entry) -> dict[str, str]:
    return _aws_of(entry.variables)


def _aws_of(variables: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in variables.items() if name.startswith("AWS_")}
