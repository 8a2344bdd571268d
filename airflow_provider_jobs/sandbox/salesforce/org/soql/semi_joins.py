"""Subqueries in WHERE: ``Id IN (SELECT AccountId FROM Contact …)``.

https://developer.salesforce.com/docs/atlas.en-us.soql_sosl.meta/soql_sosl/sforce_api_calls_soql_select_comparisonoperators.htm
says what they may be.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_provider_jobs.sandbox.salesforce.org.model import ID_TYPES
from airflow_provider_jobs.sandbox.salesforce.org.refusals import refusal_at
from airflow_provider_jobs.sandbox.salesforce.org.soql.filters import Filters
from airflow_provider_jobs.sandbox.salesforce.org.soql.names import Scope, object_named

if TYPE_CHECKING:
    from datetime import datetime

    from airflow_provider_jobs.sandbox.salesforce.org.model import Field, SObject
    from airflow_provider_jobs.sandbox.salesforce.org.refusals import SalesforceRefusal
    from airflow_provider_jobs.sandbox.salesforce.org.soql.names import Column
    from airflow_provider_jobs.sandbox.salesforce.org.soql.tree import SemiJoin

_MOST = 2


class SemiJoins:
    """The semi-joins of one query."""

    def __init__(self, outer: Scope, parameters: list[object], *, all_rows: bool, now: datetime) -> None:
        self._outer = outer
        self._parameters = parameters
        self._all_rows = all_rows
        self._now = now
        self._count = 0
        self.objects: set[SObject] = set()

    def sql(self, join: SemiJoin, column: Column, under_or: bool) -> str:
        """Give a semi-join as SQL that is never NULL.

        :raises SalesforceRefusal: MALFORMED_QUERY: it is not one that Salesforce takes.
        """
        if under_or:
            raise self._refused(join, "Semi join sub-selects are not allowed with the 'OR' operator")
        self._count += 1
        if self._count > _MOST:
            raise self._refused(join, f"Maximum {_MOST} semi join sub-selects are allowed in one query")
        if column.field.type not in ID_TYPES:
            message = "The left operand field in the where expression for outer query should be an id field"
            raise self._refused(join, f"{message}, cannot use: '{column.path}'")
        found = f"({column.sql} IN ({self._inner(join, column)})) IS TRUE"
        return f"(NOT ({found}))" if join.negated else f"({found})"

    def _inner(self, join: SemiJoin, left: Column) -> str:
        query, soql = join.query, self._outer.soql
        schema = self._outer.schema
        scope = Scope(soql, object_named(soql, query.object, schema), query.alias, f"s{self._count}", schema)
        if scope.object is self._outer.object and left.field.type == "id":
            raise self._refused(join, "The inner and outer selects should not be on the same object type")
        if len(query.selected) != 1 or query.selected[0].function is not None:
            raise self._refused(join, "Semi join sub-selects must select exactly one field")
        if query.order or query.limit is not None:
            raise self._refused(join, "Semi join sub-selects cannot have ORDER BY or LIMIT")
        column = scope.column(query.selected[0].field)
        if not _targets(column.field, scope.object) & _targets(left.field, self._outer.object):
            message = (
                f"The selected field '{column.path}' in the subquery and the left operand field in the where "
                f"expression in the outer query '{left.path}' should point to the same object type"
            )
            raise self._refused(join, message)
        conditions = [f"{column.sql} IS NOT NULL"]
        if not self._all_rows:
            conditions += scope.own_live
        if query.where is not None:
            filters = Filters(scope, self._parameters, self._now, self._nested)
            conditions.append(filters.sql(query.where))
        self.objects |= scope.objects
        return f"SELECT {column.sql} FROM {scope.source} WHERE {' AND '.join(conditions)}"  # noqa: S608 - our names

    def _nested(self, join: SemiJoin, column: Column, under_or: bool) -> str:
        del column, under_or
        raise self._refused(join, "Nesting of semi join sub-selects is not supported")

    def _refused(self, join: SemiJoin, message: str) -> SalesforceRefusal:
        return refusal_at("MALFORMED_QUERY", self._outer.soql, join.query.at, message)


def _targets(field: Field, of: SObject) -> set[str]:
    """Tell which objects' ids a field holds."""
    return {of.name} if field.type == "id" else set(field.refers_to)
