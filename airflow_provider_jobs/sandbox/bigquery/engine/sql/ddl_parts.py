"""The pieces of an analyzed CREATE statement as the REST API names them: columns, partitions, options."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from airflow_provider_jobs.sandbox.bigquery.engine.googlesql.trees import has, kind, leaf, part
from airflow_provider_jobs.sandbox.bigquery.engine.googlesql.values import NoSuchType, field_of
from airflow_provider_jobs.sandbox.bigquery.engine.sql.places import invalid_query, unsupported
from airflow_provider_jobs.sandbox.bigquery.engine.types import Field, read_schema

if TYPE_CHECKING:
    from collections.abc import Iterable

# Parts of dates and times, by their numbers in zetasql.functions.DateTimestampPart.
_PARTITION_UNITS = {1: "YEAR", 2: "MONTH", 3: "DAY", 7: "HOUR"}
_SIZES = ("maxLength", "precision", "scale")
# Digits before and after the point of a type that says nothing of them.
_DIGITS = {"INTEGER": (19, 0), "NUMERIC": (29, 9), "BIGNUMERIC": (39, 38)}
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


def retyped(old: Field, action: Any) -> Field:
    """Give a column with the type that SET DATA TYPE gives it; the rest stays.

    :raises JobProblem: the new type holds fewer values, which the analyzer sees of plain types only.
    """
    column = field_of(old.name, action.updated_type).resource()
    said = type(action.updated_annotations)()
    said.CopyFrom(action.updated_annotations)
    if action.HasField("updated_type_parameters"):
        said.type_parameters.CopyFrom(action.updated_type_parameters)
    _annotate(column, said)
    kept = {name: value for name, value in old.extras.items() if name not in _SIZES}
    (new,) = read_schema({"fields": [{**kept, **column, "mode": old.mode}]})
    if any(have > want for have, want in zip(_room(old), _room(new), strict=True)):
        types = f"existing column type ({_written(old)}) is assignable to the new type ({_written(new)})"
        raise invalid_query(f"ALTER TABLE ALTER COLUMN SET DATA TYPE requires that the {types}")
    return new


def _room(column: Field) -> tuple[float, float]:
    """Give how much a column holds: characters; of numbers, digits before and after the point."""
    if "precision" in column.extras:
        scale = int(column.extras.get("scale") or 0)
        return int(column.extras["precision"]) - scale, scale
    longest = float(column.extras.get("maxLength") or math.inf)
    return _DIGITS.get(column.type, (longest, math.inf))


def _written(column: Field) -> str:
    sizes = ", ".join(str(column.extras[name]) for name in _SIZES if name in column.extras)
    return f"{column.sql_name}({sizes})" if sizes else column.sql_name


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
