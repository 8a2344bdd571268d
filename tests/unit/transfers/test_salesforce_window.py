"""Windows begin before they end, overlap the one before, and end when Salesforce says that all is there."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_jobs.errors import ConfigurationError
from airflow_provider_jobs.transfers.salesforce_window import (
    Cursor,
    Window,
    check_mode,
    cursor_of,
    explicit_window,
    literal,
    synced_to,
    upper_bound,
    window_query,
    window_since,
)
from tests.unit.transfers.describes import ACCOUNT, describe, field

NOON = dt.datetime(2026, 11, 30, 12, tzinfo=dt.UTC)
HOUR = dt.timedelta(hours=1)
MOMENTS = st.datetimes(timezones=st.sampled_from([dt.UTC, dt.timezone(HOUR)])).filter(
    lambda each: each.year > 1
)


def stamps(*names: str, **more: Any) -> dict[str, Any]:
    return describe("Thing", field("Id", "id"), *(field(name, "datetime") for name in names), **more)


@pytest.mark.parametrize(
    ("described", "expected"),
    [
        (ACCOUNT, "SystemModstamp"),
        (stamps("CreatedDate", "LastModifiedDate"), "LastModifiedDate"),
        (stamps("CreatedDate", updateable=False), "CreatedDate"),
        (stamps("CreatedDate"), None),
        (stamps("LoginTime"), None),
        (describe("X", field("SystemModstamp", "datetime", filterable=False)), None),
        (describe("X", field("SystemModstamp", "string")), None),
    ],
)
def test_the_cursor_is_told_by_the_describe(described: dict[str, Any], expected: str | None) -> None:
    assert cursor_of(described).field == expected
    assert cursor_of(described).reason


def test_modes_that_are_not_possible_are_refused_with_the_reason() -> None:
    none = cursor_of(stamps("CreatedDate"))
    assert check_mode("full", "Thing", none, is_query=True) == "full"
    assert check_mode("incremental", "Account", cursor_of(ACCOUNT)) == "incremental"
    for mode, cursor, is_query, said in (
        ("incremental", none, False, "has only CreatedDate, which does not move"),
        ("window", Cursor(None, "has none"), False, 'mode "full" reads it whole'),
        ("incremental", cursor_of(ACCOUNT), True, "give object_name, fields and where instead"),
        ("delta", none, False, "give full, incremental, window or formulas"),
    ):
        with pytest.raises(ConfigurationError) as caught:
            check_mode(mode, "Thing", cursor, is_query=is_query)
        assert said in str(caught.value)


def test_a_run_reads_from_before_the_mark_to_a_minute_before_now() -> None:
    upper = upper_bound(NOON.replace(microsecond=7))
    assert upper == NOON - dt.timedelta(minutes=1)
    assert window_since(NOON - HOUR, upper) == Window(NOON - 1.5 * HOUR, upper)
    assert window_since(NOON - HOUR, upper, dt.timedelta(0)).start == NOON - HOUR
    assert window_since(NOON, upper, dt.timedelta.max).start.year == 1


def test_a_run_that_follows_at_once_reads_a_second() -> None:
    assert window_since(NOON, NOON, dt.timedelta(0)) == Window(NOON - dt.timedelta(seconds=1), NOON)


def test_a_mark_of_the_future_is_refused() -> None:
    """Or every window until then would be empty, and nobody would see it."""
    with pytest.raises(ConfigurationError, match="that is in the future"):
        window_since(NOON + 2 * HOUR, NOON)
    with pytest.raises(ConfigurationError, match="cannot be negative"):
        window_since(NOON, NOON, -HOUR)


def test_a_run_is_complete_up_to_the_oldest_open_transaction() -> None:
    assert synced_to(NOON, None) == NOON
    assert synced_to(NOON, NOON - HOUR) == NOON - HOUR
    assert synced_to(NOON, NOON + HOUR) == NOON


@pytest.mark.parametrize(
    ("window", "expected"),
    [
        ((NOON, NOON + HOUR), (NOON, NOON + HOUR)),
        (["2026-11-30T12:00:00Z", "2026-11-30T14:00:00+01:00"], (NOON, NOON + HOUR)),
        ((NOON, NOON.replace(microsecond=5)), (NOON, NOON + dt.timedelta(seconds=1))),
    ],
)
def test_explicit_windows(window: Any, expected: tuple[dt.datetime, dt.datetime]) -> None:
    found = explicit_window(window)
    assert (found.start, found.end) == expected


@pytest.mark.parametrize(
    ("window", "said"),
    [
        ((NOON, NOON), "a cron schedule of Airflow 3 has none"),
        ((NOON, NOON - HOUR), "its start has to be before its end"),
        (("2026-11-30T12:00:00", "2026-12-01T12:00:00Z"), "without a zone"),
        (("yesterday", NOON), "give a time such as"),
        ((None, NOON), "give a time, not a NoneType"),
        ((NOON,), "not a pair"),
        ("ab", "not a pair"),
    ],
)
def test_windows_that_are_none_are_refused(window: Any, said: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        explicit_window(window)
    assert said in str(caught.value)


def test_the_query_of_a_window() -> None:
    window = Window(NOON - HOUR, NOON)
    found = window_query(
        "Account", ["Id", "Owner.Name"], cursor="SystemModstamp", window=window, where="A = 1 OR B = 2"
    )
    assert found == (
        "SELECT Id, Owner.Name FROM Account WHERE (A = 1 OR B = 2) AND SystemModstamp >= "
        "2026-11-30T11:00:00Z AND SystemModstamp < 2026-11-30T12:00:00Z"
    )
    assert window_query("Account", ["Id"]) == "SELECT Id FROM Account"
    assert window_query("Account", ["Id"], where="A = 1") == "SELECT Id FROM Account WHERE (A = 1)"


@given(moment=MOMENTS)
def test_times_are_written_in_utc(moment: dt.datetime) -> None:
    """Whole seconds, four digits of the year, whatever the zone."""
    read = dt.datetime.strptime(literal(moment), "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=dt.UTC)
    assert read == moment.replace(microsecond=0)


@dataclass(frozen=True)
class Transaction:
    """When one begins and ends, when its records are stamped, and seen: seconds after noon."""

    begin: int
    end: int
    stamps: tuple[int, ...]
    seen: int


@st.composite
def transactions(draw: st.DrawFn, overlap: int) -> Transaction:
    """Return one whose records are seen up to a minute after its end, if the overlap is longer than it."""
    begin, length = draw(st.integers(0, 4000)), draw(st.sampled_from([0, 1, 30]) | st.integers(0, 2000))
    stamps = draw(st.lists(st.integers(begin, begin + length), min_size=1, max_size=3))
    late = draw(st.integers(0, 59)) if length <= max(0, overlap - 60) else 0
    return Transaction(begin, begin + length, tuple(stamps), begin + length + late)


@given(data=st.data(), overlap=st.sampled_from([0, 1800]))
def test_no_record_is_missed(data: st.DataObject, overlap: int) -> None:
    """Those that are seen late, since a transaction is long or Salesforce slow, one of the next runs reads.

    ``latestDateCovered`` is the beginning of the oldest transaction that runs.
    """
    written = data.draw(st.lists(transactions(overlap), max_size=8))
    pauses = data.draw(st.lists(st.integers(1, 3000), min_size=1, max_size=6))
    mark, now, read = NOON, 0, set()
    for pause in [*pauses, 10_000]:
        now += pause
        upper = upper_bound(after(now))
        covered = after(min((each.begin for each in written if each.begin <= now < each.end), default=now))
        window = window_since(mark, upper, dt.timedelta(seconds=overlap))
        seen = {(each, stamp) for each in written if each.seen <= now for stamp in each.stamps}
        read |= {found for found in seen if window.start <= after(found[1]) < window.end}
        mark = synced_to(upper, covered)
    assert read == {(each, stamp) for each in written for stamp in each.stamps}


def after(seconds: int) -> dt.datetime:
    return NOON + dt.timedelta(seconds=seconds)
