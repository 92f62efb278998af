"""The child: where the work function is called. Everything here runs beside the user's code.

It works on local files and knows nothing of processes; job.py and forker.py start it.
"""

import atexit
import logging
import os
import pickle
import platform
import resource
import sys
import time
import types
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from explorer_runner import failure, values
from explorer_runner._version import __version__
from explorer_runner.context import AnalysisContext
from explorer_runner.errors import ExplorerError, PayloadError
from explorer_runner.folders import remove_tree
from explorer_runner.keys import FAILED, SUCCEEDED, Attempt, file_key, value_key
from explorer_runner.outcome import Outcome, write
from explorer_runner.outputs import Collected
from explorer_runner.payload import Payload
from explorer_runner.stores import Store

OUTCOME_INLINE_BYTES = 256 << 10
"""Values of up to this many bytes in all travel inside an outcome."""


# Looked up once, in the forker, instead of in every job.
_HOST, _PYTHON = os.uname().nodename, platform.python_version()


@dataclass(kw_only=True)
class Job:
    """One attempt at one job, with all that it needs."""

    payload: Payload
    payload_digest: str
    store: Store
    read_input: Callable[[], bytes]
    """Gives the pickled input, checked."""
    attempt: Attempt
    scratch: str
    """The job's own folder: its working directory, empty."""
    private: str
    """A folder beside the scratch folder, for outputs and downloads; made when first needed."""
    started: float


def execute(
    job: Job, *, set_up: Callable[[], None], on_call: Callable[[], None]
) -> tuple[Outcome, Collected]:
    """Call the work function; ``set_up`` comes before unpickling, ``on_call`` right before the call.

    Never raises: whatever goes wrong is in the outcome, which is complete but for the outputs
    (``publish`` adds them).
    """
    spec = job.payload.spec
    outcome = blank_outcome(spec.id, job.attempt, job.started, job.payload_digest)
    collected = Collected([], [], {})
    pid = os.getpid()
    try:
        set_up()
        function, context = _prepare(job)
        outcome.setup_seconds = round(max(0.0, time.time() - job.started), 6)
        on_call()
        _call(function, context)
        if os.getpid() != pid:  # the work function forked, and its child came back to us
            os._exit(0)
        collected = context.output.collect()
        outcome.status = SUCCEEDED
        outcome.exit_code = 0
    except BaseException as error:
        if os.getpid() != pid:
            os._exit(1)
        collected = Collected([], [], {})
        fail(outcome, job, error)
    _measure_use(outcome)
    return outcome, collected


def blank_outcome(analysis: str, attempt: Attempt, started: float, payload_digest: str) -> Outcome:
    """An outcome of which nothing is known but whose it is."""
    return Outcome(
        analysis=analysis,
        index=attempt.index,
        round=attempt.round,
        attempt=attempt.attempt,
        started=started,
        payload=payload_digest,
        host=_HOST,
        python=_PYTHON,
        runner=__version__,
    )


def fail(outcome: Outcome, job: Job, error: BaseException) -> None:
    """Write down in ``outcome``, and in the log, that ``error`` ended the job."""
    outcome.status = FAILED
    outcome.exit_code = error.code if isinstance(error, SystemExit) and isinstance(error.code, int) else 1
    outcome.reason, outcome.failure = failure.describe(error, job.payload.spec, job.payload.source)
    if isinstance(error, SystemExit):
        outcome.reason = f"the work function called sys.exit({error.code!r})"
    text = outcome.failure.traceback if not isinstance(error, ExplorerError) else f"{outcome.reason}\n"
    try:
        print(text, end="", file=sys.stderr, flush=True)
    except Exception:
        _log_anyway(text)


def publish(store: Store, outcome: Outcome, collected: Collected) -> None:
    """Keep the outputs in the store, then, last, write the outcome."""
    attempt = outcome.of
    for file in collected.files:
        size, sha256 = _measure(file.path)
        path = Path(os.path.realpath(file.path))
        store.keep(file_key(outcome.analysis, attempt, file.key), path, move=file.movable)
        outcome.files.append({"key": file.key, "size": size, "sha256": sha256})
    outcome.folders = list(collected.folders)
    left = OUTCOME_INLINE_BYTES
    texts: dict[str, str] = {}
    for key, (kind, data) in collected.values.items():
        if len(data) <= values.INLINE_BYTES and len(data) <= left:
            left -= len(data)
            texts[key] = values.inline(kind, data)
        else:
            store.create(value_key(outcome.analysis, attempt, key, kind), data)
            texts[key] = values.beside(kind, data)
    outcome.ended = time.time()
    write(store, outcome, texts)


def clean_up(job: Job) -> None:
    """Remove the job's folders; what cannot be removed stays for the next sweep."""
    os.chdir("/")
    try:
        os.rmdir(job.scratch)
    except OSError:
        remove_tree(job.scratch)
    if os.access(job.private, os.F_OK):
        remove_tree(job.private)


def _prepare(job: Job) -> tuple[Callable[[Any], Any], AnalysisContext]:
    payload, index = job.payload, job.attempt.index
    raw_input = job.read_input()
    # A fresh __main__, so that neither the work function nor a process that it starts sees ours.
    sys.modules["__main__"] = types.ModuleType("__main__")
    context = AnalysisContext(
        spec=payload.spec,
        store=job.store,
        index=index,
        attempt=job.attempt.attempt,
        input=_unpickle(raw_input, f"the input of job {index}"),
        global_config=_unpickle(payload.global_config, "the global config"),
        folder=f"{job.private}/outputs",
        downloads=f"{job.private}/downloads",
    )
    return _unpickle(payload.function, "the work function"), context


def _unpickle(raw: bytes, what: str) -> Any:
    try:
        return pickle.loads(raw)
    except ModuleNotFoundError as error:
        package = (error.name or "?").split(".")[0]
        raise PayloadError(
            f"{what} needs the package {package!r}, which the job does not have: "
            f"add it, pip_packages=[{package!r}]"
        ) from error
    except Exception as error:
        raise PayloadError(f"{what} cannot be unpickled in the job: {error!r}") from error


def _call(function: Callable[[Any], Any], context: AnalysisContext) -> None:
    try:
        function(context)
    except SystemExit as ended:
        if ended.code not in (None, 0):
            raise
    run_exit_functions()
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except Exception:
            pass  # the work function closed it, which is its right


def run_exit_functions() -> None:
    """Run what a script would run at its end."""
    atexit._run_exitfuncs()
    # The forker took logging's own function out of those, as it does nothing in most jobs.
    if logging.root.handlers or logging.Logger.manager.loggerDict:
        logging.shutdown()


def _measure_use(outcome: Outcome) -> None:
    own, children = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    outcome.cpu_seconds = round(own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime, 6)
    unit = 1 << 20 if sys.platform == "darwin" else 1 << 10  # macOS counts bytes, Linux KiB
    outcome.peak_memory_mb = round(max(own.ru_maxrss, children.ru_maxrss) / unit, 1)


def _measure(path: Path) -> tuple[int, str]:
    import hashlib

    with open(path, "rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        return os.fstat(file.fileno()).st_size, sha256


def _log_anyway(text: str) -> None:
    try:
        os.write(2, text.encode(errors="backslashreplace"))
    except OSError:
        pass  # the log is closed or the disk full; the outcome says it too
