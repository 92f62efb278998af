"""Where no earlier round has the recipe: which part of it is another one than last time."""

from explorer_runner.errors import ExplorerError
from explorer_runner.format.names import parse_id
from explorer_runner.stores.base import Store
from gencove_explorer.records.round import read_rounds
from gencove_explorer.submission.reuse.recipe import FILES

_MOST_DAYS = 10


def explain_nothing(store: Store, name: str, parts: dict[str, str]) -> str:
    """Why there is nothing to reuse for an analysis of this name: a few requests."""
    earlier = _newest_of_name(store, name)
    if earlier is None:
        return f"nothing to reuse: there is no earlier analysis {name}"
    try:
        then = read_rounds(store, earlier)[0].parts
    except (ExplorerError, IndexError):
        return "nothing to reuse"
    if not then:
        return f"nothing to reuse: {earlier} was submitted by a version that kept no record of what it ran"
    others = [part for part in parts if part != FILES and parts[part] != then.get(part)]
    differ, those = ("differs", "that") if len(others) == 1 else ("differ", "those")
    what = " and ".join(others)
    return f"nothing to reuse: {what} {differ} from {those} of {earlier}: explorer diff shows how"


def _newest_of_name(store: Store, name: str) -> str | None:
    """The newest listed analysis of a name; its id tells, so nothing is read for it."""
    for day in sorted(store.list_folders("index"), reverse=True)[:_MOST_DAYS]:
        own = [entry.removesuffix(".json") for entry in store.list_names(f"index/{day}")]
        ids = [analysis_id for analysis_id in own if _name_of(analysis_id) == name]
        if ids:
            return max(ids)
    return None


def _name_of(text: str) -> str | None:
    try:
        return parse_id(text).name
    except ValueError:
        return None
