"""IPython for local jobs that call the shell: a copy of this interpreter's, apart from all else.

It lies in a folder of its own that jobs look into only when they call the shell, so that no other job
finds IPython, or what it needs, by chance.
"""

import hashlib
import re
import shutil
import sys
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

from explorer_runner.system.folders import make_private
from gencove_explorer.errors import ExecutorError
from gencove_explorer.executors.host.folders import atomic_folder


def copy_ipython(home: Path) -> str:
    """A folder with IPython and what it needs, copied from this interpreter's; made if it is not there.

    Raises ExecutorError if IPython is not installed here.
    """
    distributions = _with_requirements("ipython")
    if not distributions:
        raise ExecutorError(
            "the work function uses ! or %, which needs IPython here too: pip install ipython"
        )
    facts = [
        sys.version,
        *(f"{distribution.name} {distribution.version}" for distribution in distributions),
    ]
    folder = home / "runtimes" / f"shell-{hashlib.sha256(repr(facts).encode()).hexdigest()[:16]}"
    if not folder.exists():
        make_private(str(folder.parent))
        with atomic_folder(folder) as part:
            for distribution in distributions:
                _copy_distribution(distribution, part)
    return str(folder)


def _with_requirements(name: str) -> list[Distribution]:
    """An installed distribution and all installed ones that it requires, by name."""
    by_name: dict[str, Distribution] = {}
    waiting = [name]
    while waiting:
        name = re.sub(r"[-_.]+", "-", waiting.pop()).lower()
        try:
            by_name[name] = distribution(name)
        except PackageNotFoundError:
            continue  # for another system or Python, or not needed
        required = [
            requirement for requirement in by_name[name].requires or () if "extra ==" not in requirement
        ]
        names = [re.split(r"[^\w.-]", requirement, maxsplit=1)[0] for requirement in required]
        waiting += [needed for needed in names if re.sub(r"[-_.]+", "-", needed).lower() not in by_name]
    return [by_name[name] for name in sorted(by_name)]


def _copy_distribution(distribution: Distribution, target: Path) -> None:
    tops = {file.parts[0] for file in distribution.files or ()} - {"..", "__pycache__"}
    for top in sorted(tops):
        source = Path(str(distribution.locate_file(top)))
        if source.is_dir():
            shutil.copytree(source, target / top, dirs_exist_ok=True)
        elif source.exists():
            shutil.copy(source, target / top)
