"""Plans for people, for pull requests and for programs."""

import difflib
import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

from gencove_explorer.reconcile.actions import CHANGES, RETRY, SUPERSEDE, UNCHANGED
from gencove_explorer.reconcile.plan import Plan, PlanRow
from gencove_explorer.utils.git import Checkout

_SIGNS = {
    "submit": "+",
    "supersede": "~",
    "retry": "~",
    "resume": "~",
    "adopt": "~",
    "update": "~",
    "retire": "-",
}
_MOST_LINES = 200
"""Of the differences of one function."""


def headline(plan: Plan) -> str:
    """``4 to submit, 1 to supersede, 12 unchanged``, or that there is nothing to do."""
    counts = {action: sum(row.action == action for row in plan.rows) for action in CHANGES}
    parts = [f"{count:,} to {action}" for action, count in counts.items() if count]
    others = len(plan.rows) - sum(counts.values())
    if not parts:
        on_hold = sum(row.action not in (UNCHANGED, *CHANGES) for row in plan.rows)
        more = f", {on_hold:,} of them waiting or on hold" if on_hold else ""
        return f"Nothing to do: {len(plan.rows):,} manifests{more}."
    return f"{', '.join(parts)}" + (f"; {others:,} others stay as they are." if others else ".")


def rows_of(plan: Plan) -> list[tuple[str, str, str, str]]:
    """Sign, name, action, and why, of each row: what changes comes first."""
    rows = sorted(plan.rows, key=lambda row: not row.changes)
    return [(_SIGNS.get(row.action, " "), row.name, row.action, why(row)) for row in rows]


def why(row: PlanRow) -> str:
    """The reason of a row, and the state of its run where that says more."""
    if row.action == UNCHANGED:
        return row.state
    return f"{row.reason} ({row.state})" if row.state and row.action not in (SUPERSEDE, RETRY) else row.reason


def source_diff(row: PlanRow) -> list[str]:
    """The lines of a unified diff of a function that is other code than the recorded one's."""
    if row.sources is None:
        return []
    old, new = (text.splitlines() for text in row.sources)
    lines = list(difflib.unified_diff(old, new, f"{row.name} (recorded)", f"{row.name} (now)", lineterm=""))
    if len(lines) > _MOST_LINES:
        lines = [*lines[:_MOST_LINES], f"... and {len(lines) - _MOST_LINES:,} more lines"]
    return lines


def plan_as_json(plan: Plan, checkout: Checkout) -> dict[str, Any]:
    """Plain data, by which a saved plan is told from another one (``is_same``)."""
    specifications = {name: run.specification.to_json() for name, run in plan.wanted.items()}
    return {
        "project": plan.project,
        "revision": plan.number,
        "commit": checkout.commit,
        "dirty": checkout.dirty,
        "wanted": hashlib.sha256(
            json.dumps(specifications, sort_keys=True, default=dict).encode()
        ).hexdigest(),
        "choice": plan.choice.to_json(),
        "changes": len(plan.changes),
        "rows": [
            {
                "name": row.name,
                "file": row.file,
                "action": row.action,
                "reason": row.reason,
                "state": row.state,
                "id": row.id,
                "diff": source_diff(row),
                **({"input": row.input.to_json()} if row.input else {}),
            }
            for row in plan.rows
        ],
    }


def is_same(saved: Mapping[str, Any], plan: Plan, checkout: Checkout) -> bool:
    """Whether a saved plan is what would happen now. Runs may have gone on meanwhile."""
    now = plan_as_json(plan, checkout)
    names = ("project", "revision", "commit", "dirty", "wanted")
    return all(saved.get(name) == now[name] for name in names) and _actions(saved) == _actions(now)


def _actions(data: Mapping[str, Any]) -> list[Any]:
    return [(row.get("name"), row.get("action")) for row in data["rows"] if row.get("action") in CHANGES]


def plan_as_markdown(plan: Plan) -> str:
    """For a comment on a pull request; begins with a mark by which the comment is found again."""
    revision = f"revision {plan.number}" if plan.number else "nothing recorded yet"
    lines = [
        f"<!-- explorer plan {plan.project} -->",
        f"### Explorer plan for {plan.project}",
        "",
        f"{headline(plan)} Compared with {revision}.",
    ]
    shown = [row for row in plan.rows if row.action != UNCHANGED]
    if shown:
        lines += ["", "| | manifest | action | why |", "| --- | --- | --- | --- |"]
        for sign, name, action, reason in rows_of(plan):
            if action != UNCHANGED:
                lines.append(f"| {sign} | `{name}` | {action} | {_cell(reason)} |")
    for row in shown:
        diff = source_diff(row)
        if diff:
            fence = "`" * max(4, _longest_run(diff) + 1)
            lines += ["", f"<details><summary>{row.name}: its function</summary>", ""]
            lines += [f"{fence}diff", *diff, fence, "", "</details>"]
    return "\n".join(lines) + "\n"


def _cell(text: str) -> str:
    for char in "\\|<>*_`[]":
        text = text.replace(char, f"\\{char}")
    return text.replace("\n", " ")


def _longest_run(lines: Iterable[str]) -> int:
    longest = run = 0
    for char in "\n".join(lines):
        run = run + 1 if char == "`" else 0
        longest = max(longest, run)
    return longest
