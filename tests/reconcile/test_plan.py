"""The planner alone: data in, data out; and what holds of every plan."""

import itertools
import json
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from explorer_runner.format.payload import ALL
from gencove_explorer.errors import PlanError
from gencove_explorer.reconcile.actions import (
    ACTIONS,
    ADOPT,
    GONE,
    HOLD,
    MISSING,
    RESUME,
    RETIRE,
    RETRY,
    STARTS,
    SUBMIT,
    SUPERSEDE,
    UNCHANGED,
    UPDATE,
    WAIT,
)
from gencove_explorer.reconcile.input_rows import InputRows, compare, rows_of
from gencove_explorer.reconcile.next_revision import needs_revision, next_revision
from gencove_explorer.reconcile.plan import DesiredRun, ObservedRun, Plan, PlanOptions, make_plan
from gencove_explorer.reconcile.revision import Revision
from gencove_explorer.reconcile.specification import Specification
from gencove_explorer.records.states import STATES

settings.register_profile("explorer", deadline=None)  # no clock decides whether a test passes
settings.load_profile("explorer")

SUCCEEDED = ObservedRun(state="SUCCEEDED")
FAILED = ObservedRun(state="FAILED", jobs=3, failed=2)


def want(name: str, *depends_on: str, source: str = "def work(ac): pass", **more: object) -> DesiredRun:
    reads = more.pop("reads", None)
    specification = Specification(
        function="work",
        source=source,
        input={"jobs": 1},
        depends_on=dict.fromkeys(depends_on, ALL),
        **more,
    )
    return DesiredRun(name=name, file=f"{name}.yaml", specification=specification, reads=reads)


def world(*wanted: DesiredRun) -> dict[str, DesiredRun]:
    return {each.name: each for each in wanted}


def applied(plan: Plan) -> Revision | None:
    """What the plan's revision would be."""
    if not needs_revision(plan):
        return plan.base
    ids = itertools.count()
    return next_revision(
        plan,
        lambda name: f"{name}-{plan.number + 1}-{next(ids)}",
        time=0.0,
        actor="ada",
        commit=None,
        dirty=False,
    )


def seen_after(plan: Plan, revision: Revision | None) -> dict[str, ObservedRun]:
    """What is seen once a plan was carried out: what it started waits, what it stopped has ended."""
    seen = dict(plan.seen)
    for row in plan.rows:
        entry = revision.entries.get(row.name) if revision else None
        if entry and row.action in (*STARTS, RESUME, RETRY):
            seen[entry.id] = ObservedRun(state="RUNNABLE", rounds=entry.rounds)
    for id in revision.leaving if revision else ():
        seen[id] = ObservedRun(state="FAILED")
    return seen


def recorded(*wanted: DesiredRun) -> Revision:
    made = applied(make_plan("study", world(*wanted), None, {}))
    assert made is not None
    return made


def actions(plan: Plan) -> dict[str, str]:
    return {row.name: row.action for row in plan.rows}


def plan_of(base: Revision, state: ObservedRun, *wanted: DesiredRun, **choice: object) -> dict[str, str]:
    seen = dict.fromkeys((each.id for each in base.entries.values()), state)
    return actions(make_plan("study", world(*wanted), base, seen, PlanOptions(**choice)))


def test_new_manifests_are_submitted_dependencies_first():
    plan = make_plan("study", world(want("a", "b"), want("b")), None, {})
    assert list(actions(plan).items()) == [("b", SUBMIT), ("a", SUBMIT)]
    revision = applied(plan)
    assert revision.number == 1
    assert revision.entries["a"].depends_on == {"b": revision.entries["b"].id}


@pytest.mark.parametrize("state", [state for state in STATES if state != "FAILED"])
def test_what_runs_or_has_succeeded_is_left_alone(state: str):
    assert plan_of(recorded(want("a")), ObservedRun(state=state), want("a")) == {"a": UNCHANGED}


def test_a_change_supersedes_the_run_and_those_that_depend_on_it():
    base = recorded(want("a"), want("b", "a"), want("c"))
    found = plan_of(base, SUCCEEDED, want("a", source="def work(ac): print()"), want("b", "a"), want("c"))
    assert found == {"a": SUPERSEDE, "b": SUPERSEDE, "c": UNCHANGED}


