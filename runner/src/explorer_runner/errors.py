"""Every error of Explorer that a person may meet, as one tree.

    ExplorerError
    ├── InvalidArgument      a value that a call cannot use (also a TypeError and a ValueError)
    ├── InvalidName          a name or id outside the grammar (also a ValueError)
    ├── InvalidKey           an output key or store key outside the grammar (also a ValueError)
    ├── InvalidDefinition    a job definition that no executor can honour (also a ValueError)
    ├── StoreError           a store that cannot be read or written
    │   ├── Unreachable      a store that did not answer well for as long as was waited: it may later
    │   ├── NotFound         no object at that key
    │   └── AlreadyExists    an object that may only be created is there already
    ├── PayloadError         what was submitted cannot be run
    │   ├── CorruptPayload   bytes that differ from those that were submitted
    │   ├── UnsupportedFormat  written by a newer Explorer than this one
    │   └── PythonMismatch   pickled by another minor version of Python
    ├── PackageError         pip_packages that cannot be resolved or installed
    ├── CommandFailed        a !command of a work function that did not exit with 0
    ├── OutputError          an output that cannot be kept
    ├── NoSuchOutput         a file or value that the job did not write (also a KeyError)
    ├── NoSuchJob            an index that no job of the analysis has (also an IndexError)
    ├── NoSuchDependency     a dependency of a name that the analysis does not have (also a KeyError)
    └── NotFinished          what is asked for needs jobs that have ended: their outputs, or a retry

The SDK's own errors (gencove_explorer.errors) join the same tree.
"""

import re

from explorer_runner.text import visible

_OUR_FOLDERS = ("explorer_runner", "gencove_explorer")
_PIPE = re.compile(r"(?<!\|)\|(?!\|)")
"""A pipe in a command, which is no ``||``."""
_QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"")


class ExplorerError(Exception):
    """Base of every error that Explorer raises on purpose; its text is safe to print."""

    def __str__(self) -> str:
        # Messages quote jobs and stores. Not super(): KeyError's shows the repr of the sentence.
        return visible(Exception.__str__(self))

    def _render_traceback_(self) -> list[str]:
        # What IPython shows instead of a traceback: the user's own lines, and what to do. Through how
        # many of our functions the error came helps nobody there.
        import os
        import traceback

        frames = traceback.extract_tb(self.__traceback__)
        ours = [frame for frame in frames if f"{os.sep}IPython{os.sep}" not in frame.filename]
        users = [frame for frame in ours if not any(part in frame.filename for part in _OUR_FOLDERS)]
        return [*traceback.format_list(users), f"{type(self).__name__}: {self}"]


class InvalidArgument(ExplorerError, TypeError, ValueError):
    """A call was given a value of the wrong kind, or one outside of what it takes."""


class InvalidName(ExplorerError, ValueError):
    """A name or an id is outside the grammar."""


class InvalidKey(ExplorerError, ValueError):
    """A key is outside the grammar."""


class InvalidDefinition(ExplorerError, ValueError):
    """A job definition asks for what no executor can give."""


class StoreError(ExplorerError):
    """The store cannot be read or written."""


class Unreachable(StoreError):
    """The store did not answer, or answered with its own troubles; it may answer later."""


class NotFound(StoreError):
    """The store holds no object at that key."""


class AlreadyExists(StoreError):
    """The store holds an object at a key that may only be created."""


class PayloadError(ExplorerError):
    """What was submitted cannot be run."""


class CorruptPayload(PayloadError):
    """The bytes in the store are not the bytes that were submitted."""


class UnsupportedFormat(PayloadError):
    """A record was written by a newer Explorer than this one."""


class PythonMismatch(PayloadError):
    """The payload was pickled by another minor version of Python."""


class PackageError(ExplorerError):
    """The packages of an analysis cannot be resolved or installed."""


class CommandFailed(ExplorerError):
    """A ``!command`` of a work function did not exit with 0."""

    def __init__(self, command: str, exit_code: int, output: str) -> None:
        self.command = command
        self.exit_code = exit_code
        """Negative: the number of the signal that ended it."""
        self.output = output
        """Its last lines on standard error."""
        how = f"exit code {exit_code}" if exit_code > 0 else f"signal {-exit_code}"
        if _PIPE.search(_QUOTED.sub("", command)):
            how += ", of one command of its pipeline ('set +o pipefail;' first lets only the last one count)"
        last = f":\n{output.rstrip()}" if output.strip() else ""
        super().__init__(f"the command {command!r} ended with {how}{last}")

    def __reduce__(self) -> tuple[type, tuple[str, int, str]]:
        return type(self), (self.command, self.exit_code, self.output)


class OutputError(ExplorerError):
    """An output cannot be kept."""


class NoSuchOutput(ExplorerError, KeyError):
    """The job wrote no file or value of that key."""


class NoSuchJob(ExplorerError, IndexError):
    """The analysis has no job of that index, or an index has to be given."""


class NoSuchDependency(ExplorerError, KeyError):
    """The analysis has no dependency of that name."""


class NotFinished(ExplorerError):
    """A job has no outputs, because it has not ended or has failed; or nothing can be run again yet."""
