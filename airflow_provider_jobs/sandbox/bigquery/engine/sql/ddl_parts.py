"""The pieces of an analyzed CREATE statement as the REST API names them: columns, partitions, options."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_jobs.sandbox.bigquery.engine.googlesql.trees import has, kind, leaf, part
from airflow_provider_jobs.sandbox.bigquery.engine.googlesql.values import NoSuchType, field_of
from airflow_provider_jobs.sandbox.bigquery.engine.sql.places import unsupported
from airflow_provider_jobs.sandbox.bigquery.engine.types import Field, read_schema

if TYPE_CHECKING:
    from collections.abc import Iterable

# Parts of dates and times, by their numbers in zetasql.functions.DateTimestampPart.
_PARTITION_UNITS = {1: "YEAR", 2: "MONTH", 3: "DAY", 7: "HOUR"}
_TEXT_OPTIONS = {"description": "description", "friendly_name": "friendlyName", "location": "location"}


def fields_of(definitions: Iterable[Any]) -> tuple[Field, ...]:
    """Read column definitions."""
    return read_schema({"fields": [_column(each) for each in definitions]})


def _column(definition: Any) -> dict[str, Any]:
    if definition.HasField("generated_column_info"):
        raise unsupported("make generated columns")
    try:
        column = field_of(definition.name, definition.type).resource()
    except NoSuchType as error:
        raise unsupported(f"store values of type {error}") from error
    _annotate(column, definition.annotations)
    if definition.HasField("default_value"):
        column["defaultValueExpression"] = definition.default_value.sql
    return column


def refuse_collation(node: Any) -> None:
    """Refuse a column, a table or a dataset whose texts compare by a collation.

    :raises JobProblem: it is such a one.
    """
    if has(node, "collation_name") and leaf(part(node, "collation_name")).value.value.string_value:
        raise unsupported("store texts with a collation")


def _annotate(column: dict[str, Any], annotations: Any) -> None:
    """Note what is said of a column, or of a field of a record, besides its type."""
    if column["mode"] == "REPEATED" and annotations.child_list:
        (element,) = annotations.child_list
    else:
        element = annotations
    refuse_collation(element)
    if annotations.not_null and column["mode"] != "REPEATED":
        column["mode"] = "REQUIRED"
    column |= {key: value for key, value in options(annotations.option_list).items() if key == "description"}
    sizes = element.type_parameters
    if sizes.HasField("string_type_parameters"):
        column["maxLength"] = str(sizes.string_type_parameters.max_length)
    elif sizes.HasField("numeric_type_parameters"):
        column["precision"] = str(sizes.numeric_type_parameters.precision)
        column["scale"] = str(sizes.numeric_type_parameters.scale)
    if column["type"] == "RECORD":
        for inner, said in zip(column["fields"], element.child_list, strict=False):
            _annotate(inner, said)


def partitioning(resolved: Any) -> dict[str, Any]:
    """Read PARTITION BY."""
    found = [leaf(each) for each in resolved.partition_by_list]
    if not found:
        return {}
    unit, by = "DAY", found[0]
    name = part(by, "function").name.removeprefix("ZetaSQL:") if kind(by) == "ResolvedFunctionCall" else ""
    arguments = [leaf(each) for each in part(by, "argument_list")] if name else []
    if name.endswith("_trunc"):
        unit = _PARTITION_UNITS.get(arguments[1].value.value.enum_value, "")
    if arguments and (name == "date" or name.endswith("_trunc")):
        by = arguments[0]
    if kind(by) != "ResolvedColumnRef" or not unit:
        raise unsupported("partition by this: only by a DATE, DATETIME or TIMESTAMP column")
    field = {} if by.column.name.startswith("_PARTITION") else {"field": by.column.name}
    return {"timePartitioning": {"type": unit, **field}}


def clustering(resolved: Any) -> dict[str, Any]:
    """Read CLUSTER BY."""
    columns = [leaf(each).column.name for each in resolved.cluster_by_list]
    return {"clustering": {"fields": columns}} if columns else {}


def options(given: Iterable[Any]) -> dict[str, Any]:
    """Read those OPTIONS that a table or dataset resource can hold; others change nothing here."""
    read: dict[str, Any] = {}
    for option in given:
        value = leaf(option.value)
        found = value.value.value if kind(value) == "ResolvedLiteral" else None
        if found is None:
            continue
        if option.name in _TEXT_OPTIONS:
            read[_TEXT_OPTIONS[option.name]] = found.string_value
        elif option.name == "labels":
            pairs = [pair.struct_value.field for pair in found.array_value.element]
            read["labels"] = {key.string_value: label.string_value for key, label in pairs}
    return read
