"""Turns a query into one statement for DuckDB, and refuses what Salesforce refuses."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from airflow_provider_jobs.sandbox.salesforce.org.model import TEXT_TYPES
from airflow_provider_jobs.sandbox.salesforce.org.refusals import SalesforceRefusal, not_for_bulk, refusal_at
from airflow_provider_jobs.sandbox.salesforce.org.soql.dates import applied
from airflow_provider_jobs.sandbox.salesforce.org.soql.filters import Filters
from airflow_provider_jobs.sandbox.salesforce.org.soql.names import Column, Scope, object_named
from airflow_provider_jobs.sandbox.salesforce.org.soql.parser import parse
from airflow_provider_jobs.sandbox.salesforce.org.soql.semi_joins import SemiJoins
from airflow_provider_jobs.sandbox.salesforce.org.soql.tree import Chain, Comparison
from airflow_provider_jobs.sandbox.salesforce.org.value_macros import literal

if TYPE_CHECKING:
    from datetime import datetime

    from airflow_provider_jobs.sandbox.salesforce.org.model import Field, SObject
    from airflow_provider_jobs.sandbox.salesforce.org.schema import Schema
    from airflow_provider_jobs.sandbox.salesforce.org.soql.tree import Ordering, Query, Selected

_NO_COMPOUND = "Selecting compound data not supported in Bulk Query"
_UNBOUNDED = "The SOQL FIELDS function is not supported with an unbounded set of fields in this API."


@dataclass(frozen=True)
class QueryShape:
    """What a query that passed the checks will read.

    :param object_name: the queried object in its own spelling; the job's ``object``.
    :param columns: the header of the results, in the order of SELECT; ``Account.Name`` for a parent's field.
    :param types: the types of these fields.
    :param records: the records that a row has values of: "" is the object's own, "Account" its parent.
    :param chunkable: whether Salesforce could split it by primary key: neither ORDER BY nor LIMIT.
    """

    object_name: str
    columns: tuple[str, ...]
    types: tuple[str, ...]
    records: tuple[str, ...]
    chunkable: bool


@dataclass(frozen=True)
class Statement:
    """A query, ready to run.

    :param source: the queried object.
    :param columns: the header of its results.
    :param values: a field and its SQL for each column.
    :param records: path, object and id of each record that a row has values of, the latter two as SQL.
    :param tail: all that follows the select list.
    """

    source: SObject
    columns: tuple[str, ...]
    values: tuple[tuple[Field, str], ...]
    records: tuple[tuple[str, str, str], ...]
    tail: str
    parameters: tuple[object, ...]
    objects: frozenset[SObject]
    chunkable: bool

    @property
    def shape(self) -> QueryShape:
        """What may be told of it."""
        types = tuple("double" if field.decimal else field.type for field, _ in self.values)
        records = tuple(path for path, _, _ in self.records)
        return QueryShape(self.source.name, self.columns, types, records, self.chunkable)


def translate(soql: str, schema: Schema, *, all_rows: bool, now: datetime) -> Statement:
    """Translate a query.

    :param all_rows: with records in the bin, and archived ones.
    :param now: what TODAY means.
    :raises SalesforceRefusal: in Salesforce's words.
    """
    query = parse(soql)
    scope = Scope(soql, object_named(soql, query.object, schema), query.alias, "t", schema)
    if not scope.object.bulk:
        raise not_for_bulk(scope.object.name)
    if scope.object.index:
        _check_index(scope, query)
    columns, records = _select(scope, query.selected), tuple(scope.records)
    parameters: list[object] = []
    semi_joins = SemiJoins(scope, parameters, all_rows=all_rows, now=now)
    filters = Filters(scope, parameters, now, semi_joins.sql)
    conditions = [] if all_rows else scope.own_live
    if query.where is not None:
        conditions.append(filters.sql(query.where))
    order = _order(scope, query.order)
    where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
    limit = "" if query.limit is None else f" LIMIT {query.limit:d}"
    return Statement(
        source=scope.object,
        columns=tuple(name for name, _ in columns),
        values=tuple((column.field, column.sql) for _, column in columns),
        records=records,
        tail=f"FROM {scope.source}{where}{order}{limit}",
        parameters=tuple(parameters),
        objects=frozenset(scope.objects | semi_joins.objects),
        chunkable=not query.order and query.limit is None,
    )


def _check_index(scope: Scope, query: Query) -> None:
    """Refuse what a big object's index does not give.

    https://developer.salesforce.com/docs/atlas.en-us.bigobjects.meta/bigobjects/big_object_querying.htm
    """
    index, where = scope.object.index, query.where
    conditions = (
        where.conditions if isinstance(where, Chain) and where.word == "AND" else (where,) * bool(where)
    )
    operators: dict[str, list[str]] = {}
    for each in conditions:
        if not isinstance(each, Comparison) or each.operand.function is not None:
            operators["a condition of its own kind"] = []
        else:
            operators.setdefault(scope.column(each.operand.field).path, []).append(each.operator)
    *before, last = [operators.get(name, []) for name in index[: len(operators)]] or [[]]
    exact = [operator for each in before for operator in each]
    good = (
        operators.keys() == set(index[: len(operators)])
        and {*exact} <= {"=", "IN"}
        and {*last} <= {"=", "IN", "<", "<=", ">", ">="}
        and [*exact, *last].count("IN") <= 1
        and [scope.column(each.field).path for each in query.order] == list(index[: len(query.order)])
    )
    if not good:
        message = (
            f"A query of {scope.object.name} follows its index, {', '.join(index)}, from the first field on "
            "and without gaps: = and one IN, and on the last of them < <= > >=; ORDER BY names them in order"
        )
        raise refusal_at("MALFORMED_QUERY", scope.soql, query.object.at, message)


def _select(scope: Scope, selected: tuple[Selected, ...]) -> list[tuple[str, Column]]:
    found: dict[str, Column] = {}
    for each in selected:
        for name, column in _columns_of(scope, each):
            if column.field.compound:
                raise SalesforceRefusal("API_ERROR", _NO_COMPOUND)
            if name.lower() in {known.lower() for known in found}:
                raise SalesforceRefusal("INVALID_FIELD", f"duplicate field selected: {name}")
            found[name] = column
    return list(found.items())


def _columns_of(scope: Scope, selected: Selected) -> list[tuple[str, Column]]:
    function = selected.function
    if function is None:
        column = scope.column(selected.field)
        return [(column.path, column)]
    if function.text.upper() == "FIELDS":
        return _all_fields(scope, selected)
    column = scope.column(selected.field)
    if function.text.upper() == "TOLABEL":
        return [(selected.alias or column.path, applied(scope.soql, function, column))]
    message = f"unexpected token: '{function.text}'"
    raise refusal_at("MALFORMED_QUERY", scope.soql, function.at, message)


def _all_fields(scope: Scope, selected: Selected) -> list[tuple[str, Column]]:
    which = selected.field.text.upper()
    if which in ("ALL", "CUSTOM"):
        raise SalesforceRefusal("MALFORMED_QUERY", _UNBOUNDED)
    if which != "STANDARD":
        message = f"unexpected token: '{selected.field.text}'"
        raise refusal_at("MALFORMED_QUERY", scope.soql, selected.field.at, message)
    fields = [each for each in scope.object.visible if not each.custom and not each.compound]
    return [(each.name, scope.column(replace(selected.field, text=each.name))) for each in fields]


def _order(scope: Scope, order: tuple[Ordering, ...]) -> str:
    """Order by what is asked for, and always in a way that gives the same twice."""
    if not order:
        # DuckDB keeps the order of a table, but not that of a join.
        return f" ORDER BY {scope.own_place}" if scope.joined else ""
    found = []
    for each in order:
        column = scope.column(each.field)
        if not column.field.sortable:
            message = f"field '{column.field.name}' can not be sorted in a query call"
            raise refusal_at("MALFORMED_QUERY", scope.soql, each.field.at, message)
        value = f"lower({column.sql})" if column.field.type in TEXT_TYPES else column.sql
        if column.field.values:  # in the order in which the picklist was set up
            values = ", ".join(literal(each.lower()) for each in column.field.values)
            value = f"list_position([{values}], {value})"
        nulls = "LAST" if each.nulls_last else "FIRST"
        found.append(f"{value} {'DESC' if each.descending else 'ASC'} NULLS {nulls}")
    return f" ORDER BY {', '.join(found)}, {scope.own_id}"
