"""BigQuery's schemas and DuckDB's column types, in both directions, and what their values weigh.

https://cloud.google.com/bigquery/docs/reference/rest/v2/tables#TableFieldSchema
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from airflow_provider_jobs.sandbox.bigquery.engine.outcomes import ApiError
from airflow_provider_jobs.sandbox.bigquery.engine.store import quoted

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from airflow_provider_jobs.sandbox.bigquery.engine.store import Session

# Every spelling the API accepts, and the one it answers with.
_CANONICAL = {
    "STRING": "STRING", "BYTES": "BYTES", "INTEGER": "INTEGER", "INT64": "INTEGER", "FLOAT": "FLOAT",
    "FLOAT64": "FLOAT", "NUMERIC": "NUMERIC", "BIGNUMERIC": "BIGNUMERIC", "BOOLEAN": "BOOLEAN",
    "BOOL": "BOOLEAN", "TIMESTAMP": "TIMESTAMP", "DATE": "DATE", "TIME": "TIME", "DATETIME": "DATETIME",
    "GEOGRAPHY": "GEOGRAPHY", "JSON": "JSON", "RECORD": "RECORD", "STRUCT": "RECORD", "INTERVAL": "INTERVAL",
}  # fmt: skip

_TO_DUCK = {
    "STRING": "VARCHAR", "BYTES": "BLOB", "INTEGER": "BIGINT", "FLOAT": "DOUBLE", "BOOLEAN": "BOOLEAN",
    "TIMESTAMP": "TIMESTAMP WITH TIME ZONE", "DATE": "DATE", "TIME": "TIME", "DATETIME": "TIMESTAMP",
    "GEOGRAPHY": "VARCHAR", "JSON": "JSON", "INTERVAL": "INTERVAL",
}  # fmt: skip

# What error messages about rows call a type.
SQL_NAMES = {"INTEGER": "INT64", "FLOAT": "FLOAT64", "BOOLEAN": "BOOL", "RECORD": "STRUCT"}

NUMERIC_SCALE = 9
# DuckDB has 38 digits in all, BigQuery 38 before and 38 after the point: half of each is kept. The odd
# scale also tells a BIGNUMERIC column from the product of two NUMERIC ones, whose scale is 18.
BIGNUMERIC_SCALE = 19
_DIGITS = 38

# Logical bytes of a value: https://cloud.google.com/bigquery/pricing#data
_FIXED = {
    "INTEGER": 8, "FLOAT": 8, "BOOLEAN": 1, "TIMESTAMP": 8, "DATE": 8, "TIME": 8, "DATETIME": 8,
    "NUMERIC": 16, "BIGNUMERIC": 32, "INTERVAL": 16,
}  # fmt: skip

# A text or a byte string costs two bytes besides its own.
_LENGTH_BYTES = 2

_MODES = ("NULLABLE", "REQUIRED", "REPEATED")
_FIELD_NAME = re.compile(r"[^\W\d]\w{0,299}")
_EXTRAS = (
    "description", "precision", "scale", "maxLength", "policyTags", "defaultValueExpression", "roundingMode",
)  # fmt: skip


@dataclass(frozen=True)
class Field:
    """One column, or one field of a record."""

    name: str
    type: str
    mode: str = "NULLABLE"
    fields: tuple[Field, ...] = ()
    extras: dict[str, Any] = field(default_factory=dict, compare=False, hash=False)

    @property
    def repeated(self) -> bool:
        """Whether the column is an array."""
        return self.mode == "REPEATED"

    @property
    def sql_name(self) -> str:
        """The type as SQL and error messages name it."""
        return SQL_NAMES.get(self.type, self.type)

    @property
    def element(self) -> Field:
        """The same field for one value of the array."""
        return replace(self, mode="NULLABLE")

    def resource(self) -> dict[str, Any]:
        """Spell the field as the API does."""
        spelled: dict[str, Any] = {"name": self.name, "type": self.type, "mode": self.mode, **self.extras}
        if self.fields:
            spelled["fields"] = [inner.resource() for inner in self.fields]
        return spelled


def read_schema(schema: Any) -> tuple[Field, ...]:
    """Read a REST ``TableSchema``; refuse what BigQuery refuses."""
    if not isinstance(schema, dict) or not isinstance(schema.get("fields", []), list):
        raise ApiError(400, "invalid", "Invalid schema: it must be an object with a list of fields.")
    return _read_fields(schema.get("fields", []))


def schema_resource(fields: Iterable[Field]) -> dict[str, Any]:
    """Spell a schema as the API does."""
    return {"fields": [each.resource() for each in fields]}


def _read_fields(items: Sequence[Any]) -> tuple[Field, ...]:
    fields = tuple(_read_field(item) for item in items)
    seen: set[str] = set()
    for each in fields:
        if each.name.lower() in seen:
            raise ApiError(400, "invalid", f"Duplicate field name: {each.name}. Names are case-insensitive.")
        seen.add(each.name.lower())
    return fields


def _read_field(item: Any) -> Field:
    if not isinstance(item, dict):
        raise ApiError(400, "invalid", "Invalid schema: a field must be an object.")
    name = item.get("name")
    if not isinstance(name, str) or not _FIELD_NAME.fullmatch(name):
        raise ApiError(
            400,
            "invalid",
            f'Invalid field name "{name}". Fields must contain only letters, numbers, and underscores, '
            "start with a letter or underscore, and be at most 300 characters long.",
        )
    type_name = _CANONICAL.get(str(item.get("type", "")).upper())
    if type_name is None:
        raise ApiError(400, "invalid", f"Invalid value for type: {item.get('type')} is not a valid value")
    mode = str(item.get("mode") or "NULLABLE").upper()
    if mode not in _MODES:
        raise ApiError(400, "invalid", f"Invalid value for mode: {item.get('mode')} is not a valid value")
    if item.get("collation"):
        raise ApiError(400, "invalid", f"The collation of field {name} is not supported by the sandbox")
    inner = _read_fields(item.get("fields") or [])
    if (type_name == "RECORD") != bool(inner):
        wrong = f"Field {name} is type RECORD but has no schema" if type_name == "RECORD" else (
            f"Field {name} is of type {type_name} and cannot have nested fields")  # fmt: skip
        raise ApiError(400, "invalid", wrong)
    extras = {key: item[key] for key in _EXTRAS if key in item}
    return Field(name, type_name, mode, inner, extras)


def duck_type(each: Field) -> str:
    """Give DuckDB's type of a column."""
    if each.repeated:
        return duck_type(each.element) + "[]"
    if each.type == "RECORD":
        inner = ", ".join(f"{quoted(part.name)} {duck_type(part)}" for part in each.fields)
        return f"STRUCT({inner})"
    if each.type in {"NUMERIC", "BIGNUMERIC"}:
        return f"DECIMAL({_DIGITS}, {NUMERIC_SCALE if each.type == 'NUMERIC' else BIGNUMERIC_SCALE})"
    return _TO_DUCK[each.type]


