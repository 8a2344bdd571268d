"""Tables and rows that are looked at beside jobs: is it there, what is in it, what does SQL give.

Sources: https://cloud.google.com/bigquery/docs/reference/rest/v2/tables,
https://cloud.google.com/bigquery/docs/reference/rest/v2/tabledata/list
"""

from __future__ import annotations

import re
import uuid
from http import HTTPStatus
from itertools import islice
from typing import TYPE_CHECKING, Any

from airflow_provider_jobs.clients.bigquery.configuration import query_parameters
from airflow_provider_jobs.clients.bigquery.names import table_reference
from airflow_provider_jobs.clients.bigquery.replies import job_status
from airflow_provider_jobs.clients.bigquery.rows import typed_rows
from airflow_provider_jobs.core.http.messages import listed
from airflow_provider_jobs.errors import (
    ConfigurationError,
    JobsError,
    NotFoundError,
    ResultsUnavailable,
    ServiceError,
)
from airflow_provider_jobs.words import shown

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from airflow_provider_jobs.clients.bigquery.api import BigQueryApi
    from airflow_provider_jobs.jobs import JobRef

#: Rows of one page, at most; BigQuery ends a page earlier if its bytes are many.
_PAGE_ROWS = 10_000
_COLUMN = re.compile(r"[^\W\d]\w{0,299}")


def table_exists(api: BigQueryApi, table: str | Mapping[str, str]) -> bool:
    """Return True if a table is there, and may be seen."""
    try:
        api.get_table(table)
    except NotFoundError:
        return False
    return True


def partition_exists(api: BigQueryApi, table: Mapping[str, str], partition: str) -> bool:
    """Return True if a partition of a table is there, such as ``20260131``, and so the table is.

    It is looked for in the list of them, which BigQuery gives as rows of a table and without cost.

    Source: https://cloud.google.com/bigquery/docs/managing-partitioned-tables#get_partition_metadata_using_meta-tables

    :raises ConfigurationError: the table has no partitions, or that is not the name of one.
    """
    table_reference({**table, "tableId": f"{table['tableId']}${partition}"}, api.project, "partition_id")
    summary = {**table, "tableId": f"{table['tableId']}$__PARTITIONS_SUMMARY__"}
    try:
        return any(
            row["f"][0]["v"] == partition
            for page in api.list_row_pages(summary, selectedFields="partition_id", maxResults=_PAGE_ROWS)
            for row in listed(page, "rows")
        )
    except NotFoundError:
        return False
    except ServiceError as error:
        if error.status != HTTPStatus.BAD_REQUEST:
            raise
        raise ConfigurationError(f"the table has no partitions to look for: {error}") from None


def table_rows(
    api: BigQueryApi, table: str | Mapping[str, str], columns: Sequence[str], most_rows: int | None
) -> Iterator[dict[str, Any]]:
    """Yield rows of a table in the order in which they are stored, as :func:`.typed_rows` has them.

    :param columns: Those that are wanted, in the table's order; none means all.
    :param most_rows: Rows at most; None gives all.
    """
    fields = chosen(listed(api.get_table(table).get("schema") or {}, "fields"), columns)
    names = ",".join(field["name"] for field in fields)
    found = api.list_row_pages(
        table,
        selectedFields=names,
        maxResults=_PAGE_ROWS if most_rows is None else min(most_rows, _PAGE_ROWS),
    )
    rows = (row for page in found for row in listed(page, "rows"))
    return typed_rows(fields, islice(rows, most_rows))


def chosen(fields: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> list[Mapping[str, Any]]:
    """Return the fields of the columns, in the order of the fields; all if none is named.

    :raises ConfigurationError: there is no such column.
    """
    wanted = {name.lower() for name in columns}
    found = [field for field in fields if not wanted or field["name"].lower() in wanted]
    if missing := wanted - {field["name"].lower() for field in found}:
        names = ", ".join(sorted(shown(name, 80) for name in missing))
        raise ConfigurationError(f"selected_fields: there is no column {names}")
    return found


def column_name(name: str, parameter: str) -> str:
    """Return the name of a column as it stands in SQL, in backticks.

    :raises ConfigurationError: it is not one.
    """
    if not isinstance(name, str) or not _COLUMN.fullmatch(name):
        raise ConfigurationError(
            f"{parameter}: {shown(name, 80)!r} is not a column: letters, digits and _, the first not a digit"
        )
    return f"`{name}`"


def table_name(reference: Mapping[str, str]) -> str:
    """Return a TableReference as it stands in SQL, in backticks; a partition after ``$`` is left out."""
    table = reference["tableId"].partition("$")[0]
    return f"`{reference['projectId']}.{reference['datasetId']}.{table}`"


def start_query(
    api: BigQueryApi,
    sql: str,
    parameters: Mapping[str, Any] | Sequence[Any] | None = None,
    *,
    location: str | None = None,
    legacy: bool = False,
    labels: Mapping[str, str] | None = None,
) -> JobRef:
    """Start a query that nobody adopts, and return where it is.

    :param parameters: As :func:`.query_parameters` takes them.
    :raises ConfigurationError: the SQL is not text, or parameters have no type.
    """
    if not isinstance(sql, str) or not sql.strip():
        raise ConfigurationError("sql is empty, or is not text: give one statement, or a script")
    query = {"query": sql, "useLegacySql": legacy, **query_parameters(parameters)}
    place = {"location": location} if location else {}
    reference = {"projectId": api.project, "jobId": f"airflow_hook_{uuid.uuid4().hex}", **place}
    configuration = {"query": query, "labels": dict(labels or {})}
    return job_status(api.insert_job({"jobReference": reference, "configuration": configuration})).ref


def query_rows(api: BigQueryApi, ref: JobRef, most_rows: int | None = None) -> Iterator[dict[str, Any]]:
    """Wait for a query's end, and yield its rows, so many at most."""
    rows = api.get_query_results(ref.id, ref.scope, location=ref.location, page_rows=most_rows)
    return islice(rows, most_rows)


def rows_of(api: BigQueryApi, ref: JobRef, most_rows: int | None) -> list[dict[str, Any]]:
    """Return rows of a query that has succeeded, so many at most; None gives all.

    :raises ResultsUnavailable: they cannot be read.
    """
    try:
        return list(query_rows(api, ref, most_rows))
    except JobsError as error:
        text = f"{ref} has succeeded, and its rows could not be read: {error}"
        raise ResultsUnavailable(text) from None
