"""Which jobs of a submission need not run, and why the others do.

The number of requests does not depend on the number of inputs: one listing finds the rounds of the recipe,
and of the newest of these a few objects each are read until all inputs are found.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from explorer_runner.format.payload import DependencyRef
from explorer_runner.format.reused import Origin, Reused
from explorer_runner.stores.base import Store
from gencove_explorer.aws.file_versions import FileVersion
from gencove_explorer.records.reuse_index import Entry, rounds_of_recipe
from gencove_explorer.submission.reuse.candidates import (
    Candidate,
    DependencyOutputs,
    Offer,
    read_candidate,
)
from gencove_explorer.submission.reuse.recipe import FILES, recipe_of

MOST_ROUNDS = 20
"""So many rounds of a recipe are looked at: the newest."""
_AT_ONCE = 4
_MARGIN_SECONDS = 2.0
"""A file written so shortly before a submission may have been written after it: clocks are coarse."""
_NAMED_JOBS = 10

NEW = "its input is new"
UNSUCCESSFUL = "it has not succeeded before"


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What is to be run, as far as reuse is concerned."""

    parts: Mapping[str, str]
    """Of the recipe, FILES among them."""
    depends_on: Sequence[DependencyRef]
    named: Sequence[bytes]
    """By job the identity of its input, with files by address."""
    content: Sequence[bytes]
    """Likewise, with files by what they hold."""
    addresses: Mapping[int, frozenset[str]]
    """By job the files that its input names."""
    shared_files: frozenset[str]
    versions: Mapping[str, FileVersion]

    @property
    def jobs(self) -> int:
        return len(self.named)


@dataclass
class Found:
    """What need not run."""

    jobs: int
    origins: dict[int, Origin] = field(default_factory=dict)
    reasons: dict[int, str] = field(default_factory=dict)
    """By job why it runs."""
    rounds: int = 0
    """Earlier rounds of this recipe."""
    note: str = ""
    """Why there is none."""

    @property
    def reused(self) -> Reused:
        return Reused.of(self.origins)

    @property
    def to_run(self) -> list[int]:
        return [index for index in range(self.jobs) if index not in self.origins]

    @property
    def in_words(self) -> str:
        """``9,998 reused, 2 to run: job 17 (its input is new), job 20 (...)``."""
        text = f"{len(self.origins):,} reused, {len(self.to_run):,} to run"
        if not self.to_run or self.note:
            return f"{text}: {self.note}" if self.note else text
        if len(self.to_run) <= _NAMED_JOBS:
            return f"{text}: {', '.join(f'job {index} ({self.reasons[index]})' for index in self.to_run)}"
        counts = Counter(self.reasons[index] for index in self.to_run).most_common(_NAMED_JOBS)
        return f"{text}: {'; '.join(f'{count:,}: {reason}' for reason, count in counts)}"


def find_reusable(store: Store, wanted: Wanted, planned: Mapping[str, Reused]) -> Found:
    """Match the jobs of a submission with earlier rounds of its recipe.

    planned: of dependencies that are about to be submitted, by id the jobs that are reused.
    """
    known = rounds_of_recipe(store, recipe_of(wanted.parts))
    # Of a round with a single input its name tells which; files of other addresses may hold the same.
    named = {identity.hex() for identity in wanted.named}
    entries = [one for one in known if not one.identity or wanted.addresses or one.identity in named]
    search = _Search(wanted, DependencyOutputs(store, planned), Found(wanted.jobs, rounds=len(entries)))
    for candidate in _read(store, entries[:MOST_ROUNDS]):
        search.take(candidate)
        if not search.missing:
            break
    for index in search.missing:
        search.found.reasons.setdefault(index, NEW)
    return search.found


def _read(store: Store, entries: Sequence[Entry]) -> Iterator[Candidate]:
    """The candidates, the newest first and alone, as it mostly has all; the others a few at once."""
    with ThreadPoolExecutor(max_workers=_AT_ONCE) as pool:
        for batch in (entries[:1], *(entries[i : i + _AT_ONCE] for i in range(1, len(entries), _AT_ONCE))):
            for candidate in pool.map(lambda entry: read_candidate(store, entry), batch):
                if candidate is not None:
                    yield candidate


class _Search:
    """Takes what candidates offer, the newest first."""

    def __init__(self, wanted: Wanted, outputs: DependencyOutputs, found: Found) -> None:
        self.wanted, self.outputs, self.found = wanted, outputs, found
        self._by_name = _jobs_by_identity(wanted.named)
        self._by_content = _jobs_by_identity(wanted.content)

    @property
    def missing(self) -> list[int]:
        return self.found.to_run

    def take(self, candidate: Candidate) -> None:
        """Reuse what a candidate offers of the jobs that are still missing."""
        shared = self._shared_reason(candidate)
        differs = self.outputs.compare(self.wanted.depends_on, candidate.record.depends_on)
        # Of inputs that hold the same, the one of the same address first: a job may look at its name.
        for same_address in (True, False):
            for offer in candidate.offers:
                for index in self._wanting(offer, same_address):
                    reason = shared or differs(index, offer.index) or self._why_not(candidate, offer, index)
                    if reason:
                        self.found.reasons.setdefault(index, reason)
                    elif offer.origin is not None:
                        self.found.origins[index] = offer.origin

    def _wanting(self, offer: Offer, same_address: bool) -> list[int]:
        if same_address:
            jobs = self._by_name.get(offer.named, ())
        else:
            jobs = self._by_content.get(offer.content, ()) if offer.content is not None else ()
        return [index for index in jobs if index not in self.found.origins]

    def _why_not(self, candidate: Candidate, offer: Offer, index: int) -> str:
        """Why a job cannot take an offer for its input; empty if it can."""
        if offer.origin is None:
            return UNSUCCESSFUL
        addresses = self.wanted.addresses.get(index, frozenset())
        if not addresses:
            return ""
        unknown = sorted(address for address in addresses if not self.wanted.versions[address].version)
        if unknown:
            return f"what {unknown[0]} holds cannot be told"
        if offer.content is not None:
            if offer.content == self.wanted.content[index]:
                return ""
            return f"{_one_of(addresses)} has changed"
        return self._since(candidate, addresses)

    def _since(self, candidate: Candidate, addresses: frozenset[str]) -> str:
        """Why it is not known that files are as they were when a candidate was submitted; empty if it is."""
        limit = candidate.record.submitted - _MARGIN_SECONDS
        later = sorted(address for address in addresses if self.wanted.versions[address].changed >= limit)
        if not later:
            return ""
        return f"{later[0]} may have changed: what it held was not recorded, as that run was without reuse"

    def _shared_reason(self, candidate: Candidate) -> str:
        files, then = self.wanted.shared_files, candidate.record.parts.get(FILES, "")
        if not files:
            return ""
        unknown = sorted(address for address in files if not self.wanted.versions[address].version)
        if unknown:
            return f"what {unknown[0]} holds cannot be told"
        if then:
            return "" if then == self.wanted.parts[FILES] else f"{_one_of(files)} has changed"
        return self._since(candidate, files)


def _jobs_by_identity(identities: Sequence[bytes]) -> dict[bytes, list[int]]:
    jobs: dict[bytes, list[int]] = {}
    for index, identity in enumerate(identities):
        jobs.setdefault(identity, []).append(index)
    return jobs


def _one_of(addresses: frozenset[str]) -> str:
    first = min(addresses)
    return first if len(addresses) == 1 else f"{first}, or another of its {len(addresses)} files,"
