"""Names of projects, datasets and tables: checked before anything is looked up or stored."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import Any

from airflow_provider_jobs.sandbox.bigquery.engine.outcomes import ApiError

# "my-project", or the older "example.com:my-project".
_PROJECT = re.compile(r"(?:[a-z0-9][a-z0-9.-]{0,62}:)?[a-z][a-z0-9-]{1,61}[a-z0-9]")
_DATASET = re.compile(r"[A-Za-z0-9_]{1,1024}")
# Of a table: letters, marks and digits of any script, connectors, dashes, spaces; bytes at most.
_CATEGORIES = ("L", "M", "N", "Pc", "Pd", "Zs")
_MOST_TABLE_BYTES = 1024

# Where results of queries without a destination live; such datasets are never listed.
HIDDEN_DATASET = "_sandbox_anon_"


def check_project(project: str) -> str:
    """Give the project back, or refuse it."""
    return _checked(_PROJECT, project, "project")


def check_dataset(dataset: str) -> str:
    """Give the dataset id back, or refuse it."""
    return _checked(_DATASET, dataset, "dataset")


def check_table(table: str) -> str:
    """Give the table id back, or refuse it."""
    text = table if isinstance(table, str) else ""
    good = all(unicodedata.category(character).startswith(_CATEGORIES) for character in text)
    if not good or not 0 < len(text.encode()) <= _MOST_TABLE_BYTES:
        raise _refused(table, "table")
    return table


def _checked(pattern: re.Pattern[str], value: Any, what: str) -> str:
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise _refused(value, what)
    return value


def _refused(value: Any, what: str) -> ApiError:
    return ApiError(400, "invalid", f'Invalid {what} ID "{value}".')


def anonymous_dataset(location: str) -> str:
    """Name the hidden dataset of a location."""
    return HIDDEN_DATASET + re.sub(r"[^A-Za-z0-9]", "_", location.lower())


@dataclass(frozen=True, order=True)
class TableId:
    """A checked table name; as text ``project:dataset.table``, the way error messages spell it."""

    project: str
    dataset: str
    table: str

    def __post_init__(self) -> None:
        check_project(self.project)
        check_dataset(self.dataset)
        check_table(self.table)

    @classmethod
    def from_reference(cls, reference: Any, project: str, what: str) -> TableId:
        """Read a REST ``tableReference``; the project defaults to the job's."""
        if not isinstance(reference, dict) or not reference.get("datasetId") or not reference.get("tableId"):
            raise ApiError(400, "invalid", f"Required parameter is missing: {what}")
        return cls(reference.get("projectId") or project, reference["datasetId"], reference["tableId"])

    @property
    def reference(self) -> dict[str, str]:
        """The REST ``tableReference``."""
        return {"projectId": self.project, "datasetId": self.dataset, "tableId": self.table}

    def __str__(self) -> str:
        return f"{self.project}:{self.dataset}.{self.table}"
