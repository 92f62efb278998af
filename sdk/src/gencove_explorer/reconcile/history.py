"""What was reconciled: the revisions, the newest first."""

from collections.abc import Mapping
from typing import Any

from gencove_explorer.reconcile.revision_store import Revisions


def history_of(revisions: Revisions, name: str | None, limit: int) -> list[dict[str, Any]]:
    """The last ``limit`` revisions (that changed manifest ``name``, if given) as plain data."""
    shown: list[dict[str, Any]] = []
    for number in reversed(revisions.numbers()):
        if len(shown) == limit:
            break
        revision = revisions.read(number)
        if name is not None and name not in revision.changes:
            continue
        facts: dict[str, Any] = {
            "revision": number,
            "time": revision.time,
            "actor": revision.actor,
            "commit": revision.commit,
            "dirty": revision.dirty,
            "manifests": len(revision.entries),
            "changes": dict(revision.changes),
        }
        if name is not None:
            facts["id"] = revision.entries[name].id if name in revision.entries else ""
        shown.append(facts)
    return shown


def changes_of(facts: Mapping[str, Any], name: str | None) -> str:
    """One line: what a revision changed, or changed of one manifest."""
    changes: Mapping[str, Mapping[str, str]] = facts["changes"]
    if name is not None:
        return f"{changes[name]['action']}: {changes[name]['reason']}"
    if not changes:
        return "noted which runs have succeeded"
    names = [f"{change['action']} {name}" for name, change in changes.items()]
    return ", ".join(names[:5]) + (f", and {len(names) - 5:,} more" if len(names) > 5 else "")
