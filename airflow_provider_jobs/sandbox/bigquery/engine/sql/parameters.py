"""Query parameters and script variables, put into the tree as typed values: never pasted into text.

https://cloud.google.com/bigquery/docs/reference/rest/v2/QueryParameter
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlglot import exp
from sqlglot.errors import SqlglotError

from airflow_provider_jobs.sandbox.bigquery.engine.outcomes import JobProblem
from airflow_provider_jobs.sandbox.bigquery.engine.sql.places import at, invalid_query

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow_provider_jobs.sandbox.bigquery.engine.sql.places import Statement


def read_parameters(parameters: Sequence[Any]) -> dict[str, exp.Expression]:
    """Turn ``queryParameters`` into expressions by name; the nth positional one is called ``?n``.

    :raises JobProblem: a parameter is malformed.
    """
    values: dict[str, exp.Expression] = {}
    for number, parameter in enumerate(parameters, 1):
        if not isinstance(parameter, dict) or not isinstance(parameter.get("parameterType"), dict):
            raise JobProblem("invalid", f"Query parameter number {number} has no parameterType")
        name = str(parameter.get("name") or f"?{number}").lower()
        values[name] = _value(parameter["parameterType"], parameter.get("parameterValue") or {}, name)
    return values


def _value(kind: Mapping[str, Any], given: Mapping[str, Any], name: str) -> exp.Expression:
    type_name = str(kind.get("type", "")).upper()
    if type_name == "ARRAY":
        items = [_value(kind.get("arrayType") or {}, item, name) for item in given.get("arrayValues") or []]
        return exp.cast(exp.Array(expressions=items), _type(kind, name))
    if type_name in {"STRUCT", "RECORD"}:
        parts = given.get("structValues") or {}
        fields = [
            exp.PropertyEQ(
                this=exp.to_identifier(part.get("name") or f"_field_{number}", quoted=True),
                expression=_value(part.get("type") or {}, parts.get(part.get("name")) or {}, name),
            )
            for number, part in enumerate(kind.get("structTypes") or [], 1)
        ]
        return exp.Struct(expressions=fields)
    value = given.get("value")
    to = _type(kind, name)
    if value is None:
        return exp.cast(exp.Null(), to)
    literal = exp.Literal.string(str(value))
    if type_name == "STRING":
        return literal
    return (
        exp.Anonymous(this="from_base64", expressions=[literal])
        if type_name == "BYTES"
        else exp.cast(literal, to)
    )


def _type(kind: Mapping[str, Any], name: str) -> exp.DataType:
    try:
        return exp.DataType.build(_spelled(kind), dialect="bigquery")
    except (SqlglotError, ValueError) as error:
        raise JobProblem("invalid", f"Invalid type of query parameter {name}: {kind.get('type')}") from error


def _spelled(kind: Mapping[str, Any]) -> str:
    type_name = str(kind.get("type", "")).upper()
    if type_name == "ARRAY":
        return f"ARRAY<{_spelled(kind.get('arrayType') or {})}>"
    if type_name in {"STRUCT", "RECORD"}:
        parts = enumerate(kind.get("structTypes") or [], 1)
        inner = ", ".join(
            f"`{p.get('name') or f'_field_{n}'}` {_spelled(p.get('type') or {})}" for n, p in parts
        )
        return f"STRUCT<{inner}>"
    return {"INTEGER": "INT64", "FLOAT": "FLOAT64", "BOOLEAN": "BOOL"}.get(type_name, type_name)


def bind(
    tree: exp.Expression,
    statement: Statement,
    parameters: Mapping[str, exp.Expression],
    variables: Mapping[str, exp.Expression],
) -> None:
    """Put the values where the statement names them.

    :raises JobProblem: the statement names a parameter that was not given.
    """
    for node in list(tree.find_all(exp.Parameter)):
        name = node.name.lower()
        if name not in parameters:
            raise invalid_query(_missing(node, statement))
        node.replace(parameters[name].copy())
    for column in list(tree.find_all(exp.Column)):
        if not column.table and column.name.lower() in variables:
            column.replace(variables[column.name.lower()].copy())


def _missing(node: exp.Parameter, statement: Statement) -> str:
    if isinstance(node.this, exp.Parameter):
        return f"System variables are not supported by the sandbox: @@{node.this.name}"
    if node.name.startswith("?"):
        return f"Query parameter number {node.name[1:]} is not defined"
    offset = next((t.start - 1 for t in statement.tokens if t.text == node.name), statement.start)
    return f"Query parameter '{node.name}' not found" + at(statement.script, offset)
