"""IPython's shell as a job has it: without history, terminal or colours, and strict about failures."""

import collections
import functools
import os
import shutil
import signal
import subprocess
import sys
import threading
import types
from typing import IO, Any

from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.text import SList
from traitlets.config import Config

from explorer_runner.errors import CommandFailed
from explorer_runner.system.substitution import expand

_LAST_LINES = 15
_DRAIN_SECONDS = 0.5
_ENDED_BY_PIPE = (128 + signal.SIGPIPE, -signal.SIGPIPE)
"""Exit codes of a command that wrote to one which had read enough, as in ``... | head``: no failure."""
_NOT_THE_USERS = ("IPython", "traitlets", "decorator", __name__)


class JobShell(InteractiveShell):
    """``!command`` in the job's own process group, its output in the job's log; failures raise."""

    def enter(self, names: dict[str, Any]) -> None:
        """Let magics find, and leave, their names among these: the globals of the function that calls."""
        names.setdefault("_dh", self.user_ns.get("_dh", [os.getcwd()]))  # %cd keeps its history there
        self.user_ns = names

    def system(self, cmd: str) -> None:
        """Run a command (``!cmd``). Raises CommandFailed unless it exits with 0."""
        command = self.var_expand(cmd)
        sys.stdout.flush()
        sys.stderr.flush()
        process = subprocess.Popen(_shell(command), stderr=subprocess.PIPE)
        assert process.stderr is not None
        tail: collections.deque[bytes] = collections.deque(maxlen=_LAST_LINES)
        copier = threading.Thread(target=_copy, args=(process.stderr, tail), daemon=True)
        copier.start()
        code = process.wait()
        copier.join(_DRAIN_SECONDS)  # what the command left in the background may hold its stream open
        self._check(command, code, b"".join(tail))

    system_raw = system_piped = system

    def getoutput(self, cmd: str, split: bool = True, depth: int = 0) -> Any:
        """Output of a command, standard error with it, by line (``x = !cmd``). Raises CommandFailed."""
        command = self.var_expand(cmd)
        done = subprocess.run(_shell(command), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        self._check(command, done.returncode, done.stdout)
        text = done.stdout.decode(errors="replace")
        return SList(text.splitlines()) if split else text

    def var_expand(self, cmd: str, depth: int = 0, formatter: Any = None) -> str:
        """Replace ``{expression}`` and ``$name``, as IPython does, by what the work function sees."""
        command, note = expand(cmd, _names_in(_users_frame()))
        if note is not None:
            print(note, file=sys.stderr, flush=True)
        return command

    def _check(self, command: str, code: int, output: bytes) -> None:
        self.user_ns["_exit_code"] = code
        if code and code not in _ENDED_BY_PIPE:
            raise CommandFailed(command, code, output.decode(errors="replace"))


def make_shell() -> JobShell:
    """The one shell of this process. Nothing is written into the user's IPython folder."""
    if "IPYTHONDIR" in os.environ:
        os.makedirs(os.environ["IPYTHONDIR"], mode=0o700, exist_ok=True)
    config = Config()
    config.HistoryManager.enabled = False
    config.InteractiveShell.colors = "nocolor"
    main = sys.modules["__main__"]
    shell = JobShell.instance(config=config, user_module=main, user_ns=vars(main))
    assert isinstance(shell, JobShell)
    return shell


def _shell(command: str) -> list[str]:
    """How a command is run: pipelines fail with any of their commands where there is bash."""
    bash = shutil.which("bash")
    if bash is None:
        _warn_without_bash()
        return ["sh", "-c", command]
    return [bash, "-o", "pipefail", "-c", command]


@functools.cache
def _warn_without_bash() -> None:
    print(
        "explorer: there is no bash here: sh runs the commands, and a pipeline fails with its last one only",
        file=sys.stderr,
        flush=True,
    )


def _copy(stream: IO[bytes], tail: collections.deque[bytes]) -> None:
    for line in stream:
        os.write(2, line)
        tail.append(line)


def _users_frame() -> types.FrameType:
    """The innermost frame that is neither IPython's nor ours."""
    frame = sys._getframe(1)
    while frame.f_back and frame.f_globals.get("__name__", "").startswith(_NOT_THE_USERS):
        frame = frame.f_back
    return frame


def _names_in(frame: types.FrameType) -> dict[str, Any]:
    """All names that are in sight: globals, the function's own, and those of functions around it."""
    scopes = [frame.f_locals]
    code = frame.f_code
    outer = frame.f_back
    while outer is not None:
        if _contains(outer.f_code, code):
            scopes.append(outer.f_locals)
            code = outer.f_code
        outer = outer.f_back
    names = dict(frame.f_globals)
    for scope in reversed(scopes):
        names.update(scope)
    return names


def _contains(outer: types.CodeType, inner: types.CodeType) -> bool:
    return any(
        constant is inner or _contains(constant, inner)
        for constant in outer.co_consts
        if isinstance(constant, types.CodeType)
    )
