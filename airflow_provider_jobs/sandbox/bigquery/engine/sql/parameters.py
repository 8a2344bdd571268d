"""Query parameters as values of the module: never pasted into text.

https://cloud.google.com/bigquery/docs/reference/rest/v2/QueryParameter
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_jobs.sandbox.bigquery.engine.googlesql.messages import message, number
from airflow_provider_jobs.sandbox.bigquery.engine.googlesql.service import GoogleSqlError
from airflow_provider_jobs.sandbox.bigquery.engine.googlesql.values import spelled, type_of
from airflow_provider_jobs.sandbox.bigquery.engine.outcomes import ApiError, JobProblem
from airflow_provider_jobs.sandbox.bigquery.engine.types import read_schema

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from airflow_provider_jobs.sandbox.bigquery.engine.googlesql.service import Instance


def read_parameters(instance: Instance, parameters: Sequence[Any]) -> dict[str, tuple[Any, Any]]:
    """Turn ``queryParameters`` into types and values by name; the nth positional one is called ``pn``.

    :raises JobProblem: a parameter is malformed.
    """
    read: dict[str, tuple[Any, Any]] = {}
    leaves: list[tuple[Any, Any]] = []
    for place, parameter in enumerate(parameters, 1):
        if not isinstance(parameter, dict) or not isinstance(parameter.get("parameterType"), dict):
            raise JobProblem("invalid", f"Query parameter number {place} has no parameterType")
        name = str(parameter.get("name") or f"p{place}").lower()
        kind = type_of_parameter(parameter["parameterType"], name)
        value = message("ValueProto")()
        leaves += _texts(kind, parameter.get("parameterValue") or {}, value)
        read[name] = kind, value
    if leaves:
        _cast(instance, leaves)
    return read


def type_of_parameter(given: Mapping[str, Any], name: str) -> Any:
    """Read a ``QueryParameterType``.

    :raises JobProblem: there is no such type.
    """
    try:
        (field,) = read_schema({"fields": [_field(given, name="value")]})
    except ApiError as error:
        raise JobProblem("invalid", f"Invalid type of query parameter {name}: {given.get('type')}") from error
    return type_of(field)


def _field(given: Mapping[str, Any], name: str) -> dict[str, Any]:
    kind = str(given.get("type", "")).upper()
    if kind == "ARRAY":
        return {**_field(given.get("arrayType") or {}, name), "mode": "REPEATED"}
    if kind in {"STRUCT", "RECORD"}:
        parts = enumerate(given.get("structTypes") or [], 1)
        inner = [_field(part.get("type") or {}, part.get("name") or f"_field_{n}") for n, part in parts]
        return {"name": name, "type": kind, "fields": inner}
    return {"name": name, "type": kind}


def _texts(kind: Any, given: Mapping[str, Any], value: Any) -> Iterator[tuple[Any, Any]]:
    """Put texts where the value has its leaves; give each leaf that is not a text, and its type."""
    if kind.HasField("array_type"):
        value.array_value.SetInParent()
        for item in given.get("arrayValues") or []:
            yield from _texts(kind.array_type.element_type, item, value.array_value.element.add())
    elif kind.HasField("struct_type"):
        value.struct_value.SetInParent()
        parts = given.get("structValues") or {}
        for field in kind.struct_type.field:
            item = parts.get(field.field_name) or {}
            yield from _texts(field.field_type, item, value.struct_value.field.add())
    elif given.get("value") is not None:
        value.string_value = str(given["value"])
        yield kind, value


def _cast(instance: Instance, leaves: Sequence[tuple[Any, Any]]) -> None:
    """Turn texts into values of their types, as the language casts them."""
    request = message("local_service.EvaluateQueryRequest")()
    request.options.CopyFrom(instance.language.analyzer())
    casts = []
    text = message("TypeProto")(type_kind=number("TypeKind", "TYPE_STRING"))
    for place, (kind, value) in enumerate(leaves):
        name = f"v{place}"
        request.options.query_parameters.add(name=name, type=text)
        request.params.add(name=name, value=value)
        called = spelled(kind)
        casts.append({
            "BYTES": f"FROM_BASE64(@{name})", "STRING": f"@{name}", "JSON": f"PARSE_JSON(@{name})",
        }.get(called, f"CAST(@{name} AS {called})"))  # fmt: skip
    request.sql = f"SELECT {', '.join(casts)}"
    request.registered_catalog_id = instance.catalog(
        "functions alone",
        lambda: message("local_service.RegisterCatalogRequest")(simple_catalog=instance.language.catalog()),
    )
    try:
        (row,) = instance.call("EvaluateQuery", request).content.table_data.row
    except GoogleSqlError as error:
        raise JobProblem("invalid", f"Invalid value of a query parameter: {error.message}") from error
    for (_, value), found in zip(leaves, row.cell, strict=True):
        value.CopyFrom(found)
