"""Finding an analysis: by its id in the stores of a session, or as what another one depends on."""

from collections.abc import Callable
from dataclasses import replace

from explorer_runner.errors import CorruptPayload, ExplorerError
from explorer_runner.format.payload import DependencyRef
from explorer_runner.stores.base import Store
from gencove_explorer.errors import NoSuchAnalysis
from gencove_explorer.monitoring.stored_analysis import StoredAnalysis, downloads_folder
from gencove_explorer.records.index import IndexRecord, find, index_of_id
from gencove_explorer.records.open_store import note_made
from gencove_explorer.session import Session


def open_analysis(session: Session, store: Store, record: IndexRecord) -> StoredAnalysis:
    """An analysis whose index record is known."""
    return StoredAnalysis(store, record, session.executor_named, downloads_folder(session.settings.home))


def open_unreadable(session: Session, store: Store, analysis_id: str, fault: ExplorerError) -> StoredAnalysis:
    """An analysis whose index record cannot be read: all but ``delete`` raises why."""
    return replace(open_analysis(session, store, index_of_id(analysis_id)), fault=fault)


def find_analysis(session: Session, analysis_id: str) -> StoredAnalysis:
    """The analysis of an id, also of one that is damaged. Raises NoSuchAnalysis, naming where it was
    looked for, or UnsupportedFormat.
    """
    stored = _first(session, lambda store: _find_in(session, store, analysis_id))
    if session.settings.home.is_dir():
        note_made(session.settings.home, stored.store)
    return stored


def dependency_of(stored: StoredAnalysis, ref: DependencyRef) -> StoredAnalysis:
    """What an analysis depends on lies in its store. Raises NoSuchAnalysis."""
    try:
        record = find(stored.store, ref.id)
    except NoSuchAnalysis as error:
        raise NoSuchAnalysis(
            f"{ref.name} ({ref.id}), on which {stored.id} depends, is not there any more: it was deleted"
        ) from error
    return replace(stored, record=record, _rounds=None)


def _find_in(session: Session, store: Store, analysis_id: str) -> StoredAnalysis:
    try:
        return open_analysis(session, store, find(store, analysis_id))
    except CorruptPayload as error:
        return open_unreadable(session, store, analysis_id, error)


def _first(session: Session, look: Callable[[Store], StoredAnalysis]) -> StoredAnalysis:
    *others, last = session.stores
    for store in others:
        try:
            return look(store)
        except KeyError:
            continue
    return look(last)
