"""Rounds by their recipe, and who reads whose results: what reuse keeps in the store.

A result that others read is not deleted. Two processes agree on that without a lock: who borrows leaves a
mark and then looks whether the analysis is being deleted, who deletes says so and then looks for marks. So at
least one of the two sees the other.
"""

from collections.abc import Iterable
from typing import NamedTuple

from explorer_runner.errors import AlreadyExists
from explorer_runner.format.keys import (
    borrower_key,
    borrowers_prefix,
    deleting_key,
    parse_number,
    recipe_prefix,
    rounds_prefix,
)
from explorer_runner.format.names import check_id
from explorer_runner.stores.base import Store


class Entry(NamedTuple):
    """A round of a recipe."""

    analysis: str
    round: int
    identity: str
    """Of its one input, in hex digits; empty of a round with several."""


def note_round(store: Store, recipe: str, entry: Entry) -> None:
    """Have later submissions of this recipe find the round."""
    try:
        store.create(_key(recipe, entry), b"")
    except AlreadyExists:
        pass


def forget_round(store: Store, recipe: str, entry: Entry) -> None:
    store.delete(_key(recipe, entry))


def rounds_of_recipe(store: Store, recipe: str) -> list[Entry]:
    """The rounds of a recipe, the newest first: one listing."""
    entries = map(_parse, store.list_names(recipe_prefix(recipe)))
    # Ids begin with the time of submission.
    return sorted((entry for entry in entries if entry is not None), reverse=True)


def _key(recipe: str, entry: Entry) -> str:
    end = f".{entry.identity}" if entry.identity else ""
    return f"{recipe_prefix(recipe)}/{entry.analysis}.{entry.round}{end}"


def _parse(name: str) -> Entry | None:
    analysis, round, identity = (*name.split("."), "")[:3]
    number = parse_number(f"{round}.json")
    return Entry(analysis, number, identity) if number is not None and _is_id(analysis) else None


def borrow(store: Store, analyses: Iterable[str], borrower: str) -> list[str]:
    """Mark analyses as read by another; returns those that are gone, or about to be."""
    lost = []
    for analysis in analyses:
        try:
            store.create(borrower_key(analysis, borrower), b"")
        except AlreadyExists:
            pass
        if store.exists(deleting_key(analysis)) or not store.list_names(rounds_prefix(analysis)):
            lost.append(analysis)
    return lost


def give_back(store: Store, analyses: Iterable[str], borrower: str) -> None:
    """Take the marks away."""
    for analysis in analyses:
        store.delete(borrower_key(analysis, borrower))


def begin_deleting(store: Store, analysis: str) -> list[str]:
    """Say that an analysis is being deleted; returns the ids of those that read results of it."""
    try:
        store.create(deleting_key(analysis), b"")
    except AlreadyExists:
        pass
    # One that was deleted itself, by a process that was killed, may have left its mark.
    return [name for name in store.list_names(borrowers_prefix(analysis)) if _exists(store, name)]


def end_deleting(store: Store, analysis: str) -> None:
    """Say that it stays."""
    store.delete(deleting_key(analysis))


def _exists(store: Store, analysis: str) -> bool:
    return _is_id(analysis) and bool(store.list_names(rounds_prefix(analysis)))


def _is_id(text: str) -> bool:
    try:
        check_id(text)
    except ValueError:
        return False
    return True
