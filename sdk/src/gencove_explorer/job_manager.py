"""JobManager: analyses of the past, found by id, time, name and user."""

import re
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta

from explorer_runner.errors import ExplorerError, InvalidName, NotFound, PayloadError, StoreError
from explorer_runner.format.names import parse_id
from explorer_runner.stores.base import Store
from gencove_explorer.analysis import Analysis
from gencove_explorer.errors import InvalidArgument, InvalidFilter
from gencove_explorer.monitoring.lookup import find_analysis, open_analysis, open_unreadable
from gencove_explorer.monitoring.stored_analysis import StoredAnalysis
from gencove_explorer.monitoring.tables import analyses_as_html, analyses_as_text
from gencove_explorer.records.index import IndexRecord, read_index
from gencove_explorer.session import Session
from gencove_explorer.settings import Settings
from gencove_explorer.utils.durations import parse_duration

__all__ = ["JobList", "JobManager"]

_DAY = timedelta(days=1)
_FIRST_DAY, _LAST_DAY = "0000-00-00", "9999-99-99"
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_STAMP = len("2023-05-08T154506")


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
        self._session = Session(settings)

    def get_analysis(self, job_id: str | None = None, *, manifest: str | None = None) -> Analysis:
        """The analysis of an id, or the one that fulfils a manifest of the project; nothing is unpickled.

        Every method of Analysis works on it. ``run`` takes function, input and configuration as they are
        stored, but for what was set on it; ``input`` and ``global_config`` are unpickled when asked for.
        Raises NoSuchAnalysis or InvalidName.
        """
        if manifest is not None:
            if job_id is not None:
                raise InvalidArgument("get_analysis() takes either job_id= or manifest=, not both")
            from gencove_explorer.reconcile.revision_store import Revisions, analysis_of

            settings = self._session.settings
            job_id = analysis_of(Revisions(self._session.store, settings.project_name), manifest)
        return Analysis._from_stored(find_analysis(self._session, job_id or ""))

    def list_jobs(
        self,
        since: str | float | timedelta | None = None,
        date: str | date | None = None,
        name: str | None = None,
        user: str | None = None,
    ) -> JobList:
        """Analyses, newest first, that meet every filter that is given.

        One that cannot be read is among them, unless ``user`` is given: its row says why, its methods
        raise it, and ``delete`` removes it.

        since: submitted within this length of time (``1h``, ``1d``, ``2w``).
        date: submitted on a day (``2023-05-09``, or a ``datetime.date``) or in a month (``2023-04``), UTC.
        name: this text is in the name, in whatever case.
        user: submitted by this user.

        Raises InvalidFilter for one that is none.
        """
        for what, text in (("name", name), ("user", user)):
            if text is not None and not isinstance(text, str):
                raise InvalidFilter(f"{what}={text!r}: use text, such as {what}='example'")
        earliest = datetime.now(UTC) - timedelta(seconds=parse_duration(since)) if since is not None else None
        first, last = _days(date, earliest)
        store_of_id: dict[str, Store] = {}
        for store in self._session.stores:
            for day in _days_in(store, first, last):
                for analysis_id in _ids(store, day):
                    if _matches(analysis_id, earliest, name):
                        store_of_id.setdefault(analysis_id, store)
        return self._open(store_of_id, user)

    def search(self, text: str) -> JobList:
        """Analyses with ``text`` in their id, newest first; ``last`` is the newest one."""
        for store in self._session.stores:
            days = sorted(_days_in(store, _FIRST_DAY, _LAST_DAY), reverse=True)
            if text == "last":
                newest = next(filter(None, (list(_ids(store, day)) for day in days)), [])
                second = max((analysis_id[:_STAMP] for analysis_id in newest), default="")
                ids = [analysis_id for analysis_id in newest if analysis_id.startswith(second)]
            else:
                ids = [analysis_id for day in days for analysis_id in _ids(store, day) if text in analysis_id]
            if ids:
                matches = self._open(dict.fromkeys(ids, store), None)
                return JobList(matches[:1]) if text == "last" else matches
        return JobList()

    def _open(self, store_of_id: Mapping[str, Store], user: str | None) -> JobList:
        records = _read(list(store_of_id.items()))
        stored = [
            self._opened(store, analysis_id, record)
            for (analysis_id, store), record in zip(store_of_id.items(), records, strict=True)
            if record is not None and (user is None or getattr(record, "user", None) == user)
        ]
        stored.sort(key=lambda item: (item.record.submitted, item.id), reverse=True)
        return JobList(Analysis._from_stored(one) for one in stored)

    def _opened(self, store: Store, analysis_id: str, record: IndexRecord | ExplorerError) -> StoredAnalysis:
        if isinstance(record, ExplorerError):
            return open_unreadable(self._session, store, analysis_id, record)
        return open_analysis(self._session, store, record)


def _days(given: object, earliest: datetime | None) -> tuple[str, str]:
    """First and last day to look at. Raises InvalidFilter for what is no date."""
    first, last = _FIRST_DAY, _LAST_DAY
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
    return [day for day in store.list_folders("index") if first <= day <= last and _DATE.fullmatch(day)]


def _ids(store: Store, day: str) -> Iterator[str]:
    """The ids that are listed on a day; other files are somebody else's."""
    for name in store.list_names(f"index/{day}"):
        try:
            if name.endswith(".json") and parse_id(name.removesuffix(".json")).date == day:
                yield name.removesuffix(".json")
        except InvalidName:
            continue


def _matches(analysis_id: str, earliest: datetime | None, name: str | None) -> bool:
    parts = parse_id(analysis_id)
    if name is not None and name.lower() not in parts.name.lower():
        return False
    return earliest is None or f"{parts.date}T{parts.clock}" >= f"{earliest:%Y-%m-%dT%H%M%S}"


def _read(ids: list[tuple[str, Store]]) -> list[IndexRecord | ExplorerError | None]:
    """The records, or why they cannot be read; None for what somebody has just deleted."""
    folders = all(store.local_path("") is not None for _, store in ids)

    def read(pair: tuple[str, Store]) -> IndexRecord | ExplorerError | None:
        analysis_id, store = pair
        try:
            return read_index(store, analysis_id)
        except NotFound:
            return None
        except PayloadError as error:
            return error
        except StoreError as error:
            if store.local_path("") is None:
                raise  # it is the server, and would be for the others
            return error  # one file: its permissions, its disk

    if len(ids) < 2 or folders:
        return [read(pair) for pair in ids]
    with ThreadPoolExecutor(max_workers=32) as pool:
        return list(pool.map(read, ids))
