"""The outcome: what is known of one finished attempt. The last thing written; its name tells the status."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from explorer_runner.errors import CorruptPayload, OutputError
from explorer_runner.format import validation
from explorer_runner.format.keys import FAILED, STOPPED, SUCCEEDED, AttemptId, outcome_key
from explorer_runner.format.payload import FORMAT, load_record
from explorer_runner.stores.base import Store
from explorer_runner.system.memory import as_mb


@dataclass(kw_only=True)
class Failure:
    """An exception, as text: it may be of a type that nobody else can import."""

    type: str
    message: str
    traceback: str
    function: str | None = None
    file: str | None = None
    line: int | None = None
    """The innermost line of the user's own code."""


@dataclass(kw_only=True)
class Outcome:
    """How one attempt at one job ended."""

    analysis: str
    index: int
    round: int
    attempt: int
    status: str = FAILED
    reason: str | None = None
    """One sentence for a person; None when it succeeded."""
    exit_code: int | None = None
    signal: int | None = None
    failure: Failure | None = None
    started: float = 0.0
    """When the attempt began, in seconds since 1970, UTC."""
    ended: float = 0.0
    setup_seconds: float = 0.0
    """From the start to the call of the work function."""
    cpu_seconds: float = 0.0
    peak_memory_mb: float = 0.0
    """The most memory that the attempt had, in MiB: of all its processes where a container or a watching
    parent knows it, else of the largest one."""
    values: dict[str, Any] = field(default_factory=dict)
    """Key -> a small value itself, or kind, size and sha256 of a larger one."""
    files: list[dict[str, Any]] = field(default_factory=list)
    """key, size and sha256 of each output file; ``executable`` of those that can be executed."""
    folders: list[str] = field(default_factory=list)
    """Keys that stand for a folder of files, and those of the empty folders in them."""
    payload: str = ""
    """SHA-256 of the payload that made this: function, inputs, packages and all."""
    host: str = ""
    python: str = ""
    runner: str = ""

    @property
    def succeeded(self) -> bool:
        return self.status == SUCCEEDED

    def add_peak(self, size: int) -> None:
        """Take a size in bytes as the peak of memory, if it is larger than what is known."""
        self.peak_memory_mb = max(self.peak_memory_mb, as_mb(size))

    @property
    def of(self) -> AttemptId:
        return AttemptId(self.index, self.round, self.attempt)

    def to_json(self, values: Mapping[str, str] | None = None) -> bytes:
        """As JSON; ``values`` are its values as JSON text, which spares reading and writing them again."""
        data = {"format": FORMAT, **vars(self)}
        if self.failure:
            data["failure"] = vars(self.failure)
        if values is None:
            return json.dumps(data).encode()
        del data["values"]
        entries = ", ".join([f"{json.dumps(key)}: {text}" for key, text in values.items()])
        return f'{json.dumps(data)[:-1]}, "values": {{{entries}}}}}'.encode()

    @classmethod
    def from_json(cls, raw: bytes) -> "Outcome":
        """Raises CorruptPayload if this is no outcome, UnsupportedFormat if it is too new."""
        try:
            data = validation.known(load_record(raw, "the outcome"), _OUTCOME)
            if data.get("failure") is not None:
                data["failure"] = Failure(**validation.known(data["failure"], _FAILURE))
            return cls(**data)
        except (ValueError, TypeError, KeyError) as error:
            raise validation.refused("an outcome in the store", error) from error


def _status(value: Any) -> None:
    if value not in (SUCCEEDED, FAILED, STOPPED):
        raise ValueError(f"{SUCCEEDED}, {FAILED} or {STOPPED}")


def _exit_code(value: Any) -> None:
    if not isinstance(value, int):  # sys.exit(True) is one
        raise ValueError("a whole number")


def _value(entry: Any) -> None:
    if type(entry) is not dict:
        raise ValueError("a mapping")
    validation.known(entry, _NOTES)
    if "kind" in entry:
        validation.require(entry, _BESIDE)
    elif "json" not in entry:
        validation.require(entry, _PICKLED)


def _file(entry: Any) -> None:
    validation.known(entry, {"executable": validation.flag})
    validation.require(entry, _FILE)  # its key is checked where it becomes one of the store's


_SIZE = validation.whole(0, 1 << 60)
_SECONDS = validation.number(0, validation.LATEST)
_FILE: dict[str, validation.Check] = {"key": validation.text(), "size": _SIZE, "sha256": validation.text()}
_BESIDE: dict[str, validation.Check] = {"kind": validation.text(), "size": _SIZE, "sha256": validation.text()}
_NOTES: dict[str, validation.Check] = {"pickled_with": validation.mapped(validation.text())}
_PICKLED: dict[str, validation.Check] = {"pkl": validation.text(None)}
_FAILURE: dict[str, validation.Check] = {
    "type": validation.text(None),
    "message": validation.text(None),
    "traceback": validation.text(None),
    "function": validation.optional(validation.text(None)),
    "file": validation.optional(validation.text(None)),
    "line": validation.optional(validation.whole()),
}
_OUTCOME: dict[str, validation.Check] = {
    "analysis": validation.text(),
    "index": validation.whole(0, validation.JOBS - 1),
    "round": validation.whole(0, validation.ROUNDS),
    "attempt": validation.whole(0, validation.ATTEMPTS),
    "status": _status,
    "reason": validation.optional(validation.text(None)),
    "exit_code": validation.optional(_exit_code),
    "signal": validation.optional(validation.whole()),
    "failure": validation.optional(validation.mapped()),
    "started": _SECONDS,
    "ended": _SECONDS,
    "setup_seconds": _SECONDS,
    "cpu_seconds": _SECONDS,
    "peak_memory_mb": validation.number(0, 1e12),
    "values": validation.mapped(_value),
    "files": validation.listed(_file),
    "folders": validation.listed(validation.text()),
    "payload": validation.text(),
    "host": validation.text(),
    "python": validation.text(),
    "runner": validation.text(),
}


def read(store: Store, analysis: str, attempt: AttemptId, status: str) -> Outcome:
    """The outcome of an attempt. Raises NotFound, or CorruptPayload if it is another's."""
    key = outcome_key(analysis, attempt, status)
    outcome = Outcome.from_json(store.read(key, limit=validation.RECORD_BYTES))
    if (outcome.analysis, outcome.of, outcome.status) != (analysis, attempt, status):
        raise CorruptPayload(f"{key} in the store {store.uri} is the outcome of another attempt")
    return outcome


def write(store: Store, outcome: Outcome, values: Mapping[str, str] | None = None) -> None:
    """Write the outcome. Raises AlreadyExists if the attempt has one of this status.

    Raises OutputError if it names so many files that nobody would read it.
    """
    data = outcome.to_json(values)
    if len(data) > validation.RECORD_BYTES:
        raise OutputError(
            f"{len(outcome.files):,} output files are too many for one job, as its outcome names each: pack "
            "them into an archive, or give them to more jobs"
        )
    store.create(outcome_key(outcome.analysis, outcome.of, outcome.status), data)
