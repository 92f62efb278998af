"""Planning: from what git wants, what was recorded and what was seen, to what would happen and why.

Pure: data in, data out, nothing read, written, asked or drawn by lot.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from graphlib import TopologicalSorter
from typing import Any

from explorer_runner.format.keys import FAILED, SUCCEEDED
from explorer_runner.format.payload import FINISHED
from gencove_explorer.errors import PlanError
from gencove_explorer.reconcile.actions import (
    ACTIONS,
    ADOPT,
    CHANGES,
    GONE,
    HOLD,
    MISSING,
    RECORDED,
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
from gencove_explorer.reconcile.input_rows import RowChanges
from gencove_explorer.reconcile.revision import Revision, RevisionEntry
from gencove_explorer.reconcile.specification import Specification

MAX_PRUNE = 10


@dataclass(frozen=True, kw_only=True)
class DesiredRun:
    """What a manifest asks for."""

    name: str
    file: str
    specification: Specification
    reads: str | None = None
    """The manifest whose output is its input."""
    rows: Sequence[Any] = field(default=(), compare=False)
    """Of an array, what identifies each element of its input, as plain data."""


@dataclass(frozen=True, kw_only=True)
class ObservedRun:
    """What became of an analysis."""

    state: str
    """One of Batch's seven, or MISSING."""
    jobs: int = 1
    failed: int = 0
    rounds: int = 1
    blocked: bool = False
    """Whether no failed job ever ran: what it depends on failed, or it was never submitted."""
    reason: str = ""

    @property
    def finished(self) -> bool:
        return self.state in (SUCCEEDED, FAILED)


@dataclass(frozen=True, kw_only=True)
class PlanOptions:
    """What a person chose on the command line."""

    select: Collection[str] = ()
    """These alone, with what they depend on; empty: all."""
    rerun: Collection[str] = ()
    prune: bool = False
    max_prune: int = MAX_PRUNE

    def to_json(self) -> dict[str, Any]:
        return {**vars(self), "select": list(self.select), "rerun": list(self.rerun)}


@dataclass(frozen=True, kw_only=True)
class PlanRow:
    """What would happen to one manifest, and why."""

    name: str
    file: str
    action: str
    reason: str
    state: str = ""
    """Of the recorded run."""
    id: str = ""
    """Of the recorded run."""
    of: str = ""
    """The former name, of a run that is adopted."""
    adjusted: bool = False
    """Whether resources, labels or rules are other ones, besides."""
    sources: tuple[str, str] | None = None
    """The recorded and the present text of the function, where they are different code."""
    input: RowChanges | None = None
    """What became of the rows of its input, where that is known."""

    @property
    def changes(self) -> bool:
        return self.action in CHANGES

    @property
    def is_recorded(self) -> bool:
        """Whether a revision is written for it."""
        return self.action in RECORDED or self.adjusted


@dataclass(frozen=True, kw_only=True)
class Plan:
    """One row a manifest, dependencies first."""

    project: str
    base: Revision | None
    """The revision that it was made from."""
    wanted: Mapping[str, DesiredRun]
    seen: Mapping[str, ObservedRun]
    rows: tuple[PlanRow, ...]
    choice: PlanOptions = field(default_factory=PlanOptions)
    stops: Mapping[str, str] = field(default_factory=dict)
    """Id -> name of runs of earlier revisions that are still to end."""

    @property
    def changes(self) -> list[PlanRow]:
        return [row for row in self.rows if row.changes]

    @property
    def number(self) -> int:
        """Of the revision that it was made from; 0 for none."""
        return self.base.number if self.base else 0


