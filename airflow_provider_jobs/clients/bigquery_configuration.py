"""BigQuery job configurations: references, labels, schemas, and what is refused before anything is sent.

Source: https://cloud.google.com/bigquery/docs/reference/rest/v2/Job#jobconfiguration
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from airflow_provider_jobs.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Sequence

#: The job types that the API takes; ``link`` of its first version is withdrawn.
JOB_TYPES = ("query", "load", "extract", "copy")

_PROJECT = r"(?:[a-z0-9.-]+:)?[A-Za-z][A-Za-z0-9-]*"
_TABLE = re.compile(
    rf"^(?:(?P<project>{_PROJECT})[.:])?(?P<dataset>[A-Za-z0-9_]+)\.(?P<table>[\w\- $@*]{{1,1024}})$"
)
_DATASET = re.compile(rf"^(?:(?P<project>{_PROJECT})[.:])?(?P<dataset>[A-Za-z0-9_]+)$")
_JOB_ID = re.compile(r"^[A-Za-z0-9_-]{1,1024}$")
_LABEL_LENGTH = 63


def check_job_id(job_id: str, parameter: str = "job_id") -> str:
    """Return a job id that BigQuery would take.

    :raises ConfigurationError: it has other characters than letters, digits, ``_``, ``-``, or over 1,024.
    """
    if not _JOB_ID.match(job_id):
        raise ConfigurationError(
            f"{parameter} {job_id[:80]!r} is no job id: 1 to 1,024 letters, digits, underscores or dashes"
        )
    return job_id


def check_project(project: str, parameter: str = "project_id") -> str:
    """Return a project id that can stand in a path.

    :raises ConfigurationError: it cannot.
    """
    if not re.fullmatch(_PROJECT, project):
        raise ConfigurationError(f"{parameter} {project[:80]!r} is no Google Cloud project id")
    return project


def table_reference(table: str | Mapping[str, str], project: str, parameter: str) -> dict[str, str]:
    """Return the API's TableReference of ``project.dataset.table``, ``dataset.table`` or a mapping.

    :param project: Used where the table names none.
    :raises ConfigurationError: it is not a table.
    """
    if isinstance(table, str):
        match = _TABLE.match(table.strip("`"))
        if not match:
            raise ConfigurationError(
                f"{parameter} {table[:200]!r} is no table: write project.dataset.table or dataset.table"
            )
        found = match.groupdict()
        return {
            "projectId": found["project"] or project,
            "datasetId": found["dataset"],
            "tableId": found["table"],
        }
    reference = {"projectId": project, **table}
    if set(reference) != {"projectId", "datasetId", "tableId"} or not all(reference.values()):
        raise ConfigurationError(f"{parameter} needs datasetId and tableId, projectId at most besides")
    return reference


def dataset_reference(dataset: str | Mapping[str, str], project: str, parameter: str) -> dict[str, str]:
    """Return the API's DatasetReference of ``project.dataset``, ``dataset`` or of the mapping itself.

    :raises ConfigurationError: it is not a dataset.
    """
    if isinstance(dataset, str):
        match = _DATASET.match(dataset.strip("`"))
        if not match:
            raise ConfigurationError(f"{parameter} {dataset[:200]!r} is no dataset: write project.dataset")
        return {"projectId": match["project"] or project, "datasetId": match["dataset"]}
    reference = {"projectId": project, **dataset}
    if set(reference) != {"projectId", "datasetId"}:
        raise ConfigurationError(f"{parameter} needs datasetId, and projectId at most besides")
    return reference


def job_type(configuration: Mapping[str, Any]) -> str:
    """Return the type of job that a configuration describes.

    :raises ConfigurationError: it has none, several, or one that BigQuery has withdrawn.
    """
    if "link" in configuration:
        raise ConfigurationError("configuration has a link job, which BigQuery has withdrawn: use copy")
    found = [name for name in JOB_TYPES if name in configuration]
    if not found:
        raise ConfigurationError(f"configuration has no job type: give one of {', '.join(JOB_TYPES)}")
    if len(found) > 1:
        raise ConfigurationError(f"configuration has {len(found)} job types: {', '.join(found)}; give one")
    return found[0]


def complete_query(configuration: Mapping[str, Any]) -> dict[str, Any]:
    """Return the configuration with GoogleSQL chosen where a query leaves the dialect open.

    The API's own default is legacy SQL.
    """
    if "query" not in configuration:
        return dict(configuration)
    return {**configuration, "query": {"useLegacySql": False, **configuration["query"]}}


def label(text: str) -> str:
    """Return the text as a label value: lower case, other characters than letters, digits, ``_`` as ``-``.

    Source: https://cloud.google.com/bigquery/docs/labels-intro#requirements
    """
    return re.sub(r"[^\w-]", "-", text.lower())[:_LABEL_LENGTH]


def gcs_uris(uris: str | Sequence[str], parameter: str) -> list[str]:
    """Return the URIs as a list.

    :raises ConfigurationError: there is none, or one is not of Cloud Storage.
    """
    listed = [uris] if isinstance(uris, str) else list(uris)
    if not listed:
        raise ConfigurationError(f"{parameter} is empty: name a gs:// URI")
    for uri in listed:
        if not re.match(r"^gs://[^/]+/.", uri):
            raise ConfigurationError(
                f"{parameter} {uri[:200]!r} is no object of Cloud Storage: gs://bucket/object"
            )
    return listed


def table_schema(schema: Sequence[Mapping[str, Any]] | str, parameter: str) -> list[dict[str, Any]]:
    """Return the fields of a schema: given as such, as JSON text, or in the API's ``{"fields": […]}``.

    :raises ConfigurationError: it holds something else.
    """
    found: Any = json_value(schema, parameter) if isinstance(schema, str) else schema
    fields = found.get("fields") if isinstance(found, Mapping) else found
    if not isinstance(fields, list | tuple) or not fields:
        raise ConfigurationError(f"{parameter} is no list of fields")
    for field in fields:
        if not isinstance(field, Mapping) or not {"name", "type"} <= set(field):
            raise ConfigurationError(f"{parameter}: a field needs name and type, found {str(field)[:80]}")
    return [dict(field) for field in fields]


def with_options(fields: Mapping[str, Any], options: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the fields that are set, and the options.

    :raises ConfigurationError: an option is one of the fields.
    """
    given = {name: value for name, value in fields.items() if value is not None}
    if doubled := sorted(set(given) & set(options or {})):
        raise ConfigurationError(f"options repeats {', '.join(doubled)}, which a parameter has set")
    return {**given, **(options or {})}


def json_object(text: str, parameter: str) -> dict[str, Any]:
    """Return the JSON object that a text holds.

    :raises ConfigurationError: it holds none.
    """
    value = json_value(text, parameter)
    if not isinstance(value, dict):
        raise ConfigurationError(f"{parameter} is no JSON object")
    return value


def json_value(text: str, parameter: str) -> Any:
    """Return the JSON value that a text holds.

    :raises ConfigurationError: it holds none.
    """
    try:
        return json.loads(text)
    except ValueError as error:
        raise ConfigurationError(f"{parameter} {text[:60]!r} is not JSON: {error}") from None
