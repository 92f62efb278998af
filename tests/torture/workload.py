"""What runs in bad weather: calls, each by a client process of its own, and the work of their jobs."""

import inspect
import json
import os
import random
import signal
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from gencove_explorer.analysis import Analysis, AnalysisContext, GlobalConfig, JobDefinition, each
from gencove_explorer.errors import ExplorerError, JobFailed
from gencove_explorer.job_manager import JobManager
from gencove_explorer.reconcile.reconciler import Reconciler
from gencove_explorer.session import Session

REFUSED = 3
"""Exit code of a client whose call raised an error of ours: allowed while the weather lasts."""
ON_PURPOSE = "fails on purpose"
MANIFESTS = ("scan", "sum-up")


def work(ac: AnalysisContext):
    import hashlib
    import os
    import time

    def note(what):
        descriptor = os.open(ac.global_config.witness, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        os.write(descriptor, f"{what} {ac.id} {ac.job_index} {ac._spec.round} {ac.attempt}\n".encode())
        os.close(descriptor)

    note("begin")
    seconds, fails = ac.input
    print("sleeping", seconds)
    time.sleep(seconds)
    if fails and not os.path.exists(ac.global_config.flag):
        raise ValueError("fails on purpose")
    data = hashlib.sha256(f"{ac.name} {ac.job_index}".encode()).digest() * (1 + ac.job_index % 5 * 200)
    ac.output.file("data").as_local().write_bytes(data)
    ac.output.value("digest", hashlib.sha256(data).hexdigest())
    note("end")


def gather(ac: AnalysisContext):
    import hashlib
    import os

    def note(what):
        descriptor = os.open(ac.global_config.witness, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        os.write(descriptor, f"{what} {ac.id} {ac.job_index} {ac._spec.round} {ac.attempt}\n".encode())
        os.close(descriptor)

    note("begin")
    (ref,) = ac._spec.depends_on
    first = ac.dependency(ref.name)
    digests = [first.get_output().value("digest")] if ref.each else first.values("digest")
    data = "".join(digests).encode()
    ac.output.file("data").as_local().write_bytes(data)
    ac.output.value("digest", hashlib.sha256(data).hexdigest())
    note("end")


# -- the plan ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Call:
    """What one client does."""

    after: float
    """Seconds since the call before."""
    what: str
    arguments: dict[str, Any] = field(default_factory=dict)
    dies_at: int = 0
    """At which of its changes to files of the executor's or the store's it is killed; 0: at none."""


def doom(dice: random.Random, calls: list[Call]) -> list[Call]:
    """The same calls, some of which are killed as they write."""
    return [replace(call, dies_at=dice.choice([0, 0, 0, 0, dice.randrange(1, 40)])) for call in calls]


def plan_calls(dice: random.Random, seconds: float) -> list[Call]:
    """Calls for so many seconds: submissions first, so that the others have something to be about."""
    calls = [_submission(dice, 0, 0.0), Call(0.1, "reconcile", {"version": 0})]
    passed = 0.1
    while True:
        after = dice.uniform(0.4, 1.6)
        passed += after
        if passed > seconds:
            return calls
        what = dice.choice(["submit", "submit", "local", "retry", "retry", "terminate", "reconcile", "look"])
        if what == "submit":
            calls.append(_submission(dice, len(calls), after))
        elif what == "local":
            calls.append(Call(after, what, {"name": f"here-{len(calls)}", "inputs": _inputs(dice, 3)}))
        elif what == "reconcile":
            calls.append(Call(after, what, {"version": dice.randrange(3)}))
        elif what == "look":
            calls.append(Call(after, what))
        else:
            about = Call(after, what, {"pick": dice.random()})
            calls.append(about)
            if what == "retry":  # and somebody else does so at the same time
                calls.append(Call(0.0, what, about.arguments))


def _submission(dice: random.Random, number: int, after: float) -> Call:
    inputs = _inputs(dice, dice.choice([1, 5, 20, 40]))
    arguments = {
        "name": f"array-{number}",
        "inputs": inputs,
        "retries": dice.choice([0, 0, 1]),
        "then": dice.choice(["", "all", "each"] if len(inputs) > 1 else ["", "all"]),
    }
    return Call(after, "submit", arguments)


def _inputs(dice: random.Random, count: int) -> list[tuple[float, bool]]:
    """Seconds that each job takes, and whether it fails."""
    return [(round(dice.choice([0.0, 0.02, 0.3, 1.5]), 2), dice.random() < 0.04) for _ in range(count)]


# -- the clients ------------------------------------------------------------------------------------


def submit(config: GlobalConfig, name: str, inputs: list[Any], retries: int, then: str) -> None:
    first = _analysis(config, name, inputs, retries)
    if then:
        last = Analysis(
            function=gather,
            name=f"{name}-{then}",
            input=inputs if then == "each" else None,
            global_config=config,
            depends_on=[each(first) if then == "each" else first],
            job_definition=JobDefinition(cpu=1, memory_mb=300),
        )
        last.run()
        print(first.id, last.id)
    else:
        first.run()
        print(first.id)


def local(config: GlobalConfig, name: str, inputs: list[Any]) -> None:
    analysis = _analysis(config, name, inputs, 0)
    try:
        analysis.run_local(parallel=2)
    except JobFailed:
        pass  # its jobs are hit like any
    print(analysis.id)


def _analysis(config: GlobalConfig, name: str, inputs: list[Any], retries: int) -> Analysis:
    definition = JobDefinition(cpu=1, memory_mb=300, retries=retries)
    return Analysis(function=work, name=name, input=inputs, global_config=config, job_definition=definition)


def retry(config: GlobalConfig, pick: float) -> None:
    for analysis in _pick(pick):
        analysis.retry_failed()


def terminate(config: GlobalConfig, pick: float) -> None:
    for analysis in _pick(pick):
        analysis.terminate_all()


def _pick(pick: float) -> list[Analysis]:
    listed = sorted(JobManager().list_jobs(), key=lambda found: found.id)
    return listed[int(pick * len(listed)) :][:1]


def look(config: GlobalConfig) -> None:
    for analysis in JobManager().list_jobs():
        analysis.status()
        analysis.failures()


def reconcile(config: GlobalConfig, version: int) -> None:
    """Write the manifests as of a version, and make them true; others do so at the same time."""
    folder = Path(config.manifests) / str(version)
    if not folder.exists():
        write_manifests(folder, config, version)
    Reconciler(folder, Session()).reconcile()


def write_manifests(folder: Path, config: GlobalConfig, version: int) -> None:
    """Two manifests, one of which depends on the other."""
    folder.mkdir(parents=True, exist_ok=True)
    imports = "from gencove_explorer.analysis import AnalysisContext\n\n\n"
    (folder / "code.py").write_text(imports + inspect.getsource(work) + "\n\n" + inspect.getsource(gather))
    shared = json.dumps({"witness": config.witness, "flag": config.flag, "version": version})
    common = f"version: 1\nglobal_config: {shared}\njob_definition: {{cpu: 1, memory_mb: 300}}\n"
    first, last = MANIFESTS
    inputs = json.dumps([[0.1, False]] * 4)
    (folder / f"{first}.yaml").write_text(f"{common}name: {first}\nfunction: code.py:work\ninput: {inputs}\n")
    (folder / f"{last}.yaml").write_text(
        f"{common}name: {last}\nfunction: code.py:gather\ndepends_on: [{first}]\n"
    )


def delete(config: GlobalConfig) -> None:
    """Delete all there is; what depends on another comes first."""
    for analysis in sorted(JobManager().list_jobs(), key=lambda found: found.id, reverse=True):
        analysis.delete()


CALLS: dict[str, Callable[..., None]] = {
    function.__name__: function for function in (submit, local, retry, terminate, look, reconcile, delete)
}
_CHANGES = ("os.link", "os.rename", "os.mkdir", "os.rmdir", "os.remove")


def die_at(number: int, folder: str) -> None:
    """Be killed at the how-manieth change of a file in a folder."""
    left = number

    def see(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal left
        writes = (
            event == "open" and isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR)
        )
        if (writes or event in _CHANGES) and str(arguments[0]).startswith(folder):
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(see)


def main() -> int:
    call, config = (json.loads(argument) for argument in sys.argv[1:])
    try:
        ballast = "x" * config.pop("ballast")
        folder = config.pop("folder")
        if call["dies_at"]:
            die_at(call["dies_at"], folder)
        CALLS[call["what"]](GlobalConfig(**config, ballast=ballast), **call["arguments"])
    except ExplorerError as error:
        print(f"refused: {type(error).__name__}: {error}", file=sys.stderr)
        return REFUSED
    return 0


def command(call: Call, config: dict[str, Any]) -> list[str]:
    """The command of a client that makes a call."""
    return [sys.executable, "-m", "torture.workload", json.dumps(asdict(call)), json.dumps(config)]


if __name__ == "__main__":
    sys.exit(main())