def make_plan(
    project: str,
    wanted: Mapping[str, DesiredRun],
    base: Revision | None,
    seen: Mapping[str, ObservedRun],
    choice: PlanOptions | None = None,
    inputs: Mapping[str, RowChanges] | None = None,
) -> Plan:
    """Decide for every manifest. Raises PlanError for a choice that is refused.

    ``wanted`` has no circles and no dependency outside of itself; ``seen`` is by id of analysis, ``inputs``
    by manifest what became of the rows of its input.
    """
    choice = choice or PlanOptions()
    entries = base.entries if base else {}
    if not wanted and entries:
        raise PlanError(
            f"there are no manifests here, and the project {project} has {len(entries)}: this is taken for a "
            "wrong folder; to retire the last ones, keep one manifest"
        )
    unknown = sorted({*choice.select, *choice.rerun} - wanted.keys())
    if unknown:
        raise PlanError(f"there is no manifest {unknown[0]!r}; there are: {', '.join(sorted(wanted))}")
    chosen = _with_dependencies(choice.select, wanted) if choice.select else set(wanted)
    planner = _Planner(wanted, entries, seen, choice, chosen, inputs or {})
    rows = [planner.row(name) for name in _in_order(wanted) if name in chosen]
    if not choice.select:
        adopted = {row.of for row in rows if row.action == ADOPT}
        rows += [planner.gone(name) for name in sorted(entries.keys() - wanted.keys() - adopted)]
        _check_prune(rows, choice)
    leaving = base.leaving if base else {}
    stops = {
        id: name
        for id, name in leaving.items()
        if id in seen and not seen[id].finished and seen[id].state != MISSING
    }
    return Plan(
        project=project, base=base, wanted=wanted, seen=seen, rows=tuple(rows), choice=choice, stops=stops
    )


