"""BigQuery job configurations: what is made of names, fields and Python values before anything is sent.

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

# All of these are for fullmatch: `$` would let a line end pass.
_JOB_ID = r"[A-Za-z0-9_-]{1,1024}"
_PROJECT_ID = r"(?:[a-z0-9.-]+:)?[A-Za-z][A-Za-z0-9-]*"
_DATASET_ID = r"[A-Za-z0-9_]+"
_TABLE_ID = r"[\w\- $@*]{1,1024}"
_DATASET = re.compile(rf"(?:(?P<projectId>{_PROJECT_ID})[.:])?(?P<datasetId>{_DATASET_ID})")
_TABLE = re.compile(rf"{_DATASET.pattern}\.(?P<tableId>{_TABLE_ID})")
_PARTS = {"projectId": _PROJECT_ID, "datasetId": _DATASET_ID, "tableId": _TABLE_ID}
_LABEL_LENGTH = 63


def check_job_id(job_id: str, parameter: str = "job_id") -> str:
    """Return a job id that BigQuery would take."""
    if not isinstance(job_id, str) or not re.fullmatch(_JOB_ID, job_id):
        raise ConfigurationError(
            f"{parameter} {shown(job_id, 80)!r} is not a job id: 1 to 1,024 letters, digits, _ and -"
        )
    return job_id


def check_project(project: str, parameter: str = "project_id") -> str:
    """Return a project id that can stand in a path."""
    if not isinstance(project, str) or not re.fullmatch(_PROJECT_ID, project):
        raise ConfigurationError(f"{parameter} {shown(project, 80)!r} is not a Google Cloud project id")
    return project


def table_reference(table: str | Mapping[str, str], project: str, parameter: str) -> dict[str, str]:
    """Return the API's TableReference of ``project.dataset.table``, ``dataset.table`` or a mapping.

    :param project: Used where the table names none.
    """
    what = "table: write project.dataset.table or dataset.table"
    return _reference(table, _TABLE, project, parameter, what)


def dataset_reference(dataset: str | Mapping[str, str], project: str, parameter: str) -> dict[str, str]:
    """Return the API's DatasetReference of ``project.dataset``, ``dataset`` or a mapping."""
    return _reference(dataset, _DATASET, project, parameter, "dataset: write project.dataset")


def _reference(
    given: str | Mapping[str, str], form: re.Pattern[str], project: str, parameter: str, what: str
) -> dict[str, str]:
    """Return a reference, its project completed and its parts checked."""
    if isinstance(given, str):
        match = form.fullmatch(given.strip("`"))
        if not match:
            raise ConfigurationError(f"{parameter} {shown(given, 200)!r} is not a {what}")
        given = {name: part for name, part in match.groupdict().items() if part}
    if not isinstance(given, Mapping):
        raise ConfigurationError(f"{parameter} is a {type(given).__name__}, neither text nor a reference")
    reference = {"projectId": project, **given}
    if set(reference) != set(form.groupindex):
        needed = " and ".join(name for name in form.groupindex if name != "projectId")
        raise ConfigurationError(f"{parameter} needs {needed}, projectId at most besides")
    for name, part in reference.items():
        if not re.fullmatch(_PARTS[name], str(part)):
            raise ConfigurationError(f"{parameter}: {shown(part, 80)!r} is not a {name}")
    return reference


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
    if job_type(configuration) != "query":
        return dict(configuration)
    return {**configuration, "query": {"useLegacySql": False, **configuration["query"]}}


def with_options(fields: Mapping[str, Any], options: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the fields that are set, and the options, which must be others."""
    given = {name: value for name, value in fields.items() if value is not None}
    if doubled := sorted(set(given) & set(options or {})):
        raise ConfigurationError(f"options repeats {', '.join(doubled)}, which a parameter has set")
    return {**given, **(options or {})}


def label(text: str) -> str:
    """Return the text as a label value: lower case, other characters than letters, digits, ``_`` as ``-``.

    Source: https://cloud.google.com/bigquery/docs/labels-intro#requirements
    """
    return re.sub(r"[^\w-]", "-", text.lower())[:_LABEL_LENGTH]


def gcs_uris(uris: str | Sequence[str], parameter: str) -> list[str]:
    """Return the URIs, all in Cloud Storage, as a list."""
    listed = [uris] if isinstance(uris, str) else list(uris or [])
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
