"""Of two reconciles that are at one submission, one submits, and nobody takes away what the other did."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from explorer_runner.stores.folder import FolderStore
from gencove_explorer.job_manager import JobManager
from gencove_explorer.reconcile.leases import Leases
from gencove_explorer.reconcile.prepare import SubmissionPreparer
from gencove_explorer.session import Session
from support.repository import FIRST, Repository, actions

BOTH = {"first": "unchanged", "second": "unchanged"}


class Interrupted:
    """A store, during whose first creation of an object of some name something else happens."""

    def __init__(self, of: Any, end: str, event: Callable[[], object]) -> None:
        self._of, self._end, self._events = of, end, [event]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._of, name)

    def create(self, key: str, data: bytes) -> None:
        self._of.create(key, data)
        if key.endswith(self._end) and self._events:
            self._events.pop()()


def interrupted(end: str, event: Callable[[], object]) -> Session:
    session = Session()
    session.store = Interrupted(session.store, end, event)
    return session


@pytest.mark.parametrize("end", ["/payloads/0.zip", "/rounds/0.json"])
def test_who_loses_a_claim_leaves_what_the_winner_submitted(study: Repository, end: str):
    late = [0.0]

    def clock() -> float:
        return time.time() + late[0]

    def winner() -> None:
        late[0] += 600  # as if the first one's laptop had slept
        assert actions(study.reconciler(clock=clock).reconcile()) == {"first": "resume", "second": "resume"}

    loser = study.reconciler(interrupted(end, winner), clock=clock)
    assert actions(loser.reconcile()) == {"first": "submit", "second": "submit"}
    study.reconciler().wait()
    assert study.plan() == BOTH
    assert len(JobManager().list_jobs()) == 2
    assert JobManager().get_analysis(manifest="second").get_output().value("total") == 30


def test_a_draft_that_somebody_else_submitted_leaves_no_inputs(study: Repository, home: Path):
    study.write("large.json", json.dumps([f"{number}" + "x" * 100_000 for number in range(20)]))
    study.replace("first.yaml", "[1, 2]", "{file: large.json}")
    reconciler = study.reconciler()
    plan = reconciler.plan()
    preparing = SubmissionPreparer(reconciler.session, reconciler.loaded.manifests, plan)
    preparing.prepare(reconciler._next(plan))
    assert len(list((home / "tmp").iterdir())) == 1
    preparing.forget("first")
    assert list((home / "tmp").iterdir()) == []
    preparing.discard()


def test_a_living_holder_is_waited_for_though_the_clock_was_set(tmp_path: Path):
    claims = Leases(FolderStore(str(tmp_path)), "study", sleep=lambda seconds: None)
    claims.acquire("x", 0, lambda: False)
    path = tmp_path / "claims/study/x.0/1.json"
    holder = json.loads(path.read_text())

    def is_waited_for(started: float) -> bool:
        path.write_text(json.dumps({**holder, "started": started}))
        looks = iter([False, True])
        return claims.acquire("x", 0, lambda: next(looks)) is None

    began = psutil.Process().create_time()
    assert is_waited_for(began - 0.01)
    assert not is_waited_for(began - 60)  # another process had this number


def slow(study: Repository, version: int) -> None:
    """Commit a first manifest whose job does not end by itself."""
    study.write("slow.py", f"def work(ac):\n    import time\n    time.sleep(600 + {version})\n")
    study.write("first.yaml", FIRST.replace("code.py", "slow.py"))
    study.commit()


def newer(study: Repository) -> None:
    """What another process does meanwhile: reconcile a newer commit."""
    study.write("first.yaml", FIRST.replace("[1, 2]", "[1, 2, 3]"))
    study.commit()
    assert study.reconcile() == {"first": "supersede", "second": "supersede"}


def is_newer_alone(study: Repository) -> bool:
    study.reconciler().wait()
    assert study.plan() == BOTH
    return JobManager().get_analysis(manifest="second").get_output().value("total") == 60


def test_what_was_superseded_meanwhile_is_not_submitted(study: Repository, home: Path):
    slow(study, 1)
    study.reconciler(interrupted("projects/study/1.json", lambda: newer(study))).reconcile()
    assert len(JobManager().list_jobs()) == 2
    claims = [max(each.iterdir()) for each in (home / "store/claims/study").iterdir()]
    given_up = [json.loads(each.read_text())["given_up"] for each in claims]
    assert sorted(given_up) == [False, False, True, True]  # nobody on another machine waits for them
    assert is_newer_alone(study)


def test_what_was_superseded_while_it_was_submitted_is_stopped(study: Repository):
    slow(study, 1)
    study.reconciler(interrupted("/rounds/0.json", lambda: newer(study))).reconcile()
    runs = JobManager().list_jobs(name="first")
    for run in runs:
        run.wait_done(60)
    ended = [run.status()["jobs"] for run in runs]
    assert sorted(ended, key=str) == [{"FAILED": 2}, {"SUCCEEDED": 3}]
    assert len(JobManager().list_jobs(name="second")) == 1
    assert is_newer_alone(study)


def test_what_a_newer_revision_still_has_is_submitted(study: Repository):
    def renamed() -> None:
        study.git("mv", "manifests/second.yaml", "manifests/third.yaml")
        study.replace("third.yaml", "name: second", "name: third")
        study.commit()
        study.reconcile(select=["third"])

    study.reconciler(interrupted("projects/study/1.json", renamed)).reconcile()
    assert study.reconcile(wait=True) == {"first": "unchanged", "third": "unchanged", "second": "gone"}
    assert JobManager().get_analysis(manifest="third").get_output().value("total") == 30
