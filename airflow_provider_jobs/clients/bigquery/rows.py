"""Query results as Python values.

Source: https://cloud.google.com/bigquery/docs/reference/rest/v2/jobs/getQueryResults
"""

from __future__ import annotations

import base64
import datetime as dt
import json
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from airflow_provider_jobs.errors import ProtocolError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

#: What reading breaks with where something is not what the API describes.
_MISFITS = (KeyError, TypeError, ValueError, ArithmeticError, AttributeError, RecursionError)
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


def typed_rows(
    fields: Sequence[Mapping[str, Any]], rows: Iterable[Mapping[str, Any]]
) -> Iterator[dict[str, Any]]:
    """Yield each row as a dict from column name to Python value.

    INTEGER becomes int, NUMERIC Decimal, TIMESTAMP an aware datetime in UTC, BYTES bytes, JSON what it
    describes, RECORD a dict, a repeated field a list. A type that is not known stays text.

    :param rows: In the API's form ``{"f": [{"v": …}, …]}``, timestamps as microseconds since 1970.
    :raises ProtocolError: a row does not fit the schema, or that is not one.
    """
    try:
        read = _record_reader(fields)
    except _MISFITS:
        raise ProtocolError("rows came with a schema that is not one") from None
    for row in rows:
        try:
            typed = read(row)
        except _MISFITS:
            raise ProtocolError("a row does not fit the schema that came with it") from None
        yield typed


def _reader(field: Mapping[str, Any]) -> Callable[[Any], Any]:
    kind = field["type"].upper()
    one = _record_reader(field["fields"]) if kind in {"RECORD", "STRUCT"} else _SCALARS.get(kind, str)
    if field.get("mode", "NULLABLE").upper() == "REPEATED":
        return lambda cells: [one(cell["v"]) for cell in cells or []]
    return lambda value: None if value is None else one(value)


def _record_reader(fields: Sequence[Mapping[str, Any]]) -> Callable[[Any], Any]:
    readers = [(field["name"], _reader(field)) for field in fields]
    return lambda value: {
        name: read(cell["v"]) for (name, read), cell in zip(readers, value["f"], strict=True)
    }


_SCALARS: dict[str, Callable[[Any], Any]] = {
    "INTEGER": int,
    "INT64": int,
    "FLOAT": float,
    "FLOAT64": float,
    "NUMERIC": Decimal,
    "BIGNUMERIC": Decimal,
    "BOOLEAN": lambda text: text == "true",
    "BOOL": lambda text: text == "true",
    "BYTES": base64.b64decode,
    "DATE": dt.date.fromisoformat,
    "TIME": dt.time.fromisoformat,
    "DATETIME": dt.datetime.fromisoformat,
    "TIMESTAMP": lambda text: _EPOCH + dt.timedelta(microseconds=int(text)),
    "JSON": json.loads,
}
