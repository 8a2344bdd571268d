"""Values of JSON and Avro rows, checked against a schema and spelled so that DuckDB reads each exactly.

https://cloud.google.com/bigquery/docs/loading-data-cloud-storage-json#data_types
"""

from __future__ import annotations

import base64
import binascii
import json
import math
import re
from dataclasses import replace
from datetime import UTC, date, datetime, time
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any
from uuid import UUID

from airflow_provider_jobs.sandbox.bigquery.engine.types import BIGNUMERIC_SCALE, NUMERIC_SCALE, Field

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_INT64 = 1 << 63
_WHOLE = re.compile(r"[+-]?\d+")
_BOOLEANS = {
    "true": True,
    "t": True,
    "yes": True,
    "y": True,
    "false": False,
    "f": False,
    "no": False,
    "n": False,
}
# 2020-01-31 10:00:00.5 UTC, 2020-01-31T10:00:00Z, 2020-01-31T10:00:00+01:00.
_ZONE = re.compile(r"\s*(UTC|Z|[+-]\d{1,2}(?::?\d{2})?)$", re.IGNORECASE)


class BadValue(ValueError):
    """A value that its column cannot hold; the text is the end of BigQuery's message."""


def spell_row(fields: Sequence[Field], row: Any, *, ignore_unknown: bool, path: str = "") -> dict[str, Any]:
    """Give a row for DuckDB's JSON reader: every field there, every value in its one spelling.

    :raises BadValue: with the field's name.
    """
    if not isinstance(row, dict):
        raise BadValue("Start of object expected" if not path else f"This field: {path} is not a record.")
    given = {key.lower(): value for key, value in row.items()}
    spelled = {
        each.name: _spell(each, given.pop(each.name.lower(), None), ignore_unknown, path) for each in fields
    }
    if given and not ignore_unknown:
        unknown = next(key for key in row if key.lower() in given)
        raise BadValue(f"No such field: {path}{unknown}.")
    return spelled


def _spell(each: Field, value: Any, ignore_unknown: bool, path: str) -> Any:
    name = path + each.name
    if each.repeated:
        if value is None:
            return []
        if not isinstance(value, list):
            raise BadValue(f"Repeated field must be imported as a JSON array. Field: {name}.")
        if any(item is None for item in value):
            raise BadValue(f"Only optional fields can be set to NULL. Field: {name}; Value: NULL")
        return [_spell(each.element, item, ignore_unknown, path) for item in value]
    if value is None:
        if each.mode == "REQUIRED":
            raise BadValue(f"Missing required field: {name}.")
        return None
    if each.type == "RECORD":
        return spell_row(each.fields, value, ignore_unknown=ignore_unknown, path=f"{name}.")
    if isinstance(value, list) and each.type != "JSON":
        raise BadValue(f"Array specified for non-repeated field: {name}.")
    try:
        return _SPELLERS[each.type](value)
    except (ValueError, TypeError, ArithmeticError, binascii.Error) as error:
        shown = value if isinstance(value, str) else json.dumps(value, default=str)
        raise BadValue(
            f"Could not convert value to {each.sql_name}. Field: {name}; Value: {shown}"
        ) from error


def _string(value: Any) -> str:
    if isinstance(value, dict):
        raise TypeError
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else str(value) if isinstance(value, UUID) else json.dumps(value)


def _integer(value: Any) -> int:
    if isinstance(value, bool) or (isinstance(value, str) and not _WHOLE.fullmatch(value.strip())):
        raise ValueError(value)
    number = int(value)
    if number != Decimal(str(value).strip()) or not -_INT64 <= number < _INT64:
        raise ValueError(value)
    return number


def _float(value: Any) -> float | str:
    if isinstance(value, bool):
        raise TypeError
    number = float(value)
    if math.isfinite(number):
        return number
    return "NaN" if math.isnan(number) else ("Infinity" if number > 0 else "-Infinity")


