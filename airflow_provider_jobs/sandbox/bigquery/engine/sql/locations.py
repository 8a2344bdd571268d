"""Where a job has to run: the datasets that its configuration names."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from airflow_provider_jobs.sandbox.bigquery.engine.names import check_dataset, check_project
from airflow_provider_jobs.sandbox.bigquery.engine.outcomes import ApiError, JobProblem
from airflow_provider_jobs.sandbox.bigquery.engine.sql.legacy import from_legacy
from airflow_provider_jobs.sandbox.bigquery.engine.sql.tables import read_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_PART = r"(?:`[^`]+`|[\w-]+)"
# A table name after the words that come before one; a query that does not parse has a place to fail, too.
_NAMED = re.compile(
    rf"\b(?:FROM|JOIN|INTO|UPDATE|TABLE|EXISTS|MERGE|VIEW|DELETE|INSERT|USING|,)\s+({_PART}(?:\s*\.\s*{_PART})*)",
    re.IGNORECASE,
)


def datasets_of(project: str, configuration: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Give project and dataset of everything that a job names, the destination first."""
    for kind in ("query", "load", "extract", "copy"):
        part = configuration.get(kind)
        if isinstance(part, dict):
            for reference in _references(part):
                named = _checked(reference.get("projectId") or project, reference.get("datasetId"))
                if named is not None:
                    yield named
    query = (configuration.get("query") or {}).get("query")
    if isinstance(query, str):
        yield from _in_sql(project, from_legacy(query))


def _references(part: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    several = part.get("sourceTables") or []
    for reference in (
        part.get("destinationTable"),
        part.get("sourceTable"),
        *several,
        part.get("defaultDataset"),
    ):
        if isinstance(reference, dict):
            yield reference


def _checked(project: Any, dataset: Any) -> tuple[str, str] | None:
    try:
        return check_project(project), check_dataset(dataset)
    except ApiError:
        return None  # the job itself will be refused for that name


def _in_sql(project: str, sql: str) -> Iterator[tuple[str, str]]:
    for found in _NAMED.finditer(sql):
        written = re.sub(r"[`\s]", "", found[1])
        if "." in written:
            named = _read(project, written)
            if named is not None:
                yield named


def _read(project: str, written: str) -> tuple[str, str] | None:
    try:
        name = read_name(written, project, None)
    except (ApiError, JobProblem):
        return None
    return name.project, name.dataset
