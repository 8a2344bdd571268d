"""Query parameters: Python values in the API's form.

Source: https://cloud.google.com/bigquery/docs/reference/rest/v2/QueryParameter
"""

from __future__ import annotations

import base64
import datetime as dt
from collections.abc import Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from airflow_provider_jobs.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Sequence


def query_parameters(parameters: Mapping[str, Any] | Sequence[Any] | None) -> dict[str, Any]:
    """Return the fields for parameters given as Python values, or as the API's QueryParameter objects.

    A mapping makes named parameters, a sequence positional ones.

    :raises ConfigurationError: a value has no BigQuery type.
    """
    if not parameters:
        return {}
    if not isinstance(parameters, Mapping | list | tuple):
        raise ConfigurationError("parameters needs a mapping for @names or a list for question marks")
    if not isinstance(parameters, Mapping):
        made = [each if _is_query_parameter(each) else _parameter("parameters", each) for each in parameters]
        named = any("name" in each for each in made)
        return {"parameterMode": "NAMED" if named else "POSITIONAL", "queryParameters": made}
    named_parameters = [{"name": name, **_parameter(name, value)} for name, value in parameters.items()]
    return {"parameterMode": "NAMED", "queryParameters": named_parameters}


_SCALAR_TYPES = {
    int: "INT64",
    float: "FLOAT64",
    Decimal: "NUMERIC",
    str: "STRING",
    dt.date: "DATE",
    dt.time: "TIME",
}


def _is_query_parameter(value: Any) -> bool:
    return isinstance(value, dict) and {"parameterType", "parameterValue"} <= set(value)


def _parameter(name: str, value: Any) -> dict[str, Any]:
    if isinstance(value, dict):
        made = {key: _parameter(f"{name}.{key}", each) for key, each in value.items()}
        types = [{"name": key, "type": each["parameterType"]} for key, each in made.items()]
        values = {key: each["parameterValue"] for key, each in made.items()}
        return {
            "parameterType": {"type": "STRUCT", "structTypes": types},
            "parameterValue": {"structValues": values},
        }
    if isinstance(value, list | tuple):
        elements = [_parameter(name, each) for each in value]
        if not elements or any(each["parameterType"] != elements[0]["parameterType"] for each in elements):
            raise ConfigurationError(
                f"parameters: {name} needs values of one type; give an empty list as the API's QueryParameter"
            )
        return {
            "parameterType": {"type": "ARRAY", "arrayType": elements[0]["parameterType"]},
            "parameterValue": {"arrayValues": [each["parameterValue"] for each in elements]},
        }
    type_name, text = _scalar(name, value)
    return {"parameterType": {"type": type_name}, "parameterValue": {"value": text}}


def _scalar(name: str, value: Any) -> tuple[str, str | None]:
    """Return BigQuery's type of a Python value and the text that the API wants for it."""
    if value is None:
        return "STRING", None
    if isinstance(value, bool):
        return "BOOL", str(value).lower()
    if isinstance(value, bytes):
        return "BYTES", base64.b64encode(value).decode()
    if isinstance(value, dt.datetime):
        return ("TIMESTAMP" if value.tzinfo else "DATETIME"), value.isoformat(" ", "microseconds")
    for kind, type_name in _SCALAR_TYPES.items():
        if isinstance(value, kind):
            return type_name, str(value)
    raise ConfigurationError(f"parameters: {name} is a {type(value).__name__}, which has no BigQuery type")
