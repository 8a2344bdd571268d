"""Schemas and values: BigQuery's fields as the module's types, DuckDB's values as its values, and back.

https://github.com/google/googlesql/blob/master/zetasql/public/value.proto
"""

from __future__ import annotations

import json
import math
import struct
from datetime import UTC, date, datetime, timedelta
from decimal import Context, Decimal
from functools import cache
from typing import TYPE_CHECKING, Any

from airflow_provider_jobs.sandbox.bigquery.engine.encoding import read_interval
from airflow_provider_jobs.sandbox.bigquery.engine.googlesql.messages import message, number
from airflow_provider_jobs.sandbox.bigquery.engine.types import Field

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Put = Callable[[Any, Any], None]

_KINDS = {
    "INTEGER": "TYPE_INT64", "FLOAT": "TYPE_DOUBLE", "BOOLEAN": "TYPE_BOOL", "STRING": "TYPE_STRING",
    "BYTES": "TYPE_BYTES", "DATE": "TYPE_DATE", "TIMESTAMP": "TYPE_TIMESTAMP", "DATETIME": "TYPE_DATETIME",
    "TIME": "TYPE_TIME", "NUMERIC": "TYPE_NUMERIC", "BIGNUMERIC": "TYPE_BIGNUMERIC", "JSON": "TYPE_JSON",
    "GEOGRAPHY": "TYPE_GEOGRAPHY", "INTERVAL": "TYPE_INTERVAL",
}  # fmt: skip

