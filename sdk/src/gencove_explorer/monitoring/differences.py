"""What is different between two analyses of a store; nothing is unpickled for it."""

import difflib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from explorer_runner.format.payload import NAMED, Payload
from explorer_runner.format.pylock import locked_versions
from gencove_explorer.capture.identity import identities_of_facts
from gencove_explorer.monitoring.stored_analysis import StoredAnalysis

_MOST_NAMED = 10


@dataclass(frozen=True)
class Difference:
    """One part that is different."""

    part: str
    """As ``Analysis`` calls it."""
    text: str
    """In words."""
    matters: bool = True
    """Whether a result may depend on it, so that jobs are not reused."""
    lines: tuple[str, ...] = ()
    """Of a unified diff."""


def differences(first: StoredAnalysis, second: StoredAnalysis) -> list[Difference]:
    """What is different in ``second``, the parts that results depend on before the others."""
    found = sorted(_differences(first, second), key=lambda one: not one.matters)
    return list(found)


def _differences(first: StoredAnalysis, second: StoredAnalysis) -> Iterator[Difference]:
    old, new = first.payload(), second.payload()
    yield from _function(first, second, old, new)
    yield from _config(old, new)
    yield from _packages(old, new)
    if old.spec.python != new.spec.python:
        yield Difference("python", f"{old.spec.python} -> {new.spec.python}")
    yield from _dependencies(first, second)
    yield from _definition(old, new)
    yield from _inputs(old, new)
    if first.record.labels != second.record.labels:
        yield Difference("labels", f"{first.record.labels} -> {second.record.labels}", matters=False)


def _function(
    first: StoredAnalysis, second: StoredAnalysis, old: Payload, new: Payload
) -> Iterator[Difference]:
    parts = [stored.rounds[0].parts.get("function", "") for stored in (first, second)]
    if old.source != new.source:
        lines = difflib.unified_diff(
            old.source.splitlines(), new.source.splitlines(), first.id, second.id, lineterm=""
        )
        same = bool(parts[0]) and parts[0] == parts[1]
        text = "another text, of the same code" if same else "another one"
        yield Difference("function", text, not same, tuple(lines))
    elif all(parts) and parts[0] != parts[1]:
        yield Difference("function", "the same text, but what it takes from outside itself is other")


def _config(old: Payload, new: Payload) -> Iterator[Difference]:
    before, after = identities_of_facts(old.global_config), identities_of_facts(new.global_config)
    names = [name for name in sorted({*before, *after}) if before.get(name) != after.get(name)]
    if names:
        yield Difference("global_config", ", ".join(_change(name, before, after) for name in names))


def _packages(old: Payload, new: Payload) -> Iterator[Difference]:
    if old.lock == new.lock:
        return
    before, after = locked_versions(old.lock or b""), locked_versions(new.lock or b"")
    changes = [
        f"{name} {before.get(name, '(none)')} -> {after.get(name, '(none)')}"
        for name in sorted({*before, *after})
        if before.get(name) != after.get(name)
    ]
    yield Difference("pip_packages", ", ".join(changes) or "the same versions, of other files")


def _dependencies(first: StoredAnalysis, second: StoredAnalysis) -> Iterator[Difference]:
    before = {ref.name: (ref.kind, ref.id) for ref in first.record.depends_on}
    after = {ref.name: (ref.kind, ref.id) for ref in second.record.depends_on}
    for name in sorted({*before, *after}):
        if before.get(name) != after.get(name):
            same_kind = name in before and name in after and before[name][0] == after[name][0]
            ids = f"{before[name][1]} -> {after[name][1]}" if same_kind else _change(name, before, after)
            yield Difference("depends_on", f"{name}: {ids}" if same_kind else ids)


def _definition(old: Payload, new: Payload) -> Iterator[Difference]:
    before, after = old.spec.job_definition.to_json(), new.spec.job_definition.to_json()
    for name in ("environment", "secrets"):  # by name alone: a value may be meant for few eyes
        variables = sorted({*before[name], *after[name]})
        changed = [each for each in variables if before[name].get(each) != after[name].get(each)]
        if changed:
            yield Difference(name, ", ".join(_change(each, before[name], after[name]) for each in changed))
        del before[name], after[name]
    for name in before:
        if before[name] != after.get(name):
            yield Difference(name, f"{before[name]} -> {after.get(name)}", matters=name == "image")


def _inputs(old: Payload, new: Payload) -> Iterator[Difference]:
    before, after = old.identities(NAMED), new.identities(NAMED)
    gone, added = Counter(before) - Counter(after), Counter(after) - Counter(before)
    if gone or added:
        texts = [
            f"{sum(counts.values()):,} only in the {which} ({_rows(identities, counts)})"
            for which, counts, identities in (("first", gone, before), ("second", added, after))
            if counts
        ]
        yield Difference("input", ", ".join(texts))
    elif before != after:
        yield Difference("input", "the same ones in another order", matters=False)


def _rows(identities: list[bytes], counts: Mapping[bytes, int]) -> str:
    rows = [index for index, identity in enumerate(identities) if identity in counts]
    shown = ", ".join(map(str, rows[:_MOST_NAMED]))
    return f"job{'s' if len(rows) > 1 else ''} {shown}{', ...' if len(rows) > _MOST_NAMED else ''}"


def _change(name: str, before: Mapping[str, object], after: Mapping[str, object]) -> str:
    if name not in before:
        return f"{name} is new"
    return f"{name} is other" if name in after else f"{name} is gone"
