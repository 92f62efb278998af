"""What became of recorded runs. Only reads: what looking would write down is kept in memory."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from explorer_runner.errors import AlreadyExists, StoreError
from explorer_runner.format.keys import FAILED
from explorer_runner.stores.base import Store
from gencove_explorer.errors import NoSuchAnalysis
from gencove_explorer.monitoring.lookup import open_analysis
from gencove_explorer.monitoring.stored_analysis import StoredAnalysis
from gencove_explorer.reconcile.actions import MISSING
from gencove_explorer.reconcile.plan import ObservedRun
from gencove_explorer.reconcile.revision import Revision
from gencove_explorer.records.index import find
from gencove_explorer.records.round import RoundRecord, read_rounds
from gencove_explorer.records.states import FINISHED, UNTRIED_REASONS, JobStates
from gencove_explorer.session import Session

_AT_ONCE = 16


def observe_runs(session: Session, revision: Revision | None) -> dict[str, ObservedRun]:
    """Id -> what became of each run that may still change: what has succeeded is recorded, and final."""
    if revision is None:
        return {}
    ids = [entry.id for entry in revision.entries.values() if not entry.succeeded] + list(revision.leaving)
    if len(ids) < 2 or session.store.local_path("") is not None:
        return {analysis_id: observe_run(session, analysis_id) for analysis_id in ids}
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return dict(
            zip(ids, pool.map(lambda analysis_id: observe_run(session, analysis_id), ids), strict=True)
        )


def observe_run(session: Session, analysis_id: str) -> ObservedRun:
    """What became of one analysis."""
    store = ReadOnlyStore(session.store)
    rounds = read_rounds(store, analysis_id)
    try:
        stored = open_analysis(session, store, find(store, analysis_id))
    except NoSuchAnalysis:
        return ObservedRun(state=MISSING)
    if not rounds:
        return ObservedRun(state=MISSING)
    observed = stored.observe()
    if not observed.finished and not _is_submitted(stored, rounds[-1], observed):
        return ObservedRun(state=MISSING, rounds=len(rounds))
    failed = observed.indices(FAILED)
    reason = stored.reason_of(observed, failed[0]) if failed and observed.finished else None
    return ObservedRun(
        state=observed.state,
        jobs=stored.record.jobs,
        failed=len(failed),
        rounds=len(rounds),
        blocked=bool(failed)
        and all((observed.close_reason(index) or "").startswith(UNTRIED_REASONS) for index in failed),
        reason=(reason or "").partition("\n")[0],
    )


def _is_submitted(stored: StoredAnalysis, last: RoundRecord, observed: JobStates) -> bool:
    """Whether its last round was, or is taken for lost: then its jobs have failed, and are run again."""
    begun = any(name.round == last.round for name in observed.outcomes.values())
    ended = any(observed.states[index] in FINISHED for index in last.all_indices())
    return begun or ended or stored.executor_named(last.executor).has_round(stored.store, last)


class ReadOnlyStore:
    """A store in which new objects last as long as this object."""

    read_only = True

    def __init__(self, store: Store) -> None:
        self._store = store
        self._new: dict[str, bytes] = {}
        self.uri = store.uri

    def read(self, key: str, *, limit: int | None = None) -> bytes:
        return self._new[key] if key in self._new else self._store.read(key, limit=limit)

    def read_range(self, key: str, offset: int, length: int) -> bytes:
        return self._store.read_range(key, offset, length)

    def create(self, key: str, data: bytes) -> None:
        if self.exists(key):
            raise AlreadyExists(f"{key} is in the store {self.uri} already")
        self._new[key] = data

    def exists(self, key: str) -> bool:
        return key in self._new or self._store.exists(key)

    def list_names(self, prefix: str, *, after: str = "") -> list[str]:
        new = [key.removeprefix(f"{prefix}/") for key in self._new if key.startswith(f"{prefix}/")]
        here = [name for name in new if "/" not in name and name > after]
        return sorted({*self._store.list_names(prefix, after=after), *here})

    def list_folders(self, prefix: str) -> list[str]:
        return self._store.list_folders(prefix)

    def get_file(self, key: str, path: Path) -> None:
        self._store.get_file(key, path)

    def local_path(self, key: str) -> Path | None:
        return self._store.local_path(key)

    def put_file(self, key: str, path: Path, *, move: bool = False) -> None:
        raise StoreError(f"{key}: this store is only read")

    def delete_tree(self, prefix: str) -> None:
        raise StoreError(f"{prefix}: this store is only read")

    def delete(self, key: str) -> None:
        raise StoreError(f"{key}: this store is only read")