_EPOCH_DAY = date(1970, 1, 1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_MILLION = 1_000_000
_SCALES = {"NUMERIC": 9, "BIGNUMERIC": 38}
_EXACT = Context(prec=80)
# What of an interval is in which bits: https://github.com/google/googlesql/blob/master/zetasql/public/interval_value.h
_NANO_BITS, _MONTH_BITS = 13, 18


class NoSuchType(ValueError):
    """A type that a table of the sandbox cannot have."""


class NullElement(ValueError):
    """An array with a NULL in it, which no table of BigQuery can hold."""


@cache
def _kinds() -> dict[int, str]:
    return {number("TypeKind", kind): name for name, kind in _KINDS.items()}


def type_of(field: Field) -> Any:
    """Give the ``TypeProto`` of a column."""
    kind = message("TypeProto")()
    if field.repeated:
        kind.type_kind = number("TypeKind", "TYPE_ARRAY")
        kind.array_type.element_type.CopyFrom(type_of(field.element))
    elif field.type == "RECORD":
        kind.type_kind = number("TypeKind", "TYPE_STRUCT")
        kind.struct_type.SetInParent()
        for inner in field.fields:
            kind.struct_type.field.add(field_name=inner.name, field_type=type_of(inner))
    else:
        kind.type_kind = number("TypeKind", _KINDS[field.type])
    return kind


def field_of(name: str, kind: Any) -> Field:
    """Give the column for values of a type; fields of a record without a name are ``_field_1``, ``_field_2``.

    :raises NoSuchType: there is none, or the type is an array of arrays.
    """
    if kind.type_kind == number("TypeKind", "TYPE_ARRAY"):
        element = field_of(name, kind.array_type.element_type)
        if element.repeated:
            raise NoSuchType("ARRAY<ARRAY>")
        return Field(name, element.type, "REPEATED", element.fields)
    if kind.type_kind == number("TypeKind", "TYPE_STRUCT"):
        parts = enumerate(kind.struct_type.field, 1)
        return Field(
            name,
            "RECORD",
            fields=tuple(field_of(part.field_name or f"_field_{n}", part.field_type) for n, part in parts),
        )
    if kind.type_kind not in _kinds():
        raise NoSuchType(spelled(kind))
    return Field(name, _kinds()[kind.type_kind])


def spelled(kind: Any) -> str:
    """Spell a type as SQL does."""
    if kind.type_kind == number("TypeKind", "TYPE_ARRAY"):
        return f"ARRAY<{spelled(kind.array_type.element_type)}>"
    if kind.type_kind == number("TypeKind", "TYPE_RANGE"):
        return f"RANGE<{spelled(kind.range_type.element_type)}>"
    if kind.type_kind == number("TypeKind", "TYPE_STRUCT"):
        parts = (f"{part.field_name} {spelled(part.field_type)}".strip() for part in kind.struct_type.field)
        return f"STRUCT<{', '.join(parts)}>"
    name = _kinds().get(kind.type_kind)
    return Field("", name).sql_name if name else f"type {kind.type_kind}"


# -- from DuckDB ---------------------------------------------------------------------------------------------


def filler(field: Field) -> Put:
    """Give what puts a value, as ``encoding.select_list`` reads it from DuckDB, into a ``ValueProto``.

    An array that is NULL is empty: a table holds no other.
    """
    if field.repeated:
        return _array_filler(filler(field.element))
    if field.type == "RECORD":
        return _record_filler([filler(part) for part in field.fields])
    put = _PUT[field.type]

    def fill(proto: Any, value: Any) -> None:
        if value is not None:
            put(proto, value)

    return fill


def _array_filler(fill: Put) -> Put:
    def fill_array(proto: Any, value: Sequence[Any] | None) -> None:
        proto.array_value.SetInParent()
        for item in value or ():
            fill(proto.array_value.element.add(), item)

    return fill_array


def _record_filler(fillers: Sequence[Put]) -> Put:
    def fill_record(proto: Any, value: dict[str, Any] | None) -> None:
        if value is not None:
            proto.struct_value.SetInParent()
            for fill, item in zip(fillers, value.values(), strict=True):
                fill(proto.struct_value.field.add(), item)

    return fill_record


def can_fill(field: Field) -> bool:
    """Whether the module takes values of a column: it knows places on the earth, and evaluates none."""
    return field.type != "GEOGRAPHY" and all(can_fill(part) for part in field.fields)


def _put_timestamp(proto: Any, value: datetime) -> None:
    seconds, rest = divmod((value.replace(tzinfo=UTC) - _EPOCH) // _MICROSECOND, _MILLION)
    proto.timestamp_value.SetInParent()
    proto.timestamp_value.seconds, proto.timestamp_value.nanos = seconds, rest * 1000


def _put_datetime(proto: Any, value: datetime) -> None:
    days = value.year << 26 | value.month << 22 | value.day << 17
    proto.datetime_value.bit_field_datetime_seconds = (
        days | value.hour << 12 | value.minute << 6 | value.second
    )
    proto.datetime_value.nanos = value.microsecond * 1000


def _put_decimal(kind: str) -> Put:
    name, scale = f"{kind.lower()}_value", _SCALES[kind]

    def put(proto: Any, value: Decimal) -> None:
        whole = int(value.scaleb(scale, _EXACT))
        setattr(proto, name, whole.to_bytes((whole.bit_length() + 8) // 8, "little", signed=True))

    return put


def _put_interval(proto: Any, value: str) -> None:
    months, days, microseconds = read_interval(value)
    packed = abs(months) << _NANO_BITS | (1 << 31 if months < 0 else 0)
    proto.interval_value = struct.pack("<qiI", microseconds, days, packed)


def _put(name: str) -> Put:
    return lambda proto, value: setattr(proto, name, value)


def _put_day(proto: Any, value: date) -> None:
    proto.date_value = (value - _EPOCH_DAY).days


def _put_time(proto: Any, value: Any) -> None:
    seconds = value.hour << 12 | value.minute << 6 | value.second
    proto.time_value = seconds << 30 | value.microsecond * 1000


_PUT: dict[str, Put] = {
    "INTEGER": _put("int64_value"), "FLOAT": _put("double_value"), "BOOLEAN": _put("bool_value"),
    "STRING": _put("string_value"), "BYTES": lambda proto, value: setattr(proto, "bytes_value", bytes(value)),
    "JSON": _put("json_value"), "DATE": _put_day, "TIME": _put_time, "DATETIME": _put_datetime,
    "TIMESTAMP": _put_timestamp, "NUMERIC": _put_decimal("NUMERIC"), "BIGNUMERIC": _put_decimal("BIGNUMERIC"),
    "INTERVAL": _put_interval,
}  # fmt: skip


# -- to DuckDB -----------------------------------------------------------------------------------------------


def reader(field: Field) -> Callable[[Any], str | None]:
    """Give what reads a ``ValueProto`` as a text that DuckDB casts to the column's type.

    A record and an array are JSON whose leaves are such texts.

    :raises NullElement: by what it gives: an array has a NULL in it.
    """
    if not field.repeated and field.type != "RECORD":
        return _leaf_reader(field)
    read = _nested_reader(field)

    def text(value: Any) -> str | None:
        found = read(value)
        return None if found is None else json.dumps(found, ensure_ascii=False)

    return text


def _leaf_reader(field: Field) -> Callable[[Any], str | None]:
    read = _READ[field.type]
    return lambda value: None if value.WhichOneof("value") is None else read(value)


def _nested_reader(field: Field) -> Callable[[Any], Any]:
    if field.repeated:
        inner = _nested_reader(field.element)

        def elements(value: Any) -> list[Any]:
            items = [inner(item) for item in value.array_value.element]
            if None in items:
                raise NullElement(field.name)
            return items

        return elements
    if field.type == "RECORD":
        parts = [(part.name, _nested_reader(part)) for part in field.fields]

        def record(value: Any) -> dict[str, Any] | None:
            if value.WhichOneof("value") is None:
                return None
            items = zip(parts, value.struct_value.field, strict=True)
            return {name: read(item) for (name, read), item in items}

        return record
    return _leaf_reader(field)


def shape(field: Field) -> str:
    """Give the JSON by which DuckDB's ``from_json`` reads what ``reader`` gives for a record or an array."""
    return json.dumps(_shape(field), ensure_ascii=False)


def _shape(field: Field) -> Any:
    if field.repeated:
        return [_shape(field.element)]
    return {part.name: _shape(part) for part in field.fields} if field.type == "RECORD" else "VARCHAR"


def _read_float(value: Any) -> str:
    found = value.double_value
    return (
        ("nan" if math.isnan(found) else "inf" if found > 0 else "-inf")
        if not math.isfinite(found)
        else repr(found)
    )


def _read_timestamp(value: Any) -> str:
    moment = value.timestamp_value
    read = _EPOCH + timedelta(seconds=moment.seconds, microseconds=moment.nanos // 1000)
    return read.replace(tzinfo=None).isoformat(sep=" ") + "+00"


def _read_datetime(value: Any) -> str:
    bits = value.datetime_value.bit_field_datetime_seconds
    day = bits >> 26, bits >> 22 & 15, bits >> 17 & 31
    return datetime(  # noqa: DTZ001 - it has no zone
        *day, bits >> 12 & 31, bits >> 6 & 63, bits & 63, value.datetime_value.nanos // 1000
    ).isoformat(sep=" ")


def _read_time(value: Any) -> str:
    bits, nanos = divmod(value.time_value, 1 << 30)
    return f"{bits >> 12 & 31:02}:{bits >> 6 & 63:02}:{bits & 63:02}.{nanos // 1000:06}"


def _read_decimal(kind: str) -> Callable[[Any], str]:
    name, scale = f"{kind.lower()}_value", _SCALES[kind]

    def read(value: Any) -> str:
        whole = int.from_bytes(getattr(value, name), "little", signed=True)
        return format(Decimal(whole).scaleb(-scale, _EXACT), "f")

    return read


def _read_interval(value: Any) -> str:
    microseconds, days, packed = struct.unpack("<qiI", value.interval_value)
    months = packed >> _NANO_BITS & (1 << _MONTH_BITS) - 1
    return f"{-months if packed >> 31 else months} months {days} days {microseconds} microseconds"


_READ: dict[str, Callable[[Any], str]] = {
    "INTEGER": lambda value: str(value.int64_value),
    "FLOAT": _read_float,
    "BOOLEAN": lambda value: "true" if value.bool_value else "false",
    "STRING": lambda value: str(value.string_value),
    "BYTES": lambda value: "".join(f"\\x{byte:02X}" for byte in value.bytes_value),
    "JSON": lambda value: str(value.json_value),
    "DATE": lambda value: (_EPOCH_DAY + timedelta(value.date_value)).isoformat(),
    "TIME": _read_time,
    "DATETIME": _read_datetime,
    "TIMESTAMP": _read_timestamp,
    "NUMERIC": _read_decimal("NUMERIC"),
    "BIGNUMERIC": _read_decimal("BIGNUMERIC"),
    "INTERVAL": _read_interval,
}
