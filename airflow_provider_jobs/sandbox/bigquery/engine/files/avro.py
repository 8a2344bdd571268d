"""Avro schemas and BigQuery schemas, in both directions.

https://cloud.google.com/bigquery/docs/loading-data-cloud-storage-avro#avro_conversions
https://cloud.google.com/bigquery/docs/exporting-data#avro_export_details
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any

from airflow_provider_jobs.sandbox.bigquery.engine.outcomes import JobProblem
from airflow_provider_jobs.sandbox.bigquery.engine.types import BIGNUMERIC_SCALE, NUMERIC_SCALE, Field

if TYPE_CHECKING:
    from collections.abc import Sequence

_PLAIN = {
    "boolean": "BOOLEAN", "int": "INTEGER", "long": "INTEGER", "float": "FLOAT", "double": "FLOAT",
    "bytes": "BYTES", "fixed": "BYTES", "string": "STRING", "enum": "STRING",
}  # fmt: skip
_LOGICAL = {
    "date": "DATE", "time-millis": "TIME", "time-micros": "TIME", "timestamp-millis": "TIMESTAMP",
    "timestamp-micros": "TIMESTAMP", "local-timestamp-millis": "DATETIME",
    "local-timestamp-micros": "DATETIME",
}  # fmt: skip

_TO_AVRO: dict[str, Any] = {
    "STRING": "string",
    "BYTES": "bytes",
    "INTEGER": "long",
    "FLOAT": "double",
    "BOOLEAN": "boolean",
    "DATE": {"type": "int", "logicalType": "date"},
    "TIME": {"type": "long", "logicalType": "time-micros"},
    "TIMESTAMP": {"type": "long", "logicalType": "timestamp-micros"},
    "DATETIME": {"type": "string", "sqlType": "DATETIME"},
    "GEOGRAPHY": {"type": "string", "sqlType": "GEOGRAPHY"},
    "JSON": {"type": "string", "sqlType": "JSON"},
    "INTERVAL": {"type": "string", "sqlType": "INTERVAL"},
    "NUMERIC": {"type": "bytes", "logicalType": "decimal", "precision": 38, "scale": NUMERIC_SCALE},
    "BIGNUMERIC": {"type": "bytes", "logicalType": "decimal", "precision": 38, "scale": BIGNUMERIC_SCALE},
}


def without_logical_types(schema: Any) -> Any:
    """Give the schema of values as they are stored: a load does not interpret dates and times unless told."""
    if isinstance(schema, list):
        return [without_logical_types(each) for each in schema]
    if not isinstance(schema, dict) or schema.get("logicalType") == "decimal":
        return schema
    kept = {key: value for key, value in schema.items() if key not in {"logicalType", "sqlType"}}
    return {key: without_logical_types(kept[key]) if key in _NESTED else kept[key] for key in kept}


_NESTED = {"type", "items", "fields"}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def as_stored(value: Any, schema: Any) -> Any:
    """Turn back into a plain number or text what the reader has interpreted."""
    if isinstance(schema, list):
        return as_stored(value, next((each for each in schema if each != "null"), "null"))
    if value is None or not isinstance(schema, dict):
        return value
    if schema["type"] == "record":
        return {each["name"]: as_stored(value[each["name"]], each["type"]) for each in schema["fields"]}
    if schema["type"] == "array":
        return [as_stored(each, schema["items"]) for each in value]
    return _stored_number(value, str(schema.get("logicalType")))


def _stored_number(value: Any, logical: str) -> Any:
    unit = timedelta(milliseconds=1) if logical.endswith("millis") else timedelta(microseconds=1)
    if isinstance(value, datetime):
        return (value.replace(tzinfo=value.tzinfo or UTC) - _EPOCH) // unit
    if isinstance(value, date):
        return (value - _EPOCH.date()).days
    if isinstance(value, time):
        return (datetime.combine(_EPOCH.date(), value, UTC) - _EPOCH) // unit
    return str(value) if logical == "uuid" else value


def avro_fields(schema: Any) -> tuple[Field, ...]:
    """Read the schema of an Avro file.

    :raises JobProblem: it has something that BigQuery has no type for.
    """
    if not isinstance(schema, dict) or schema.get("type") != "record":
        raise JobProblem(
            "invalid", "The Apache Avro library failed to parse the header: the root must be a record"
        )
    return tuple(_field(each["name"], each["type"]) for each in schema["fields"])


def _field(name: str, kind: Any, *, required: bool = True) -> Field:
    if isinstance(kind, list):
        return _optional(name, kind)
    mode = "REQUIRED" if required else "NULLABLE"
    if isinstance(kind, str):
        if kind not in _PLAIN:
            raise JobProblem("invalid", f"Avro field {name} has type {kind}, which the sandbox cannot load")
        return Field(name, _PLAIN[kind], mode)
    if kind["type"] == "array":
        return replace(_field(name, kind["items"]), mode="REPEATED")
    if kind["type"] == "record":
        return Field(name, "RECORD", mode, avro_fields(kind))
    if kind.get("logicalType") == "decimal" and kind.get("scale", 0) > NUMERIC_SCALE:
        message = f"Avro field {name} has more digits than NUMERIC, and the sandbox has no decimalTargetTypes"
        raise JobProblem("invalid", message)
    logical = _logical_type(kind)
    return Field(name, logical, mode) if logical else _field(name, kind["type"], required=required)


def _optional(name: str, union: list[Any]) -> Field:
    others = [each for each in union if each != "null"]
    if len(others) != 1:
        message = f"Avro field {name} is a union of several types, which the sandbox cannot load"
        raise JobProblem("invalid", message)
    return _field(name, others[0], required="null" not in union)


def _logical_type(kind: dict[str, Any]) -> str | None:
    """Give the type that an annotation asks for."""
    if kind.get("logicalType") == "decimal":
        return "NUMERIC"
    if kind.get("sqlType") in {"DATETIME", "GEOGRAPHY", "JSON"}:
        return str(kind["sqlType"])
    return _LOGICAL.get(kind.get("logicalType", ""))


# How an export without logical types spells these.
_TEXTS: dict[str, Any] = {kind: {"type": "string", "sqlType": kind} for kind in ("DATE", "TIME")}


def avro_schema(fields: Sequence[Field], *, logical: bool, name: str = "Root") -> dict[str, Any]:
    """Give the Avro schema of an export.

    :param logical: whether dates and times are numbers with a logical type, or texts.
    """
    return {
        "type": "record",
        "name": name,
        "fields": [{"name": each.name, "type": _avro_type(each, logical, name)} for each in fields],
    }


def _avro_type(each: Field, logical: bool, parent: str) -> Any:
    kind = _TO_AVRO.get(each.type) if logical else _TEXTS.get(each.type, _TO_AVRO.get(each.type))
    if each.type == "RECORD":
        kind = avro_schema(each.fields, logical=logical, name=f"{parent}_{each.name}")
    if each.repeated:
        return {"type": "array", "items": kind}
    return kind if each.mode == "REQUIRED" else ["null", kind]
