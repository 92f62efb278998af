"""What must hold: while it runs, of states that are seen; at the end, of the store and what is left."""

import hashlib
import os
import traceback
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from explorer_runner.attempt import claim
from gencove_explorer.analysis import Analysis
from gencove_explorer.errors import ExplorerError
from gencove_explorer.executors.local.queue import Queue
from gencove_explorer.job_manager import JobManager
from gencove_explorer.monitoring.lookup import find_analysis
from gencove_explorer.monitoring.stored_analysis import StoredAnalysis
from gencove_explorer.records.states import FINISHED, NOT_RUN, STATES
from gencove_explorer.session import Session
from torture.workload import ON_PURPOSE

ALWAYS = (
    ON_PURPOSE,
    "Dependency failed",
    "erminated",
    "ended with its run_local",
    "never started: run_local",
)
"""What jobs may fail for in any weather: some do on purpose, and a run_local stops at its first failure."""
ALLOWED = {
    "kill": (
        "SIGKILL",
        "Host lost",
        "never submitted",
        "the process that ran it ended",
    ),
    "swept": ("never submitted", "the process that ran it ended"),
    "disk": ("disk is full", "disk was full", "No space left"),
    "inodes": ("disk is full", "disk was full", "No space left"),
    "descriptors": ("Too many open files",),
    "processes": ("Resource temporarily unavailable", "can't start new thread"),
}
"""What else they may fail for, by kind of weather. Whatever is not here is to fail no job."""


def why_not_allowed(reason: str | None, kinds: Sequence[str]) -> str | None:
    """A job's reason to have failed, if no weather of these kinds explains it."""
    allowed = [*ALWAYS, *(text for kind in kinds for text in ALLOWED.get(kind, ()))]
    return None if any(text in (reason or "") for text in allowed) else f"{reason}"


# -- while it runs ----------------------------------------------------------------------------------


@dataclass
class Sampler:
    """Looks at one analysis after the other; no state may go back within a round."""

    manager: JobManager = field(default_factory=JobManager)
    violations: list[str] = field(default_factory=list)
    looks: int = 0
    _queue: list[StoredAnalysis] = field(default_factory=list)
    _before: dict[str, tuple[int, list[str]]] = field(default_factory=dict)

    def look(self) -> None:
        """Look at the next one. Errors of ours are fine: a store may be away, a server silent."""
        try:
            if not self._queue:
                self._queue = [found._submitted() for found in self.manager.list_jobs()]
            if self._queue:
                self._look_at(self._queue.pop())
        except ExplorerError:
            pass
        except Exception:
            self.violations.append(f"looking raised no error of ours: {traceback.format_exc()}")

    def _look_at(self, stored: StoredAnalysis) -> None:
        rounds = len(stored.rounds)
        observed = stored.observe()
        if len(stored.rounds) != rounds:
            return  # a retry came in between: what was seen is of both rounds
        self.looks += 1
        states = list(observed.states)
        before, seen = self._before.get(stored.id, (0, []))
        self._before[stored.id] = rounds, states
        tried_again = any(record.job_definition.retries for record in stored.rounds)
        if before == rounds:
            for index, (old, new) in enumerate(zip(seen, states, strict=True)):
                if _goes_back(old, new, tried_again=tried_again):
                    self.violations.append(f"{stored.id}, job {index}, went back from {old} to {new}")


def _goes_back(old: str, new: str, *, tried_again: bool) -> bool:
    if NOT_RUN in (old, new):
        return old != new
    if old in FINISHED:
        return new != old
    # Between two attempts of one round a job waits again.
    return not tried_again and _rank(new) < _rank(old)


def _rank(state: str) -> int:
    # What it depends on may be run again, and is then waited for again.
    return STATES.index("PENDING" if state == "RUNNABLE" else state)


# -- at the end -------------------------------------------------------------------------------------


