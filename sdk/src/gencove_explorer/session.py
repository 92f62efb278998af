"""Where submissions go and where analyses are found: settings, store and executor, opened together."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from explorer_runner.definition import JobDefinition
from explorer_runner.errors import AlreadyExists, CorruptPayload, ExplorerError
from explorer_runner.format.keys import analysis_prefix, index_key
from explorer_runner.format.names import parse_id
from explorer_runner.stores.base import Store
from gencove_explorer.errors import ConfigError
from gencove_explorer.executors.base import Executor, open_executor
from gencove_explorer.monitoring.stored_analysis import StoredAnalysis, downloads_folder, find
from gencove_explorer.records.base import IndexRecord, RoundRecord, index_of_id
from gencove_explorer.records.open_store import note_made, open_store_of
from gencove_explorer.settings import EXECUTORS, Settings
from gencove_explorer.submission.commit import Parts, describe, index_record, write_round


@dataclass(kw_only=True)
class Draft:
    """A checked and pickled submission, of which nothing has been written yet."""

    id: str
    name: str
    parts: Parts
    jobs: int
    array: bool
    definition: JobDefinition
    depends_on: list[Any]
    pip_packages: list[str]
    labels: dict[str, str]
    indices: list[int] | None = None
    """Which jobs to run; None: all."""
    image: str | None = None
    """The image that was asked for; ``definition`` has the one that jobs run in."""
    project: str = ""
    """Whose manifest it fulfils."""


class Backend:
    """See the module."""

    def __init__(self, settings: Settings | None = None) -> None:
        self.settings = settings or Settings.load()
        self._executors: dict[str, Executor] = {}

    @cached_property
    def store(self) -> Store:
        """The configured store."""
        return open_store_of(self.settings.home, self.settings.store, self.settings.batch.region)

    @cached_property
    def local_store(self) -> Store:
        """The store of run_local: a folder on this machine."""
        if self.settings.local_store == self.settings.store:
            return self.store
        return open_store_of(self.settings.home, self.settings.local_store)

    @cached_property
    def stores(self) -> list[Store]:
        """Where analyses may be, the configured store first."""
        return [self.store] if self.local_store is self.store else [self.store, self.local_store]

    @cached_property
    def executor(self) -> Executor:
        """The executor of run()."""
        return open_executor(self.settings)

    def executor_named(self, name: str) -> Executor:
        """The executor that a round was submitted to."""
        if name not in self._executors:
            self._executors[name] = self.executor if name == self.settings.executor else self._open(name)
        return self._executors[name]

    def store_of(self, executor: Executor) -> Store:
        """The store that an executor's jobs read and write."""
        return self.local_store if executor.name == "foreground" else self.store

    def executor_of(self, store: Store) -> Executor:
        """The executor that can run what lies in a store: Batch reads no folder of this machine."""
        return self.executor if store.uri == self.store.uri else self.executor_named("local")

    def _open(self, name: str) -> Executor:
        if name == "foreground":
            from gencove_explorer.executors.foreground.executor import ForegroundExecutor

            return ForegroundExecutor(self.settings)
        if name in EXECUTORS:
            return open_executor(self.settings.with_(executor=name))
        raise ConfigError(f"the analysis was submitted to {name!r}, which this version does not have")

    def submit(self, draft: Draft, confirm: Callable[[], None] = lambda: None) -> StoredAnalysis:
        """Write a draft to the store and hand it to the executor.

        ``confirm`` is asked in between; it raises AlreadyExists if somebody else has taken the id over.
        """
        return self._commit(draft, self.store, self.executor, confirm)

    def submit_foreground(self, draft: Draft) -> StoredAnalysis:
        """Write a draft to the local store; the caller runs it."""
        return self._commit(draft, self.local_store, self.executor_named("foreground"))

    def _commit(
        self, draft: Draft, store: Store, executor: Executor, confirm: Callable[[], None] = lambda: None
    ) -> StoredAnalysis:
        spec = describe(
            id=draft.id,
            name=draft.name,
            parts=draft.parts,
            jobs=draft.jobs,
            array=draft.array,
            definition=draft.definition,
            depends_on=draft.depends_on,
            pip_packages=draft.pip_packages,
            indices=draft.indices,
        )
        try:
            record = write_round(
                store, spec, draft.parts, executor.name, executor.place, self.settings.home, draft.image
            )
            note_made(self.settings.home, store)
            confirm()
            asked = replace(draft.definition, image=draft.image)
            index = index_record(spec, record, asked, draft.labels, draft.project)
            executor.submit(store, record, index)
        except AlreadyExists:
            raise  # somebody else submits it under this id
        except ExplorerError:
            confirm()  # what somebody else has taken over meanwhile stays
            # Nobody will run it, and nobody knows its id.
            store.delete(index_key(parse_id(draft.id).date, draft.id))
            store.delete_tree(analysis_prefix(draft.id))
            raise
        finally:
            draft.parts.inputs.discard()
        return self.open(store, index)

    def open_rounds(self) -> list[RoundRecord]:
        """Rounds that have not ended, on every executor that is configured."""
        names = ["local", *(["batch"] if self.settings.batch.queue else [])]
        return [record for name in names for record in self.executor_named(name).open_rounds()]

    def open(self, store: Store, index: IndexRecord) -> StoredAnalysis:
        """An analysis whose index record is known."""
        return StoredAnalysis(store, index, self.executor_named, downloads_folder(self.settings.home))

    def open_unreadable(self, store: Store, analysis_id: str, fault: ExplorerError) -> StoredAnalysis:
        """An analysis whose index record cannot be read: all but ``delete`` raises why."""
        return replace(self.open(store, index_of_id(analysis_id)), fault=fault)

    def find(self, analysis_id: str) -> StoredAnalysis:
        """The analysis of an id, also of one that is damaged. Raises NoSuchAnalysis, naming where it was
        looked for, or UnsupportedFormat.
        """
        stored = self._first(lambda store: self._find_in(store, analysis_id))
        if self.settings.home.is_dir():
            note_made(self.settings.home, stored.store)
        return stored

    def _find_in(self, store: Store, analysis_id: str) -> StoredAnalysis:
        try:
            return self.open(store, find(store, analysis_id))
        except CorruptPayload as error:
            return self.open_unreadable(store, analysis_id, error)

    def _first(self, look: Callable[[Store], StoredAnalysis]) -> StoredAnalysis:
        *others, last = self.stores
        for store in others:
            try:
                return look(store)
            except KeyError:
                continue
        return look(last)
