"""Values of a WHERE clause, checked against the field that they are compared with."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING

from airflow_provider_jobs.sandbox.salesforce.ids import long_id
from airflow_provider_jobs.sandbox.salesforce.org.model import ID_TYPES, NUMBER_TYPES, TEXT_TYPES
from airflow_provider_jobs.sandbox.salesforce.org.refusals import refusal_at
from airflow_provider_jobs.sandbox.salesforce.org.soql.date_literals import days_of

if TYPE_CHECKING:
    from airflow_provider_jobs.sandbox.salesforce.org.model import Field
    from airflow_provider_jobs.sandbox.salesforce.org.refusals import SalesforceRefusal
    from airflow_provider_jobs.sandbox.salesforce.org.soql.tree import Literal

_TYPE_WORDS = {"datetime": "dateTime"}


def value_of(soql: str, field: Field, literal: Literal) -> object:
    """Give what a value is to DuckDB; ``None`` for null, and for an empty text.

    :raises SalesforceRefusal: INVALID_FIELD or INVALID_QUERY_FILTER_OPERATOR: the value does not fit.
    """
    kind, text = literal.kind, literal.text
    if kind == "null" or (kind == "string" and not text and field.type in TEXT_TYPES | ID_TYPES):
        return None
    if field.type in TEXT_TYPES and kind == "string":
        return text
    if field.type in ID_TYPES and kind == "string":
        return _id(soql, literal)
    if field.type in NUMBER_TYPES and kind == "number":
        return _number(soql, literal)
    if field.type == "boolean" and kind == "boolean":
        return text == "true"
    if field.type == kind and kind in ("date", "datetime", "time"):
        return _moment(soql, literal)
    raise wrong_type(soql, field, literal)


def range_of(soql: str, field: Field, literal: Literal, now: datetime) -> tuple[date, date]:
    """Give the beginning of the days that a date literal stands for, and their end.

    :raises SalesforceRefusal: INVALID_FIELD: the field holds no dates.
    """
    if field.type not in ("date", "datetime"):
        raise wrong_type(soql, field, literal)
    try:
        return days_of(literal.text, literal.count, now.date())
    except OverflowError as error:
        written = f"{literal.text}:{literal.count}"
        raise refusal_at("MALFORMED_QUERY", soql, literal.at, f"Invalid date: {written}") from error


def wrong_type(soql: str, field: Field, literal: Literal) -> SalesforceRefusal:
    """Refuse a value of another type than the field's."""
    quoted = field.type in TEXT_TYPES | ID_TYPES
    kind = "string" if quoted else _TYPE_WORDS.get(field.type, field.type)
    rule = "should be enclosed in quotes" if quoted else "should not be enclosed in quotes"
    message = f"value of filter criterion for field '{field.name}' must be of type {kind} and {rule}"
    return refusal_at("INVALID_FIELD", soql, literal.at, message)


def _id(soql: str, literal: Literal) -> str:
    found = long_id(literal.text)
    if found is None:
        message = f"invalid ID field: {literal.text}"
        raise refusal_at("INVALID_QUERY_FILTER_OPERATOR", soql, literal.at, message)
    return found


def _number(soql: str, literal: Literal) -> float:
    number = float(literal.text)
    if math.isinf(number):
        raise refusal_at("MALFORMED_QUERY", soql, literal.at, f"Invalid number: {literal.text}")
    return number


def _moment(soql: str, literal: Literal) -> date | datetime | time:
    try:
        if literal.kind == "time":
            return time.fromisoformat(literal.text.removesuffix("Z")[: len("00:00:00.000")])
        if literal.kind == "date":
            return date.fromisoformat(literal.text)
        return _utc(literal.text)
    except (ValueError, OverflowError) as error:
        message = f"Invalid {_TYPE_WORDS.get(literal.kind, literal.kind)}: {literal.text}"
        raise refusal_at("MALFORMED_QUERY", soql, literal.at, message) from error


def _utc(text: str) -> datetime:
    """Read a moment; what is finer than a millisecond is cut off."""
    moment = datetime.fromisoformat(text).astimezone(UTC).replace(tzinfo=None)
    return moment - timedelta(microseconds=moment.microsecond % 1000)
