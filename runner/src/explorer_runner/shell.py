"""What a notebook's functions find in a job: ``get_ipython()``, which ``!`` and ``%`` call, and ``display``.

IPython turns them into calls of ``get_ipython()`` when a cell is typed in. A notebook's own shell
cannot travel; functions are pickled with a reference to the one here instead, which imports IPython
when it is first called: a job without magics never does.
"""

import os
import sys
from typing import TYPE_CHECKING, Any

from explorer_runner.errors import ExplorerError

if TYPE_CHECKING:
    from explorer_runner.ipython_shell import JobShell

LIBRARIES = "EXPLORER_SHELL"
"""Environment variable: a folder that holds IPython, for where it is not installed (local jobs)."""

_shell: "JobShell | None" = None


def get_ipython() -> "JobShell":
    """The job's shell. Raises ExplorerError if there is no IPython."""
    global _shell
    if _shell is None:
        _shell = _make()
    _shell.enter(sys._getframe(1).f_globals)
    return _shell


def display(*objects: Any, **options: Any) -> None:
    """Print what a notebook would show: each object as text, into the job's log."""
    for value in objects:
        print(value if isinstance(value, str) else repr(value))


def _make() -> "JobShell":
    try:
        import IPython  # noqa: F401  a user's own pin comes first
    except ModuleNotFoundError:
        folder = os.environ.get(LIBRARIES)
        if folder is None:
            raise ExplorerError(
                "the work function uses ! or %, for which the job needs IPython: "
                'add it, pip_packages=["ipython"]'
            ) from None
        sys.path.append(folder)
    from explorer_runner.ipython_shell import make_shell

    return make_shell()
