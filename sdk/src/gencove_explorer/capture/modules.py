"""Which modules a job will have: the standard library, the runner, and what pip_packages bring."""

import json
import os
import site
import sys
import sysconfig
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import unquote, urlsplit

from gencove_explorer.errors import CaptureError

_RUNNER = frozenset(("explorer_runner", "cloudpickle", "obstore"))
_KNOWN = {
    "Bio": "biopython",
    "PIL": "pillow",
    "bs4": "beautifulsoup4",
    "cv2": "opencv-python-headless",
    "dateutil": "python-dateutil",
    "matplotlib": "matplotlib",
    "numpy": "numpy",
    "pandas": "pandas",
    "polars": "polars",
    "pysam": "pysam",
    "scipy": "scipy",
    "skimage": "scikit-image",
    "sklearn": "scikit-learn",
    "statsmodels": "statsmodels",
    "torch": "torch",
    "yaml": "pyyaml",
}
"""Packages by what is imported, of those that science uses most: most of the others are called alike, and
guessing at a typing error would send people to whatever somebody registered under it."""
_BY_VALUE = frozenset(("__main__", "__mp_main__"))


class JobModules:
    """The modules of one analysis's jobs."""

    def __init__(self, lock: bytes | None) -> None:
        self._brought = _modules_of(lock)
        """What the packages bring, top level; None if the lock does not tell, and so may be anything."""
        self._travelling: set[str] = set()

    def is_by_value(self, module: str | None) -> bool:
        """Whether what a module defines is pickled by value: it needs no module in the job."""
        return module in _BY_VALUE or module in self._travelling or module not in sys.modules

    @contextmanager
    def pickling_by_value(self, module: str) -> Iterator[None]:
        """While this lasts, what ``module`` defines travels by value."""
        self._travelling.add(module)
        try:
            yield
        finally:
            self._travelling.discard(module)

    def is_own(self, module: str) -> bool:
        """Whether a module is a file of the user's own: neither installed nor built in."""
        top = module.split(".")[0]
        if module in _BY_VALUE or top in sys.stdlib_module_names or top in _RUNNER:
            return False
        file = getattr(sys.modules.get(module), "__file__", None)
        return file is not None and not _is_installed(file)

    def has(self, module: str) -> bool:
        """Whether jobs have a module, or need none for it."""
        top = module.split(".")[0]
        brought = self._brought is None or top in self._brought
        return top in sys.stdlib_module_names or top in _RUNNER or brought or self.is_by_value(module)

    def check(self, module: str, what: str) -> None:
        """Raise CaptureError unless the job will have ``module``; ``what`` refers to it."""
        top = module.split(".")[0]
        if self.has(module):
            return
        if top == "gencove_explorer":
            raise CaptureError(
                f"{what} belongs to the SDK, which jobs do not have: what a job needs comes with its "
                "context (ac.input, ac.output, ac.dependency(...))"
            )
        if self.is_own(module):
            file = getattr(sys.modules.get(module), "__file__", "?")
            raise CaptureError(
                f"{what} is of a module of your own ({file}), which jobs do not have: {_advice(file)}"
            )
        raise CaptureError(
            f"{what} is of the package {top!r}, which the job will not have: {self._advice_to_add(module)}"
        )

    def check_import(self, module: str) -> None:
        """Raise CaptureError if a job that imports ``module`` is sure to fail."""
        top = module.split(".")[0]
        if top in sys.stdlib_module_names or top in _RUNNER or self._brought is None or top in self._brought:
            return
        if top == "gencove_explorer":
            raise CaptureError(
                "that is the SDK, which jobs do not have: what a job needs comes with its context; File and "
                "Sample can be imported outside the function, or from explorer_runner.models"
            )
        file = _own_file(top)
        if file is not None:
            raise CaptureError(
                f"that is a module of your own ({file}), which jobs do not have: {_advice(file)}"
            )
        raise CaptureError(f"the job will not have it: {self._advice_to_add(module)}")

    def _advice_to_add(self, module: str) -> str:
        """What to put into pip_packages: what is installed here, or known; no name is guessed."""
        top = module.split(".")[0]
        requirement = self._installed(module) or _KNOWN.get(top)
        if requirement is None:
            return "add the package that brings it to pip_packages (its name may be another)"
        return f'add pip_packages=["{requirement}"]'

    def _installed(self, module: str) -> str | None:
        """The requirement of the installed distribution that brings a module; None: there is none."""
        names = self._distributions.get(module.split(".")[0], [])
        if len(names) > 1:  # several share a namespace: google, azure
            names = [name for name in names if _brings(name, module)] or names
        return requirement_of(names[0]) if names else None

    @cached_property
    def _distributions(self) -> Mapping[str, list[str]]:
        from importlib.metadata import packages_distributions  # reads every installed package: 50 ms

        return packages_distributions()


def _modules_of(lock: bytes | None) -> set[str] | None:
    if lock is None:
        return set()
    from explorer_runner.format.pylock import (
        locked_modules,  # 20 ms that analyses without packages do not need
    )

    return locked_modules(lock)


def _own_file(module: str) -> str | None:
    """The file of a module of the user's own: found, but not where packages are installed."""
    try:
        spec = find_spec(module)
    except (ImportError, ValueError):
        return None
    if spec is None:
        return None
    places = [place for place in (spec.origin, *(spec.submodule_search_locations or ())) if place is not None]
    return next((place for place in places if os.path.isabs(place) and not _is_installed(place)), None)


def _advice(file: str) -> str:
    """How jobs get a module of the user's own."""
    for folder in Path(file).absolute().parents:
        if (folder / "pyproject.toml").exists() or (folder / "setup.py").exists():
            return f'add its project, pip_packages=["{folder}"], or define what it needs inside the function'
    return "define what it needs inside the work function, or in the same file as the work function"


def _brings(name: str, module: str) -> bool:
    """Whether a distribution has the file of a module."""
    from importlib.metadata import distribution

    path = module.replace(".", "/")
    files = {str(file) for file in distribution(name).files or ()}
    return f"{path}.py" in files or f"{path}/__init__.py" in files


def requirement_of(name: str) -> str:
    """What pip takes to install a distribution as it is here: its version, or where it was installed from.

    See https://packaging.python.org/en/latest/specifications/direct-url-data-structure/
    """
    from importlib.metadata import distribution

    installed = distribution(name)
    direct = json.loads(installed.read_text("direct_url.json") or "{}")
    url = direct.get("url", "")
    if "vcs_info" in direct:
        return f"{name} @ {direct['vcs_info']['vcs']}+{url}@{direct['vcs_info']['commit_id']}"
    if "dir_info" in direct:
        return unquote(urlsplit(url).path)
    return f"{name} @ {url}" if url else f"{name}=={installed.version}"


def _is_installed(file: str) -> bool:
    paths = sysconfig.get_paths()
    folders = [paths["purelib"], paths["platlib"], paths["stdlib"], *site.getsitepackages()]
    return any(Path(file).is_relative_to(folder) for folder in [*folders, site.getusersitepackages()])
