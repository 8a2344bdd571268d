"""Query parameters: BigQuery's types of Python's values.

Sources: https://cloud.google.com/bigquery/docs/reference/rest/v2/QueryParameter and
https://cloud.google.com/bigquery/docs/reference/standard-sql/data-types
"""

from __future__ import annotations

import base64
import datetime as dt
from collections.abc import Mapping, Sequence
from decimal import Decimal
from enum import Enum
from typing import TYPE_CHECKING, Any

from airflow_provider_jobs.errors import ConfigurationError
from airflow_provider_jobs.words import shown

if TYPE_CHECKING:
    from collections.abc import Callable

_LARGEST_INT64 = 2**63 - 1
#: The largest values without their point, and how many digits stand after it.
_NUMERIC = ("NUMERIC", 10**38 - 1, 9)
_BIGNUMERIC = ("BIGNUMERIC", 2**255 - 1, 38)
#: More digits than any BIGNUMERIC has, before its point or after it.
_MOST_DIGITS = 40
_API_FORM = {"name", "parameterType", "parameterValue"}
_EMPTY_ARRAY = '{"parameterType": {"type": "ARRAY", "arrayType": {"type": "INT64"}}}'
#: The value of a parameter that has none: NULL, and an array of nothing.
_NO_VALUE = {"ARRAY": {"arrayValues": []}, "STRUCT": {"structValues": {}}}


def parameter(where: str, value: Any) -> dict[str, Any]:
    """Return the API's type and value of one value.

    A member of an enum is its value, a mapping a STRUCT, a sequence an ARRAY. A value may also be the API's
    QueryParameter; without ``parameterValue`` it is NULL, or an array of nothing.

    :param where: What the message calls it.
    :raises ConfigurationError: the value has no type, or is not one of BigQuery's.
    """
    if isinstance(value, Enum):
        return parameter(where, value.value)
    if isinstance(value, Mapping):
        return _given(where, value) if _API_FORM & set(value) - {"name"} else _struct(where, value)
    if hasattr(value, "dtype") and hasattr(value, "tolist"):  # numpy's, and pandas' columns
        return parameter(where, _plain(where, value))
    if isinstance(value, Sequence) and not isinstance(value, str | bytes | bytearray | memoryview):
        return _array(where, value)
    type_name, text = _scalar(where, value)
    return {"parameterType": {"type": type_name}, "parameterValue": {"value": text}}


def _given(where: str, value: Mapping[str, Any]) -> dict[str, Any]:
    """Return a QueryParameter of the API as it is, its value completed."""
    kind = value.get("parameterType")
    if not isinstance(kind, Mapping) or not isinstance(kind.get("type"), str):
        raise ConfigurationError(
            f'parameters: {where} has parameterType {shown(kind, 80)!r}: give it as {{"type": "INT64"}}'
        )
    if others := sorted(map(str, set(value) - _API_FORM)):
        raise ConfigurationError(
            f"parameters: {where} has {', '.join(others)} besides parameterType and parameterValue"
        )
    given = value.get("parameterValue")
    if not isinstance(given, Mapping | None):
        raise ConfigurationError(
            f'parameters: {where} has a {type(given).__name__} as parameterValue: give it as {{"value": "1"}}'
        )
    none = _NO_VALUE.get(kind["type"].upper(), {"value": None})
    return {**value, "parameterValue": none if given is None else given}


def _struct(where: str, value: Mapping[str, Any]) -> dict[str, Any]:
    if not value or not all(isinstance(name, str) and name for name in value):
        raise ConfigurationError(
            f"parameters: {where} is a mapping {'with names that are not text' if value else 'of nothing'}: "
            "a STRUCT needs fields with names"
        )
    made = {name: parameter(f"{where}.{name}", each) for name, each in value.items()}
    types = [{"name": name, "type": each["parameterType"]} for name, each in made.items()]
    values = {name: each["parameterValue"] for name, each in made.items()}
    return {
        "parameterType": {"type": "STRUCT", "structTypes": types},
        "parameterValue": {"structValues": values},
    }


def _array(where: str, values: Sequence[Any]) -> dict[str, Any]:
    made = [parameter(where, each) for each in values if each is not None]
    if not values:
        raise ConfigurationError(
            f"parameters: {where} needs values of one type, and is empty: give {_EMPTY_ARRAY}"
        )
    kind = made[0]["parameterType"] if made else {"type": "STRING"}
    for each in made:
        kind = _of_both(where, kind, each["parameterType"])
    if kind["type"] == "ARRAY":
        raise ConfigurationError(
            f"parameters: {where} is a list of lists, which BigQuery has not: put each list into a mapping"
        )
    if kind["type"] == "STRUCT" and len(made) < len(values):
        raise ConfigurationError(f"parameters: {where} has None among mappings: give mappings alone")
    left = iter(made)
    return {
        "parameterType": {"type": "ARRAY", "arrayType": kind},
        "parameterValue": {
            "arrayValues": [
                {"value": None} if each is None else next(left)["parameterValue"] for each in values
            ]
        },
    }


