"""Decisions of the planner, of the next revision and of leases, each at its edge."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from reconcile.test_plan import FAILED, SUCCEEDED, actions, applied, plan_of, recorded, want, world

from explorer_runner.format.keys import round_key
from explorer_runner.format.outcome import Outcome, write
from explorer_runner.stores.folder import FolderStore
from gencove_explorer.reconcile.actions import (
    ADOPT,
    HOLD,
    MISSING,
    RETIRE,
    RETRY,
    SUBMIT,
    SUPERSEDE,
    UPDATE,
    WAIT,
)
from gencove_explorer.reconcile.leases import RENEW_SECONDS, LeaseLost, Leases
from gencove_explorer.reconcile.observed import observe_run
from gencove_explorer.reconcile.plan import ObservedRun, PlanOptions, make_plan
from gencove_explorer.records.closed import Closed, write_closed
from gencove_explorer.records.index import IndexRecord, write_index
from gencove_explorer.records.round import RoundRecord
from gencove_explorer.session import Session
from gencove_explorer.settings import Settings

OTHER = "def work(ac): print()"
ID = "2026-11-25T080000_work_17eb494f3d5349c88959bace7a6b7873"


def test_as_many_as_max_prune_are_retired_and_not_one_more():
    base = recorded(*(want(f"m{number}") for number in range(5)))
    found = plan_of(base, SUCCEEDED, want("m0"), prune=True, max_prune=4)
    assert list(found.values()).count(RETIRE) == 4


@pytest.mark.parametrize("seen", [{}, "FAILED"])
def test_a_run_that_failed_or_was_never_submitted_is_not_adopted(seen: Any):
    base = recorded(want("old"))
    states = {base.entries["old"].id: FAILED} if seen else {}
    assert actions(make_plan("study", world(want("new")), base, states))["new"] == SUBMIT


def test_a_run_that_read_another_run_of_its_dependency_is_not_adopted():
    base = recorded(want("a"), want("b", "a"))
    ids = {entry.id: SUCCEEDED for entry in base.entries.values()}
    changed = want("a", source=OTHER)
    after = applied(make_plan("study", world(changed, want("b", "a")), base, ids, PlanOptions(select=["a"])))
    assert after.entries["b"] == replace(base.entries["b"], succeeded=True)
    plan = make_plan("study", world(changed, want("b", "a")), after, {after.entries["a"].id: SUCCEEDED})
    assert actions(plan)["b"] == SUPERSEDE
    assert "it read another run of a" in plan.rows[1].reason
    renamed = make_plan("study", world(changed, want("c", "a")), after, {after.entries["a"].id: SUCCEEDED})
    assert actions(renamed)["c"] == SUBMIT


def test_a_run_whose_dependency_runs_again_is_not_adopted():
    base = recorded(want("a"), want("b", "a"))
    assert plan_of(base, SUCCEEDED, want("a"), want("c", "a"))["c"] == ADOPT
    assert plan_of(base, SUCCEEDED, want("a", source=OTHER), want("c", "a"))["c"] == SUBMIT


def test_what_depends_on_a_failed_run_waits_though_that_is_updated():
    base = recorded(want("a"))
    found = plan_of(base, FAILED, want("a", labels={"x": "y"}), want("b", "a"))
    assert found == {"a": UPDATE, "b": WAIT}


def test_an_output_of_a_run_that_is_to_be_another_is_waited_for():
    first = recorded(want("a"))
    base = applied(
        make_plan(
            "study", world(want("a"), want("b", "a", reads="a")), first, {first.entries["a"].id: SUCCEEDED}
        )
    )
    found = plan_of(base, SUCCEEDED, want("a", source=OTHER), want("b", "a", reads="a"))
    assert found == {"a": SUPERSEDE, "b": WAIT}


def test_a_run_that_fails_after_its_resources_were_recorded_is_retried_with_them():
    base = recorded(want("a"))
    larger = want("a", job_definition={"memory_mb": 9})
    running = {base.entries["a"].id: ObservedRun(state="RUNNING")}
    after = applied(make_plan("study", world(larger), base, running))
    assert after.entries["a"].specification.job_definition == {"memory_mb": 9}
    plan = make_plan("study", world(larger), after, {after.entries["a"].id: FAILED})
    assert actions(plan) == {"a": RETRY}
    assert "other resources" in plan.rows[0].reason


def test_nothing_is_retried_while_what_it_depends_on_has_failed():
    base = recorded(want("a"), want("b", "a", on_failure="retry_failed"))
    found = plan_of(base, FAILED, want("a"), want("b", "a", on_failure="retry_failed"))
    assert found == {"a": HOLD, "b": HOLD}


def test_a_selection_retires_nothing():
    base = recorded(want("a"), want("gone"))
    assert set(plan_of(base, SUCCEEDED, want("a"), select=["a"], prune=True)) == {"a"}


def test_a_retry_follows_all_rounds_that_were_decided_or_made_by_hand():
    base = recorded(want("a"))
    larger = world(want("a", job_definition={"memory_mb": 9}))
    entry = base.entries["a"]
    by_hand = {entry.id: replace(FAILED, rounds=3)}
    assert applied(make_plan("study", larger, base, by_hand)).entries["a"].rounds == 4
    decided = replace(base, entries={"a": replace(entry, rounds=5)})
    assert applied(make_plan("study", larger, decided, {entry.id: FAILED})).entries["a"].rounds == 5


def test_a_run_that_is_known_to_have_succeeded_is_not_to_be_stopped():
    base = recorded(want("a"))
    known = replace(base, entries={"a": replace(base.entries["a"], succeeded=True)})
    after = applied(make_plan("study", world(want("a", source=OTHER)), known, {}))
    assert after.leaving == {}


@pytest.mark.parametrize(
    ("before", "after", "change"),
    [
        ({}, {"function": "another"}, "function work -> another"),
        ({}, {"lock": "ab"}, "a lock was added"),
        ({"lock": "ab"}, {}, "the lock is gone"),
        ({"pip_packages": ("./p",)}, {"pip_packages": ("./p",), "folders": {"./p": "ab"}}, "what is in ./p"),
        ({"depends_on": {"a": False}}, {"depends_on": {"a": True}}, "depends_on: a"),
    ],
)
def test_what_makes_another_run(before: dict[str, Any], after: dict[str, Any], change: str):
    plain = want("x").specification
    assert replace(plain, **before).changes(replace(plain, **after)) == [change]


def test_labels_are_recorded_and_make_no_other_run():
    plain = want("x").specification
    other = replace(plain, labels={"a": "b"})
    assert (plain.changes(other), plain.adjustments(other)) == ([], ["labels"])


# -- leases -------------------------------------------------------------------------------------------


@pytest.fixture
def clock() -> list[float]:
    return [1000.0]


@pytest.fixture
def leases(tmp_path: Path, clock: list[float]) -> Leases:
    store = FolderStore(str(tmp_path / "store"))
    return Leases(store, "study", clock=lambda: clock[0], sleep=lambda seconds: pytest.fail("it waits"))


def numbers(leases: Leases) -> list[str]:
    return leases.store.list_names(f"claims/study/{ID}.0")


def test_a_lease_is_renewed_when_it_is_old_each_time_under_the_next_number(
    leases: Leases, clock: list[float]
):
    lease = leases.acquire(ID, 0, lambda: False)
    lease.renew()
    assert numbers(leases) == ["1.json"]
    for count in (2, 3):
        clock[0] += RENEW_SECONDS
        lease.renew()
        assert len(numbers(leases)) == count


def test_a_lease_that_somebody_else_has_taken_over_cannot_be_renewed(leases: Leases, clock: list[float]):
    lease = leases.acquire(ID, 0, lambda: False)
    leases.write(lease.prefix, 2)
    clock[0] += RENEW_SECONDS
    with pytest.raises(LeaseLost, match="somebody else"):
        lease.renew()


def test_a_submission_that_fails_gives_its_lease_up_at_once(leases: Leases):
    with pytest.raises(ZeroDivisionError), leases.acquire(ID, 0, lambda: False):
        raise ZeroDivisionError
    assert leases.acquire(ID, 0, lambda: False).number == 3
    with leases.acquire(ID, 1, lambda: False):
        pass
    assert leases.store.list_names(f"claims/study/{ID}.1") == ["1.json"]


# -- what is observed ---------------------------------------------------------------------------------


@pytest.mark.parametrize("own", [False, True])
def test_a_run_is_blocked_if_no_failed_job_has_ever_run(home: Path, own: bool):
    session = Session(Settings.load())
    record = RoundRecord(
        id=ID, round=0, executor="batch", indices=None, jobs=2, payload="0" * 64, submitted=1.0
    )
    session.store.create(round_key(ID, 0), record.to_json())
    index = IndexRecord(
        id=ID, name="work", user="ada", submitted=1.0, jobs=2, array=True, executor="batch", python="3.11"
    )
    write_index(session.store, index)
    closed = [1] if own else [0, 1]
    write_closed(session.store, ID, 0, Closed.of({"Dependency failed: a": closed}))
    if own:
        write(session.store, Outcome(analysis=ID, index=0, round=0, attempt=1, status="FAILED", reason="no"))
    seen = observe_run(session, ID)
    assert (seen.state, seen.failed, seen.blocked) == ("FAILED", 2, not own)
    assert observe_run(session, ID.replace("work", "other")).state == MISSING