def test_resources_re_run_nothing_and_are_recorded():
    base = recorded(want("a"))
    larger = want("a", job_definition={"memory_mb": 8000})
    plan = make_plan("study", world(larger), base, {base.entries["a"].id: SUCCEEDED})
    assert actions(plan) == {"a": UPDATE}
    assert "memory_mb None -> 8000: nothing runs again" in plan.rows[0].reason
    after = applied(plan)
    assert after.entries["a"].id == base.entries["a"].id
    assert actions(make_plan("study", world(larger), after, {})) == {"a": UNCHANGED}


def test_a_failed_run_holds_until_something_changes():
    base = recorded(want("a"), want("b", "a"))
    assert plan_of(base, FAILED, want("a"), want("b", "a")) == {"a": HOLD, "b": HOLD}
    assert plan_of(base, FAILED, want("a", on_failure="retry_failed"), want("b", "a"))["a"] == RETRY
    assert plan_of(base, FAILED, want("a", job_definition={"memory_mb": 9}), want("b", "a"))["a"] == RETRY
    assert plan_of(base, FAILED, want("a"), want("b", "a"), rerun=["a"]) == {"a": SUPERSEDE, "b": SUPERSEDE}
    assert plan_of(base, FAILED, want("a"), want("b", "a"), want("c", "a"))["c"] == WAIT


def test_what_failed_for_others_runs_again_with_them():
    base = recorded(want("a", on_failure="retry_failed"), want("b", "a"))
    seen = {
        base.entries["a"].id: FAILED,
        base.entries["b"].id: ObservedRun(state="FAILED", failed=1, blocked=True),
    }
    wanted = world(want("a", on_failure="retry_failed"), want("b", "a"))
    assert actions(make_plan("study", wanted, base, seen)) == {"a": RETRY, "b": RETRY}


def test_a_retry_that_was_decided_and_never_submitted_is_made_up_for():
    base = recorded(want("a"))
    larger = want("a", job_definition={"memory_mb": 9})
    seen = {base.entries["a"].id: FAILED}
    after = applied(make_plan("study", world(larger), base, seen))
    plan = make_plan("study", world(larger), after, seen)
    assert actions(plan) == {"a": RETRY}
    assert "never submitted" in plan.rows[0].reason
    again = {base.entries["a"].id: replace(FAILED, rounds=2)}
    assert actions(make_plan("study", world(larger), after, again)) == {"a": HOLD}


def test_what_was_chosen_and_never_submitted_is_resumed():
    base = recorded(want("a"))
    plan = make_plan("study", world(want("a")), base, {base.entries["a"].id: ObservedRun(state=MISSING)})
    assert actions(plan) == {"a": RESUME}
    assert not needs_revision(plan)


def test_a_renamed_manifest_takes_its_run_along():
    base = recorded(want("old"))
    plan = make_plan("study", world(want("new")), base, {base.entries["old"].id: SUCCEEDED})
    assert actions(plan) == {"new": ADOPT}
    assert {name: each.id for name, each in applied(plan).entries.items()} == {"new": base.entries["old"].id}


def test_what_has_no_manifest_is_retired_only_when_asked():
    base = recorded(want("a"), want("b"))
    assert plan_of(base, SUCCEEDED, want("a")) == {"a": UNCHANGED, "b": GONE}
    assert plan_of(base, SUCCEEDED, want("a"), prune=True) == {"a": UNCHANGED, "b": RETIRE}
    running = {each.id: ObservedRun(state="RUNNING") for each in base.entries.values()}
    after = applied(make_plan("study", world(want("a")), base, running, PlanOptions(prune=True)))
    assert after.leaving == {base.entries["b"].id: "b"}
    assert set(after.entries) == {"a"}


@pytest.mark.parametrize(
    ("state", "stays"),
    [("RUNNING", True), ("RUNNABLE", True), ("FAILED", False), ("SUCCEEDED", False), (MISSING, False)],
)
def test_what_is_to_leave_is_stopped_and_is_forgotten_when_it_has_ended(state: str, stays: bool):
    base = recorded(want("a"), want("b"))
    a, b = base.entries["a"].id, base.entries["b"].id
    running = {a: SUCCEEDED, b: ObservedRun(state="RUNNING")}
    after = applied(make_plan("study", world(want("a")), base, running, PlanOptions(prune=True)))
    assert after.leaving == {b: "b"}
    changed = world(want("a", source="x = 1"))
    plan = make_plan("study", changed, after, {a: SUCCEEDED, b: ObservedRun(state=state)})
    assert plan.stops == applied(plan).leaving == ({b: "b"} if stays else {})
    assert applied(make_plan("study", changed, after, {a: SUCCEEDED})).leaving == {}