def _of_both(where: str, one: Any, other: Any) -> Any:
    """Return the type that values of two types have in an array; a NUMERIC is a BIGNUMERIC too."""
    if one == other:
        return one
    if {one["type"], other["type"]} == {"NUMERIC", "BIGNUMERIC"}:
        return {"type": "BIGNUMERIC"}
    fields = [{each["name"]: each["type"] for each in kind.get("structTypes", ())} for kind in (one, other)]
    if fields[0] and list(fields[0]) == list(fields[1]):
        kinds = {name: _of_both(f"{where}.{name}", kind, fields[1][name]) for name, kind in fields[0].items()}
        return {**one, "structTypes": [{"name": name, "type": kind} for name, kind in kinds.items()]}
    found = " and ".join(sorted({one["type"], other["type"]}))
    raise ConfigurationError(f"parameters: {where} needs values of one type, and has {found}")


def _plain(where: str, value: Any) -> Any:
    """Return numpy's value, or pandas', as Python has it."""
    plain = value.tolist()
    if type(plain) is type(value) or (value.dtype.kind in "mM" and _has_int(plain)):
        raise ConfigurationError(f"parameters: {where} is a {value.dtype}, which Python has not: convert it")
    return plain


def _has_int(plain: Any) -> bool:
    return any(isinstance(each, int) for each in (plain if isinstance(plain, list) else [plain]))


#: BigQuery's type of each Python type, and what writes a value: the type's own method, since a subclass may
#: show itself as anything. The first that fits counts: True is an int too.
_SCALARS: dict[type, tuple[str, Callable[[Any], str]]] = {
    bool: ("BOOL", lambda value: str(value).lower()),
    int: ("INT64", int.__repr__),
    float: ("FLOAT64", float.__repr__),
    str: ("STRING", str.__str__),
    bytes: ("BYTES", lambda value: base64.b64encode(value).decode()),
    bytearray: ("BYTES", lambda value: base64.b64encode(value).decode()),
    dt.date: ("DATE", dt.date.isoformat),
    dt.time: ("TIME", dt.time.isoformat),
}


def _scalar(where: str, value: Any) -> tuple[str, str | None]:
    """Return BigQuery's type of a Python value and the text that the API wants for it."""
    if value is None:
        return "STRING", None
    if isinstance(value, Decimal):
        return _decimal_type(where, value), Decimal.__str__(value)
    if isinstance(value, dt.datetime):
        return ("TIMESTAMP" if value.tzinfo else "DATETIME"), _moment(where, value)
    if isinstance(value, dt.time) and value.tzinfo:
        raise ConfigurationError(f"parameters: {where} is a time with a zone, which BigQuery's TIME has not")
    if isinstance(value, int) and not -_LARGEST_INT64 - 1 <= value <= _LARGEST_INT64:
        raise ConfigurationError(f"parameters: {where} is beyond INT64: give a Decimal")
    for kind, (type_name, text) in _SCALARS.items():
        if isinstance(value, kind):
            return type_name, text(value)
    raise ConfigurationError(
        f"parameters: {where} is a {type(value).__name__}, which has no BigQuery type: give text, a number, "
        "a date, bytes, a list, a mapping, or the API's QueryParameter"
    )


def _decimal_type(where: str, value: Decimal) -> str:
    if not value.is_finite():
        raise ConfigurationError(f"parameters: {where} is {value}, which BigQuery has not: use a float")
    sign, digits, exponent = value.as_tuple()
    number = int("".join(map(str, digits)))
    while number and number % 10 == 0:
        number, exponent = number // 10, int(exponent) + 1
    if not number:
        return "NUMERIC"
    for type_name, largest, after_point in (_NUMERIC, _BIGNUMERIC):
        shift = int(exponent) + after_point
        # The smallest BIGNUMERIC is one further from zero than the largest.
        most = largest + (1 if sign and type_name == "BIGNUMERIC" else 0)
        if 0 <= shift <= _MOST_DIGITS + after_point and number * 10**shift <= most:
            return type_name
    raise ConfigurationError(
        f"parameters: {where} is beyond BIGNUMERIC, which has 38 digits before the point and 38 after it"
    )


def _moment(where: str, value: dt.datetime) -> str:
    if value != value:  # noqa: PLR0124 - pandas' "not a time" is a datetime, and is not itself
        raise ConfigurationError(f"parameters: {where} is not a time: give None, or the API's QueryParameter")
    if getattr(value, "nanosecond", 0):
        raise ConfigurationError(f"parameters: {where} has nanoseconds, and BigQuery microseconds: round it")
    if (value.utcoffset() or dt.timedelta()) % dt.timedelta(minutes=1):  # of times before there were zones
        value = value.astimezone(dt.UTC)
    return value.isoformat(" ", "microseconds")
