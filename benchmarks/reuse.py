"""Reuse: what a submission takes that finds nearly all of its jobs in an earlier one."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

from benchmarks.batch import count, local_cloud
from benchmarks.harness import JOBS, result, timed
from explorer_runner.format.keys import SUCCEEDED
from explorer_runner.format.outcome import Outcome, write

NEW = 10


def reuse() -> dict[str, Any]:
    """Seconds of a submission with reuse of 10,000 inputs, of which 10 are new, and its requests by kind.

    The floor is a submission of the same inputs without reuse. ``few`` are the requests with reuse of 100
    inputs, 10 of them new: there must not be fewer of them.
    """
    with local_cloud() as cloud:
        many, floor = _measured(cloud, JOBS, plain=True)
        few, _ = _measured(cloud, 100, plain=False)
        requests, seconds = many
        return result("reuse", seconds, "s", floor, jobs=JOBS, new=NEW, submit=requests, few=few[0])


def _measured(cloud: Any, jobs: int, *, plain: bool) -> tuple[tuple[dict[str, int], float], float]:
    """Requests and seconds with reuse, and the seconds without it."""
    from gencove_explorer.analysis import Analysis, JobDefinition

    never = JobDefinition(cpu=1000)  # larger than any machine: nothing starts
    inputs = [f"{jobs}:{number}".ljust(40) for number in range(jobs)]
    an = Analysis(function=_work, input=inputs, job_definition=never)
    an.run()
    _succeed(an, jobs)
    new = [f"new {jobs}:{number}".ljust(40) for number in range(NEW)]
    floor = 0.0
    if plain:
        again = Analysis(function=_other, input=[*inputs[NEW:], *new], job_definition=never)
        floor, _ = timed(again.run)
    an.input = [*inputs[NEW:], *new]
    before = len(cloud.requests())
    seconds, _ = timed(lambda: an.run(reuse=True))
    requests = count(cloud, before, "submitter")
    assert an.status()["reused"] == jobs - NEW
    return (requests, seconds), floor


def _succeed(an: Any, jobs: int) -> None:
    """Write the outcomes of an analysis's jobs, as these would."""
    stored = an._submitted()

    def write_one(index: int) -> None:
        write(stored.store, Outcome(analysis=an.id, index=index, round=0, attempt=1, status=SUCCEEDED))

    with ThreadPoolExecutor(max_workers=16) as pool:
        list(pool.map(write_one, range(jobs)))


def _work(ac: Any) -> None:
    ac.output.value("length", len(ac.input))


def _other(ac: Any) -> None:
    ac.output.value("width", len(ac.input))