def test_pruning_is_bounded_and_never_from_nothing():
    base = recorded(*(want(f"m{number}") for number in range(5)))
    with pytest.raises(PlanError, match="more than --max-prune 3"):
        plan_of(base, SUCCEEDED, want("m0"), prune=True, max_prune=3)
    with pytest.raises(PlanError, match="there are no manifests here"):
        plan_of(base, SUCCEEDED, prune=True)


def test_a_selection_takes_along_what_it_depends_on_and_leaves_the_rest():
    wanted = [want("a"), want("b", "a"), want("c")]
    plan = make_plan("study", world(*wanted), None, {}, PlanOptions(select=["b"]))
    assert actions(plan) == {"a": SUBMIT, "b": SUBMIT}
    base = recorded(*wanted)
    changed = [want("a"), want("b", "a"), want("c", source="x = 1")]
    assert plan_of(base, SUCCEEDED, *changed, select=["b"]) == {"a": UNCHANGED, "b": UNCHANGED}
    with pytest.raises(PlanError, match="no manifest 'd'; there are: a, b, c"):
        plan_of(base, SUCCEEDED, *wanted, select=["d"])


def test_an_input_that_is_an_output_waits_for_it():
    wanted = world(want("a"), want("b", "a", reads="a"))
    plan = make_plan("study", wanted, None, {})
    assert actions(plan) == {"a": SUBMIT, "b": WAIT}
    base = applied(plan)
    assert set(base.entries) == {"a"}
    running = make_plan("study", wanted, base, {base.entries["a"].id: ObservedRun(state="RUNNING")})
    assert actions(running) == {"a": UNCHANGED, "b": WAIT}
    assert "output of a, which is RUNNING" in running.rows[1].reason
    assert actions(make_plan("study", wanted, base, {base.entries["a"].id: SUCCEEDED}))["b"] == SUBMIT


def test_every_action_is_explained():
    assert set(ACTIONS) >= {UNCHANGED, HOLD, WAIT, GONE}


# -- what holds of every plan -------------------------------------------------------------------------

NAMES = list("abcdef")
SOURCES = ["def work(ac): return 1", "def work(ac): return 2"]


@st.composite
def manifests(draw: st.DrawFn) -> dict[str, DesiredRun]:
    names = draw(st.lists(st.sampled_from(NAMES), unique=True, min_size=1))
    made = {}
    for place, name in enumerate(names):
        before = names[:place]
        depends_on = draw(st.lists(st.sampled_from(before), unique=True, max_size=2)) if before else []
        reads = draw(st.sampled_from([None, *depends_on]))
        made[name] = want(
            name,
            *depends_on,
            reads=reads,
            source=draw(st.sampled_from(SOURCES)),
            job_definition={"memory_mb": draw(st.sampled_from([1, 2]))},
            on_failure=draw(st.sampled_from(["hold", "retry_failed"])),
            labels=draw(st.sampled_from([{}, {"a": "b"}])),
        )
    return made


@st.composite
def observations(draw: st.DrawFn, revision: Revision | None) -> dict[str, ObservedRun]:
    ids = [each.id for each in revision.entries.values()] + list(revision.leaving) if revision else []
    return {
        id: ObservedRun(
            state=draw(st.sampled_from([*STATES, MISSING])),
            rounds=draw(st.integers(1, 3)),
            jobs=2,
            failed=1,
            blocked=draw(st.booleans()),
        )
        for id in ids
    }


@st.composite
def situations(draw: st.DrawFn) -> tuple[dict[str, DesiredRun], Revision | None, dict[str, ObservedRun]]:
    """A project after some reconciles, as it could be at any moment."""
    base, seen = None, {}
    for _ in range(draw(st.integers(0, 3))):
        plan = make_plan("study", draw(manifests()), base, seen, PlanOptions(prune=draw(st.booleans())))
        base = applied(plan)
        seen = draw(observations(base))
    return draw(manifests()), base, seen


