"""Settings: from the environment, else the nearest explorer.toml, else the user's, else a default.

| environment | explorer.toml | |
| --- | --- | --- |
| EXPLORER_HOME | home | folder of the local executor and store |
| EXPLORER_EXECUTOR | executor | local or batch |
| EXPLORER_STORE | store | s3://bucket/prefix or a folder |
| EXPLORER_PROJECT | project | whose manifests these are |
| EXPLORER_CPUS, EXPLORER_MEMORY_MB | cpus, memory_mb | what the local executor may use |
| EXPLORER_IDLE_SECONDS | idle_seconds | after how long without work its processes end |
| EXPLORER_CACHE, EXPLORER_CACHE_MB | cache, cache_mb | folder of the file cache, and how much it may hold |
| EXPLORER_BATCH__QUEUE, ... | [batch] queue, ... | AWS Batch |
"""

# Plain dataclasses and no pydantic models: every script pays for this module before its first job
# (docs/adr/0006-no-pydantic-on-the-hot-path.md).

import difflib
import os
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from explorer_runner.format.validation import SHORT
from explorer_runner.text import shown, visible_line
from gencove_explorer.errors import ConfigError
from gencove_explorer.utils.text_files import read_text

FILE = "explorer.toml"
PREFIX = "EXPLORER_"
EXECUTORS = ("local", "batch")
MAX_BYTES = 1 << 20
"""Largest file of settings that is read."""


def machine_cpus() -> int:
    """CPUs that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def machine_memory_mb() -> int:
    """MiB of memory of this machine, or of the container that this process is in."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    try:
        total = min(total, int(Path("/sys/fs/cgroup/memory.max").read_text()))
    except (OSError, ValueError):
        pass  # no cgroup v2, or "max"
    return total >> 20


@dataclass(frozen=True, kw_only=True)
class BatchSettings:
    """AWS Batch; Terraform's outputs give them."""

    region: str | None = None
    """Region of the queue and the store; None: as AWS's own variables and profiles say."""
    queue: str | None = None
    """Name or ARN of the job queue."""
    image: str | None = None
    """Repository of the runner image; its tag is chosen by version and Python."""
    job_role_arn: str | None = None
    """Role of the jobs."""
    execution_role_arn: str | None = None
    """Role that starts the containers."""
    log_group: str | None = None
    """CloudWatch log group of the jobs."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """All settings, checked. ``Settings.load()`` reads them."""

    home: Path
    """Folder of the local executor and store."""
    executor: str = "local"
    """Where run() runs: local or batch."""
    store: str
    """s3://bucket/prefix or a folder."""
    project: str | None = None
    """Whose manifests these are; None: named after the git remote (see ``project_name``)."""
    cpus: int = field(default_factory=machine_cpus)
    """CPUs that the local executor may use."""
    memory_mb: int = field(default_factory=machine_memory_mb)
    """MiB of memory that the local executor may use."""
    idle_seconds: float = 300.0
    """After how many idle seconds the local executor's processes end."""
    cache: Path
    """Folder of this machine's file cache."""
    cache_mb: int | None = None
    """MiB that the file cache may hold; None: a fifth of its disk."""
    batch: BatchSettings = field(default_factory=BatchSettings)
    sources: Mapping[str, str] = field(default_factory=dict, repr=False, compare=False)
    """Name (such as ``batch.queue``) -> where the value came from, of those that are no defaults."""

    @property
    def local_store(self) -> str:
        """The folder store of run_local, and of run() where nothing else is configured."""
        return self.store if "://" not in self.store else str(self.home / "store")

    @property
    def project_name(self) -> str:
        """The project as set, else the name of the git remote's repository, else of the folder."""
        from gencove_explorer.utils.git import repository_name  # only reconcile and config ask for it

        return self.project or repository_name(Path.cwd())

    def source(self, name: str) -> str:
        """Where the value of ``name`` came from."""
        return self.sources.get(name, "default")

    def items(self) -> list[tuple[str, Any, str]]:
        """Name, value and source of each setting."""
        plain = [
            (field_.name, getattr(self, field_.name))
            for field_ in fields(self)
            if field_.name not in _NOT_PLAIN
        ]
        batch = [
            (f"batch.{field_.name}", getattr(self.batch, field_.name)) for field_ in fields(BatchSettings)
        ]
        values = {**dict(plain + batch), "project": self.project_name}
        return [(name, value, self.source(name)) for name, value in values.items()]

    @classmethod
    def load(cls, environ: Mapping[str, str] | None = None, folder: Path | None = None) -> "Settings":
        """Read the settings that hold in ``folder`` (default: the working directory).

        Raises ConfigError, naming where the value stands, what it is and what is allowed.
        """
        environ = os.environ if environ is None else environ
        chosen: dict[str, tuple[Any, str]] = {}
        for path in reversed(_files(folder or Path.cwd(), environ)):
            chosen.update(_from_file(path))
        chosen.update(_from_environment(environ))
        values = {name: _convert(name, value, source) for name, (value, source) in chosen.items()}
        sources = {name: source for name, (_, source) in chosen.items()}
        if "executor" not in values and values.get("batch.queue"):
            values["executor"], sources["executor"] = "batch", "default, as batch.queue is set"
        home = values.setdefault("home", Path.home() / ".explorer")
        values.setdefault("store", str(home / "store"))
        values.setdefault("cache", home / "cache")
        batch = {name[6:]: values.pop(name) for name in list(values) if name.startswith("batch.")}
        return cls(**values, batch=BatchSettings(**batch), sources=sources)

    def with_(self, **changes: Any) -> "Settings":
        """A copy with some settings changed."""
        return replace(self, **changes)


