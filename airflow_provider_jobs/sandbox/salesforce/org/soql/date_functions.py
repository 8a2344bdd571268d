"""Date functions in WHERE, such as CALENDAR_YEAR(CreatedDate) = 2024.

https://developer.salesforce.com/docs/atlas.en-us.soql_sosl.meta/soql_sosl/sforce_api_calls_soql_select_date_functions.htm
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from airflow_provider_jobs.sandbox.salesforce.org.refusals import refusal_at
from airflow_provider_jobs.sandbox.salesforce.org.soql.names import Column

if TYPE_CHECKING:
    from airflow_provider_jobs.sandbox.salesforce.org.soql.tree import Name

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
