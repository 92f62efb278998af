"""From a plan to the revision that it makes. Pure, but for the ids and the time that it is given."""

from collections.abc import Callable, Mapping
from dataclasses import replace

from explorer_runner.format.keys import SUCCEEDED
from gencove_explorer.reconcile.actions import ADOPT, MISSING, RETIRE, RETRY, STARTS, UPDATE
from gencove_explorer.reconcile.plan import Plan, PlanRow
from gencove_explorer.reconcile.revision import Revision, RevisionEntry


def needs_revision(plan: Plan) -> bool:
    """Whether the plan changes what is recorded."""
    return any(row.is_recorded for row in plan.rows)


def next_revision(
    plan: Plan,
    new_id: Callable[[str], str],
    *,
    time: float,
    actor: str,
    commit: str | None,
    dirty: bool,
) -> Revision:
    """The revision that the plan makes; ``new_id`` chooses the id of an analysis by its name."""
    base = plan.base
    entries = {name: _remembering(entry, plan) for name, entry in (base.entries if base else {}).items()}
    leaving = {
        id: name
        for id, name in (base.leaving if base else {}).items()
        if id in plan.seen and not plan.seen[id].finished and plan.seen[id].state != MISSING
    }
    for row in plan.rows:
        old = entries.get(row.of or row.name)
        if row.action in STARTS or row.action == RETIRE:
            entries.pop(row.name, None)
            if old is not None and not _finished(old, plan):
                leaving[old.id] = row.name
        if row.action == ADOPT:
            entries.pop(row.of)
        if row.action != RETIRE and row.name in plan.wanted:
            entry = _entry(row, old, entries, plan, new_id)
            if entry is not None:
                entries[row.name] = entry
    return Revision(
        number=plan.number + 1,
        project=plan.project,
        time=time,
        actor=actor,
        commit=commit,
        dirty=dirty,
        entries=dict(sorted(entries.items())),
        leaving=leaving,
        changes={row.name: {"action": row.action, "reason": row.reason} for row in plan.changes},
    )


def _entry(
    row: PlanRow,
    old: RevisionEntry | None,
    entries: Mapping[str, RevisionEntry],
    plan: Plan,
    new_id: Callable[[str], str],
) -> RevisionEntry | None:
    want = plan.wanted[row.name]
    specification = want.specification
    if row.action in STARTS:
        ids = {name: entries[name].id for name in specification.depends_on}
        return RevisionEntry(
            id=new_id(row.name),
            file=want.file,
            specification=specification,
            depends_on=ids,
            ran=specification.resources,
        )
    if old is None:
        return None
    if row.action == RETRY:
        rounds = max(old.rounds, plan.seen[old.id].rounds + 1)
        ran = specification.resources
        return replace(old, file=want.file, specification=specification, ran=ran, rounds=rounds)
    if row.action in (UPDATE, ADOPT) or row.adjusted:
        return replace(old, file=want.file, specification=specification)
    return replace(old, file=want.file)


def _remembering(entry: RevisionEntry, plan: Plan) -> RevisionEntry:
    seen = plan.seen.get(entry.id)
    return replace(entry, succeeded=True) if seen and seen.state == SUCCEEDED else entry


def _finished(entry: RevisionEntry, plan: Plan) -> bool:
    return entry.succeeded or (entry.id in plan.seen and plan.seen[entry.id].finished)
