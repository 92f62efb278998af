"""Settings, stores and executors, opened together: what everything that submits or looks is given."""

from functools import cached_property
from typing import TYPE_CHECKING

from explorer_runner.stores.base import Store
from gencove_explorer.errors import ConfigError
from gencove_explorer.executors.base import Executor
from gencove_explorer.records.open_store import open_store_of
from gencove_explorer.records.round import RoundRecord
from gencove_explorer.settings import EXECUTORS, Settings

if TYPE_CHECKING:
    from gencove_explorer.aws.file_versions import FileVersions
    from gencove_explorer.executors.foreground.executor import ForegroundExecutor


class Session:
    """One set of settings, and the stores and executors that they name, each opened when first needed."""

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
        return _open_configured(self.settings)

    @cached_property
    def foreground(self) -> "ForegroundExecutor":
        """The executor of run_local()."""
        from gencove_explorer.executors.foreground.executor import ForegroundExecutor

        return ForegroundExecutor(self.settings)

    @cached_property
    def file_versions(self) -> "FileVersions":
        """What the addresses of files hold, each looked up once."""
        from gencove_explorer.aws.clients import AwsClients
        from gencove_explorer.aws.file_versions import FileVersions

        return FileVersions(self.settings.home, lambda: AwsClients(self.settings.batch.region))

    def executor_named(self, name: str) -> Executor:
        """The executor that a round was submitted to. Raises ConfigError for one that there is not."""
        if name == self.settings.executor:
            return self.executor
        if name == "foreground":
            return self.foreground
        if name not in EXECUTORS:
            raise ConfigError(f"the analysis was submitted to {name!r}, which this version does not have")
        if name not in self._executors:
            self._executors[name] = _open_configured(self.settings.with_(executor=name))
        return self._executors[name]

    def store_of(self, executor: Executor) -> Store:
        """The store that an executor's jobs read and write."""
        return self.local_store if executor.name == "foreground" else self.store

    def executor_of(self, store: Store) -> Executor:
        """The executor that can run what lies in a store: Batch reads no folder of this machine."""
        return self.executor if store.uri == self.store.uri else self.executor_named("local")

    def unfinished_rounds(self) -> list[RoundRecord]:
        """Rounds that have not ended, on every executor that is configured."""
        names = ["local", *(["batch"] if self.settings.batch.queue else [])]
        return [record for name in names for record in self.executor_named(name).unfinished_rounds()]


def _open_configured(settings: Settings) -> Executor:
    if settings.executor == "batch":
        from gencove_explorer.executors.batch.executor import BatchExecutor

        return BatchExecutor(settings)
    from gencove_explorer.executors.local.executor import LocalExecutor

    return LocalExecutor(settings)
