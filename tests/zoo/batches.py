"""Rows of the zoo as analyses: many in one, which is split where something is refused or fails."""

import pickle
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from zlib import crc32

from gencove_explorer.analysis import Analysis, GlobalConfig, JobDefinition
from gencove_explorer.capture.function_pickler import FunctionPickler
from gencove_explorer.errors import ExplorerError

SECONDS = 300.0
SMALL = JobDefinition(cpu=1, memory_mb=2000, timeout_seconds=200)
WAYS = ("input", "global_config", "captured", "output")


@dataclass(frozen=True, kw_only=True, eq=False)
class Thing:
    """A row with its object."""

    row: str
    expression: str
    view: str
    expected: Any
    """What the view shows of it here."""
    value: Any
    """It is pickled again and again, and never viewed."""
    plain: bytes | str
    """Its pickle by plain cloudpickle, or why there is none."""

    @property
    def key(self) -> str:
        """A name of a variable."""
        return f"thing_{crc32(self.row.encode()):08x}"


@dataclass(frozen=True)
class Batch:
    """Things, each on several ways into one job."""

    things: Sequence[Thing]
    ways: tuple[str, ...] = WAYS

    @property
    def single(self) -> bool:
        return len(self.things) == len(self.ways) == 1

    def halves(self) -> "Iterator[Batch]":
        """By ways first, then by things."""
        if len(self.ways) > 1:
            yield from (Batch(self.things, (way,)) for way in self.ways)
        else:
            middle = len(self.things) // 2
            yield from (Batch(part, self.ways) for part in (self.things[:middle], self.things[middle:]))


@dataclass
class Seen:
    """What came of one thing on one way: ``seen`` with its view, ``refused`` or ``failed`` with a text."""

    outcome: str
    text: str = ""
    value: Any = None


@dataclass
class Zoo:
    """Runs batches. ``names`` are the globals of the notebook, which work functions are defined in."""

    names: dict[str, Any]
    packages: Sequence[str] = ()
    results: dict[str, dict[str, Seen]] = field(default_factory=lambda: defaultdict(dict))
    """By key and way."""

    def run(self, batches: Sequence[Batch]) -> None:
        """Run batches, and parts of those that failed, until everything has a result."""
        while batches:
            submitted = [(batch, self._submit(batch)) for batch in batches]
            batches = [part for batch, an in submitted for part in self._gather(batch, an)]

    def _submit(self, batch: Batch) -> Analysis | ExplorerError:
        taken = {way: {thing.key: thing.value for thing in batch.things} for way in batch.ways}
        given = {
            "views": {thing.key: thing.view for thing in batch.things},
            "things": taken.get("input", {}),
            "outputs": taken.get("output", {}),
        }
        an = Analysis(
            function=self._function(batch.ways, taken.get("captured", {})),
            input=given,
            global_config=GlobalConfig(**taken.get("global_config", {})),
            pip_packages=list(self.packages),
            job_definition=SMALL,
            name="zoo",
        )
        return _run(an)

    def _function(self, ways: Sequence[str], captured: Mapping[str, Any]) -> Callable[[Any], None]:
        """A work function of the notebook that looks at what came on some ways."""
        self.names.update(captured)
        listed = ", ".join(f"{name!r}: {name}" for name in captured)
        sources = {
            "input": "ac.input['things']",
            "global_config": "vars(ac.global_context)",
            "captured": f"{{{listed}}}",
        }
        taken = ", ".join(f"{way!r}: {sources[way]}" for way in ways if way in sources)
        return self.define(f"look(ac, {{{taken}}})")

    def define(self, statement: str) -> Callable[[Any], None]:
        """A work function of one statement, as if it had been typed into the notebook."""
        exec(f"def work(ac):\n    {statement}", self.names)
        function: Callable[[Any], None] = self.names.pop("work")
        return function

    def _gather(self, batch: Batch, an: Analysis | ExplorerError) -> Iterator[Batch]:
        if isinstance(an, Analysis) and _succeeds(an):
            self._read(batch, an)
        elif not batch.single:
            yield from batch.halves()
        else:
            outcome = "failed" if isinstance(an, Analysis) else "refused"
            self._put(batch.things[0], batch.ways[0], Seen(outcome, _fault(an)))

    def _read(self, batch: Batch, an: Analysis) -> None:
        seen, refused = pickle.loads(an.get_output().file("seen").as_local().read_bytes())
        for thing in batch.things:
            for way in seen:
                self._put(thing, way, unpickled(seen[way][thing.key]))
            if thing.key in refused:
                self._put(thing, "output", _output(an, thing, refused[thing.key], self.names["view_of"]))

    def _put(self, thing: Thing, way: str, seen: Seen) -> None:
        self.results[thing.key][way] = seen

    def outcomes(self, thing: Thing) -> list[str]:
        return [seen.outcome for seen in self.results[thing.key].values()]

    def follow(self, things: Sequence[Thing]) -> None:
        """Do what refusals advise: make things inside the work function."""
        if not things:
            return
        listed = ", ".join(f"({thing.key!r}, {thing.view!r}, lambda: {thing.expression})" for thing in things)
        an = _run(
            Analysis(
                function=self.define(f"make_inside(ac, [{listed}])"),
                pip_packages=list(self.packages),
                job_definition=SMALL,
                name="inside",
            )
        )
        if isinstance(an, Analysis) and _succeeds(an):
            self._read(Batch(things, ("inside",)), an)
        elif len(things) > 1:
            middle = len(things) // 2
            self.follow(things[:middle])
            self.follow(things[middle:])
        else:
            self._put(things[0], "inside", Seen("failed", _fault(an)))


def _run(an: Analysis) -> Analysis | ExplorerError:
    try:
        an.run()
    except ExplorerError as error:
        return error
    return an


def _succeeds(an: Analysis) -> bool:
    an.wait_done(timeout=SECONDS)
    return an.status()["status"] == "SUCCEEDED"


def _fault(an: Analysis | ExplorerError) -> str:
    if isinstance(an, ExplorerError):
        return str(an)
    return "; ".join(group.traceback or group.reason for group in an.failures())


def _output(an: Analysis, thing: Thing, refusal: str | None, view_of: Callable[..., Any]) -> Seen:
    if refusal is not None:
        return Seen("refused", refusal)
    try:
        return Seen("seen", value=view_of(an.get_output().value(thing.key), thing.view)[1])
    except ExplorerError as error:
        return Seen("failed", str(error))


def unpickled(raw: bytes) -> Seen:
    """A view that another process pickled."""
    try:
        outcome, value = pickle.loads(raw)
    except Exception as error:
        return Seen("failed", f"the view came back and cannot be read: {error}")
    return Seen("failed", str(value)) if outcome == "failed" else Seen("seen", value=value)


def refusal(thing: Thing, capture: FunctionPickler) -> str:
    """What submission says of a thing as input; empty: it is taken."""
    try:
        capture.value({"thing": thing.value}, "input")
    except ExplorerError as error:
        return str(error)
    return ""
