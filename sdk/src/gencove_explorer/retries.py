"""Running failed jobs again, under the same id, as a further round."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from explorer_runner.definition import JobDefinition
from explorer_runner.errors import AlreadyExists
from explorer_runner.keys import FAILED
from explorer_runner.payload import Payload
from explorer_runner.versions import packages_in
from gencove_explorer.backend import Backend
from gencove_explorer.capture import Capture
from gencove_explorer.drafts import check_definition, own_image
from gencove_explorer.errors import DependencyError, NoSuchAnalysis
from gencove_explorer.functions import check_function, source_of
from gencove_explorer.log import get_logger
from gencove_explorer.modules import Modules
from gencove_explorer.records import Closed, RoundRecord, write_closed
from gencove_explorer.stored import StoredAnalysis, find
from gencove_explorer.submission import Parts, check_python, describe, stored_parts, write_round

_log = get_logger(__name__)


def retry_failed(
    stored: StoredAnalysis,
    definition: JobDefinition | None,
    function: Callable[[Any], Any] | None,
    backend: Backend | None = None,
) -> int:
    """Submit the failed jobs again, those of dependencies first; returns how many of its own."""
    check_definition(definition)
    if function is not None:
        check_function(function, stored.record.name)
    backend = backend or Backend()
    observed = stored.observe()
    failed = observed.indices(FAILED)
    if not failed:
        return 0
    for dependency in _dependencies(stored, backend):
        retry_failed(dependency, None, None, backend)
    executor = backend.executor_of(stored.store)
    number = max(each.round for each in stored.rounds) + 1
    for record, indices in _by_round(stored.rounds, failed):
        asked = definition or _asked(stored, record)
        wanted, image = executor.fit(asked), own_image(asked, executor)
        loaded = stored.payload(record.round)
        parts = _parts(stored, backend, record, loaded, indices)
        if function is not None:
            modules = Modules(loaded.lock)
            parts.source, parts.facts = source_of(function)
            capture = Capture(modules, imports=image is None)
            with capture.travelling_with(function):
                parts.function = capture.function(function)
                parts.pickled_with |= packages_in(parts.function)
        spec = describe(
            id=stored.id,
            name=stored.record.name,
            parts=parts,
            jobs=stored.record.jobs,
            array=stored.record.array,
            definition=wanted,
            depends_on=stored.record.depends_on,
            pip_packages=stored.record.pip_packages,
            round=number,
            indices=indices,
        )
        missing = sorted(set(indices).intersection(observed.missing))
        if missing:  # first of all: whoever may still be submitting the old round sees it, and stops
            reason = observed.reason or "never submitted"
            write_closed(stored.store, stored.id, record.round, Closed.of({reason: missing}))
        try:
            new = write_round(
                stored.store,
                spec,
                parts,
                executor.name,
                executor.place,
                backend.settings.home,
                asked.image,
            )
        except AlreadyExists:
            _log.warning("%s: somebody else is running its failed jobs again just now", stored.id)
            return 0
        finally:
            parts.inputs.discard()
        executor.submit(stored.store, new, stored.record)
        number += 1
    jobs = "1 failed job" if len(failed) == 1 else f"{len(failed):,} failed jobs"
    _log.info("%s: running %s again", stored.id, jobs)
    return len(failed)


def _dependencies(stored: StoredAnalysis, backend: Backend) -> list[StoredAnalysis]:
    """What it depends on, which lies where it does. Raises DependencyError for what was deleted."""
    found = []
    for ref in stored.record.depends_on:
        try:
            found.append(backend.open(stored.store, find(stored.store, ref.id)))
        except NoSuchAnalysis as error:
            raise DependencyError(
                f"{stored.id} cannot be run again: {ref.name} ({ref.id}), which it depends on, was deleted. "
                f"Submit both anew: run() of {stored.record.name}, with depends_on=[...]"
            ) from error
    return found


def _asked(stored: StoredAnalysis, record: RoundRecord) -> JobDefinition:
    """What a round was asked for: on AWS Batch its definition has the image's digest.

    So the runner's image of today is taken again, and not for ever the one of the first day.
    """
    if record.image != "":
        return replace(record.job_definition, image=record.image)
    # Written before rounds said so: the index has what the first one was asked for.
    if record.job_definition.image != stored.rounds[0].job_definition.image:
        return record.job_definition
    return replace(record.job_definition, image=stored.record.job_definition.image)


def _by_round(rounds: list[RoundRecord], indices: list[int]) -> list[tuple[RoundRecord, list[int]]]:
    """The jobs by the last round that each was in: what they were made of may differ."""
    last: dict[int, RoundRecord] = {}
    for record in rounds:
        last.update(dict.fromkeys(record.all_indices(), record))
    groups: dict[int, list[int]] = {}
    for index in indices:
        groups.setdefault(last[index].round, []).append(index)
    return [(record, groups[record.round]) for record in rounds if record.round in groups]


def _parts(
    stored: StoredAnalysis, backend: Backend, record: RoundRecord, loaded: Payload, indices: list[int]
) -> Parts:
    position_of = {index: position for position, index in enumerate(record.all_indices())}
    positions = [position_of[index] for index in indices]
    parts = stored_parts(stored.store, loaded, positions, backend.settings.home / "tmp", same_analysis=True)
    check_python(parts)
    return parts
