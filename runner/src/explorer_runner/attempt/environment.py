"""The environment of a job: its packages, built once on a host, and its environment variables.

A job sees the standard library, the packages of its lock, and the runner's own libraries, in that
order: a user's pins win over the runner's. An environment is a virtual environment in a folder
named after the lock; a marker file in it says that it is whole.
"""

import fcntl
import hashlib
import os
import site
import sys
from collections.abc import Mapping, MutableMapping
from pathlib import Path
from typing import Any

from explorer_runner.definition import JobDefinition
from explorer_runner.errors import PackageError
from explorer_runner.stores.base import Store
from explorer_runner.system.folders import make_private, remove_tree

_COMPLETE = ".complete"

_PASSED_ON = frozenset(
    [
        "HOME",
        "USER",
        "LOGNAME",
        "SHELL",
        "PATH",
        "LANG",
        "LANGUAGE",
        "TZ",
        "TERM",
        "SSL_CERT_FILE",
        "SSL_CERT_DIR",
        "REQUESTS_CA_BUNDLE",
        "CURL_CA_BUNDLE",
        "HTTP_PROXY",
        "HTTPS_PROXY",
        "NO_PROXY",
        "http_proxy",
        "https_proxy",
        "no_proxy",
        "XDG_CACHE_HOME",
        "XDG_CONFIG_HOME",
    ]
)
_PASSED_ON_PREFIXES = ("LC_", "AWS_")
_NOT_PASSED_ON = ("AWS_BATCH_",)

_RUNNER_LIBRARIES = ("cloudpickle", "obstore")


def job_variables(definition: JobDefinition, caller: Mapping[str, str]) -> dict[str, str]:
    """The environment variables of a local job.

    Of the caller's own only what makes a machine work travels (paths, locale, certificates, AWS
    configuration): a job must not depend on what happened to be set in a notebook.
    Raises KeyError with the name of a secret that the caller has not set.
    """
    variables = {
        name: value
        for name, value in caller.items()
        if name in _PASSED_ON
        or (name.startswith(_PASSED_ON_PREFIXES) and not name.startswith(_NOT_PASSED_ON))
    }
    if "PATH" in variables:
        variables["PATH"] = _without_environments(variables["PATH"])
    # pip in a !command would be the user's own, and change what is installed on this machine.
    variables["PIP_REQUIRE_VIRTUALENV"] = "1"
    # Libraries that count the machine's processors would start more threads than the job asked for.
    variables["OMP_NUM_THREADS"] = str(definition.cpu)
    variables.update(definition.environment)
    variables.update({name: caller[name] for name in definition.secrets})
    return variables


def _without_environments(path: str) -> str:
    """A PATH without virtual environments: their commands see the submitter's packages."""
    folders = path.split(os.pathsep)
    return os.pathsep.join(
        folder for folder in folders if not os.path.exists(os.path.join(folder, os.pardir, "pyvenv.cfg"))
    )


def environment_name(lock: bytes) -> str:
    """Folder name of the environment of a lock, for this interpreter."""
    facts = f"{sys.implementation.cache_tag} {os.path.realpath(sys.executable)}\n".encode()
    return hashlib.sha256(facts + lock).hexdigest()[:32]


def set_temp_folders(temporary: str, private: str) -> None:
    """Point temporary files into a folder, and IPython's own beside the job's."""
    os.environ["TMPDIR"] = temporary
    if "tempfile" in sys.modules:  # it looks once, and may have looked before
        import tempfile

        tempfile.tempdir = None
    os.environ["IPYTHONDIR"] = f"{private}/ipython"


def find_uv() -> str:
    """Path of the uv executable: beside this interpreter, else on the PATH; empty if there is none."""
    import shutil  # not at the top: every fork would pay for it

    beside = Path(sys.executable).with_name("uv")
    return os.fspath(beside) if beside.exists() else shutil.which("uv") or ""


