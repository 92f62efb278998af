"""Reconcile: what a plan of a thousand unchanged manifests takes, and what it asks AWS."""

import os
import subprocess
from pathlib import Path
from typing import Any

from benchmarks.batch import count, local_cloud
from benchmarks.harness import fresh_folder, result, timed

MANIFESTS = 1000
FEW = 10


def plan() -> dict[str, Any]:
    """Seconds of a plan of 1,000 manifests whose runs have succeeded, and its requests by kind.

    Each manifest has a function file of its own. The floor is the same plan of ten of them.
    """
    with local_cloud() as cloud:
        os.environ["EXPLORER_PROJECT"] = "bench"
        folder = fresh_folder() / "manifests"
        (folder / "code").mkdir(parents=True)
        subprocess.run(["git", "init", "--quiet", str(folder.parent)], check=True)
        _write(folder, range(FEW))
        _reconcile(folder)
        floor, few = _planned(folder, cloud)
        _write(folder, range(MANIFESTS))
        _reconcile(folder)
        seconds, many = _planned(folder, cloud)
        return result("plan", seconds, "s", floor, manifests=MANIFESTS, requests=many, requests_of_ten=few)


def plan_with_reuse() -> dict[str, Any]:
    """Seconds of a plan of 1,000 manifests with ``reuse: true`` whose runs have succeeded.

    The floor is the same plan of the same manifests without it, after it in the same run.
    """
    with local_cloud() as cloud:
        os.environ["EXPLORER_PROJECT"] = "bench"
        folder = fresh_folder() / "manifests"
        (folder / "code").mkdir(parents=True)
        subprocess.run(["git", "init", "--quiet", str(folder.parent)], check=True)
        _write(folder, range(MANIFESTS), "reuse: true\n")
        _reconcile(folder)
        seconds, requests = _planned(folder, cloud)
        _write(folder, range(MANIFESTS))
        _reconcile(folder)
        floor, plain = _planned(folder, cloud)
        return result(
            "plan-reuse", seconds, "s", floor, manifests=MANIFESTS, requests=requests, without=plain
        )


def _write(folder: Path, numbers: range, more: str = "") -> None:
    for number in numbers:
        (folder / "code" / f"m{number}.py").write_text(
            f"import json\nSCALE = {number}\n\ndef scaled(x):\n    return x * SCALE\n\n"
            "def work(ac):\n    ac.output.value('text', json.dumps(scaled(ac.input['x'])))\n"
        )
        (folder / f"m{number}.yaml").write_text(
            f"version: 1\nname: m{number}\nlabels: {{team: bench}}\nfunction: code/m{number}.py:work\n"
            f"input: {{x: {number}}}\nglobal_config: {{folds: 5}}\n"
            "job_definition: {cpu: 1, memory_mb: 500, timeout_seconds: 900, retries: 1}\n"
            + (f"depends_on: [m{number - 1}]\n" if number % 10 else "")
            + more
        )


def _reconcile(folder: Path) -> None:
    from gencove_explorer.reconcile.reconciler import Reconciler

    reconciler = Reconciler(folder, allow_dirty=True)
    reconciler.reconcile()
    ended = reconciler.wait()
    assert {row.state for row in ended.rows} == {"SUCCEEDED"}


def _planned(folder: Path, cloud: Any) -> tuple[float, dict[str, int]]:
    from gencove_explorer.reconcile.reconciler import Reconciler

    before = len(cloud.requests())
    seconds, made = timed(lambda: Reconciler(folder).plan())
    assert not made.changes
    return seconds, count(cloud, before, "submitter")
