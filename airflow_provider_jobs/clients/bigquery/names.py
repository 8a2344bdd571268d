"""Names of BigQuery: jobs, projects, datasets, tables and labels, checked before anything is sent.

What is refused names the rule that it breaks. A name that becomes a part of a URL is quoted besides, by
:func:`.path_of`.
Sources: https://cloud.google.com/bigquery/docs/tables#table_naming,
https://cloud.google.com/bigquery/docs/datasets#dataset-naming,
https://cloud.google.com/bigquery/docs/labels-intro#requirements
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from typing import Any

from airflow_provider_jobs.errors import ConfigurationError
from airflow_provider_jobs.words import shown

#: Labels of one job.
MOST_LABELS = 64
#: Characters of the key of a label, or of its value.
_LABEL_LENGTH = 63
#: Bytes of a table id, and characters of a dataset id.
_MOST_TABLE_BYTES = _MOST_DATASET_CHARACTERS = 1024

# All of these are for fullmatch: `$` would let a line end pass.
_JOB_ID = re.compile(r"[A-Za-z0-9_-]{1,1024}")
_PROJECT_ID = re.compile(r"(?:[a-z0-9.-]+:)?[A-Za-z][A-Za-z0-9-]*")
_DATASET_ID = re.compile(rf"[A-Za-z0-9_]{{1,{_MOST_DATASET_CHARACTERS}}}")
#: A catalog, such as a bucket, and its namespaces: of tables that a lakehouse keeps.
_CATALOG_ID = re.compile(r"[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)+")
_TABLE_ID = re.compile(r"(?P<name>[^$@*]+)(?P<wildcard>\*?)(?P<partition>\$[^@]*)?(?P<time>@.*)?", re.DOTALL)
_PARTITION = re.compile(r"\$(?:-?[0-9]+|__[A-Za-z]+(?:_[A-Za-z]+)*__)")
_TIME = re.compile(r"@-?[0-9]+(?:-(?:-?[0-9]+)?)?")
_QUOTED_PART = re.compile(r"(?:^|(?<=[.:]))`([^`]+)`(?=[.:]|$)")
_CATEGORIES = ("L", "M", "N", "Pc", "Pd", "Zs")
_LABEL = re.compile(rf"[\w-]{{0,{_LABEL_LENGTH}}}")
_LABEL_KEY = re.compile(rf"[^\W\d_][\w-]{{0,{_LABEL_LENGTH - 1}}}")

_A_TABLE = "write project.dataset.table, dataset.table or project.catalog.namespace.table"
_A_DATASET = "write project.dataset, dataset or project.catalog.namespace"


def check_job_id(job_id: str, parameter: str = "job_id") -> str:
    """Return a job id that BigQuery would take."""
    if not isinstance(job_id, str) or not _JOB_ID.fullmatch(job_id):
        raise ConfigurationError(
            f"{parameter} {shown(job_id, 80)!r} is not a job id: 1 to 1,024 letters, digits, _ and -"
        )
    return job_id


def check_project(project: str, parameter: str = "project_id") -> str:
    """Return a project id that can stand in a path."""
    if not isinstance(project, str) or not _PROJECT_ID.fullmatch(project):
        raise ConfigurationError(
            f"{parameter} {shown(project, 80)!r} is not a Google Cloud project id: letters, digits and -, "
            "the first a letter; a domain and : may stand before it"
        )
    return project


def table_reference(
    table: str | Mapping[str, str], project: str, parameter: str, *, is_read: bool = False
) -> dict[str, str]:
    """Return the API's TableReference of a name or a mapping, its project completed and its parts checked.

    A name is ``project.dataset.table``, ``dataset.table``, ``project:dataset.table`` or
    ``project.catalog.namespace.table``, with backticks around it, around its parts, or without. The id may
    end in ``$`` and a partition.

    :param project: Used where the table names none.
    :param is_read: The id may also end in ``*``, and in ``@`` and a time: of a table that is only read.
    """
    if isinstance(table, str):
        dataset, _, name = _unquoted(table, parameter).rpartition(".")
        if not dataset or not name:
            raise ConfigurationError(f"{parameter} {shown(table, 200)!r} is not a table: {_A_TABLE}")
        given = {**_dataset_of(dataset), "tableId": name}
    else:
        given = _fields_of(table, parameter, "datasetId", "tableId")
    reference = _checked_dataset({"projectId": project, **given}, parameter)
    _check_table(reference["tableId"], parameter, is_read=is_read)
    return reference


def dataset_reference(dataset: str | Mapping[str, str], project: str, parameter: str) -> dict[str, str]:
    """Return the API's DatasetReference of a name or a mapping, its project completed and its parts checked.

    A name is that of a table without its last part.

    :param project: Used where the dataset names none.
    """
    if isinstance(dataset, str):
        if not dataset:
            raise ConfigurationError(f"{parameter} is empty, and not a dataset: {_A_DATASET}")
        given = _dataset_of(_unquoted(dataset, parameter))
    else:
        given = _fields_of(dataset, parameter, "datasetId")
    return _checked_dataset({"projectId": project, **given}, parameter)


def _unquoted(text: str, parameter: str) -> str:
    """Return a name without the backticks around it or around its parts."""
    plain = _QUOTED_PART.sub(r"\1", text)
    if "`" in plain:
        raise ConfigurationError(
            f"{parameter} {shown(text, 200)!r}: backticks stand around the whole name, or around a part of it"
        )
    return plain


def _dataset_of(name: str) -> dict[str, str]:
    """Return the project, if there is one, and the dataset of a name; a domain is a part of the project.

    A table of a lakehouse has its catalog and its namespaces for a dataset.
    """
    domain, colon, rest = name.rpartition(":")
    if colon and "." not in rest:  # project:dataset
        return {"projectId": domain, "datasetId": rest}
    project, dot, dataset = rest.partition(".")
    if not dot:
        return {"datasetId": name}
    return {"projectId": f"{domain}{colon}{project}", "datasetId": dataset}


def _fields_of(given: Any, parameter: str, *needed: str) -> dict[str, str]:
    """Return the fields of a reference that is given as the API has it."""
    if not isinstance(given, Mapping):
        raise ConfigurationError(f"{parameter} is a {type(given).__name__}, neither text nor a reference")
    if not set(needed) <= set(given) <= {"projectId", *needed}:
        raise ConfigurationError(f"{parameter} needs {' and '.join(needed)}, projectId at most besides")
    # A template that is rendered natively makes a number of digits.
    named = {name: part for name, part in given.items() if part or name != "projectId"}
    return {name: str(part) if isinstance(part, int) else part for name, part in named.items()}


def _checked_dataset(reference: dict[str, str], parameter: str) -> dict[str, str]:
    """Return a reference whose project and dataset BigQuery would take."""
    check_project(reference["projectId"], f"{parameter}: projectId")
    dataset = reference.get("datasetId")
    if not isinstance(dataset, str) or not (_DATASET_ID.fullmatch(dataset) or _CATALOG_ID.fullmatch(dataset)):
        raise ConfigurationError(
            f"{parameter}: {shown(dataset or '', 80)!r} is not a datasetId: letters from a to z, digits and "
            "_, at most 1,024; of a lakehouse catalog.namespace, which may hold - too"
        )
    return reference


def _check_table(table: Any, parameter: str, *, is_read: bool) -> None:
    """See that BigQuery would take a table id, and what is added to it."""
    found = _TABLE_ID.fullmatch(table) if isinstance(table, str) else None
    named = f"{parameter}: {shown(table, 80)!r}"
    if not found or not _is_table_name(found["name"]):
        raise ConfigurationError(
            f"{named} is not a tableId: letters, marks, digits, spaces, dashes and _ of any script, at most "
            "1,024 bytes"
        )
    if found["partition"] is not None and not _PARTITION.fullmatch(found["partition"]):
        raise ConfigurationError(
            f"{named}: after $ there is a partition, such as 20240131, 2024013123, __NULL__ or a number"
        )
    if not is_read and (found["wildcard"] or found["time"]):
        raise ConfigurationError(f"{named}: * and @ are for tables that are read, not for {parameter}")
    if found["time"] is not None and not _TIME.fullmatch(found["time"]):
        raise ConfigurationError(
            f"{named}: after @ there is a time in milliseconds since 1970, or before now if it is negative"
        )


def _is_table_name(name: str) -> bool:
    categories = map(unicodedata.category, name)
    return (
        all(category.startswith(_CATEGORIES) for category in categories)
        and len(name.encode()) <= _MOST_TABLE_BYTES
    )


def label(text: str) -> str:
    """Return the text as a label value: lower case, other characters than letters, digits, ``_`` as ``-``."""
    return re.sub(r"[^\w-]", "-", text.lower())[:_LABEL_LENGTH]


def check_labels(labels: Mapping[str, Any] | None, parameter: str) -> dict[str, str]:
    """Return labels that BigQuery would take; a number is its text.

    :raises ConfigurationError: a key or a value is not one.
    """
    if not isinstance(labels, Mapping | None):
        raise ConfigurationError(f"{parameter} is a {type(labels).__name__}: a mapping is needed")
    given = {key: _text_of(value) for key, value in (labels or {}).items()}
    for key, value in given.items():
        for what, text, form in (("key", key, _LABEL_KEY), ("value", value, _LABEL)):
            if not isinstance(text, str) or not form.fullmatch(text) or text != text.lower():
                raise ConfigurationError(
                    f"{parameter}: {shown(text, 80)!r}, {what} of the label {shown(key, 80)!r}, is not one: "
                    "lower-case letters, digits, _ and -, at most 63; a key begins with a letter"
                )
    return given


def _text_of(value: Any) -> Any:
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value