def _decimal(scale: int) -> Callable[[Any], str]:
    def spell(value: Any) -> str:
        if isinstance(value, bool):
            raise TypeError
        try:
            number = Decimal(str(value).strip())
        except InvalidOperation as error:
            raise ValueError(value) from error
        if not number.is_finite() or abs(number) >= Decimal(10) ** (38 - scale):
            raise ValueError(value)
        return format(number, "f")

    return spell


def _boolean(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    if not isinstance(value, str):
        raise TypeError
    try:
        return _BOOLEANS[value.strip().lower()]
    except KeyError as error:
        raise ValueError(value) from error


def _bytes(value: Any) -> str:
    raw = value if isinstance(value, bytes) else base64.b64decode(value, validate=True)
    return "".join(f"\\x{byte:02X}" for byte in raw)


def _date(value: Any) -> str:
    return value.isoformat() if isinstance(value, date) else date.fromisoformat(_padded(value)).isoformat()


def _padded(value: str) -> str:
    """Allow 2020-1-5."""
    day, _, rest = value.strip().replace("T", " ", 1).partition(" ")
    parts = day.split("-")
    return "-".join([parts[0].zfill(4), *(part.zfill(2) for part in parts[1:])]) + (
        f" {rest.strip()}" if rest else ""
    )


def _time(value: Any) -> str:
    return (value if isinstance(value, time) else time.fromisoformat(value.strip())).isoformat()


def _datetime(value: Any) -> str:
    moment = value if isinstance(value, datetime) else datetime.fromisoformat(_padded(value))
    return moment.replace(tzinfo=None).isoformat(sep=" ")


def _timestamp(value: Any) -> str:
    if isinstance(value, int | float) and not isinstance(value, bool):
        moment = datetime.fromtimestamp(value, UTC)
    elif isinstance(value, datetime):
        moment = value if value.tzinfo else value.replace(tzinfo=UTC)
    else:
        zone = _ZONE.search(value.strip())
        plain = value.strip()[: zone.start()] if zone and ":" in value else value.strip()
        moment = datetime.fromisoformat(_padded(plain)).replace(tzinfo=UTC)
        if zone and ":" in value and zone[1].upper() not in {"Z", "UTC"}:
            offset = zone[1] if len(zone[1]) > len("+0") + 1 else zone[1][0] + zone[1][1:].zfill(2)
            moment = datetime.fromisoformat(
                f"{moment.replace(tzinfo=None).isoformat()}{_full_offset(offset)}"
            )
    return moment.astimezone(UTC).isoformat(sep=" ")


def _full_offset(offset: str) -> str:
    digits = offset[1:].replace(":", "")
    return f"{offset[0]}{digits[:2].zfill(2)}:{digits[2:] or '00'}"


def _json(value: Any) -> Any:
    return json.loads(value) if isinstance(value, str) and value[:1] in '{["' else value


_SPELLERS: dict[str, Callable[[Any], Any]] = {
    "STRING": _string,
    "GEOGRAPHY": _string,
    "INTEGER": _integer,
    "FLOAT": _float,
    "NUMERIC": _decimal(NUMERIC_SCALE),
    "BIGNUMERIC": _decimal(BIGNUMERIC_SCALE),
    "BOOLEAN": _boolean,
    "BYTES": _bytes,
    "DATE": _date,
    "TIME": _time,
    "DATETIME": _datetime,
    "TIMESTAMP": _timestamp,
    "JSON": _json,
    "INTERVAL": _string,
}


def readable(each: Field) -> Field:
    """Give the field the way the spelled rows carry it: bytes as escaped text."""
    kind = "STRING" if each.type in {"BYTES", "INTERVAL"} else each.type
    return replace(
        each,
        type=kind,
        mode="NULLABLE" if each.mode == "REQUIRED" else each.mode,
        fields=tuple(map(readable, each.fields)),
    )
