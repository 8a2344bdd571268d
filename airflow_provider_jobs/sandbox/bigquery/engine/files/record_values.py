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
from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import UUID
from zoneinfo import ZoneInfo

from airflow_provider_jobs.sandbox.bigquery.engine.files.value_forms import EPOCH, FORMS
from airflow_provider_jobs.sandbox.bigquery.engine.types import BIGNUMERIC_SCALE, NUMERIC_SCALE, Field

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_INT64 = 1 << 63
_MOST_DIGITS = 100  # after the point; a number with no other digits is 0
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_BOOLEANS = {
    "true": True, "t": True, "yes": True, "y": True, "1": True,
    "false": False, "f": False, "no": False, "n": False, "0": False,
}  # fmt: skip
# The parts of a date with a time: either may be missing, and so may be the zone.
_PARTS = re.compile(r"(\d+)[-/](\d+)[-/](\d+)(?:[ Tt] *(\d[\d:.]*))? *(.*)")


class BadValue(ValueError):
    """A value that its column cannot hold; the text is the end of BigQuery's message."""


def spell_row(fields: Sequence[Field], row: Any, *, ignore_unknown: bool, path: str = "") -> dict[str, Any]:
    """Give a row for DuckDB's JSON reader: every field there, every value in its one spelling.

    :raises BadValue: with the field's name.
    """
    if not isinstance(row, dict):
        what = f"This field: {path[:-1]} is not a record." if path else "Start of object expected"
        raise BadValue(what)
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
        shown = value if isinstance(value, str) else json.dumps(_json(value), default=str)
        raise BadValue(
            f"Could not convert value to {each.sql_name}. Field: {name}; Value: {shown}"
        ) from error


def _string(value: Any) -> str:
    if isinstance(value, dict):
        raise TypeError
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal):
        value = float(value)
    return value if isinstance(value, str) else str(value) if isinstance(value, UUID) else json.dumps(value)


def _formed(value: Any, kind: str) -> str:
    """Give a text, or a number's text, that is written as its type asks.

    :raises ValueError: it is not.
    """
    found = str(value).strip()
    if isinstance(value, bool) or not re.fullmatch(FORMS[kind], found):
        raise ValueError(value)
    return found


def _integer(value: Any) -> int:
    found = Decimal(_formed(value, "INTEGER" if isinstance(value, str) else "NUMERIC"))
    number = int(found)
    if number != found or not -_INT64 <= number < _INT64:
        raise ValueError(value)
    return number


def _float(value: Any) -> float | str:
    number = float(_formed(value, "FLOAT"))
    if math.isfinite(number):
        return number
    return "NaN" if math.isnan(number) else ("Infinity" if number > 0 else "-Infinity")


def _decimal(scale: int) -> Callable[[Any], str]:
    def spell(value: Any) -> str:
        number = Decimal(_formed(value, "NUMERIC"))
        if abs(number) >= Decimal(10) ** (38 - scale):
            raise ValueError(value)
        return format(number, "f") if number.adjusted() > -_MOST_DIGITS else "0"

    return spell


def _boolean(value: Any) -> bool:
    try:
        return _BOOLEANS[str(value).strip().lower()]
    except KeyError as error:
        raise ValueError(value) from error


def _bytes(value: Any) -> str:
    raw = value if isinstance(value, bytes) else base64.b64decode(value, validate=True)
    return "".join(f"\\x{byte:02X}" for byte in raw)


def _date(value: Any) -> str:
    return value.isoformat() if isinstance(value, date) else _moment(value, "DATE").date().isoformat()


def _time(value: Any) -> str:
    if not isinstance(value, time):
        value = _moment(f"2000-01-01 {_formed(value, 'TIME')}", "DATETIME").time()
    return str(value.isoformat())


def _datetime(value: Any) -> str:
    moment = value if isinstance(value, datetime) else _moment(value, "DATETIME")
    return moment.replace(tzinfo=None).isoformat(sep=" ")


def _timestamp(value: Any) -> str:
    if isinstance(value, datetime):
        moment = value if value.tzinfo else value.replace(tzinfo=UTC)
    elif not isinstance(value, bool) and re.fullmatch(EPOCH, str(value).strip()):
        moment = _EPOCH + timedelta(microseconds=int(Decimal(str(value).strip()) * 1_000_000))
    else:
        moment = _moment(value, "TIMESTAMP")
    return moment.astimezone(UTC).isoformat(sep=" ")


def _moment(value: Any, kind: str) -> datetime:
    """Read a date, a time of a date, or an instant; without a zone it is in UTC."""
    found = _PARTS.fullmatch(_formed(value, kind))
    if found is None:
        raise ValueError(value)
    year, month, day, clock, zone = found.groups()
    hour, minute, second = [*(clock or "0:0").split(":"), "0"][:3]
    whole, _, rest = second.partition(".")
    day_of = date(int(year), int(month), int(day))
    clock_of = time(int(hour), int(minute), int(whole), int(rest[:6].ljust(6, "0")), _zone(zone))
    return datetime.combine(day_of, clock_of)


def _zone(text: str) -> tzinfo:
    if text.upper() in {"", "Z", "UTC"}:
        return UTC
    if text[0] not in "+-":
        try:
            return ZoneInfo(text)
        except (KeyError, OSError) as error:
            raise ValueError(text) from error
    hours, _, minutes = text[1:].partition(":")
    offset = timedelta(hours=int(hours), minutes=int(minutes or 0))
    return timezone(-offset if text[0] == "-" else offset)


def _json(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _json(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_json(each) for each in value]
    return float(value) if isinstance(value, Decimal) else value


def _json_text(value: Any) -> Any:
    return json.loads(value) if isinstance(value, str) and value[:1] in '{["' else _json(value)


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
    "JSON": _json_text,
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