class _Planner:
    def __init__(
        self,
        wanted: Mapping[str, DesiredRun],
        entries: Mapping[str, RevisionEntry],
        seen: Mapping[str, ObservedRun],
        choice: PlanOptions,
        chosen: Collection[str],
        inputs: Mapping[str, RowChanges],
    ) -> None:
        self.inputs = inputs
        self.wanted, self.entries, self.seen = wanted, entries, seen
        self.choice, self.chosen = choice, chosen
        self.rows: dict[str, PlanRow] = {}
        self.free = {name: entry for name, entry in entries.items() if name not in wanted}
        """Recorded runs without a manifest, which a renamed one may adopt."""

    def row(self, name: str) -> PlanRow:
        """The row of a manifest, once those that it depends on have theirs."""
        self.rows[name] = self._decide(self.wanted[name], self.entries.get(name))
        return self.rows[name]

    def gone(self, name: str) -> PlanRow:
        entry = self.entries[name]
        action = RETIRE if self.choice.prune else GONE
        return self._row(name, entry.file, action, ACTIONS[action], entry)

    def _decide(self, want: DesiredRun, entry: RevisionEntry | None) -> PlanRow:
        if entry is None:
            former = next((name for name, entry in self.free.items() if self._same(entry, want)), None)
            if former is not None:
                entry = self.free.pop(former)
                return self._row(want.name, want.file, ADOPT, f"renamed from {former}", entry, of=former)
            return self._start(want, None, ["new"])
        why = self._why_anew(want, entry)
        return self._start(want, entry, why) if why else self._as_seen(want, entry)

    def _why_anew(self, want: DesiredRun, entry: RevisionEntry) -> list[str]:
        why = ["asked for by --rerun"] if want.name in self.choice.rerun else []
        rows = self.inputs.get(want.name)
        why += entry.specification.changes(want.specification, rows.in_words if rows else "")
        for name in want.specification.depends_on:
            if self.rows[name].action in STARTS:
                why.append(f"{name} runs anew")
            elif name in entry.depends_on and entry.depends_on[name] != self.rows[name].id:
                why.append(f"it read another run of {name}")
        return why

    def _start(self, want: DesiredRun, entry: RevisionEntry | None, why: list[str]) -> PlanRow:
        waits = self._why_waiting(want)
        if waits:
            return self._row(want.name, want.file, WAIT, f"{'; '.join(why)}; {waits}", entry)
        sources = None
        if entry and entry.specification.changes(want.specification):
            old, new = entry.specification.source, want.specification.source
            sources = (old, new) if any(reason.startswith("function") for reason in why) else None
        action = SUPERSEDE if entry else SUBMIT
        rows = self.inputs.get(want.name)
        return self._row(want.name, want.file, action, "; ".join(why), entry, sources=sources, input=rows)

    def _as_seen(self, want: DesiredRun, entry: RevisionEntry) -> PlanRow:
        """The row of a manifest whose recorded run is the right one."""
        seen = self._seen(entry)
        adjusted = entry.specification.adjustments(want.specification)
        if seen.state == MISSING:
            waits = self._why_waiting(want)
            if waits:
                return self._row(want.name, want.file, WAIT, waits, entry)
            why = "it was chosen to run, and never submitted"
            return self._row(want.name, want.file, RESUME, why, entry, adjusted=bool(adjusted))
        if seen.state == FAILED:
            return self._failed(want, entry, seen, adjusted)
        if adjusted:
            return self._row(
                want.name, want.file, UPDATE, f"{', '.join(adjusted)}: nothing runs again", entry
            )
        return self._row(want.name, want.file, UNCHANGED, "", entry)

    def _failed(
        self, want: DesiredRun, entry: RevisionEntry, seen: ObservedRun, adjusted: list[str]
    ) -> PlanRow:
        failed = "failed" if seen.jobs == 1 else f"{seen.failed:,} of {seen.jobs:,} jobs failed"
        waits = self._why_waiting(want)
        larger = entry.ran != want.specification.resources
        for due, why in (
            (seen.rounds < entry.rounds, "its retry was decided, and never submitted"),
            (seen.blocked, f"{failed} without having run, and what stood in the way is gone"),
            (larger, f"{failed}, and it now asks for other resources"),
            (want.specification.on_failure == "retry_failed", f"{failed}; on_failure: retry_failed"),
        ):
            if due and not waits:
                return self._row(want.name, want.file, RETRY, why, entry)
        why = waits or f"{failed}: {seen.reason or 'explorer failures shows why'}"
        if not waits:
            why += f"; a change or --rerun {want.name} releases it"
        if adjusted:
            return self._row(want.name, want.file, UPDATE, f"{', '.join(adjusted)}; {why}", entry)
        return self._row(want.name, want.file, HOLD, why, entry)

    def _why_waiting(self, want: DesiredRun) -> str:
        for name, kind in want.specification.depends_on.items():
            row = self.rows[name]
            if row.state == FAILED and row.action in (HOLD, UPDATE) and kind != FINISHED:
                return f"{name}, which it depends on, has failed"
            if row.action == WAIT:
                return f"{name}, which it depends on, waits itself"
        if want.reads is not None:
            row = self.rows[want.reads]
            if row.state != SUCCEEDED or row.action in STARTS:
                state = row.state if row.state and row.action not in STARTS else "to run first"
                return f"its input is an output of {want.reads}, which is {state}"
        return ""

    def _same(self, entry: RevisionEntry, want: DesiredRun) -> bool:
        """Whether a recorded run, which did not fail, is what a manifest of another name asks for."""
        if self._seen(entry).state in (FAILED, MISSING):
            return False
        if entry.specification.changes(want.specification):
            return False
        ids = {name: self.rows[name].id for name in want.specification.depends_on}
        return all(self.rows[name].action not in STARTS for name in ids) and dict(entry.depends_on) == ids

    def _seen(self, entry: RevisionEntry) -> ObservedRun:
        if entry.succeeded:
            return ObservedRun(state=SUCCEEDED, rounds=entry.rounds)
        return self.seen.get(entry.id, ObservedRun(state=MISSING))

    def _row(
        self, name: str, file: str, action: str, reason: str, entry: RevisionEntry | None, **more: Any
    ) -> PlanRow:
        state = self._seen(entry).state if entry else ""
        return PlanRow(
            name=name,
            file=file,
            action=action,
            reason=reason,
            state=state,
            id=entry.id if entry else "",
            **more,
        )


def _with_dependencies(names: Iterable[str], wanted: Mapping[str, DesiredRun]) -> set[str]:
    closure: set[str] = set()
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name not in closure:
            closure.add(name)
            waiting += wanted[name].specification.depends_on
    return closure


def _in_order(wanted: Mapping[str, DesiredRun]) -> Iterable[str]:
    """The names, dependencies first."""
    graph = {name: sorted(wanted[name].specification.depends_on) for name in sorted(wanted)}
    return TopologicalSorter(graph).static_order()


def _check_prune(rows: Iterable[PlanRow], choice: PlanOptions) -> None:
    retired = [row.name for row in rows if row.action == RETIRE]
    if len(retired) > choice.max_prune:
        raise PlanError(
            f"--prune would retire {len(retired)} manifests ({', '.join(retired[:5])}, ...), more than "
            f"--max-prune {choice.max_prune}: say --max-prune {len(retired)} if that is meant"
        )
