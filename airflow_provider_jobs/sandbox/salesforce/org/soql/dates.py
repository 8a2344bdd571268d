"""Dates in WHERE: literals such as TODAY and LAST_N_DAYS:7, functions such as CALENDAR_YEAR(CreatedDate).

https://developer.salesforce.com/docs/atlas.en-us.soql_sosl.meta/soql_sosl/sforce_api_calls_soql_select_dateformats.htm
https://developer.salesforce.com/docs/atlas.en-us.soql_sosl.meta/soql_sosl/sforce_api_calls_soql_select_date_functions.htm
Weeks begin on Sunday, fiscal years in January, days at midnight in UTC, as in an org set up for that.
"""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date, timedelta
from typing import TYPE_CHECKING

from airflow_provider_jobs.sandbox.salesforce.org.refusals import refusal_at
from airflow_provider_jobs.sandbox.salesforce.org.soql.names import Column

if TYPE_CHECKING:
    from airflow_provider_jobs.sandbox.salesforce.org.soql.tree import Name

_DAY = timedelta(days=1)

_FIXED = re.compile(r"(THIS|LAST|NEXT)_(WEEK|MONTH|QUARTER|YEAR|FISCAL_QUARTER|FISCAL_YEAR)")
_COUNTED = re.compile(r"(LAST|NEXT)_N_(DAY|WEEK|MONTH|QUARTER|YEAR|FISCAL_QUARTER|FISCAL_YEAR)S")
_AGO = re.compile(r"N_(DAY|WEEK|MONTH|QUARTER|YEAR|FISCAL_QUARTER|FISCAL_YEAR)S_AGO")

_DAYS = {"YESTERDAY": (-1, 0), "TODAY": (0, 1), "TOMORROW": (1, 2), "LAST_90_DAYS": (-90, 1),
         "NEXT_90_DAYS": (1, 91)}  # fmt: skip

_MONTHS = {"MONTH": 1, "QUARTER": 3, "YEAR": 12}

# Fiscal years are calendar years; day 1 of a week is Sunday; week 1 is days 1 to 7.
_NUMBERS = {
    "CALENDAR_MONTH": "month({})",
    "CALENDAR_QUARTER": "quarter({})",
    "CALENDAR_YEAR": "year({})",
    "DAY_IN_MONTH": "day({})",
    "DAY_IN_WEEK": "dayofweek({}) + 1",
    "DAY_IN_YEAR": "dayofyear({})",
    "FISCAL_MONTH": "month({})",
    "FISCAL_QUARTER": "quarter({})",
    "FISCAL_YEAR": "year({})",
    "WEEK_IN_MONTH": "(day({}) - 1) // 7 + 1",
    "WEEK_IN_YEAR": "(dayofyear({}) - 1) // 7 + 1",
}


def is_date_literal(word: str) -> bool:
    """Whether this stands for days, without a number."""
    return word in _DAYS or _FIXED.fullmatch(word) is not None


def takes_count(word: str) -> bool:
    """Whether this stands for days when ``:n`` follows."""
    return _COUNTED.fullmatch(word) is not None or _AGO.fullmatch(word) is not None


def days_of(word: str, count: int | None, today: date) -> tuple[date, date]:
    """Give the first day, and the first day after.

    :raises OverflowError: the calendar does not reach that far.
    """
    if word in _DAYS:
        first, end = _DAYS[word]
        return today + first * _DAY, today + end * _DAY
    fixed = _FIXED.fullmatch(word)
    if fixed:
        moved = {"THIS": 0, "LAST": -1, "NEXT": 1}[fixed[1]]
        return _units(fixed[2], today, moved, moved + 1)
    number = count or 0
    ago = _AGO.fullmatch(word)
    if ago:
        return _units(ago[1], today, -number, 1 - number)
    counted = _COUNTED.fullmatch(word)
    if counted is None:
        raise ValueError(word)
    if counted[1] == "NEXT":
        return _units(counted[2], today, 1, number + 1)
    # LAST_N_DAYS alone takes in the running day.
    return _units(counted[2], today, -number, 1 if counted[2] == "DAY" else 0)


def _units(unit: str, today: date, first: int, end: int) -> tuple[date, date]:
    unit = unit.removeprefix("FISCAL_")
    if unit == "DAY":
        return today + first * _DAY, today + end * _DAY
    if unit == "WEEK":
        sunday = today - (today.isoweekday() % 7) * _DAY
        return sunday + 7 * first * _DAY, sunday + 7 * end * _DAY
    length = _MONTHS[unit]
    running = (today.year * 12 + today.month - 1) // length
    return _month((running + first) * length), _month((running + end) * length)


def _month(number: int) -> date:
    year, month = divmod(number, 12)
    if not date.min.year <= year <= date.max.year:
        raise OverflowError(number)
    return date(year, month + 1, 1)


def applied(soql: str, function: Name, column: Column) -> Column:
    """Give what a function makes of a field.

    :raises SalesforceRefusal: there is no such function, or not for this type.
    """
    word, field = function.text.upper(), column.field
    if word == "TOLABEL" and field.type in ("picklist", "multipicklist"):
        return column  # labels are the values themselves in this org
    if word in _NUMBERS and field.type in ("date", "datetime"):
        return Column(replace(field, type="int"), column.path, _NUMBERS[word].format(column.sql))
    if word == "HOUR_IN_DAY" and field.type == "datetime":
        return Column(replace(field, type="int"), column.path, f"hour({column.sql})")
    if word == "DAY_ONLY" and field.type == "datetime":
        return Column(replace(field, type="date"), column.path, f"CAST({column.sql} AS DATE)")
    message = f"invalid function '{function.text}' on field '{field.name}'"
    raise refusal_at("MALFORMED_QUERY", soql, function.at, message)
