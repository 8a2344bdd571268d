"""Turns WHERE into SQL.

SOQL knows no third truth value: ``!=`` and NOT also find records without a value. Every condition made here
is true or false, never NULL, so that NOT means the same to DuckDB. Text is compared without
case, ids are not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_provider_jobs.sandbox.salesforce.org.model import TEXT_TYPES
from airflow_provider_jobs.sandbox.salesforce.org.refusals import refusal_at
from airflow_provider_jobs.sandbox.salesforce.org.soql.date_functions import applied
from airflow_provider_jobs.sandbox.salesforce.org.soql.literals import range_of, value_of, wrong_type
from airflow_provider_jobs.sandbox.salesforce.org.soql.tree import Chain, Comparison, Negation

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import date, datetime

    from airflow_provider_jobs.sandbox.salesforce.org.soql.names import Column, Scope
    from airflow_provider_jobs.sandbox.salesforce.org.soql.tree import Condition, Literal, Operand, SemiJoin

_ORDERED = frozenset({"<", "<=", ">", ">="})

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