def column_definitions(fields: Iterable[Field]) -> str:
    """Give the column list of a CREATE TABLE."""
    return ", ".join(
        f"{quoted(each.name)} {duck_type(each)}{' NOT NULL' if each.mode == 'REQUIRED' else ''}"
        for each in fields
    )


def change_column(session: Session, physical: str, old: Field, new: Field) -> None:
    """Give a column of a DuckDB table a wider type or more fields, or let it have NULL."""
    column = f"ALTER TABLE {physical} ALTER COLUMN {quoted(old.name)}"
    if old.mode == "REQUIRED" != new.mode:
        session.execute(f"{column} DROP NOT NULL")
    if duck_type(new) != duck_type(old):
        session.execute(f"{column} TYPE {duck_type(new)}")


_FROM_DUCK = {
    "varchar": "STRING", "blob": "BYTES", "boolean": "BOOLEAN", "double": "FLOAT", "float": "FLOAT",
    "timestamp with time zone": "TIMESTAMP", "date": "DATE", "time": "TIME", "time with time zone": "TIME",
    "timestamp": "DATETIME", "timestamp_s": "DATETIME", "timestamp_ms": "DATETIME",
    "timestamp_ns": "DATETIME",
    "json": "JSON", "interval": "INTERVAL", "uuid": "STRING", "enum": "STRING",
    "tinyint": "INTEGER", "smallint": "INTEGER", "integer": "INTEGER", "bigint": "INTEGER",
    "hugeint": "INTEGER", "utinyint": "INTEGER", "usmallint": "INTEGER", "uinteger": "INTEGER",
    "ubigint": "INTEGER", "uhugeint": "INTEGER", "bignum": "INTEGER", '"null"': "INTEGER",
}  # fmt: skip


class UnknownType(ValueError):
    """DuckDB has a type here that BigQuery has no word for."""


def field_of(name: str, duck: Any) -> Field:
    """Name a column of DuckDB's in BigQuery's types.

    :param duck: DuckDB's type object, with ``id`` and, for nested types, ``children``.
    :raises UnknownType: for a map, a union, or an array of arrays.
    """
    if duck.id in {"list", "array"}:
        element = field_of(name, duck.children[0][1])
        if element.repeated:
            raise UnknownType("an array of arrays")
        return replace(element, mode="REPEATED")
    if duck.id == "struct":
        inner = tuple(
            field_of(part or f"_field_{number}", kind) for number, (part, kind) in enumerate(duck.children, 1)
        )
        return Field(name, "RECORD", fields=inner)
    if duck.id == "decimal":
        return Field(name, "BIGNUMERIC" if dict(duck.children)["scale"] == BIGNUMERIC_SCALE else "NUMERIC")
    # JSON is an alias of VARCHAR: only its text tells.
    kind = _FROM_DUCK.get(str(duck).lower(), _FROM_DUCK.get(duck.id))
    if kind is None:
        raise UnknownType(f"a value of type {duck.id}")
    return Field(name, kind)


def column_bytes(session: Session, physical: str, fields: Sequence[Field]) -> dict[str, int]:
    """Measure every column of a DuckDB table; the entry ``""`` is the number of rows."""
    sums = "".join(f", CAST(sum({_size(each, quoted(each.name))}) AS BIGINT)" for each in fields)
    row = session.rows(f"SELECT count(*){sums} FROM {physical}")[0]  # noqa: S608 - our own names
    return {name: value or 0 for name, value in zip(["", *(each.name for each in fields)], row, strict=True)}


def _size(each: Field, value: str, depth: int = 0) -> str:
    """Give the expression for the bytes of one value; a NULL costs nothing."""
    if each.repeated:
        variable = f"e{depth}"
        inner = _size(each.element, variable, depth + 1)
        return f"coalesce(list_sum(list_transform({value}, lambda {variable}: {inner})), 0)"
    if each.type == "RECORD":
        return (
            "(" + " + ".join(_size(part, f"{value}.{quoted(part.name)}", depth) for part in each.fields) + ")"
        )
    if each.type == "BYTES":
        return f"coalesce(octet_length({value}) + {_LENGTH_BYTES}, 0)"
    if each.type in _FIXED:
        return f"(CASE WHEN {value} IS NULL THEN 0 ELSE {_FIXED[each.type]} END)"
    return f"coalesce(strlen({value}) + {_LENGTH_BYTES}, 0)"
