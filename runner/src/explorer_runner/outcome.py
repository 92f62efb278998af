"""The outcome: what is known of one finished attempt. The last thing written; its name tells the status."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from explorer_runner.errors import CorruptPayload
from explorer_runner.keys import FAILED, SUCCEEDED, Attempt, outcome_key
from explorer_runner.memory import as_mb
from explorer_runner.payload import FORMAT, check_format
from explorer_runner.stores import Store


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
    """The most memory that the attempt had, in MiB: of all its processes where a container or whoever watched
    it knows, else of the largest one."""
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
    def of(self) -> Attempt:
        return Attempt(self.index, self.round, self.attempt)

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
            data: Mapping[str, Any] = json.loads(raw)
            check_format(data, "the outcome")
            known = {name: data[name] for name in _FIELDS if name in data}
            if known.get("failure"):
                known["failure"] = Failure(**known["failure"])
            return cls(**known)
        except (ValueError, TypeError, KeyError) as error:
            raise CorruptPayload(f"an outcome in the store cannot be read: {error!r}") from error


_FIELDS = [each.name for each in fields(Outcome)]


def write(store: Store, outcome: Outcome, values: Mapping[str, str] | None = None) -> None:
    """Write the outcome. Raises AlreadyExists if the attempt has one of this status."""
    store.create(outcome_key(outcome.analysis, outcome.of, outcome.status), outcome.to_json(values))
