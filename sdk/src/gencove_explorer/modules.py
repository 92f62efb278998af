"""Which modules a job will have: the standard library, the runner, and what pip_packages bring."""

import re
import site
import sys
import sysconfig
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path

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


class Modules:
    """The modules of one analysis's jobs."""

    def __init__(self, lock: bytes | None) -> None:
        self._locked = _locked_names(lock)
        self._travelling: set[str] = set()

    def travels(self, module: str | None) -> bool:
        """Whether what a module defines is pickled by value: it needs no module in the job."""
        return module in _BY_VALUE or module in self._travelling or module not in sys.modules

    @contextmanager
    def travelling(self, module: str) -> Iterator[None]:
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
        return file is not None and not any(
            Path(file).is_relative_to(folder) for folder in _installed_folders()
        )

    def has(self, module: str) -> bool:
        """Whether every job has a module, or needs none for it."""
        top = module.split(".")[0]
        return top in sys.stdlib_module_names or top in _RUNNER or self.travels(module)

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
                f"{what} is of a module of your own ({file}), which jobs do not have: define what it needs "
                "inside the work function, or in the same file as the work function"
            )
        distributions = self._distributions.get(top, [top])
        if not any(_normal(name) in self._locked for name in distributions):
            raise CaptureError(
                f"{what} is of the package {top!r}, which the job will not have: add "
                f'pip_packages=["{_requirement(distributions[0])}"], and import it inside the work function'
            )

    def check_import(self, module: str) -> None:
        """Raise CaptureError if a job that imports ``module`` is sure to fail.

        Which modules a package brings is known of what is installed here. So a module is let pass
        while a locked package is not installed here: it may be that one's.
        """
        top = module.split(".")[0]
        if top in sys.stdlib_module_names or top in _RUNNER or _normal(top) in self._locked:
            return
        if top == "gencove_explorer":
            raise CaptureError(
                "that is the SDK, which jobs do not have: what a job needs comes with its context"
            )
        distributions = self._distributions.get(top, [])
        installed = {_normal(name) for names in self._distributions.values() for name in names}
        if any(_normal(name) in self._locked for name in distributions) or self._locked - installed:
            return
        if not distributions and _is_own_file(top):
            raise CaptureError(
                "that is a module of your own, which jobs do not have: define what it needs inside the work "
                "function, or in the same file as the work function"
            )
        wanted = _requirement(distributions[0]) if distributions else _KNOWN.get(top)
        if wanted is None:
            raise CaptureError(
                "the job will not have it: add the package that brings it to pip_packages (its name may be "
                "another)"
            )
        raise CaptureError(f'the job will not have it: add pip_packages=["{wanted}"]')

    @cached_property
    def _distributions(self) -> Mapping[str, list[str]]:
        from importlib.metadata import packages_distributions  # reads every installed package: 50 ms

        return packages_distributions()


def _is_own_file(module: str) -> bool:
    try:
        spec = find_spec(module)
    except (ImportError, ValueError):
        return False
    return spec is not None and spec.origin not in (None, "built-in", "frozen")


def _locked_names(lock: bytes | None) -> set[str]:
    if lock is None:
        return set()
    return {_normal(each["name"]) for each in tomllib.loads(lock.decode()).get("packages", [])}


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _requirement(distribution: str) -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return f"{distribution}=={version(distribution)}"
    except PackageNotFoundError:
        return distribution


def _installed_folders() -> list[str]:
    paths = sysconfig.get_paths()
    return [
        paths["purelib"],
        paths["platlib"],
        paths["stdlib"],
        *site.getsitepackages(),
        site.getusersitepackages(),
    ]
