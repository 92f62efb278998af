"""Revisions: the states that somebody committed to, numbered, each written once.

    projects/<project>/<n>.json                  revision n
    projects/<project>/inputs/<sha256>.json      the rows of an input, by the digest of all of it

The highest number holds. History, lock and state are this one list: the first process to write number n + 1
has it, and the others plan again.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from explorer_runner.errors import AlreadyExists, CorruptPayload, ExplorerError
from explorer_runner.format.keys import parse_number, project_prefix
from explorer_runner.format.validation import RECORD_BYTES, digest
from explorer_runner.stores.base import Store
from gencove_explorer.errors import ConfigError, NoSuchAnalysis
from gencove_explorer.reconcile.input_rows import InputRows
from gencove_explorer.reconcile.revision import Revision
from gencove_explorer.settings import Settings
from gencove_explorer.utils.git import repository_name, repository_root

_PROJECT = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,99}")


class Revisions:
    """The revisions of one project in a store."""

    def __init__(self, store: Store, project: str) -> None:
        if not _PROJECT.fullmatch(project):
            raise ConfigError(
                f"the project {project!r} cannot be used as a name: set EXPLORER_PROJECT to letters, digits, "
                "dots, hyphens and underscores"
            )
        self.store = store
        self.project = project
        self.prefix = project_prefix(project)

    def numbers(self) -> list[int]:
        """The numbers of all revisions, the oldest first."""
        numbers = map(parse_number, self.store.list_names(self.prefix))
        return sorted(number for number in numbers if number is not None)

    def read(self, number: int) -> Revision:
        key = self._key(number)
        what = f"{key} in the store {self.store.uri}"
        revision = Revision.from_json(self.store.read(key, limit=RECORD_BYTES), what)
        if revision.number != number:
            raise CorruptPayload(f"{what} cannot be read: it is revision {revision.number}")
        return revision

    def newest(self) -> Revision | None:
        """What holds; None for a project without any."""
        numbers = self.numbers()
        return self.read(numbers[-1]) if numbers else None

    def is_newest(self, revision: Revision) -> bool:
        """Whether nobody has written the next one yet: one request, however many revisions there are."""
        return not self.store.exists(self._key(revision.number + 1))

    def add(self, revision: Revision) -> None:
        """Write the next revision. Raises AlreadyExists if somebody else was faster."""
        self.store.create(self._key(revision.number), revision.to_json())

    def keep_rows(self, identity: Mapping[str, Any], rows: InputRows) -> None:
        """Keep the rows of an input, by which a later plan says what changed."""
        try:
            self.store.create(self._rows_key(identity["sha256"]), rows.to_json())
        except AlreadyExists:
            pass

    def kept_rows(self, identity: Mapping[str, Any]) -> InputRows | None:
        """The rows of a recorded input; None if nobody kept them, or they cannot be read."""
        sha256 = identity.get("sha256", "")
        try:
            digest(sha256)
            return InputRows.from_json(self.store.read(self._rows_key(sha256), limit=RECORD_BYTES))
        except (ExplorerError, ValueError):
            return None  # then the plan says that the input changed, and not how

    def _key(self, number: int) -> str:
        return f"{self.prefix}/{number}.json"

    def _rows_key(self, sha256: str) -> str:
        return f"{self.prefix}/inputs/{sha256}.json"


def project_of(folder: Path, settings: Settings) -> str:
    """Whose manifests a folder has: as configured, else as its repository is called."""
    return settings.project or repository_name(repository_root(folder) or Path.cwd())


def analysis_of(revisions: Revisions, manifest: str) -> str:
    """The id of the analysis that fulfils a manifest. Raises NoSuchAnalysis."""
    newest = revisions.newest()
    entries = newest.entries if newest else {}
    if manifest not in entries:
        names = ", ".join(sorted(entries)) or "none"
        raise NoSuchAnalysis(
            f"the project {revisions.project} has no run of a manifest {manifest!r}; there are: {names}"
        )
    return entries[manifest].id
