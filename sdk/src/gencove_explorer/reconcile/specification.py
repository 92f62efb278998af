"""What a manifest asks for, as plain data, and whether that is another run than what was recorded.

Pure: nothing is read or written here.
"""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Self

from explorer_runner.format import validation
from explorer_runner.format.payload import ALL, EACH, FINISHED
from gencove_explorer.manifests.code_comparison import is_same_code

_LATER = ("cpu", "memory_mb", "memory_mb_max", "gpu", "timeout_seconds", "retries", "secrets")
"""Of a job definition, what no result depends on: the next attempt has it."""


@dataclass(frozen=True, kw_only=True)
class Specification:
    """All of a manifest that a revision records."""

    function: str
    """Name of the work function."""
    source: str
    """Its text, and that of what it takes along."""
    input: Mapping[str, Any]
    """What tells the inputs apart: a digest and their number, or which output of another manifest."""
    global_config: Mapping[str, Any] = field(default_factory=dict)
    pip_packages: tuple[str, ...] = ()
    folders: Mapping[str, str] = field(default_factory=dict)
    """Requirement that is a folder of the repository -> digest of what is in it."""
    lock: str | None = None
    """SHA-256 of the committed lock."""
    job_definition: Mapping[str, Any] = field(default_factory=dict)
    depends_on: Mapping[str, str] = field(default_factory=dict)
    """Name -> how it waits for it: all, each or finished."""
    labels: Mapping[str, str] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    """How it is run, where that is not the usual way: reuse, canary, max_failures, parallel."""
    on_failure: str = "hold"

    @property
    def resources(self) -> dict[str, Any]:
        """What each job asks of its machine."""
        return {name: self.job_definition.get(name) for name in _LATER}

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """From what ``to_json`` made, by this version or another. Raises ValueError or TypeError."""
        facts = validation.known(data, _CHECKS)
        kinds = {name: _kind(kind) for name, kind in facts.get("depends_on", {}).items()}
        packages = tuple(facts.get("pip_packages", ()))
        return cls(**{**facts, "pip_packages": packages, "depends_on": kinds})

    def changes(self, other: "Specification", rows: str = "") -> list[str]:
        """Why ``other`` asks for another run than this; empty if it does not.

        ``rows``: what became of the rows of its input, in words, where that is known.
        """
        return list(_changes(self, other, rows))

    def adjustments(self, other: "Specification") -> list[str]:
        """What else is different: of no consequence for results."""
        old, new = self.resources, other.resources
        names = [_said(name, old[name], new[name]) for name in _LATER if old[name] != new[name]]
        if self.labels != other.labels:
            names.append("labels")
        names += [
            _said(name, self.options.get(name), other.options.get(name))
            for name in sorted({*self.options, *other.options})
            if self.options.get(name) != other.options.get(name)
        ]
        if self.on_failure != other.on_failure:
            names.append(_said("on_failure", self.on_failure, other.on_failure))
        return names


def _kind(value: Any) -> str:
    """How a manifest waits for another; older revisions say whether job by job. Raises ValueError."""
    if value in (ALL, EACH, FINISHED):
        return str(value)
    validation.flag(value)
    return EACH if value else ALL


_CHECKS: dict[str, validation.Check] = {
    "function": validation.text(),
    "source": validation.text(None),
    "input": validation.mapped(),
    "global_config": validation.mapped(),
    "pip_packages": validation.listed(validation.text()),
    "folders": validation.mapped(validation.text()),
    "lock": validation.optional(validation.text()),
    "job_definition": validation.mapped(),
    "depends_on": validation.mapped(_kind),
    "labels": validation.mapped(validation.text(None)),
    "options": validation.mapped(),
    "on_failure": validation.text(),
}


def _changes(old: Specification, new: Specification, rows: str) -> Iterator[str]:
    if not is_same_code(old.source, new.source):
        yield f"function {new.function}"
    elif old.function != new.function:
        yield _said("function", old.function, new.function)
    if old.input != new.input:
        before, after = old.input.get("jobs"), new.input.get("jobs")
        if rows:
            yield f"input: {rows}"
        else:
            yield "input" if before == after else f"input: {before or '?'} -> {after or '?'} jobs"
    if old.global_config != new.global_config:
        names = sorted(
            name
            for name in old.global_config.keys() | new.global_config.keys()
            if old.global_config.get(name, _NONE) != new.global_config.get(name, _NONE)
        )
        yield f"global_config: {', '.join(names)}"
    yield from _package_changes(old, new)
    for name in ("image", "environment"):
        before, after = old.job_definition.get(name) or None, new.job_definition.get(name) or None
        if before != after:
            yield _said(name, before, after) if name == "image" else name
    if old.depends_on != new.depends_on:
        yield f"depends_on: {', '.join(new.depends_on) or 'nothing'}"


def _package_changes(old: Specification, new: Specification) -> Iterator[str]:
    gone, added = set(old.pip_packages) - set(new.pip_packages), set(new.pip_packages) - set(old.pip_packages)
    if gone or added:
        changes = [f"- {requirement}" for requirement in sorted(gone)] + [
            f"+ {requirement}" for requirement in sorted(added)
        ]
        yield f"pip_packages: {', '.join(changes)}"
    else:
        for folder in new.folders:
            if old.folders.get(folder) != new.folders[folder]:
                yield f"what is in {folder}"
    if old.lock != new.lock:
        yield "the lock" if old.lock and new.lock else "a lock was added" if new.lock else "the lock is gone"


def _said(name: str, old: Any, new: Any) -> str:
    return f"{name} {old} -> {new}"


_NONE: Any = object()
