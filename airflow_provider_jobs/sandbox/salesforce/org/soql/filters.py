"""Turns WHERE into SQL.

SOQL knows no third truth value: ``!=`` and NOT also find records without a value. Every condition made here
is true or false, never NULL, so that NOT means the same to DuckDB. Text is compared without
case, ids are not.
"""

from __future__ import annotations

import math
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING

from airflow_provider_jobs.sandbox.salesforce.ids import long_id
from airflow_provider_jobs.sandbox.salesforce.org.model import ID_TYPES, NUMBER_TYPES, TEXT_TYPES
from airflow_provider_jobs.sandbox.salesforce.org.refusals import refusal_at
from airflow_provider_jobs.sandbox.salesforce.org.soql.dates import applied, days_of
from airflow_provider_jobs.sandbox.salesforce.org.soql.tree import Chain, Comparison, Negation

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_provider_jobs.sandbox.salesforce.org.model import Field
    from airflow_provider_jobs.sandbox.salesforce.org.refusals import SalesforceRefusal
    from airflow_provider_jobs.sandbox.salesforce.org.soql.names import Column, Scope
    from airflow_provider_jobs.sandbox.salesforce.org.soql.tree import Condition, Literal, Operand, SemiJoin

_ORDERED = frozenset({"<", "<=", ">", ">="})

_TYPE_WORDS = {"datetime": "dateTime"}

# Operators that a type does not take.
_NOT_FOR = {
    "boolean": _ORDERED | {"LIKE", "IN", "NOT IN"},
    "multipicklist": _ORDERED | {"LIKE"},
    "id": frozenset({"LIKE"}),
    "reference": frozenset({"LIKE"}),
}


class Filters:
    """The WHERE of one SELECT.

    :param parameters: takes the values; shared by all parts of the statement.
    :param semi_join: gives the SQL of a semi-join.
    """

    def __init__(
        self,
        scope: Scope,
        parameters: list[object],
        now: datetime,
        semi_join: Callable[[SemiJoin, Column, bool], str],
    ) -> None:
        self._scope = scope
        self._parameters = parameters
        self._now = now
        self._semi_join = semi_join

    def sql(self, condition: Condition, *, under_or: bool = False) -> str:
        """Give a condition as SQL.

        :param under_or: it is an alternative, where semi-joins may not stand.
        """
        if isinstance(condition, Chain):
            below = under_or or condition.word == "OR"
            parts = [self.sql(each, under_or=below) for each in condition.conditions]
            return "(" + f" {condition.word} ".join(parts) + ")"
        if isinstance(condition, Negation):
            return f"(NOT {self.sql(condition.condition, under_or=under_or)})"
        if isinstance(condition, Comparison):
            return self._comparison(condition)
        return self._semi_join(condition, self._column(condition.operand), under_or)

    def _column(self, operand: Operand) -> Column:
        column = self._scope.column(operand.field)
        if not column.field.filterable:
            message = f"field '{column.field.name}' can not be filtered in a query call"
            raise refusal_at("INVALID_FIELD", self._scope.soql, operand.field.at, message)
        if operand.function is not None:
            return applied(self._scope.soql, operand.function, column)
        return column

    def _comparison(self, comparison: Comparison) -> str:
        column, operator = self._column(comparison.operand), comparison.operator
        if operator in ("INCLUDES", "EXCLUDES"):
            return self._includes(comparison, column)
        unfit = operator in _NOT_FOR.get(column.field.type, frozenset())
        if unfit or (operator == "LIKE" and column.field.type not in TEXT_TYPES):
            kind = "id" if column.field.type == "reference" else column.field.type
            raise refusal_at(
                "INVALID_QUERY_FILTER_OPERATOR",
                self._scope.soql,
                comparison.operand.field.at,
                f"invalid operator on {kind} field",
            )
        if operator == "LIKE":
            return self._like(column, comparison.values[0])
        if operator in _ORDERED:
            return self._ordered(column, operator, comparison.values[0])
        equal = " OR ".join(self._equal(column, each) for each in comparison.values)
        return f"(NOT ({equal}))" if operator in ("!=", "NOT IN") else f"({equal})"

    def _equal(self, column: Column, literal: Literal) -> str:
        if literal.kind == "range":
            first, end = range_of(self._scope.soql, column.field, literal, self._now)
            return f"({column.sql} >= {self._day(first)} AND {column.sql} < {self._day(end)}) IS TRUE"
        value = value_of(self._scope.soql, column.field, literal)
        if value is None:
            return f"{column.sql} IS NULL"
        return f"({_compared(column, column.sql)} = {_compared(column, self.parameter(value))}) IS TRUE"

    def _ordered(self, column: Column, operator: str, literal: Literal) -> str:
        if literal.kind == "range":
            first, end = range_of(self._scope.soql, column.field, literal, self._now)
            # Before or from its beginning; before or from its end.
            bound = self._day(first if operator in ("<", ">=") else end)
            sign = "<" if operator in ("<", "<=") else ">="
            return f"({column.sql} {sign} {bound}) IS TRUE"
        value = value_of(self._scope.soql, column.field, literal)
        if value is None:
            return "false"
        left, right = _compared(column, column.sql), _compared(column, self.parameter(value))
        return f"({left} {operator} {right}) IS TRUE"

    def _like(self, column: Column, literal: Literal) -> str:
        if literal.kind != "string":
            raise wrong_type(self._scope.soql, column.field, literal)
        pattern = self.parameter(literal.pattern)
        return f"(lower({column.sql}) LIKE lower({pattern}) ESCAPE '\\') IS TRUE"

    def _includes(self, comparison: Comparison, column: Column) -> str:
        if column.field.type != "multipicklist":
            raise refusal_at(
                "INVALID_QUERY_FILTER_OPERATOR",
                self._scope.soql,
                comparison.operand.field.at,
                "includes and excludes operators are only valid on multipicklist fields",
            )
        chosen = f"string_split(lower({column.sql}), ';')"
        sets = []
        for literal in comparison.values:
            if literal.kind != "string":
                raise wrong_type(self._scope.soql, column.field, literal)
            wanted = self.parameter(literal.text)
            sets.append(f"list_has_all({chosen}, string_split(lower({wanted}), ';'))")
        found = f"(({' OR '.join(sets)}) IS TRUE)"
        return f"(NOT {found})" if comparison.operator == "EXCLUDES" else found

    def _day(self, day: date) -> str:
        return f"{self.parameter(day)}::DATE"

    def parameter(self, value: object) -> str:
        """Hand a value to DuckDB beside the statement; give what stands for it inside."""
        self._parameters.append(value)
        return f"${len(self._parameters)}"


def _compared(column: Column, sql: str) -> str:
    """Both sides lose their case to DuckDB: Python has other ideas about a few letters."""
    return f"lower({sql})" if column.field.type in TEXT_TYPES else sql


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
