"""Values as the REST API spells them: everything is a string, a list or a row of cells.

https://cloud.google.com/bigquery/docs/reference/rest/v2/tabledata/list
"""

from __future__ import annotations

import base64
import math
import re
from dataclasses import replace
from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any

from airflow_provider_jobs.sandbox.bigquery.engine.store import quoted
from airflow_provider_jobs.sandbox.bigquery.engine.types import Field, duck_type

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from decimal import Decimal

_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - DuckDB gives UTC times without a zone
_MICROSECOND = timedelta(microseconds=1)
_MICROSECONDS = 1_000_000


def select_list(fields: Sequence[Field]) -> str:
    """Give the columns of a SELECT whose values Python can hold.

    A time with a zone would need a library that is not a dependency, so it is read as the same time in UTC.
    """
    return (
        ", ".join(f"CAST({quoted(each.name)} AS {duck_type(_readable(each))})" for each in fields) or "NULL"
    )


def _readable(each: Field) -> Field:
    kind = {"TIMESTAMP": "DATETIME", "INTERVAL": "STRING", "JSON": "STRING"}.get(each.type, each.type)
    return replace(each, type=kind, fields=tuple(_readable(part) for part in each.fields))


def encode_row(fields: Sequence[Field], row: Sequence[Any], *, int64_timestamps: bool) -> dict[str, Any]:
    """Give one row: ``{"f": [{"v": …}, …]}``."""
    cells = zip(fields, row, strict=True)
    return {"f": [{"v": _encode(each, value, int64_timestamps)} for each, value in cells]}


def _encode(each: Field, value: Any, int64_timestamps: bool) -> Any:
    if each.repeated:
        return [{"v": _encode(each.element, item, int64_timestamps)} for item in value or ()]
    if value is None:
        return None
    if each.type == "RECORD":
        return encode_row(each.fields, list(value.values()), int64_timestamps=int64_timestamps)
    if each.type == "TIMESTAMP":
        microseconds = (value - _EPOCH) // _MICROSECOND
        return str(microseconds) if int64_timestamps else seconds_text(microseconds)
    return ENCODERS.get(each.type, str)(value)


def seconds_text(microseconds: int) -> str:
    """Give a time in seconds with all its digits, for example ``1577836800.5``."""
    whole, rest = divmod(abs(microseconds), _MICROSECONDS)
    return f"{'-' if microseconds < 0 else ''}{whole}.{str(rest).zfill(6).rstrip('0') or '0'}"


def float_text(value: float) -> str:
    """Give a float as BigQuery does."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    return repr(value)


def decimal_text(value: Decimal) -> str:
    """Give an exact number without an exponent and without zeros at the end."""
    plain = format(value, "f")
    return plain.rstrip("0").rstrip(".") if "." in plain else plain


def bytes_text(value: bytes) -> str:
    """Give bytes in base64."""
    return base64.b64encode(value).decode("ascii")


def bool_text(value: object) -> str:
    """Give ``true`` or ``false``."""
    return "true" if value else "false"


def timestamp_text(value: datetime) -> str:
    """Give a time that DuckDB read as UTC the way exports spell it: ``2020-01-01 00:00:00.500000 UTC``."""
    return value.isoformat(sep=" ") + " UTC"


def iso_text(value: date | time) -> str:
    """Give a date, a time (its fraction only where there is one) or, with a ``T`` between, both."""
    return value.isoformat()


_INTERVAL_PART = re.compile(r"(-?\d+) (year|month|day)s?|(-?)(\d+):(\d+):(\d+)(?:\.(\d+))?")


def read_interval(text: str) -> tuple[int, int, int]:
    """Read an interval as DuckDB writes it: months, days and microseconds."""
    found = {"year": 0, "month": 0, "day": 0}
    microseconds = 0
    for count, unit, sign, hours, minutes, seconds, fraction in _INTERVAL_PART.findall(text):
        if unit:
            found[unit] = int(count)
        else:
            whole = (int(hours) * 60 + int(minutes)) * 60 + int(seconds)
            microseconds = whole * _MICROSECONDS + int(fraction.ljust(6, "0"))
            microseconds = -microseconds if sign else microseconds
    return found["year"] * 12 + found["month"], found["day"], microseconds


def interval_text(value: str) -> str:
    """Give an interval as BigQuery does, from DuckDB's text: ``1-2 3 4:5:6.5``."""
    months, days, microseconds = read_interval(value)
    seconds, rest = divmod(abs(microseconds), _MICROSECONDS)
    fraction = f".{rest:06}".rstrip("0") if rest else ""
    clock = f"{seconds // 3600}:{seconds // 60 % 60}:{seconds % 60}{fraction}"
    year_months = f"{'-' if months < 0 else ''}{abs(months) // 12}-{abs(months) % 12}"
    return f"{year_months} {days} {'-' if microseconds < 0 else ''}{clock}"


ENCODERS: dict[str, Callable[[Any], str]] = {
    "INTERVAL": interval_text,
    "BYTES": bytes_text,
    "BOOLEAN": bool_text,
    "FLOAT": float_text,
    "NUMERIC": decimal_text,
    "BIGNUMERIC": decimal_text,
    "DATE": iso_text,
    "TIME": iso_text,
    "DATETIME": iso_text,
}
