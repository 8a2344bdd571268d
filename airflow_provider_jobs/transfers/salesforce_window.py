"""Which records a run reads: the field that tells when they changed, and the span of time.

A window holds its start and not its end. Its end is Salesforce's own clock, less a minute in which records
are written and not yet seen; its start is the mark of the run before, less an overlap.
Source: https://developer.salesforce.com/docs/atlas.en-us.api.meta/api/system_fields.htm
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_provider_jobs.errors import ConfigurationError
from airflow_provider_jobs.transfers.salesforce_soql import check_path, check_where, records_query
from airflow_provider_jobs.words import shown

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

#: Records become visible some seconds after their stamp.
VISIBLE_AFTER = dt.timedelta(minutes=1)
#: How far before the mark a run reads again, unless a user says otherwise.
OVERLAP = dt.timedelta(minutes=30)
#: How far the mark may be after a window's end: of two runs at once the other may have come later.
_MOST_AHEAD = dt.timedelta(hours=1)
FULL, INCREMENTAL, WINDOW, FORMULAS = "full", "incremental", "window", "formulas"
MODES = (FULL, INCREMENTAL, WINDOW, FORMULAS)


@dataclass(frozen=True, slots=True)
class Cursor:
    """The field that tells when a record changed.

    :param field: None if no field of the object does.
    :param reason: Why it is this one, and what it misses; or why there is none.
    """

    field: str | None
    reason: str


@dataclass(frozen=True, slots=True)
class Mark:
    """Up to when a target is complete.

    :param at: None if it tells of no such time.
    :param reason: Then why a run has to be a full one.
    """

    at: dt.datetime | None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Window:
    """A span of time from its start on, before its end; both in UTC, whole seconds.

    :raises ConfigurationError: the start is not before the end.
    """

    start: dt.datetime
    end: dt.datetime

    def __post_init__(self) -> None:
        if self.start >= self.end:
            raise ConfigurationError(
                f"the window from {literal(self.start)} to {literal(self.end)} is empty: its start has to be "
                "before its end; where both are of the DAG run's data interval, note that a cron schedule "
                "of Airflow 3 has none"
            )


def cursor_of(describe: Mapping[str, Any]) -> Cursor:
    """Return the field that tells when an object's records changed."""
    fields = {each["name"]: each for each in describe["fields"] if each["type"] == "datetime"}
    usable = {name for name, each in fields.items() if each.get("filterable") is not False}
    for name in ("SystemModstamp", "LastModifiedDate"):
        if name in usable:
            missed = "moves with every change but those of formulas and of parents"
            return Cursor(
                name, missed if name == "SystemModstamp" else "moves with changes of users, not of the system"
            )
    if "CreatedDate" in usable and describe.get("updateable") is not True:
        return Cursor(
            "CreatedDate", "is all that these records have, and they are not changed once they are there"
        )
    if "CreatedDate" in usable:
        return Cursor(None, "has only CreatedDate, which does not move when a record is changed")
    unusable = sorted(
        name for name in fields if name in {"SystemModstamp", "LastModifiedDate", "CreatedDate"}
    )
    if unusable:
        return Cursor(None, f"has {', '.join(unusable)}, by which Salesforce cannot filter")
    return Cursor(None, "has neither SystemModstamp, LastModifiedDate nor CreatedDate")


def check_mode(mode: str, object_name: str, cursor: Cursor | None, *, is_query: bool = False) -> str:
    """Return the mode of a run, if it is possible.

    :param cursor: None if it is not known yet, and not looked at.
    :param is_query: The records are those of a user's ``soql``.
    :raises ConfigurationError: it is not, and why.
    """
    if mode not in MODES:
        raise ConfigurationError(f"mode is {shown(mode, 40)!r}: give {', '.join(MODES[:-1])} or {MODES[-1]}")
    if mode != FULL and is_query:
        raise ConfigurationError(
            f'soql clashes with mode "{mode}": only the whole of a query can be read, since a window cannot '
            "be put into it safely; give object_name, fields and where instead, which read the same records "
            "by windows"
        )
    if mode != FULL and cursor is not None and cursor.field is None:
        raise ConfigurationError(
            f'{object_name} cannot be read with mode "{mode}": it {cursor.reason}; mode "full" reads it whole'
        )
    return mode


def upper_bound(service_now: dt.datetime) -> dt.datetime:
    """Return the end of a run's window: Salesforce's clock, less :data:`VISIBLE_AFTER`, in whole seconds."""
    return _instant(service_now, "Salesforce's time") - VISIBLE_AFTER


