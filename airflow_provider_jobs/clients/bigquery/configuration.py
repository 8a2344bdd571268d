"""BigQuery job configurations: what is made of fields and Python values before anything is sent.

What BigQuery would refuse is refused here: a :class:`.ConfigurationError` names the parameter.
Source: https://cloud.google.com/bigquery/docs/reference/rest/v2/Job#jobconfiguration
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from airflow_provider_jobs.clients.bigquery.parameters import parameter
from airflow_provider_jobs.errors import ConfigurationError
from airflow_provider_jobs.words import shown

#: The job types that the API takes; ``link`` of its first version is withdrawn.
JOB_TYPES = ("query", "load", "extract", "copy")


def job_type(configuration: Mapping[str, Any]) -> str:
    """Return the type of job that a configuration describes: exactly one, and not a withdrawn one."""
    if "link" in configuration:
        raise ConfigurationError("configuration has a link job, which BigQuery has withdrawn: use copy")
    found = [name for name in JOB_TYPES if name in configuration]
    if not found:
        raise ConfigurationError(f"configuration has no job type: give one of {', '.join(JOB_TYPES)}")
    for name in found:
        if not isinstance(configuration[name], Mapping):
            raise ConfigurationError(f"configuration: {name} is not a mapping of that job type's fields")
    if len(found) > 1:
        raise ConfigurationError(f"configuration has {len(found)} job types: {', '.join(found)}; give one")
    return found[0]


def complete_query(configuration: Mapping[str, Any]) -> dict[str, Any]:
    """Return the configuration, its query in GoogleSQL unless it says otherwise; the API means legacy SQL."""
    if job_type(configuration) != "query" or "use_legacy_sql" in configuration["query"]:
        return dict(configuration)  # BigQuery takes snake case too
    return {**configuration, "query": {"useLegacySql": False, **configuration["query"]}}


def with_options(fields: Mapping[str, Any], options: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the fields that are set, and the options, which must be others."""
    given = {name: value for name, value in fields.items() if value is not None}
    if doubled := sorted(set(given) & set(options or {})):
        raise ConfigurationError(f"options repeats {', '.join(doubled)}, which a parameter has set")
    return {**given, **(options or {})}


def file_format(name: Any, parameter: str) -> str:
    """Return a format or a compression as the API spells it: ``csv`` is CSV, ``json`` JSON in lines."""
    if not isinstance(name, str) or not name.strip():
        raise ConfigurationError(f"{parameter} is {shown(name, 40)!r}: a name such as CSV is needed")
    found = name.strip().upper()
    return "NEWLINE_DELIMITED_JSON" if found == "JSON" else found


def listed_values(given: Any, parameter: str) -> list[Any]:
    """Return one value, or several, as a list.

    :raises ConfigurationError: it is neither, such as a number.
    """
    if isinstance(given, str | Mapping):
        return [given]
    try:
        return [] if given is None else list(given)
    except TypeError:
        raise ConfigurationError(
            f"{parameter} is of type {type(given).__name__}: give one, or a list"
        ) from None


def gcs_uris(uris: str | Sequence[str], parameter: str) -> list[str]:
    """Return the URIs, all in Cloud Storage, as a list."""
    listed = listed_values(uris or [], parameter)
    if not listed:
        raise ConfigurationError(f"{parameter} is empty: name a gs:// URI")
    for uri in map(str, listed):
        if not re.match(r"gs://[^/]+/.", uri):
            raise ConfigurationError(
                f"{parameter} {shown(uri, 200)!r} is not in Cloud Storage: gs://bucket/object"
            )
    return listed


def table_schema(schema: Sequence[Mapping[str, Any]] | str, parameter: str) -> list[dict[str, Any]]:
    """Return the fields of a schema: given as such, as JSON text, or in the API's ``{"fields": […]}``."""
    found: Any = _json_value(schema, parameter) if isinstance(schema, str) else schema
    fields = found.get("fields") if isinstance(found, Mapping) else found
    if not isinstance(fields, list | tuple) or not fields:
        raise ConfigurationError(f"{parameter} is not a list of fields")
    for field in fields:
        if not isinstance(field, Mapping) or not {"name", "type"} <= set(field):
            raise ConfigurationError(f"{parameter}: a field needs name and type, found {shown(field, 80)}")
    return [dict(field) for field in fields]


def json_object(text: str, parameter: str) -> dict[str, Any]:
    """Return the JSON object that a text holds."""
    value = _json_value(text, parameter)
    if not isinstance(value, dict):
        raise ConfigurationError(f"{parameter} is not a JSON object")
    return value


def _json_value(text: str, parameter: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise ConfigurationError(f"{parameter} {shown(text, 60)!r} is not JSON: {error}") from None


def not_negative(parameter: str, value: Any) -> int | None:
    """Return a whole number from zero on, or None if none is given."""
    if value is None:
        return None
    try:
        number = int(value)
    except (TypeError, ValueError):
        raise ConfigurationError(f"{parameter} is {shown(value, 40)!r}: a whole number is needed") from None
    if number < 0:
        raise ConfigurationError(f"{parameter} is {number}: it cannot be negative")
    return number


def query_parameters(parameters: Mapping[str, Any] | Sequence[Any] | None) -> dict[str, Any]:
    """Return the fields for parameters given as Python values, or as the API's QueryParameter objects.

    A mapping makes named parameters, a sequence positional ones, of which the API's may have names.

    :raises ConfigurationError: a value has no type that BigQuery has, or names are missing or clash.
    """
    if parameters is None or (isinstance(parameters, list | tuple | Mapping) and not parameters):
        return {}
    if isinstance(parameters, Mapping):
        made = [_named(name, value) for name, value in parameters.items()]
    elif isinstance(parameters, Sequence) and not isinstance(parameters, str | bytes | bytearray):
        made = [parameter(f"number {at}", value) for at, value in enumerate(parameters, 1)]
    else:
        raise ConfigurationError(
            f"parameters needs a mapping for @names or a list for question marks, and is a "
            f"{type(parameters).__name__}"
        )
    names = [str(each["name"]).lower() for each in made if each.get("name")]
    if names and len(set(names)) < len(made):
        raise ConfigurationError("parameters: either each has a name of its own, or none has one")
    return {"parameterMode": "NAMED" if names else "POSITIONAL", "queryParameters": made}


def _named(name: Any, value: Any) -> dict[str, Any]:
    if not isinstance(name, str) or not name or name.startswith("@"):
        raise ConfigurationError(f"parameters: {shown(name, 80)!r} is not a name: write x for @x")
    made = parameter(name, value)
    if made.setdefault("name", name) != name:
        raise ConfigurationError(f"parameters: {name} has another name in its QueryParameter: {made['name']}")
    return {"name": name, **made}
