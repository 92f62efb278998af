"""Submits the rows of some packages on every way, and writes what came of each as a line of JSON."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from gencove_explorer.capture.function_pickler import FunctionPickler
from gencove_explorer.capture.modules import JobModules
from zoo.batches import WAYS, Batch, Seen, Thing, Zoo, refusal, unpickled
from zoo.equality import as_value, same
from zoo.plain import pickled, views_elsewhere
from zoo.table import TABLE, parts

ADVICE = re.compile(r'add pip_packages=\["([^"]+)"\]')
WITHOUT_PACKAGES = ("standard library", "the notebook")


def drive(names: dict[str, Any], packages: Sequence[str], results: Path) -> None:
    """``names`` are the notebook's globals."""
    groups: dict[str, list[Thing]] = {package: [] for package in packages}
    unfit: dict[str, str] = {}
    for package in packages:
        for row in TABLE[package]:
            try:
                groups[package].append(_thing(row, names))
            except Exception as error:
                unfit[row] = f"{type(error).__name__}: {error}"
    things = [thing for group in groups.values() for thing in group]
    plain = _plain(things, names, results.parent)
    without_packages = FunctionPickler(JobModules(None))
    bare = {
        thing.key: refusal(thing, without_packages)
        for package in packages
        for thing in groups[package]
        if package not in WITHOUT_PACKAGES and plain[thing.key].outcome == "seen"
    }
    zoo = Zoo(names, sorted({line for text in bare.values() for line in ADVICE.findall(text)}))
    zoo.run([batch for group in groups.values() for batch in _batches(group, plain)])
    for group in groups.values():
        zoo.follow([thing for thing in group if "refused" in zoo.outcomes(thing)])
    lines = [_line(thing, zoo, plain, bare) for thing in things]
    with open(results, "w") as file:
        for line in [*lines, *({"row": row, "unfit": fault} for row, fault in unfit.items())]:
            print(json.dumps(line), file=file)


def _thing(row: str, names: dict[str, Any]) -> Thing:
    """A row's thing. Raises any error for one that cannot be made, or compared."""
    expression, view = parts(row)
    (outcome, expected), again = (
        names["view_of"](names["evaluate"](expression, names), view) for _ in range(2)
    )
    if outcome != "seen" or not same(expected, again[1]):
        raise ValueError(f"two views of it are {expected!r} and {again[1]!r}")
    value = names["evaluate"](expression, names)
    return Thing(
        row=row, expression=expression, view=view, expected=expected, value=value, plain=pickled(value)
    )


def _batches(group: Sequence[Thing], plain: Mapping[str, Seen]) -> Iterator[Batch]:
    """What plain cloudpickle carries in one; the rest one by one, as it will be refused."""
    carried = [thing for thing in group if plain[thing.key].outcome == "seen"]
    if carried:
        yield Batch(carried)
    rest = [thing for thing in group if thing not in carried]
    yield from (Batch([thing], (way,)) for thing in rest for way in WAYS if way != "output")


def _plain(things: Sequence[Thing], names: dict[str, Any], folder: Path) -> dict[str, Seen]:
    """What plain cloudpickle makes of each thing."""
    carried = {thing.key: (thing.plain, thing.view) for thing in things if isinstance(thing.plain, bytes)}
    seen = views_elsewhere(carried, names["pickled_view"], folder)
    return {
        thing.key: unpickled(seen[thing.key]) if thing.key in seen else Seen("refused", str(thing.plain))
        for thing in things
    }


def _line(thing: Thing, zoo: Zoo, plain: Mapping[str, Seen], bare: Mapping[str, str]) -> dict[str, Any]:
    def told(seen: Seen, way: str = "") -> list[str]:
        if seen.outcome != "seen":
            return [seen.outcome, seen.text]
        right = as_value(thing.expected) if way == "output" and thing.view == "o" else thing.expected
        if same(seen.value, right):
            return ["same", ""]
        return ["different", f"{seen.value!r} instead of {right!r}"[:500]]

    return {
        "row": thing.row,
        "plain": told(plain[thing.key]),
        "bare": bare.get(thing.key),
        "ways": {way: told(seen, way) for way, seen in zoo.results[thing.key].items()},
    }