def synced_to(upper: dt.datetime, latest_date_covered: dt.datetime | None) -> dt.datetime:
    """Return up to when a run is complete.

    :param latest_date_covered: Of getUpdated, asked before the query is made: the start of the oldest
        transaction that runs. None if the object has no getUpdated.
    """
    upper = _instant(upper, "the window's end")
    return (
        upper
        if latest_date_covered is None
        else min(upper, _instant(latest_date_covered, "latestDateCovered"))
    )


def check_overlap(overlap: dt.timedelta) -> dt.timedelta:
    """Return how far before the mark a run reads again.

    :raises ConfigurationError: it is not a timedelta, or negative.
    """
    if not isinstance(overlap, dt.timedelta):
        raise ConfigurationError(f"overlap is {shown(overlap, 60)!r}: give a timedelta")
    if overlap < dt.timedelta(0):
        raise ConfigurationError(f"overlap is {overlap}: it cannot be negative")
    return overlap


def window_since(mark: dt.datetime, upper: dt.datetime, overlap: dt.timedelta = OVERLAP) -> Window:
    """Return the window of an incremental run; it has a second at least, also of runs one upon the other.

    :param mark: Up to when the target is complete.
    :raises ConfigurationError: the overlap is negative, or the mark is of the future, so that all windows
        until then would be empty.
    """
    overlap = check_overlap(overlap)
    mark, upper = _instant(mark, "the mark"), _instant(upper, "the window's end")
    if mark > upper + _MOST_AHEAD:
        raise ConfigurationError(
            "the target's mark, the largest _synced_to or that in the asset's state, is "
            f"{literal(mark)}, and by Salesforce's clock that "
            'is in the future: correct it, or read the object with mode "full"'
        )
    since_ever = dt.datetime.min.replace(tzinfo=dt.UTC)
    start = mark - overlap if overlap < mark - since_ever else since_ever
    return Window(min(start, upper - dt.timedelta(seconds=1)), upper)


def explicit_window(window: Any) -> Window:
    """Return the window that a user gives: a start and an end, times with a zone or texts of them.

    :raises ConfigurationError: it is not one, or its start is not before its end.
    """
    if isinstance(window, str) or not hasattr(window, "__len__") or len(window) != 2:  # noqa: PLR2004 - two ends
        raise ConfigurationError("window is not a pair: give its start and its end")
    start, end = (
        _given(each, f"window's {name}") for each, name in zip(window, ("start", "end"), strict=True)
    )
    # Stamps are whole seconds: one of 10:00:00 is before an end of 10:00:00.5.
    rest = dt.timedelta(seconds=1) if end.microsecond else dt.timedelta(0)
    try:
        return Window(_instant(start, "window's start"), _instant(end, "window's end") + rest)
    except OverflowError:
        raise ConfigurationError(f"window is from {start} to {end}: years are 1 to 9999, in UTC") from None


def window_query(
    object_name: str,
    paths: Sequence[str],
    *,
    cursor: str | None = None,
    window: Window | None = None,
    where: str | None = None,
) -> str:
    """Return the query of a run.

    Without a window it reads all records. A window's times are UTC, written with Z: what SOQL calls TODAY
    depends on the user's time zone.
    Source: https://developer.salesforce.com/docs/atlas.en-us.soql_sosl.meta/soql_sosl/sforce_api_calls_soql_select_dateformats.htm
    """
    condition = check_where(where)
    conditions = [f"({condition})"] if condition else []
    if window is not None and cursor is not None:
        name = check_path(cursor, "cursor")
        conditions += [f"{name} >= {literal(window.start)}", f"{name} < {literal(window.end)}"]
    return records_query(object_name, paths, conditions)


def literal(moment: dt.datetime) -> str:
    """Return a time as SOQL writes it, such as ``2026-11-30T02:00:00Z``."""
    moment = _instant(moment, "the time")
    return f"{moment.year:04}-{moment:%m-%dT%H:%M:%S}Z"


def _given(value: Any, what: str) -> dt.datetime:
    if isinstance(value, str):
        try:
            value = dt.datetime.fromisoformat(value.strip())
        except ValueError:
            raise ConfigurationError(
                f"{what} is {shown(value, 60)!r}: give a time such as 2026-11-30T02:00:00Z"
            ) from None
    if not isinstance(value, dt.datetime):
        raise ConfigurationError(f"{what} is {shown(value, 60)!r}: give a time, not a {type(value).__name__}")
    return _zoned(value, what)


def _instant(moment: dt.datetime, what: str) -> dt.datetime:
    """Return a time in UTC, its part of a second cut off: Salesforce compares whole seconds."""
    return _zoned(moment, what).astimezone(dt.UTC).replace(microsecond=0)


def _zoned(moment: dt.datetime, what: str) -> dt.datetime:
    if moment.utcoffset() is None:
        raise ConfigurationError(f"{what} is {moment}, without a zone: add one, such as Z")
    return moment