def check_executions(witness: Path, analyses: list[Analysis]) -> Iterator[str]:
    """No attempt was made twice, none of what nobody knows, and none after a success."""
    lines = witness.read_text().split("\n") if witness.exists() else []
    attempts = Counter(tuple(line.split()) for line in lines if line)
    known = {found.id: found._submitted() for found in analyses}
    for (what, identifier, *attempt), count in attempts.items():
        if count > 1:
            yield f"{what} of {identifier}, job, round and attempt {attempt}, happened {count} times"
        if identifier not in known:
            yield f"{identifier} ran job, round and attempt {attempt}, and is not listed"
    succeeded = {
        (stored.id, str(index), str(name.round), str(name.attempt))
        for stored in known.values()
        for index, name in stored.observe().outcomes.items()
        if name.status == "SUCCEEDED"
    }
    ended = {tuple(rest) for what, *rest in attempts if what == "end"}
    for attempt in sorted(succeeded - ended):
        yield f"{attempt} succeeded, and its work function never came to its end"
    begun: dict[tuple[str, str], list[tuple[int, int]]] = defaultdict(list)
    for what, identifier, index, number, attempt in attempts:
        if what == "begin":
            begun[identifier, index].append((int(number), int(attempt)))
    for identifier, index, number, attempt in sorted(succeeded):
        later = [each for each in begun[identifier, index] if each > (int(number), int(attempt))]
        if later:
            yield f"{identifier}, job {index}, was run again after its success, as {later}"


def check_outputs(analyses: list[Analysis], session: Session) -> Iterator[str]:
    """Every output is what its job's name and index, and its dependency's outputs, make it."""
    for analysis in analyses:
        stored = analysis._submitted()
        for index, wanted in enumerate(_expected(stored, session)):
            output = stored.get_output(index)
            data = output.file("data").as_local().read_bytes()
            if not wanted == output.value("digest") == hashlib.sha256(data).hexdigest():
                yield f"{stored.id}, job {index}, has other outputs than it should"


def _expected(stored: StoredAnalysis, session: Session) -> list[str]:
    record = stored.record
    if not record.depends_on:
        return [_digest(record.name, index) for index in range(record.jobs)]
    (ref,) = record.depends_on
    first = _expected(find_analysis(session, ref.id), session)
    parts = [[digest] for digest in first] if ref.each else [first]
    return [hashlib.sha256("".join(digests).encode()).hexdigest() for digests in parts]


def _digest(name: str, index: int) -> str:
    block = hashlib.sha256(f"{name} {index}".encode()).digest()
    return hashlib.sha256(block * (1 + index % 5 * 200)).hexdigest()


def check_left(home: Path, store: Path, temporary: Path) -> Iterator[str]:
    """No queue entry, claim, temporary file or scratch folder is left, and no lock is held."""
    queue = Queue(home)
    if queue.alive():
        yield "the executor's lock is held"
    places = [queue.new, queue.accepted, queue.requests, queue.folder / "claims", queue.scratch]
    places += [home / "scratch" / "foreground", home / "tmp", temporary]
    for place in places:
        for path in sorted(place.iterdir()) if place.is_dir() else ():
            yield f"left: {path}"
    for path in sorted(store.glob("analyses/*/logs/*.txt")):
        if claim.inspect(str(path)) is not claim.ClaimState.GONE:
            yield f"its lock is held: {path}"


def check_swept(store: Path) -> Iterator[str]:
    """Nothing lies in a folder store that killed processes were about to name."""
    for path in [*sorted(store.glob(".tmp/*")), *sorted(store.glob("analyses/*/logs/.claim-*"))]:
        yield f"left: {path}"
    for path in sorted(store.glob("analyses/*")):
        if not any(store.glob(f"index/*/{path.name}*")):
            yield f"not listed, and left: {path}"


def check_one_store(store: Path) -> Iterator[str]:
    """Nobody made a second store while this one was away."""
    for path in sorted(store.parent.glob(f"{store.name}.made-*")):
        yield f"a second store was made while this one was away: {path} holds {os.listdir(path)}"
