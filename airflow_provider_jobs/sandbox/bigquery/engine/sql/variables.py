"""Variables of a script, and the values of expressions in it.

https://cloud.google.com/bigquery/docs/reference/standard-sql/procedural-language#declare
"""

from __future__ import annotations

from itertools import zip_longest
from typing import TYPE_CHECKING, Any

from airflow_provider_jobs.sandbox.bigquery.engine.encoding import select_list
from airflow_provider_jobs.sandbox.bigquery.engine.googlesql.messages import message, number
from airflow_provider_jobs.sandbox.bigquery.engine.googlesql.trees import kind, leaf
from airflow_provider_jobs.sandbox.bigquery.engine.googlesql.values import field_of, filler, type_of
from airflow_provider_jobs.sandbox.bigquery.engine.sql.choice import compute
from airflow_provider_jobs.sandbox.bigquery.engine.sql.parsing import split
from airflow_provider_jobs.sandbox.bigquery.engine.sql.places import at, invalid_query
from airflow_provider_jobs.sandbox.bigquery.engine.sql.plan import make_plan, type_written
from airflow_provider_jobs.sandbox.bigquery.engine.sql.tables import ERROR_VARIABLES
from airflow_provider_jobs.sandbox.bigquery.engine.types import Field

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow_provider_jobs.sandbox.bigquery.engine.sql.context import QueryContext
    from airflow_provider_jobs.sandbox.bigquery.engine.sql.places import Statement

BOOL, INT64, STRING = (type_of(Field("v", each)) for each in ("BOOLEAN", "INTEGER", "STRING"))


def error_parameters(*values: str) -> dict[str, tuple[Any, Any]]:
    """Give the system variables of an error, its message and its statement's text; without one, NULL."""
    parameters = {}
    for name, text in zip_longest(ERROR_VARIABLES, values):
        value = message("ValueProto")()
        if text is not None:
            value.string_value = text
        parameters[f"sandbox_{name}"] = (STRING, value)
    return parameters


def assign(context: QueryContext, statement: Statement) -> None:
    """DECLARE or SET: evaluate now, remember the value."""
    node = statement.node
    match kind(node):
        case "VariableDeclaration":
            _declare(context, statement)
        case "SingleAssignment":
            name = _declared(context, statement, node.variable)
            context.variables[name] = _value(
                context, statement, node.expression, [context.variables[name][0]]
            )
        case "AssignmentFromStruct":
            variables = [_declared(context, statement, each) for each in node.variables.identifier_list]
            types = [context.variables[name][0] for name in variables]
            whole = message("TypeProto")(type_kind=number("TypeKind", "TYPE_STRUCT"))
            for each in types:
                whole.struct_type.field.add(field_type=each)
            _, value = _value(context, statement, node.struct_expression, [whole])
            for name, each, part in zip(variables, types, value.struct_value.field, strict=True):
                context.variables[name] = each, part


def _declared(context: QueryContext, statement: Statement, variable: Any) -> str:
    name = str(variable.id_string).lower()
    if name not in context.variables:
        raise invalid_query(
            f"Undeclared variable: {variable.id_string}" + at(statement.script, statement.start)
        )
    return name


def _declare(context: QueryContext, statement: Statement) -> None:
    node = statement.node
    types = []
    if node.HasField("type"):
        types = [type_written(context, statement.inner(leaf(node.type)))]
    if node.HasField("default_value"):
        stored = _value(context, statement, node.default_value, types)
    else:
        stored = types[0], message("ValueProto")()
    for name in node.variable_list.identifier_list:
        context.variables[name.id_string.lower()] = stored


def value_of(context: QueryContext, statement: Statement, expression: Any, wanted: Any) -> Any:
    """Give the value of an expression in a statement, of the wanted type.

    :raises JobProblem: it has another type, or fails.
    """
    return _value(context, statement, expression, [wanted])[1]


def _value(
    context: QueryContext, statement: Statement, expression: Any, types: Sequence[Any]
) -> tuple[Any, Any]:
    """Run an expression and give its value, of the type that is wanted, if any."""
    targets = tuple(field_of("value", each) for each in types)
    inner = statement.inner(leaf(expression), is_expression=True)
    (each,), ((found,),) = _computed(context, inner, targets)
    value = message("ValueProto")()
    filler(each)(value, found)
    return (types[0] if types else type_of(each)), value


def first_equal(context: QueryContext, case: Statement) -> int:
    """Give the number of the first WHEN, from 0, of a CASE statement that its expression equals; else -1."""
    node = case.node
    conditions = (case.inner(leaf(each.condition)).text for each in node.when_then_clauses.when_then_clauses)
    whens = " ".join(f"WHEN ({text}) THEN {index}" for index, text in enumerate(conditions))
    expression = case.inner(leaf(node.expression)).text
    with context.instance() as instance:
        (query,) = split(instance, f"SELECT CASE ({expression}) {whens} ELSE -1 END")
    _, ((found,),) = _computed(context, query, (Field("f0_", "INTEGER"),))
    return int(found)


def records_of(context: QueryContext, query: Statement) -> list[tuple[Any, Any]]:
    """Run a query and give each of its rows as a value: a record of its columns."""
    fields, rows = _computed(context, query, ())
    record = message("TypeProto")(type_kind=number("TypeKind", "TYPE_STRUCT"))
    for each in fields:
        record.struct_type.field.add(field_name=each.name, field_type=type_of(each))
    fillers = [filler(each) for each in fields]
    values = []
    for row in rows:
        value = message("ValueProto")()
        value.struct_value.SetInParent()
        for fill, found in zip(fillers, row, strict=True):
            fill(value.struct_value.field.add(), found)
        values.append((record, value))
    return values


def _computed(
    context: QueryContext, query: Statement, targets: tuple[Field, ...]
) -> tuple[tuple[Field, ...], list[tuple[Any, ...]]]:
    physical = context.store.new_physical()
    with context.session.transaction():
        fields = compute(context, make_plan(context, query, targets), physical)
        rows = context.session.rows(f"SELECT {select_list(fields)} FROM {physical}")  # noqa: S608 - our name
        context.session.execute(f"DROP TABLE {physical}")
    return fields, rows
