"""JobManager: analyses of the past, found by id, time, name and user."""

import re
import time
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta

from explorer_runner.errors import NotFound, PayloadError
from explorer_runner.keys import index_key
from explorer_runner.names import parse_id
from explorer_runner.stores import Store
from gencove_explorer.analysis import Analysis
from gencove_explorer.backend import Backend
from gencove_explorer.display import analyses_as_html, analyses_as_text
from gencove_explorer.durations import seconds
from gencove_explorer.errors import InvalidFilter
from gencove_explorer.log import get_logger
from gencove_explorer.records import IndexRecord
from gencove_explorer.settings import Settings

__all__ = ["JobList", "JobManager"]

_DAY = timedelta(days=1)
_STAMP = len("2023-05-08T154506")

_log = get_logger(__name__)


class JobList(list[Analysis]):
    """Analyses, newest first; prints as a table, in a notebook too."""

    def __repr__(self) -> str:
        return analyses_as_text([analysis._submitted() for analysis in self])

    __str__ = __repr__

    def _repr_html_(self) -> str:
        return analyses_as_html([analysis._submitted() for analysis in self])


class JobManager:
    """Finds analyses that were submitted before, from any process and machine."""

    def __init__(self, settings: Settings | None = None) -> None:
        self._backend = Backend(settings)

    def get_analysis(self, job_id: str | None = None, *, manifest: str | None = None) -> Analysis:
        """The analysis of an id, or the one that fulfils a manifest of the project; nothing is unpickled.

        Every method of Analysis works on it. ``run`` takes function, input and configuration as they are
        stored, but for what was set on it; ``input`` and ``global_config`` are unpickled when asked for.
        Raises NoSuchAnalysis or InvalidName.
        """
        if manifest is not None:
            if job_id is not None:
                raise TypeError("get_analysis() takes either job_id= or manifest=, not both")
            from gencove_explorer.reconcile.revisions import Revisions, analysis_of

            settings = self._backend.settings
            job_id = analysis_of(Revisions(self._backend.store, settings.project_name), manifest)
        return Analysis._found(self._backend.find(job_id or ""))

    def list_jobs(
        self,
        since: str | float | timedelta | None = None,
        date: str | date | None = None,
        name: str | None = None,
        user: str | None = None,
    ) -> JobList:
        """Analyses, newest first, that meet every filter that is given.

        since: submitted within this length of time (``1h``, ``1d``, ``2w``).
        date: submitted on a day (``2023-05-09``, or a ``datetime.date``) or in a month (``2023-04``), UTC.
        name: this text is in the name, in whatever case.
        user: submitted by this user.

        Raises InvalidFilter for one that is none.
        """
        for what, text in (("name", name), ("user", user)):
            if text is not None and not isinstance(text, str):
                raise InvalidFilter(f"{what}={text!r}: use text, such as {what}='example'")
        earliest = datetime.now(UTC) - timedelta(seconds=seconds(since)) if since is not None else None
        first, last = _days(date, earliest)
        found: dict[str, Store] = {}
        for store in self._backend.stores:
            for day in _days_in(store, first, last):
                for analysis_id in _ids(store, day):
                    if _matches(analysis_id, earliest, name):
                        found.setdefault(analysis_id, store)
        return self._open(found, user)

    def search(self, text: str) -> JobList:
        """Analyses with ``text`` in their id, newest first; ``last`` is the newest one."""
        for store in self._backend.stores:
            days = sorted(store.folders("index"), reverse=True)
            if text == "last":
                newest = next((list(_ids(store, day)) for day in days), [])
                second = max((each[:_STAMP] for each in newest), default="")
                ids = [each for each in newest if each.startswith(second)]
            else:
                ids = [each for day in days for each in _ids(store, day) if text in each]
            if ids:
                found = self._open(dict.fromkeys(ids, store), None)
                return JobList(found[:1]) if text == "last" else found
        return JobList()

    def _open(self, found: Mapping[str, Store], user: str | None) -> JobList:
        records = _read([(store, index_key(parse_id(key).date, key)) for key, store in found.items()])
        stored = [
            self._backend.open(store, record)
            for store, record in zip(found.values(), records, strict=True)
            if record is not None and (user is None or record.user == user)
        ]
        stored.sort(key=lambda each: (each.record.submitted, each.id), reverse=True)
        return JobList(Analysis._found(each) for each in stored)


def _days(given: object, earliest: datetime | None) -> tuple[str, str]:
    """First and last day to look at. Raises InvalidFilter for what is no date."""
    first, last = "0000-00-00", "9999-99-99"
    if earliest is not None:
        first = earliest.date().isoformat()
    if given is None:
        return first, last
    text = f"{given:%Y-%m-%d}" if isinstance(given, date) else given
    try:
        if not isinstance(text, str) or not re.fullmatch(r"\d{4}-\d{2}(-\d{2})?", text):
            raise ValueError(text)  # fromisoformat() takes more than days, from Python 3.11 on
        if len(text) == len("2023-04"):
            begin = date.fromisoformat(f"{text}-01")
            end = (begin + 31 * _DAY).replace(day=1) - _DAY
        else:
            begin = end = date.fromisoformat(text)
    except (ValueError, OverflowError):
        raise InvalidFilter(f"date={given!r}: use a day, '2023-05-09', or a month, '2023-04'") from None
    return max(first, begin.isoformat()), end.isoformat()


def _days_in(store: Store, first: str, last: str) -> Iterable[str]:
    return [day for day in store.folders("index") if first <= day <= last]


def _ids(store: Store, day: str) -> Iterator[str]:
    for name in store.names(f"index/{day}"):
        yield name.removesuffix(".json")


def _matches(analysis_id: str, earliest: datetime | None, name: str | None) -> bool:
    try:
        parts = parse_id(analysis_id)
    except ValueError:
        return False  # somebody else's file
    if name is not None and name.lower() not in parts.name.lower():
        return False
    if earliest is None:
        return True
    submitted = time.strptime(f"{parts.date}T{parts.clock}", "%Y-%m-%dT%H%M%S")
    return datetime(*submitted[:6], tzinfo=UTC) >= earliest.replace(microsecond=0)


def _read(keys: list[tuple[Store, str]]) -> list[IndexRecord | None]:
    """The records; None for what somebody has just deleted, and for what this version cannot read."""
    unreadable: list[PayloadError] = []

    def read(each: tuple[Store, str]) -> IndexRecord | None:
        store, key = each
        try:
            return IndexRecord.from_json(store.read(key), key)
        except NotFound:
            return None
        except PayloadError as error:
            unreadable.append(error)
            return None

    if len(keys) < 2 or all(store.path("") is not None for store, _ in keys):
        found = [read(each) for each in keys]
    else:
        with ThreadPoolExecutor(max_workers=32) as pool:
            found = list(pool.map(read, keys))
    if unreadable:
        _log.warning("%d of %d analyses are left out: %s", len(unreadable), len(keys), unreadable[0])
    return found
