"""The pieces of a CREATE statement as the REST API names them: columns, partitioning, clustering, options."""

from __future__ import annotations

from typing import Any

from sqlglot import exp

from airflow_provider_jobs.sandbox.bigquery.engine.sql.places import invalid_query
from airflow_provider_jobs.sandbox.bigquery.engine.types import Field, read_schema

_PARTITION_UNITS = {"HOUR", "DAY", "MONTH", "YEAR"}
_TEXT_OPTIONS = {"description": "description", "friendly_name": "friendlyName", "location": "location"}


def fields_of(schema: exp.Schema) -> tuple[Field, ...]:
    """Read column definitions."""
    return read_schema(
        {"fields": [_column(each) for each in schema.expressions if isinstance(each, exp.ColumnDef)]}
    )


def _column(definition: exp.ColumnDef) -> dict[str, Any]:
    kind = definition.kind
    if kind is None:
        raise invalid_query(f"Column {definition.name} has no type")
    column = {"name": definition.name, **_typed(kind)}
    for constraint in definition.args.get("constraints") or []:
        what = constraint.kind
        if isinstance(what, exp.NotNullColumnConstraint) and column.get("mode") != "REPEATED":
            column["mode"] = "REQUIRED"
        for prop in constraint.find_all(exp.Property):
            if prop.name == "description":
                column["description"] = prop.args["value"].name
    return column


def _typed(kind: exp.DataType) -> dict[str, Any]:
    if kind.this is exp.DataType.Type.ARRAY:
        return {**_typed(kind.expressions[0]), "mode": "REPEATED"}
    if kind.this is exp.DataType.Type.STRUCT:
        return {"type": "RECORD", "fields": [_column(each) for each in kind.expressions]}
    name, _, sizes = kind.sql(dialect="bigquery").partition("(")
    column: dict[str, Any] = {"type": name}
    numbers = [size.strip() for size in sizes.rstrip(")").split(",") if size.strip()]
    if name in {"NUMERIC", "BIGNUMERIC"}:
        column |= dict(zip(("precision", "scale"), numbers, strict=False))
    elif numbers:
        column["maxLength"] = numbers[0]
    return column


def partitioning(tree: exp.Create) -> dict[str, Any]:
    """Read PARTITION BY."""
    found = tree.find(exp.PartitionedByProperty)
    if found is None:
        return {}
    by = found.this
    unit = by.args.get("unit")
    kind = unit.name.upper() if unit is not None else "DAY"
    column = by if isinstance(by, exp.Column) else by.find(exp.Column)
    if kind not in _PARTITION_UNITS or column is None or isinstance(by, exp.Anonymous | exp.RangeBucket):
        raise invalid_query(
            "Unsupported PARTITION BY in the sandbox: only by a DATE, DATETIME or TIMESTAMP column"
        )
    part = {"type": kind}
    if not column.name.startswith("_PARTITION"):
        part["field"] = column.name
    return {"timePartitioning": part}


def clustering(tree: exp.Create) -> dict[str, Any]:
    """Read CLUSTER BY."""
    found = tree.find(exp.ClusterProperty)
    return {"clustering": {"fields": [each.name for each in found.expressions]}} if found else {}


def options(tree: exp.Expression) -> dict[str, Any]:
    """Read those OPTIONS that a table or dataset resource can hold; others change nothing here."""
    properties = tree.args.get("properties")
    read: dict[str, Any] = {}
    for prop in properties.expressions if properties else []:
        if isinstance(prop, exp.LocationProperty):
            read["location"] = prop.this.name
        elif isinstance(prop, exp.Property) and prop.name in _TEXT_OPTIONS:
            read[_TEXT_OPTIONS[prop.name]] = prop.args["value"].name
        elif isinstance(prop, exp.Property) and prop.name == "labels":
            pairs = [pair.expressions for pair in prop.args["value"].expressions]
            read["labels"] = {key.name: value.name for key, value in pairs}
    return read
