"""Fixtures: payloads as a submission writes them, and the runner as containers start it."""

import inspect
import io
import json
import os
import subprocess
import sys
import types
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cloudpickle
import pytest

from explorer_runner.attempt import scratch
from explorer_runner.attempt.environment import job_variables
from explorer_runner.context import GlobalConfig
from explorer_runner.definition import JobDefinition
from explorer_runner.format import payload
from explorer_runner.format.keys import (
    FAILED,
    SUCCEEDED,
    AttemptId,
    inputs_key,
    log_key,
    outcome_key,
    payload_key,
    round_key,
)
from explorer_runner.format.names import new_id
from explorer_runner.format.outcome import Outcome
from explorer_runner.format.payload import InputEntry, Spec
from explorer_runner.results import JobOutput
from explorer_runner.stores.base import Store
from explorer_runner.stores.uri import open_store
from gencove_explorer.capture.reducers import reduce_code

SECONDS = 60.0


class _Pickler(cloudpickle.Pickler):
    """Keeps the file names of code, as submissions do."""

    def reducer_override(self, obj: Any) -> Any:
        return reduce_code(obj) if isinstance(obj, types.CodeType) else super().reducer_override(obj)


def pickle_function(function: Callable[..., Any]) -> bytes:
    buffer = io.BytesIO()
    _Pickler(buffer, protocol=5).dump(function)
    return buffer.getvalue()


@dataclass(frozen=True, kw_only=True)
class Submission:
    """A round in a store, and how to run its jobs."""

    store: Store
    spec: Spec
    digest: str
    home: Path
    """Where the scratch and environments folders go."""

    def facts(self, position: int = 0, attempt: int = 1) -> dict[str, str]:
        """What the runner is told, by option."""
        return {
            "--store": self.store.uri,
            "--analysis": self.spec.id,
            "--digest": self.digest,
            "--round": str(self.spec.round),
            "--index": str(position),
            "--attempt": str(attempt),
            "--scratch": str(self.home / "scratch"),
            "--environments": str(self.home / "environments"),
        }

    def start(
        self,
        position: int = 0,
        attempt: int = 1,
        *,
        options: tuple[str, ...] = (),
        facts: bool = True,
        **process: Any,
    ) -> subprocess.Popen[str]:
        """Start the runner; ``process`` goes to Popen."""
        given = self.facts(position, attempt) if facts else {}
        command = [sys.executable, "-P", "-s", "-m", "explorer_runner", *options]
        streams = dict.fromkeys(("stdout", "stderr"), subprocess.PIPE)
        process = {
            "stdin": subprocess.DEVNULL,
            **streams,
            "env": job_variables(JobDefinition(), os.environ),
            **process,
        }
        return subprocess.Popen(
            [*command, *(each for fact in given.items() for each in fact)], text=True, **process
        )

    def run(self, position: int = 0, attempt: int = 1, **how: Any) -> subprocess.CompletedProcess[str]:
        """Run the runner to its end."""
        with self.start(position, attempt, **how) as running:
            try:
                out, err = running.communicate(timeout=SECONDS)
            except BaseException:
                running.kill()
                raise
        return subprocess.CompletedProcess(running.args, running.returncode, out, err)

    def outcome(self, index: int = 0, attempt: int = 1) -> Outcome:
        """The one outcome of an attempt."""
        keys = [outcome_key(self.spec.id, self.of(index, attempt), status) for status in (SUCCEEDED, FAILED)]
        found = [key for key in keys if self.store.exists(key)]
        assert len(found) == 1, f"outcomes: {found}"
        return Outcome.from_json(self.store.read(found[0]))

    def failed(self, done: subprocess.CompletedProcess[str], code: int, index: int = 0) -> Outcome:
        """The outcome of a job that must have failed with this exit code, leaving no outputs, no scratch."""
        outcome = self.outcome(index)
        assert (outcome.status, done.returncode, outcome.exit_code) == (FAILED, code, code), done.stderr
        assert (outcome.files, outcome.folders, outcome.values) == ([], [], {})
        assert self.left() == []
        return outcome

    def output(self, index: int = 0, attempt: int = 1) -> JobOutput:
        """What an attempt that succeeded left behind."""
        outcome = self.outcome(index, attempt)
        assert outcome.succeeded, outcome.reason
        return JobOutput(self.store, outcome, str(self.home / "downloads"))

    def log(self, index: int = 0, attempt: int = 1) -> str:
        """The stored log of an attempt."""
        return self.store.read(log_key(self.spec.id, self.of(index, attempt))).decode()

    def of(self, index: int = 0, attempt: int = 1) -> AttemptId:
        return AttemptId(index, self.spec.round, attempt)

    def scratch(self, index: int = 0, attempt: int = 1) -> Path:
        """Where a running job works."""
        return Path(
            scratch.attempt_folder(str(self.home / "scratch"), self.spec.id, self.of(index, attempt).stem)
        )

    def left(self) -> list[str]:
        """What lies in the scratch folder but the claims, which last."""
        folder = self.home / "scratch"
        return [each for each in os.listdir(folder) if not each.endswith(".logs")] if folder.exists() else []


def submit_to(
    store: Store, home: Path, function: Callable[..., Any], *inputs: Any, **spec: Any
) -> Submission:
    """Write a payload, its inputs and its round, as a submission does."""
    config = spec.pop("global_config", GlobalConfig())
    pickled = [cloudpickle.dumps(each, protocol=5) for each in inputs or (None,)]
    entries = [
        InputEntry(sum(map(len, pickled[:position])), len(raw), bytes.fromhex(payload.digest(raw)))
        for position, raw in enumerate(pickled)
    ]
    code = function.__code__
    facts = {
        "id": new_id("work"),
        "name": "work",
        "round": 0,
        "python": payload.python_minor(),
        "explorer": "0.1.0",
        "jobs": len(pickled),
        "array": len(pickled) > 1,
        "function": {"name": function.__name__, "file": code.co_filename, "line": code.co_firstlineno},
    }
    made = Spec(**{**facts, **spec})
    members = {
        payload.SPEC: made.to_json(),
        payload.SOURCE: inspect.getsource(function).encode(),
        payload.FUNCTION: pickle_function(function),
        payload.CONFIG: cloudpickle.dumps(config, protocol=5),
        payload.INPUTS_INDEX: b"".join(each.pack() for each in entries),
    }
    if made.inputs_inside:
        members[payload.INPUTS] = b"".join(pickled)
    else:
        store.create(inputs_key(made.id), b"".join(pickled))
    packed = payload.pack(members)
    store.create(payload_key(made.id, made.round), packed)
    store.create(round_key(made.id, made.round), json.dumps({"format": 1, "indices": made.indices}).encode())
    return Submission(store=store, spec=made, digest=payload.digest(packed), home=home)


@pytest.fixture
def submit(store_uri: str, tmp_path: Path) -> Callable[..., Submission]:
    """A function that submits a work function to a store, of each kind."""
    store = open_store(store_uri)
    return lambda function, *inputs, **spec: submit_to(store, tmp_path, function, *inputs, **spec)


@pytest.fixture
def submit_here(tmp_path: Path) -> Callable[..., Submission]:
    """A function that submits to a folder, for what has nothing to do with stores."""
    store = open_store(str(tmp_path / "store"))
    return lambda function, *inputs, **spec: submit_to(store, tmp_path, function, *inputs, **spec)


@pytest.fixture
def submit_at(tmp_path: Path) -> Callable[..., Submission]:
    """A function that submits to a store that it is given."""
    return lambda store, function, *inputs, **spec: submit_to(store, tmp_path, function, *inputs, **spec)