_NOT_PLAIN = ("batch", "sources")
_SLIP = 0.8
"""How alike two names must be, of 1, for one to be taken for a slip."""
_LONGEST = 100
"""How many characters of what is no setting are shown, and compared with those that there are."""
_MOST_MB = 1 << 40
_MOST_SECONDS = 1e9
_PATHS = {"home", "store", "cache"}


def _files(folder: Path, environ: Mapping[str, str]) -> list[Path]:
    """The files that hold in ``folder``, the most important first."""
    nearest = [path for path in (parent / FILE for parent in (folder, *folder.parents)) if path.is_file()][:1]
    user = Path(environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "explorer" / FILE
    return nearest + ([user] if user.is_file() and user not in nearest else [])


def _from_file(path: Path) -> dict[str, tuple[Any, str]]:
    try:
        data = tomllib.loads(read_text(path, MAX_BYTES))
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path}: {error}") from error
    except RecursionError:
        raise ConfigError(f"{path}: nested too deeply") from None
    batch = data.pop("batch", {})
    if not isinstance(batch, dict):
        raise ConfigError(f"{path}: batch is a table, written [batch]")
    named = {**data, **{f"batch.{key}": value for key, value in batch.items()}}
    for name in named:
        if name not in _CONVERTERS:
            near = difflib.get_close_matches(name[:_LONGEST], _CONVERTERS, n=1)
            hint = f"did you mean {near[0]}?" if near else f"there are: {', '.join(_CONVERTERS)}"
            raise ConfigError(f"{path}: {name[:_LONGEST]} is not a setting; {hint}")
    for name in _PATHS & named.keys():
        value = named[name]
        if isinstance(value, str) and value and "://" not in value:
            # As the file says it, whatever folder it is read from.
            named[name] = os.path.join(path.parent, os.path.expanduser(value))
    return {name: (value, str(path)) for name, value in named.items()}


def _from_environment(environ: Mapping[str, str]) -> dict[str, tuple[Any, str]]:
    values = {}
    for variable, text in environ.items():
        if variable.startswith(PREFIX) and text:
            name = variable.removeprefix(PREFIX).lower().replace("__", ".", 1)
            if name in _CONVERTERS:
                values[name] = (text, variable)
                continue
            # Others may have variables of this prefix too; one that is nearly a setting is a slip.
            near = difflib.get_close_matches(name[:_LONGEST], _CONVERTERS, n=1, cutoff=_SLIP)
            if near:
                meant = f"{PREFIX}{near[0].upper().replace('.', '__')}"
                raise ConfigError(f"the environment variable {variable} is no setting; did you mean {meant}?")
    return values


def _convert(name: str, value: Any, source: str) -> Any:
    try:
        return _CONVERTERS[name](value)
    except (ValueError, TypeError, OverflowError) as error:
        raise ConfigError(f"{name} ({source}) is {shown(value)}: {error}") from error


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError("use a text")
    if len(value) > SHORT or visible_line(value) != value:
        raise ValueError(f"use at most {SHORT:,} characters, none of them a control character")
    return value


def _executor(value: Any) -> str:
    if value not in EXECUTORS:
        raise ValueError(f"use one of {', '.join(EXECUTORS)}")
    return str(value)


def _folder(value: Any) -> Path:
    return Path(os.path.abspath(os.path.expanduser(_text(value))))


def _store(value: Any) -> str:
    text = _text(value)
    if "://" not in text:
        return str(_folder(text))
    if not text.startswith("s3://") or len(text) < len("s3://abc"):
        raise ValueError("use s3://bucket/prefix or a folder")
    return text.rstrip("/")


def _whole(least: int, most: int) -> Callable[[Any], int]:
    def convert(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int | str) or not least <= int(value) <= most:
            raise ValueError(f"use a whole number from {least:,} to {most:,}")
        return int(value)

    return convert


def _positive(value: Any) -> float:
    if isinstance(value, bool) or not 0 < float(value) <= _MOST_SECONDS:
        raise ValueError(f"use a number above 0, up to {_MOST_SECONDS:,.0f}")
    return float(value)


_CONVERTERS: dict[str, Callable[[Any], Any]] = {
    "home": _folder,
    "executor": _executor,
    "store": _store,
    "project": _text,
    "cpus": _whole(1, 100_000),
    "memory_mb": _whole(64, _MOST_MB),
    "idle_seconds": _positive,
    "cache": _folder,
    "cache_mb": _whole(1, _MOST_MB),
    **{f"batch.{field_.name}": _text for field_ in fields(BatchSettings)},
}
