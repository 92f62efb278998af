"""The Python that local jobs run in: this interpreter's base, with the runner and nothing else.

A job must not see what the notebook's environment happens to hold. So the runner and its libraries
are copied, once for each version of them, into a virtual environment of their own, where they also
outlive an upgrade or the removal of the environment that they came from.
"""

import hashlib
import importlib.util
import os
import shutil
import sys
from pathlib import Path

from explorer_runner.attempt.environment import job_variables
from explorer_runner.models import CACHE, CACHE_MB
from explorer_runner.shell import LIBRARIES
from explorer_runner.stores.credentials import HELPER
from explorer_runner.system.folders import make_private
from gencove_explorer.errors import ExecutorError
from gencove_explorer.executors.host.folders import atomic_folder
from gencove_explorer.records.round import RoundRecord
from gencove_explorer.settings import Settings

_PACKAGES = ("explorer_runner", "cloudpickle", "obstore")


def find_runtime(home: Path) -> str:
    """The runtime's Python, for jobs of this interpreter's version; made if it is not there.

    Raises ExecutorError if this interpreter has no virtual environments.
    """
    sources = {name: _source(name) for name in _PACKAGES}
    folder = home / "runtimes" / _name(sources)
    python = folder / "bin" / "python"
    if not python.exists():
        make_private(str(folder.parent))
        _make(folder, sources)
    return str(python)


def variables_of(record: RoundRecord, settings: Settings) -> dict[str, str]:
    """The environment variables of a round's jobs on this machine.

    Raises ExecutorError if they need IPython and it is not installed here.
    """
    variables = job_variables(record.job_definition, os.environ)
    if settings.batch.region:  # the store's, if that is on S3
        variables.setdefault("AWS_REGION", settings.batch.region)
    variables[CACHE] = str(settings.cache)
    variables[HELPER] = sys.executable
    if settings.cache_mb is not None:
        variables[CACHE_MB] = str(settings.cache_mb)
    if record.shell:
        from gencove_explorer.executors.host.ipython_copy import copy_ipython

        variables[LIBRARIES] = copy_ipython(settings.home)
    return variables


def _source(name: str) -> Path:
    spec = importlib.util.find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        raise ExecutorError(f"the package {name} is not installed here: install gencove-explorer anew")
    return Path(next(iter(spec.submodule_search_locations)))


def _name(sources: dict[str, Path]) -> str:
    """A name that changes with the interpreter and with every file of what is copied."""
    facts = [sys.version, os.path.realpath(sys.executable)]
    for path in sorted(file for source in sources.values() for file in source.rglob("*.py")):
        status = path.stat()
        facts.append(f"{path} {status.st_mtime_ns} {status.st_size}")
    digest = hashlib.sha256("\n".join(facts).encode()).hexdigest()[:16]
    return f"py{sys.version_info[0]}.{sys.version_info[1]}-{digest}"


def _make(folder: Path, sources: dict[str, Path]) -> None:
    import venv

    with atomic_folder(folder) as part:
        venv.EnvBuilder(symlinks=True, with_pip=False).create(part)
        packages = part / "lib" / f"python{sys.version_info[0]}.{sys.version_info[1]}" / "site-packages"
        for name, source in sources.items():
            shutil.copytree(source, packages / name, ignore=shutil.ignore_patterns("*.pyi"))