def ensure(root: Path, lock: bytes, store: Store, uv: str) -> Path:
    """The environment of ``lock`` below ``root``, built from the store's wheels if this host has none.

    Safe when many jobs ask at once (one builds, the others wait) and when the builder is killed (the
    next one starts afresh). Raises PackageError with what uv said, StoreError.
    """
    folder = root / environment_name(lock)
    if (folder / _COMPLETE).exists():
        return folder
    make_private(os.fspath(root))
    with open(root / f"{folder.name}.lock", "w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        if not (folder / _COMPLETE).exists():
            source = root / f"{folder.name}.from"
            for left in (folder, source):
                remove_tree(os.fspath(left))
            source.mkdir(mode=0o700)
            _build(folder, lock, store, source, uv, handle.fileno())
            remove_tree(os.fspath(source))
            (folder / _COMPLETE).touch()
    return folder


def _build(folder: Path, lock: bytes, store: Store, source: Path, uv: str, lock_descriptor: int) -> None:
    """``held`` is the lock: uv holds it too, lest it outlive a killed builder and meet the next one."""
    from explorer_runner.format.pylock import unpack_wheels
    from explorer_runner.system import progress  # likewise

    if not uv:
        raise PackageError("uv is not installed here, and the analysis has pip_packages: pip install uv")
    with progress.waiting("installing packages, once on this host"):
        pylock = unpack_wheels(lock, store, source)
        venv = ("venv", "--quiet", "--no-project", "--no-config", "--no-cache")
        _uv(uv, lock_descriptor, source, *venv, "--python", sys.executable, os.fspath(folder))
        install = ("pip", "install", "--quiet", "--preview-features", "pylock", "--no-deps", "--no-config")
        cache = ("--cache-dir", os.fspath(source / "cache"))
        _uv(
            uv,
            lock_descriptor,
            source,
            *install,
            *cache,
            "--python",
            os.fspath(folder),
            "--requirements",
            os.fspath(pylock),
        )


def _uv(uv: str, lock_descriptor: int, temporary: Path, *arguments: str) -> None:
    import subprocess  # likewise

    done = subprocess.run(
        [uv, *arguments],
        env={**os.environ, "TMPDIR": os.fspath(temporary)},  # elsewhere all may be read-only
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        pass_fds=[lock_descriptor],
    )
    if done.returncode != 0:
        raise PackageError(
            f"the packages of this analysis could not be installed: uv {arguments[0]} ended with "
            f"{done.returncode}\n{done.stderr.strip()}"
        )


def activate(folder: Path) -> None:
    """Make this process, and those that it starts, see the packages of an environment.

    They stand before the runner's own libraries, so that a user's pins win.
    """
    own = [path for path in sys.path if path in site.getsitepackages()]
    sys.path[:] = [path for path in sys.path if path not in own]
    site.addsitedir(_site_packages(folder))
    sys.path.extend(own)
    sys.prefix = sys.exec_prefix = os.fspath(folder)
    sys.executable = os.fspath(folder / "bin" / "python")
    prepend_python(os.environ)


def prepend_python(variables: MutableMapping[str, str]) -> None:
    """Make commands find this process's Python, and the scripts of its packages, first."""
    variables["VIRTUAL_ENV"] = sys.prefix
    variables["PATH"] = f"{os.path.dirname(sys.executable)}:{variables.get('PATH', os.defpath)}"


def prefer_user_pins(folder: Path) -> None:
    """Forget those of the runner's libraries that the environment has in a version of its own.

    Called when everything is unpickled (which takes the cloudpickle that pickled it) and before the
    work function imports anything.
    """
    for name in _RUNNER_LIBRARIES:
        if name in sys.modules and os.path.exists(f"{_site_packages(folder)}/{name}"):
            loaded = {
                module: sys.modules.pop(module)
                for module in list(sys.modules)
                if module.split(".")[0] == name
            }
            if name == "cloudpickle":
                _hand_over_classes(loaded["cloudpickle.cloudpickle"])


def _hand_over_classes(before: Any) -> None:
    """Let the environment's cloudpickle know the classes that were unpickled by the runner's.

    It tells by their origin that an output value is an instance of a notebook's class.
    """
    origins = before._DYNAMIC_CLASS_TRACKER_BY_ID
    if origins:
        from cloudpickle import cloudpickle

        for origin, kind in list(origins.items()):
            cloudpickle._lookup_class_or_track(origin, kind)


def _site_packages(folder: Path) -> str:
    return f"{folder}/lib/python{sys.version_info[0]}.{sys.version_info[1]}/site-packages"
