"""The scheduler's view of the stores: how far analyses are, where logs lie, what was closed."""

import os
from collections.abc import Mapping

from explorer_runner.errors import StoreError
from explorer_runner.keys import Attempt, parse_log_name
from explorer_runner.payload import DependencyRef
from explorer_runner.stores import Store
from explorer_runner.stores.folder import FolderStore
from gencove_explorer.local.queue import Entry, Queue
from gencove_explorer.local.recovery import claims_folder, load_progress
from gencove_explorer.local.rounds import ActiveRound, Progress
from gencove_explorer.records import Closed, write_closed
from gencove_explorer.stores import open_configured_store


class Ledger:
    """Opens each store once, and keeps the progress of analyses that jobs wait for."""

    def __init__(self, queue: Queue) -> None:
        self._queue = queue
        self._stores: dict[str, Store] = {}
        self._progress: dict[str, Progress] = {}

    def store_of(self, entry: Entry) -> Store:
        if entry.store not in self._stores:
            self._stores[entry.store] = open_configured_store(entry.store, entry.variables)
        return self._stores[entry.store]

    def claims_of(self, round: ActiveRound) -> str:
        """The folder of a round's claims, which are its logs."""
        return claims_folder(self._queue, self.store_of(round.entry), round.record.id)

    def forget_claims(self, round: ActiveRound) -> None:
        """Remove the claims of a round that has ended, unless they lie in the store as its logs."""
        if isinstance(self.store_of(round.entry), FolderStore):
            return
        folder = self.claims_of(round)
        for name in os.listdir(folder):
            attempt = parse_log_name(f"{name.rpartition('.')[0]}.txt")
            if attempt is not None and attempt.round == round.record.round:
                os.unlink(f"{folder}/{name}")
        if not os.listdir(folder):
            os.rmdir(folder)

    def attempt_of(self, round: ActiveRound, position: int, attempt: int) -> Attempt:
        return Attempt(round.record.index_of(position), round.record.round, attempt)

    def log_of(self, round: ActiveRound, position: int, attempt: int) -> str:
        return f"{self.claims_of(round)}/{self.attempt_of(round, position, attempt).stem}.txt"

    # -- progress ---------------------------------------------------------------------------------

    def begin(self, round: ActiveRound) -> None:
        """A round was submitted: its jobs have not ended, whatever they did in an earlier one."""
        if round.record.round == 0:
            self._progress[round.record.id] = Progress(round.entry.index.jobs)
        else:
            self._progress.pop(round.record.id, None)

    def progress(self, round: ActiveRound) -> Progress:
        """How far the round's own analysis is."""
        found = self._load(round, round.record.id, round.entry.index.jobs)
        return found or Progress(round.entry.index.jobs)

    def dependency(self, round: ActiveRound, ref: DependencyRef) -> Progress | None:
        """How far a dependency of a round is; None if the store does not hold it."""
        return self._load(round, ref.id, ref.jobs)

    def _load(self, round: ActiveRound, analysis: str, jobs: int) -> Progress | None:
        if analysis not in self._progress:
            found = load_progress(self.store_of(round.entry), analysis, jobs)
            if found is None:
                return None
            self._progress[analysis] = found
        return self._progress[analysis]

    def forget_all_but(self, active: Mapping[str, ActiveRound]) -> None:
        """Let what this scheduler does not run itself be read anew: others may have changed it."""
        own = {round.record.id for round in active.values()}
        self._progress = {each: found for each, found in self._progress.items() if each in own}

    # -- closed jobs ------------------------------------------------------------------------------

    def write_closed(self, round: ActiveRound) -> bool:
        """Write down the jobs of a round that were closed since the last time; True if there were any."""
        if not round.closing:
            return False
        try:
            store = self.store_of(round.entry)
            write_closed(store, round.record.id, round.record.round, Closed.of(round.closing))
        except StoreError:  # a full disk: the next try comes with the next look around
            return False
        progress = self.progress(round)
        for indices in round.closing.values():
            progress.failed.update(indices)
        round.closing = {}
        return True
