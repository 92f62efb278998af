"""Settings: from the environment, else the nearest explorer.toml, else the user's, else a default.

| environment | explorer.toml | |
| --- | --- | --- |
| EXPLORER_HOME | home | folder of the local executor and store |
| EXPLORER_EXECUTOR | executor | local or batch |
| EXPLORER_STORE | store | s3://bucket/prefix or a folder |
| EXPLORER_PROJECT | project | whose manifests these are |
| EXPLORER_CPUS, EXPLORER_MEMORY_MB | cpus, memory_mb | what the local executor may use |
| EXPLORER_BATCH__QUEUE, ... | [batch] queue, ... | AWS Batch |
"""

import difflib
import os
import subprocess
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gencove_explorer.errors import ConfigError

FILE = "explorer.toml"
PREFIX = "EXPLORER_"


class BatchSettings(BaseModel):
    """AWS Batch; Terraform's outputs give them."""

    model_config = ConfigDict(extra="forbid", frozen=True)

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


class Settings(BaseModel):
    """All settings, checked. ``Settings.load()`` reads them."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    home: Path = Field(default_factory=lambda: Path("~/.explorer").expanduser())
    """Folder of the local executor and store."""
    executor: Literal["local", "batch"] = "local"
    """Where run() runs."""
    store: str = ""
    """s3://bucket/prefix or a folder; empty: inside home."""
    project: str = ""
    """Whose manifests these are; empty: the git remote's name (see ``project_name``)."""
    cpus: int = Field(default_factory=lambda: machine_cpus(), ge=1)
    """CPUs that the local executor may use."""
    memory_mb: int = Field(default_factory=lambda: machine_memory_mb(), ge=64)
    """MiB of memory that the local executor may use."""
    idle_seconds: float = Field(default=300.0, gt=0)
    """After how many idle seconds the local executor's processes end."""
    batch: BatchSettings = BatchSettings()

    _sources: dict[str, str] = {}

    @property
    def local_store(self) -> str:
        """The folder store of run_local, and of run() where nothing else is configured."""
        return self.store if self.store and "://" not in self.store else str(self.home / "store")

    @property
    def project_name(self) -> str:
        """The project: as set, else the name of the git remote's repository, else of the folder."""
        return self.project or _project_name(Path.cwd())

    def source(self, name: str) -> str:
        """Where the value of ``name`` (such as ``batch.queue``) came from."""
        return self._sources.get(name, "default")

    @classmethod
    def load(cls, environ: Mapping[str, str] | None = None, folder: Path | None = None) -> "Settings":
        """Read the settings that hold in ``folder`` (default: the working directory).

        Raises ConfigError, naming where the value stands, what it is and what is allowed.
        """
        environ = os.environ if environ is None else environ
        values: dict[str, Any] = {}
        sources: dict[str, str] = {}
        for path in reversed(_files(folder or Path.cwd(), environ)):
            _merge(values, sources, _read(path), str(path))
        _merge(values, sources, _from_environment(environ), "environment")
        if "executor" not in values and values.get("batch", {}).get("queue"):
            values["executor"], sources["executor"] = "batch", "default, as a queue is set"
        for name in ("home", "store"):
            if isinstance(values.get(name), str) and "://" not in values[name] and values[name]:
                values[name] = os.path.abspath(os.path.expanduser(values[name]))
        try:
            settings = cls.model_validate(values)
        except ValidationError as error:
            raise ConfigError(_explain(error, sources)) from error
        if not settings.store:
            settings = settings.model_copy(update={"store": str(settings.home / "store")})
        settings._sources.update(sources)
        return settings


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


def _files(folder: Path, environ: Mapping[str, str]) -> list[Path]:
    """The files that hold in ``folder``, the most important first."""
    upwards = [parent / FILE for parent in (folder, *folder.parents)]
    nearest = [path for path in upwards if path.is_file()][:1]
    user = Path(environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "explorer" / FILE
    return nearest + ([user] if user.is_file() and user not in nearest else [])


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text())
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: {error}") from error


def _from_environment(environ: Mapping[str, str]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for variable, text in environ.items():
        if not variable.startswith(PREFIX) or not text:
            continue
        section, separator, key = variable.removeprefix(PREFIX).lower().partition("__")
        # Others may have variables of this prefix: one that is like none of ours is not ours.
        name = f"{section}.{key}" if separator else section
        if not difflib.get_close_matches(name, _known(), n=1, cutoff=0.8):
            continue
        if separator:
            values.setdefault(section, {})[key] = text
        else:
            values[section] = text
    return values


def _known() -> list[str]:
    names = [name for name in Settings.model_fields if name != "batch"]
    return [*names, *(f"batch.{key}" for key in BatchSettings.model_fields)]


def _merge(into: dict[str, Any], sources: dict[str, str], values: Mapping[str, Any], source: str) -> None:
    for name, value in values.items():
        if isinstance(value, Mapping):
            section = into.setdefault(name, {})
            for key, inner in value.items():
                section[key] = inner
                sources[f"{name}.{key}"] = source
        else:
            into[name] = value
            sources[name] = source


def _project_name(folder: Path) -> str:
    """The name of the git remote's repository, else of the folder."""
    for parent in (folder, *folder.parents):
        if (parent / ".git").exists():
            asked = subprocess.run(
                ["git", "-C", str(parent), "remote", "get-url", "origin"], capture_output=True, text=True
            )
            url = asked.stdout.strip() if asked.returncode == 0 else parent.name
            return url.rstrip("/").removesuffix(".git").replace(":", "/").rpartition("/")[2] or parent.name
    return folder.name


def _explain(error: ValidationError, sources: Mapping[str, str]) -> str:
    lines = []
    for each in error.errors():
        name = ".".join(map(str, each["loc"]))
        where = sources.get(name, "default")
        if each["type"] == "extra_forbidden":
            near = difflib.get_close_matches(name, _known(), n=1)
            hint = f"; did you mean {near[0]}?" if near else f"; there are: {', '.join(_known())}"
            lines.append(f"{name} ({where}) is not a setting{hint}")
        else:
            lines.append(f"{name} ({where}) is {each['input']!r}: {each['msg']}")
    return "\n".join(lines)
