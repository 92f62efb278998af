"""Why a dependency failed: the first analysis that did, and its exception."""

from explorer_runner.errors import ExplorerError
from explorer_runner.format.keys import FAILED, AttemptId
from explorer_runner.format.outcome import read as read_outcome
from explorer_runner.format.payload import DependencyRef
from explorer_runner.results import outcome_names
from explorer_runner.stores.base import Store
from gencove_explorer.records.closed import read_closed
from gencove_explorer.records.round import Rounds, read_rounds
from gencove_explorer.records.states import settled_states

DEPENDENCY_FAILED = "Dependency failed: "
_DEPTH = 20
_LENGTH = 300
"""Characters of a reason that are handed on."""


def dependency_failed(store: Store, ref: DependencyRef, index: int | None = None) -> str:
    """Why jobs that depend on ``ref`` never run: ``Dependency failed: clean (ID): job 3: ValueError: ...``.

    Of one that failed for a dependency of its own, that is what is named, and so on to the first. ``index``:
    the job that is meant; None: the first that failed. A few requests.
    """
    try:
        return _root(store, ref, index, _DEPTH) or _named(ref)
    except ExplorerError:
        return _named(ref)  # what can be read of it does not tell


def _named(ref: DependencyRef) -> str:
    return f"{DEPENDENCY_FAILED}{ref.name} ({ref.id})"


def _root(store: Store, ref: DependencyRef, index: int | None, depth: int) -> str | None:
    """What failed first, of this analysis or of those that it depends on; None if nothing has."""
    rounds = read_rounds(store, ref.id)
    found = _first_failure(store, ref, rounds, index)
    if found is not None:
        failed, reason = found
        reason = reason.partition("\n")[0][:_LENGTH]
        if reason.startswith(DEPENDENCY_FAILED):
            return reason  # it names the first already
        return f"{_named(ref)}: {f'job {failed}: ' if ref.array else ''}{reason}"
    # Nobody may have looked yet at what failed for a dependency of its own.
    for upstream in rounds[-1].depends_on if rounds and depth else ():
        if not upstream.finished:
            root = _root(store, upstream, index if upstream.each else None, depth - 1)
            if root is not None:
                return root
    return None


def _first_failure(
    store: Store, ref: DependencyRef, rounds: Rounds, index: int | None
) -> tuple[int, str] | None:
    """The first job that failed, or the one that is meant, and why."""
    names = outcome_names(store, ref.id)
    states, outcomes, closed = settled_states(ref.jobs, rounds, names, read_closed(store, ref.id))
    failed = [number for number, state in enumerate(states) if state == FAILED]
    # What was tried tells more than what was closed for it.
    tried = [number for number in failed if number not in closed and number in outcomes]
    chosen = index if index is not None else next(iter(tried or failed), None)
    if chosen is None or states[chosen] != FAILED:
        return None
    if chosen in closed:
        return chosen, closed[chosen]
    name = outcomes[chosen]
    outcome = read_outcome(store, ref.id, AttemptId(*name[:3]), name.status)
    return (chosen, outcome.reason) if outcome.reason else None
