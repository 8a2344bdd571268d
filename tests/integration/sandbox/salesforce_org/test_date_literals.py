"""Date literals: which days they stand for, and how they compare."""

from __future__ import annotations

from datetime import date, datetime, time
from typing import TYPE_CHECKING

import pytest

from airflow_provider_jobs.sandbox.salesforce.org.soql.dates import days_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.integration.sandbox.salesforce_org.org_bench import OrgBench

WEDNESDAY = date(2024, 5, 15)


@pytest.mark.parametrize(
    ("literal", "first", "end"),
    [
        ("YESTERDAY", "2024-05-14", "2024-05-15"),
        ("TODAY", "2024-05-15", "2024-05-16"),
        ("TOMORROW", "2024-05-16", "2024-05-17"),
        ("LAST_WEEK", "2024-05-05", "2024-05-12"),
        ("THIS_WEEK", "2024-05-12", "2024-05-19"),
        ("NEXT_WEEK", "2024-05-19", "2024-05-26"),
        ("LAST_MONTH", "2024-04-01", "2024-05-01"),
        ("THIS_MONTH", "2024-05-01", "2024-06-01"),
        ("NEXT_MONTH", "2024-06-01", "2024-07-01"),
        ("LAST_90_DAYS", "2024-02-15", "2024-05-16"),
        ("NEXT_90_DAYS", "2024-05-16", "2024-08-14"),
        ("LAST_N_DAYS:7", "2024-05-08", "2024-05-16"),
        ("NEXT_N_DAYS:7", "2024-05-16", "2024-05-23"),
        ("N_DAYS_AGO:7", "2024-05-08", "2024-05-09"),
        ("LAST_N_WEEKS:2", "2024-04-28", "2024-05-12"),
        ("NEXT_N_WEEKS:2", "2024-05-19", "2024-06-02"),
        ("N_WEEKS_AGO:2", "2024-04-28", "2024-05-05"),
        ("LAST_N_MONTHS:6", "2023-11-01", "2024-05-01"),
        ("NEXT_N_MONTHS:8", "2024-06-01", "2025-02-01"),
        ("N_MONTHS_AGO:5", "2023-12-01", "2024-01-01"),
        ("THIS_QUARTER", "2024-04-01", "2024-07-01"),
        ("LAST_QUARTER", "2024-01-01", "2024-04-01"),
        ("NEXT_FISCAL_QUARTER", "2024-07-01", "2024-10-01"),
        ("LAST_N_QUARTERS:3", "2023-07-01", "2024-04-01"),
        ("N_QUARTERS_AGO:2", "2023-10-01", "2024-01-01"),
        ("THIS_YEAR", "2024-01-01", "2025-01-01"),
        ("LAST_FISCAL_YEAR", "2023-01-01", "2024-01-01"),
        ("NEXT_N_YEARS:2", "2025-01-01", "2027-01-01"),
        ("LAST_N_FISCAL_YEARS:2", "2022-01-01", "2024-01-01"),
        ("N_FISCAL_YEARS_AGO:2", "2022-01-01", "2023-01-01"),
    ],
)
def test_days(literal: str, first: str, end: str) -> None:
    word, _, count = literal.partition(":")
    found = days_of(word, int(count) if count else None, WEDNESDAY)
    assert found == (date.fromisoformat(first), date.fromisoformat(end))


def test_sunday_begins_a_week() -> None:
    assert days_of("THIS_WEEK", None, date(2024, 5, 12))[0] == date(2024, 5, 12)
    assert days_of("THIS_WEEK", None, date(2024, 5, 11))[0] == date(2024, 5, 5)


@pytest.mark.parametrize("operator", ["=", "!=", "<", "<=", ">", ">="])
@pytest.mark.parametrize("literal", ["LAST_N_YEARS:6", "last_year", "N_MONTHS_AGO:100"])
def test_comparisons_with_datetimes(reading: OrgBench, operator: str, literal: str) -> None:
    word, _, count = literal.upper().partition(":")
    days = days_of(word, int(count) if count else None, WEDNESDAY)
    first, end = (datetime.combine(day, time()) for day in days)
    comparisons: dict[str, Callable[[datetime], bool]] = {
        "=": lambda at: first <= at < end,
        "!=": lambda at: not first <= at < end,
        "<": lambda at: at < first,
        "<=": lambda at: at < end,
        ">": lambda at: at >= end,
        ">=": lambda at: at >= first,
    }
    wanted = comparisons[operator]
    expected = [row["Id"] for row in reading.rows("Account") if wanted(row["CreatedDate"])]
    assert reading.column(f"SELECT Id FROM Account WHERE CreatedDate {operator} {literal}") == expected  # noqa: S608 - SOQL


def test_comparisons_with_dates(reading: OrgBench) -> None:
    rows = reading.rows("Opportunity")
    expected = [row["Id"] for row in rows if date(2024, 4, 1) <= row["CloseDate"] < date(2024, 7, 1)]
    assert expected
    assert reading.column("SELECT Id FROM Opportunity WHERE CloseDate = THIS_QUARTER") == expected
    either = reading.column("SELECT Id FROM Opportunity WHERE CloseDate IN (TODAY, YESTERDAY, 2024-05-01)")
    days = {date(2024, 5, 15), date(2024, 5, 14), date(2024, 5, 1)}
    assert either == [row["Id"] for row in rows if row["CloseDate"] in days]
