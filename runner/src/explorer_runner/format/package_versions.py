"""Which packages a pickle needs, and in which versions, for messages where it cannot be read."""

import os
import re
import sys
from collections.abc import Mapping
from functools import cache
from typing import NamedTuple

_REFERENCE = re.compile(
    rb"\x8c.([A-Za-z_]\w*)[\w.]*\x94"  # a short text: the name of a module
    rb"(?:(?:\x8c.[\w.]+\x94|h.|j....)\x93|\x85\x94R)",  # and one in it, or the call that imports it
    re.DOTALL,
)
"""How a pickle of protocol 4 or 5 refers to a module, where it does so for the first time."""
_NAMED = re.compile(r"module '([\w.]+)'")
_SEARCHED_BYTES = 16 << 20
_OURS = frozenset(("explorer_runner", "gencove_explorer", "cloudpickle"))
_INFO = ".dist-info"


def packages_in(pickled: bytes) -> dict[str, str]:
    """The packages that a pickle refers to: module, top level -> requirement, such as ``numpy==2.3.1``.

    The process must have loaded them, as one that has just pickled it has. Those that were not installed as
    packages are left out.
    """
    names = {name.decode() for name in set(_REFERENCE.findall(memoryview(pickled)[:_SEARCHED_BYTES]))}
    names -= sys.stdlib_module_names | _OURS
    requirements = {name: requirement_of(name) for name in sorted(names) if name in sys.modules}
    return {name: requirement for name, requirement in requirements.items() if requirement is not None}


@cache
def requirement_of(module: str) -> str | None:
    """What a loaded module was installed from, as an installer takes it; None: nobody knows."""
    try:
        return _requirement_of(module)
    except OSError:
        return None


def _requirement_of(module: str) -> str | None:
    loaded = sys.modules[module]
    file = getattr(loaded, "__file__", None)
    if not file:
        return None
    folder, name = os.path.split(file)
    if name.startswith("__init__."):
        folder = os.path.dirname(folder)
    version = _loaded_version(module)
    for info in os.listdir(folder):
        distribution, _, of = info.removesuffix(_INFO).partition("-")
        if info.endswith(_INFO) and (
            _plain(distribution) == _plain(module)
            or (of == version and _brings(f"{folder}/{info}/RECORD", module))
        ):
            return f"{distribution.replace('_', '-')}=={of}"
    return None


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "_", name).lower()


def _brings(record: str, module: str) -> bool:
    with open(record, encoding="utf-8", errors="replace") as file:
        return any(line.startswith((f"{module}/", f"{module}.py,")) for line in file)


class Lack(NamedTuple):
    """A package that something pickled needs and that is not here, or not in its version."""

    module: str
    """What is imported, top level."""
    here: str | None
    """The version that is here, "" if that cannot be told; None: it is not here at all."""
    wanted: str | None
    """The requirement that it was pickled with; None: unknown."""

    def explain(self, place: str) -> str:
        """Goes on a sentence about what was pickled; ``place`` has, or lacks, the package."""
        if self.here is None:
            return f"needs the package {self.module!r}, which {place} does not have"
        if self.wanted is None:
            version = self.here and f" than {self.here}"
            return f"needs another version of the package {self.module!r}{version}, which {place} has"
        name, _, version = self.wanted.partition("==")
        return f"was pickled with {name} {version}, and {place} has {name} {self.here}"

    def advise(self) -> str:
        """What to do about it in the process that could not read it."""
        if self.wanted is not None:
            restart = "" if self.here is None else " and restart Python"
            return f'pip install {self.wanted}{restart} (in a job: pip_packages=["{self.wanted}"])'
        return "install it" if self.here is None else "install the version that it was pickled with"


def find_lack(error: BaseException, pickled_with: Mapping[str, str]) -> Lack | None:
    """The package that may be why something cannot be unpickled here; None: there is another reason."""
    module = _module_of(error)
    if module is not None and _version_of(module) is None:
        return Lack(module, None, pickled_with.get(module))
    differing = {
        name: Lack(name, _version_of(name), requirement)
        for name, requirement in pickled_with.items()
        if _installed(requirement) != requirement.partition("==")[2]
        or (name == module and _is_outdated(name, requirement))
    }
    if module in differing or module is None:
        return differing.get(module or next(iter(differing), ""))
    return Lack(module, _version_of(module), None)


def _module_of(error: BaseException) -> str | None:
    """The module, top level, that something was looked for in and not found."""
    name = error.name if isinstance(error, ImportError) else None
    if name is None and isinstance(error, AttributeError | ImportError):
        named = _NAMED.search(str(error))
        name = named and named[1]
    top = (name or "").partition(".")[0]
    return None if top in ("", "__main__", *_OURS, *sys.stdlib_module_names) else top


def _is_outdated(module: str, installed: str) -> bool:
    """Whether a module was loaded before another version of it was installed."""
    return _loaded_version(module) not in (None, installed.partition("==")[2])


def _version_of(module: str) -> str | None:
    from importlib.util import find_spec

    if module not in sys.modules and find_spec(module) is None:
        return None
    return _loaded_version(module) or _installed(module) or ""


def _loaded_version(module: str) -> str | None:
    # Not by getattr(): a module may have a __getattr__ that warns, or imports.
    version = vars(sys.modules[module]).get("__version__") if module in sys.modules else None
    return version if isinstance(version, str) else None


def _installed(requirement: str) -> str | None:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(requirement.partition("==")[0])
    except PackageNotFoundError:
        return None
