"""A repository of manifests, and a project that is reconciled on the local executor."""

import subprocess
from dataclasses import dataclass
from pathlib import Path

from gencove_explorer.reconcile.plan import Plan, PlanOptions
from gencove_explorer.reconcile.reconciler import Reconciler
from gencove_explorer.session import Session

CODE = '''
FACTOR = 10  # what every number is multiplied by
TABLE = {}
TABLE["unit"] = "g"
UNUSED = 1


def scale(number):
    """Larger."""
    return number * FACTOR


def work(ac):
    print("input", ac.input)
    ac.output.value("scaled", scale(ac.input))
    ac.output.value("unit", TABLE["unit"])


def total(ac):
    ac.output.value("total", sum(ac.dependency("first").values("scaled")))


def fails(ac):
    if ac.input == 2:
        raise ValueError("two is too much")
    ac.output.value("fine", ac.input)


print("this is no part of any function")
'''
FLAKY = """\
def work(ac):
    import os
    if ac.input and not os.path.exists(ac.global_config.flag):
        raise OSError("not yet")
    ac.output.value("attempt", ac.attempt)
"""
FIRST = """\
version: 1
name: first
function: code.py:work
input: [1, 2]
global_config: {b: 1, a: 2}
job_definition: {cpu: 1, memory_mb: 200}
"""
SECOND = """\
version: 1
name: second
function: code.py:total
job_definition: {cpu: 1, memory_mb: 200}
depends_on: [first]
"""


@dataclass
class Repository:
    """A git repository with a folder of manifests."""

    root: Path

    @property
    def folder(self) -> Path:
        return self.root / "manifests"

    def write(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def replace(self, name: str, old: str, new: str) -> None:
        path = self.folder / name
        assert old in path.read_text()
        path.write_text(path.read_text().replace(old, new))

    def git(self, *arguments: str) -> str:
        done = subprocess.run(
            ["git", "-c", "user.name=Ada", "-c", "user.email=ada@example.org", *arguments],
            cwd=self.root,
            check=True,
            capture_output=True,
            text=True,
        )
        return done.stdout.strip()

    def commit(self) -> str:
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message", "change")
        return self.git("rev-parse", "HEAD")

    def reconciler(self, session: Session | None = None, **more: object) -> Reconciler:
        return Reconciler(self.folder, session or Session(), **more)

    def reconcile(self, *, wait: bool = False, **choice: object) -> dict[str, str]:
        """Reconcile, and return the action of each row."""
        plan = self.reconciler().reconcile(PlanOptions(**choice))
        if wait:
            self.reconciler().wait()
        return actions(plan)

    def plan(self, **choice: object) -> dict[str, str]:
        return actions(self.reconciler().plan(PlanOptions(**choice)))


def actions(plan: Plan) -> dict[str, str]:
    return {row.name: row.action for row in plan.rows}


def written(store: Path) -> dict[str, int]:
    """Every object of a store that is a folder, with when it was written."""
    return {
        str(path.relative_to(store)): path.stat().st_mtime_ns for path in store.rglob("*") if path.is_file()
    }