@given(situations(), st.booleans())
def test_applying_a_plan_reaches_a_state_whose_plan_is_empty(situation, prune: bool):
    wanted, base, seen = situation
    choice = PlanOptions(prune=prune)
    plan = make_plan("study", wanted, base, seen, choice)
    revision = applied(plan)
    after = make_plan("study", wanted, revision, seen_after(plan, revision), choice)
    assert [(row.name, row.action, row.reason) for row in after.changes] == []
    assert not needs_revision(after)
    assert after.stops == {}


@given(situations())
def test_a_plan_has_one_row_for_each_manifest_and_a_reason_for_each_change(situation):
    wanted, base, seen = situation
    plan = make_plan("study", wanted, base, seen)
    names = [row.name for row in plan.rows]
    assert len(names) == len(set(names))
    adopted = {row.of for row in plan.rows if row.of}
    assert {*names, *adopted} == {*wanted, *(base.entries if base else ())}
    assert all(row.reason and row.action in ACTIONS for row in plan.changes)


@given(situations())
def test_no_run_is_lost_and_none_has_two_names(situation):
    wanted, base, seen = situation
    revision = applied(make_plan("study", wanted, base, seen))
    ids = [entry.id for entry in revision.entries.values()] if revision else []
    assert len(ids) == len(set(ids))
    for entry in base.entries.values() if base else ():
        ended = entry.succeeded or seen[entry.id].finished
        assert ended or entry.id in ids or entry.id in revision.leaving


@given(situations())
def test_planning_is_a_function(situation):
    assert make_plan("study", *situation) == make_plan("study", *situation)


@given(situations())
def test_a_revision_survives_being_written(situation):
    _, base, _ = situation
    if base is not None:
        assert Revision.from_json(base.to_json(), "test") == base


def test_rows_are_counted_and_named_by_what_became_of_them():
    old = rows_of([{"tissue": "LUNG", "n": 1}, {"tissue": "SKIN", "n": 2}, {"tissue": "BONE", "n": 3}])
    moved = rows_of([{"tissue": "BONE", "n": 3}, {"tissue": "LUNG", "n": 1}, {"tissue": "SKIN", "n": 2}])
    assert compare(old, moved).in_words == "3 rows in another order"
    new = rows_of([{"tissue": "SKIN", "n": 5}, {"tissue": "LUNG", "n": 1}, {"tissue": "LIVER", "n": 1}])
    changes = compare(old, new)
    assert (changes.new, changes.changed, changes.removed) == (["LIVER"], ["SKIN"], ["BONE"])
    assert changes.in_words == "1 new, 1 changed, 1 removed of 3: LIVER, SKIN, BONE"
    many = compare(rows_of([]), rows_of([f"s{number}" for number in range(7)]))
    assert many.in_words == "7 new of 7: s0, s1, s2, s3, s4, ..."
    assert many.to_json()["new"] == {"count": 7, "names": [f"s{number}" for number in range(7)]}


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 2)), max_size=6), st.data())
def test_all_rows_are_accounted_for(before, data):
    after = data.draw(st.permutations(before)) + data.draw(
        st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 2)), max_size=3)
    )
    old, new = (rows_of([{"name": name, "n": n} for name, n in rows]) for rows in (before, after))
    changes = compare(old, new)
    assert len(old.names) + len(changes.new) == len(new.names) + len(changes.removed)
    assert (changes.removed, changes.changed) == ([], [])  # the old ones are all there
    back = compare(new, old)
    assert (len(back.removed), back.new, back.changed) == (len(changes.new), [], [])
    assert InputRows.from_json(new.to_json()) == new


def test_names_of_rows_are_those_of_people():
    names = rows_of(
        [
            {"sample": {"id": "S1", "files": {}}},
            {"file": "s3://data/a/reads.bam", "secondary_files": []},
            {"file": {"path": "data/b.txt", "sha256": "0"}, "secondary_files": []},
            {"uri": "s3://data/c.bam", "etag": "1"},
            {"gene": "TP53", "id": 7},
            ["x", 1],
            3.5,
            "t" * 100,
        ]
    ).names
    assert names == ["S1", "reads.bam", "b.txt", "c.bam", "7", '["x", 1]', "3.5", "t" * 60]


def test_revisions_of_before_there_were_kinds_say_whether_job_by_job():
    recorded = Specification(function="f", source="", input={}, depends_on={"a": "each", "b": "all"})
    older = {**json.loads(json.dumps(recorded.to_json())), "depends_on": {"a": True, "b": False}}
    assert Specification.from_json(older) == recorded
