"""Runners as processes of ours: one a job, on this machine or in a container, their output copied."""

import codecs
import os
import selectors
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import IO

from explorer_runner.attempt.environment import find_uv
from explorer_runner.attempt.startup_variables import names_read_at_start
from explorer_runner.stores.base import Store
from explorer_runner.system.folders import ensure_private
from gencove_explorer.executors.foreground import docker
from gencove_explorer.executors.host.runtime import find_runtime, variables_of
from gencove_explorer.records.round import RoundRecord
from gencove_explorer.settings import Settings

_END_SECONDS = 30.0
_CHUNK = 1 << 16

Launch = Callable[[int], "subprocess.Popen[bytes]"]
"""Starts the runner of a position of a round. Its streams are pipes; the job ends when its input closes."""


def launch_process(store: Store, record: RoundRecord, settings: Settings) -> Launch:
    """Runners that are processes of this machine."""
    ensure_private(str(settings.home))
    command = [find_runtime(settings.home), "-P", "-s", "-m", "explorer_runner", "--foreground"]
    folders = {
        "--scratch": scratch_folder(settings),
        "--environments": settings.home / "environments",
        "--uv": find_uv(),
    }
    command += [str(part) for fact in folders.items() for part in fact]
    variables = _of_the_runner(record, variables_of(record, settings))
    return lambda position: _popen([*command, *_facts(store, record, position)], variables)


def launch_container(store: Store, record: RoundRecord, settings: Settings) -> Launch:
    """Runners that are containers, with the limits of the job definition. Raises ExecutorError."""
    ensure_private(str(settings.home))
    image = docker.find_image(record.job_definition, settings)
    disk = settings.home / "containers"
    ensure_private(str(disk))
    variables = _of_the_runner(record, docker.variables_of(record.job_definition))

    def start(position: int) -> subprocess.Popen[bytes]:
        command = docker.command(record, image, str(store.local_path("")), str(disk), sorted(variables))
        return _popen(
            [*command, "--foreground", *_facts(store, record, position)], {**os.environ, **variables}
        )

    return start


def scratch_folder(settings: Settings) -> Path:
    """Where the jobs of run_local get their folders."""
    return settings.home / "scratch" / "foreground"


def _of_the_runner(record: RoundRecord, variables: dict[str, str]) -> dict[str, str]:
    """A runner's own variables. Those that its job's Python is started with might keep it from starting."""
    early = names_read_at_start(record.job_definition.environment)
    return {name: value for name, value in variables.items() if name not in early}


def _facts(store: Store, record: RoundRecord, position: int) -> list[str]:
    facts = {
        "--store": store.uri,
        "--analysis": record.id,
        "--round": record.round,
        "--index": position,
        "--digest": record.payload,
    }
    return [str(part) for fact in facts.items() for part in fact]


def _popen(command: list[str], variables: dict[str, str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        command,
        env=variables,
        cwd="/",
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )


class RunnerProcess:
    """One job's runner: a process, with both its streams copied to ours."""

    def __init__(
        self,
        position: int,
        prefix: str,
        start: Launch,
        selector: selectors.BaseSelector,
    ) -> None:
        self._prefix = prefix
        self._process = start(position)
        self._open: dict[IO[bytes], tuple[codecs.IncrementalDecoder, list[str]]] = {}
        for pipe in (self._process.stdout, self._process.stderr):
            assert pipe is not None
            self._open[pipe] = (codecs.getincrementaldecoder("utf-8")(errors="replace"), [""])
            selector.register(pipe, selectors.EVENT_READ, self)

    @property
    def silent(self) -> bool:
        """Whether both streams have ended, which is when the runner is about to."""
        return not self._open

    def copy(self, pipe: IO[bytes], selector: selectors.BaseSelector) -> None:
        """Copy what has come: an array's by whole lines, each marked with its index."""
        decoder, rest = self._open[pipe]
        chunk = os.read(pipe.fileno(), _CHUNK)
        text = decoder.decode(chunk, final=not chunk)
        if self._prefix:
            *lines, rest[0] = (rest[0] + text).split("\n")
            if not chunk and rest[0]:
                lines.append(rest[0])
            text = "".join(f"{self._prefix}{line}\n" for line in lines)
        target = sys.stdout if pipe is self._process.stdout else sys.stderr
        target.write(text)
        target.flush()
        if not chunk:
            selector.unregister(pipe)
            del self._open[pipe]

    def end(self) -> None:
        """Let the job end: its runner notices that its input has closed, and writes that down."""
        if self._process.stdin and not self._process.stdin.closed:
            self._process.stdin.close()

    def wait(self) -> int:
        """The exit code, after the end."""
        self.end()
        for pipe in (self._process.stdout, self._process.stderr):
            if pipe is not None:
                pipe.close()
        try:
            return self._process.wait(timeout=_END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait()
