"""The child: where the work function is called. Everything here runs beside the user's code.

It works on local files and knows nothing of processes; job.py and forker.py start it.
"""

import atexit
import json
import logging
import os
import pickle
import platform
import resource
import sys
import time
import types
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from explorer_runner._version import __version__
from explorer_runner.attempt import failure
from explorer_runner.attempt.main_module import MainModule, introduce
from explorer_runner.context import AnalysisContext
from explorer_runner.errors import ExplorerError, PayloadError
from explorer_runner.format import values
from explorer_runner.format.keys import FAILED, STOPPED, SUCCEEDED, AttemptId, file_key, value_key
from explorer_runner.format.outcome import Outcome, write
from explorer_runner.format.package_versions import find_lack
from explorer_runner.format.payload import Payload
from explorer_runner.outputs import Collected
from explorer_runner.stores.base import Store
from explorer_runner.system import memory
from explorer_runner.system.processes import flush_c_streams

OUTCOME_INLINE_BYTES = 256 << 10
"""Values of up to this many bytes in all travel inside an outcome."""
_HASHED_BYTES = 64 << 10
_PATIENCE_SECONDS = 3.0
_NEVER_RAN = (types.CoroutineType, types.GeneratorType, types.AsyncGeneratorType)


class JobAttempt:
    """One attempt at one job, with all that it needs.

    Made once a round, and ``begin`` makes it a certain attempt: the forker's children each have a
    copy of their own, in which only that has to be filled in.
    """

    def __init__(
        self, *, analysis: str, round: int, digest: str, payload: Payload | None, store: Store
    ) -> None:
        self.analysis = analysis
        self.round = round
        self.digest = digest
        self._payload = payload
        self.may_grow = payload is not None and payload.spec.job_definition.may_grow
        """Whether it goes on with more memory if it is killed for that."""
        self.store = store
        self.attempt = AttemptId(-1, round, 0)
        self.scratch = ""
        """The job's own folder: its working directory, empty."""
        self.private = ""
        """A folder beside it, for outputs and downloads; made when first needed."""
        self.outcome = Outcome(
            analysis=analysis,
            index=-1,
            round=round,
            attempt=0,
            status=FAILED,
            payload=digest,
            host=os.uname().nodename,
            python=platform.python_version(),
            runner=__version__,
        )

    @property
    def payload(self) -> Payload:
        assert self._payload is not None, "the payload could not be opened"
        return self._payload

    def begin(self, attempt: AttemptId, scratch: str, started: float) -> None:
        """Become this attempt."""
        self.attempt = attempt
        self.scratch = scratch
        self.private = f"{scratch}.files"
        outcome = self.outcome
        outcome.index = attempt[0]
        outcome.attempt = attempt[2]
        outcome.started = started

    def fail(self, reason: str, exit_code: int | None = 1, signal: int | None = None) -> Outcome:
        """The outcome of an attempt that did not get as far as an exception of the work function."""
        outcome = self.outcome
        outcome.status, outcome.reason = FAILED, reason
        if reason.startswith(memory.OUT_OF_MEMORY) and self.may_grow:
            outcome.status = STOPPED  # it is tried again, with more
        outcome.exit_code, outcome.signal = exit_code, signal
        return outcome


def execute(
    job: JobAttempt,
    *,
    read_input: Callable[[], bytes],
    set_up: Callable[[], None],
    on_call: Callable[[], None],
) -> Collected:
    """Call the work function; ``set_up`` comes before unpickling, ``on_call`` right before the call.

    Never raises: whatever goes wrong is in ``job.outcome``, which is complete but for the outputs
    (``publish`` adds them).
    """
    outcome = job.outcome
    collected = Collected([], [], {})
    pid = os.getpid()
    try:
        set_up()
        context = _prepare(job, read_input())
        function = _unpickle(job, job.payload.function, "the work function")
        introduce(function)
        outcome.setup_seconds = round(max(0.0, time.time() - outcome.started), 6)
        on_call()
        try:
            _call(function, context)
        finally:
            if "checkpoint" in vars(context):  # it is made when it is looked at
                from explorer_runner.files.checkpoint import close

                close(context.checkpoint)
        if os.getpid() != pid:  # the work function forked, and its child came back to us
            os._exit(0)
        collected = context.output.collect()
        outcome.status = SUCCEEDED
        outcome.exit_code = 0
    except BaseException as error:
        if os.getpid() != pid:
            os._exit(1)
        collected = Collected([], [], {})
        _fail(job, error)
    flush_c_streams()  # last, as at the end of a script
    _measure_use(outcome)
    return collected


def publish(store: Store, outcome: Outcome, collected: Collected) -> None:
    """Keep the outputs in the store, then, last, write the outcome."""
    attempt = outcome.of
    for file in collected.files:
        size, sha256 = _measure(file.path)
        store.put_file(file_key(outcome.analysis, attempt, file.key), file.path, move=file.movable)
        entry = {"key": file.key, "size": size, "sha256": sha256}
        outcome.files.append({**entry, "executable": True} if file.executable else entry)
    outcome.folders = collected.folders
    left = OUTCOME_INLINE_BYTES
    notes = _bounded(collected.notes)
    texts: dict[str, str] = {}
    for key, (kind, data) in collected.values.items():
        if len(data) <= values.INLINE_BYTES and len(data) <= left:
            left -= len(data)
            texts[key] = values.encode_inline(kind, data, notes.get(key))
        else:
            store.create(value_key(outcome.analysis, attempt, key, kind), data)
            texts[key] = values.describe_stored(kind, data, notes.get(key))
    outcome.ended = time.time()
    write(store, outcome, texts)


def _bounded(notes: Mapping[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """What is noted of values, with previews as long as there is room for them in the outcome."""
    left = OUTCOME_INLINE_BYTES
    inline: dict[str, dict[str, Any]] = {}
    for key, noted in notes.items():
        left -= len(json.dumps(noted[values.PREVIEW]))
        inline[key] = noted if left >= 0 else {k: v for k, v in noted.items() if k != values.PREVIEW}
    return inline


def _fail(job: JobAttempt, error: BaseException) -> None:
    """Write down in the outcome, and in the log, that ``error`` ended the job."""
    outcome = job.outcome
    outcome.status = FAILED
    outcome.exit_code = error.code if isinstance(error, SystemExit) and isinstance(error.code, int) else 1
    _flush()
    outcome.reason, outcome.failure = failure.describe(error, job.payload.spec, job.payload.source)
    if isinstance(error, SystemExit):
        outcome.reason = f"the work function called sys.exit({error.code!r})"
    text = outcome.failure.traceback if not isinstance(error, ExplorerError) else f"{outcome.reason}\n"
    try:
        print(text, end="", file=sys.stderr, flush=True)
    except Exception:  # standard error is closed
        _log_anyway(text)


def _prepare(job: JobAttempt, raw_input: bytes) -> AnalysisContext:
    # A fresh __main__, so that neither the work function nor a process that it starts sees ours.
    payload, attempt = job.payload, job.attempt
    sys.modules["__main__"] = MainModule(job.private, payload.function)
    return AnalysisContext(
        spec=payload.spec,
        store=job.store,
        index=attempt[0],
        attempt=attempt[2],
        input=_unpickle(job, raw_input, f"the input of job {attempt[0]}"),
        global_config=_unpickle(job, payload.global_config, "the global config"),
        private=job.private,
        scratch=job.scratch,
    )


def _unpickle(job: JobAttempt, raw: bytes, what: str) -> Any:
    try:
        return pickle.loads(raw)
    except Exception as error:
        lack = find_lack(error, job.payload.spec.pickled_with)
        if lack is None:
            raise PayloadError(f"{what} cannot be unpickled in the job: {error!r}") from error
        needed = (
            f'pip_packages=["{lack.wanted}"]' if lack.wanted else "the package that brings it in pip_packages"
        )
        raise PayloadError(f"{what} {lack.explain('the job')}: submit it with {needed}") from error


def _call(function: Callable[[Any], Any], context: AnalysisContext) -> None:
    try:
        returned = function(context)
        if type(returned) in _NEVER_RAN:
            raise ExplorerError(
                f"the work function returned a {type(returned).__name__}, of which nothing has run: use a "
                "plain function that does its work itself"
            )
        if returned is not None and context.output.is_empty:
            _log_anyway(
                f"explorer: the work function returned a {type(returned).__name__}, which is not kept: "
                'ac.output.value("key", ...) keeps a value\n'
            )
    except SystemExit as ended:
        if ended.code not in (None, 0):
            raise
    # What a script would wait for and run at its end. The forker took logging's own function out of
    # that, as there is nothing for it to do in most jobs.
    _wait_for_threads()
    atexit._run_exitfuncs()
    if logging.root.handlers or logging.Logger.manager.loggerDict:
        logging.shutdown()
    _flush()


def _wait_for_threads() -> None:
    """Wait for threads that are no daemons, as Python does at a script's end: they may write outputs."""
    threading = sys.modules.get("threading")
    if threading is None or threading.active_count() == 1:
        return

    def say() -> None:
        main = threading.main_thread()
        names = ", ".join(
            thread.name for thread in threading.enumerate() if not thread.daemon and thread is not main
        )
        _log_anyway(
            f"explorer: the work function has returned; the job waits for its threads ({names}). One that "
            "need not end is made with daemon=True.\n"
        )

    notice = threading.Timer(_PATIENCE_SECONDS, say)
    notice.daemon = True
    notice.start()
    threading._shutdown()
    notice.cancel()


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except Exception:
            pass  # the work function closed it, which is its right


def _measure_use(outcome: Outcome) -> None:
    own, children = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    outcome.cpu_seconds = round(own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime, 6)
    outcome.add_peak(memory.largest_process_bytes())


def _measure(path: Path) -> tuple[int, str]:
    import hashlib

    digest, size = hashlib.sha256(), 0
    buffer = bytearray(_HASHED_BYTES)  # hashlib.file_digest's is four times as large, in fresh memory
    view = memoryview(buffer)
    with open(path, "rb", buffering=0) as file:
        while count := file.readinto(buffer):
            digest.update(view[:count])
            size += count
    return size, digest.hexdigest()


def _log_anyway(text: str) -> None:
    try:
        os.write(2, text.encode(errors="backslashreplace"))
    except OSError:
        pass  # the log is closed or the disk full; the outcome says it too
