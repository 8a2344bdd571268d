"""Partitions of a table: rows by the value of a column, named as in ``table$20260131``.

https://cloud.google.com/bigquery/docs/partitioned-tables
https://cloud.google.com/bigquery/docs/managing-partitioned-table-data
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from airflow_provider_jobs.sandbox.bigquery.engine.outcomes import JobProblem
from airflow_provider_jobs.sandbox.bigquery.engine.store import quoted, text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_provider_jobs.sandbox.bigquery.engine.catalog import StoredTable
    from airflow_provider_jobs.sandbox.bigquery.engine.store import Session

_DECORATED = re.compile(r"([^$]+)\$(-?[0-9]+|__NULL__|__UNPARTITIONED__)")
#: How the partitions of each kind are named after the time that they begin.
_NAMES = {"HOUR": "%Y%m%d%H", "DAY": "%Y%m%d", "MONTH": "%Y%m", "YEAR": "%Y"}


def split_decorator(reference: Any) -> tuple[Any, str | None]:
    """Give a table reference without its partition, and the partition if there is one."""
    found = _DECORATED.fullmatch(str(reference.get("tableId"))) if isinstance(reference, dict) else None
    return ({**reference, "tableId": found[1]}, found[2]) if found else (reference, None)


def is_in(resource: Mapping[str, Any], partition: str) -> str:
    """Give the SQL that is true of a partition's rows.

    :raises JobProblem: the table has no partitions by a column.
    """
    return f"{_name(resource)} = {text(partition)}"


def partition_of(session: Session, table: StoredTable, partition: str | None) -> StoredTable:
    """Give the table as if it had the rows of a partition alone; as it is if there is none."""
    if partition is None:
        return table
    rows = f"(SELECT * FROM {table.physical} WHERE {is_in(table.resource, partition)})"  # noqa: S608 - ours
    count = session.rows(f"SELECT count(*) FROM {rows}")[0][0]  # noqa: S608 - ours
    return replace(table, physical=rows, column_bytes={**table.column_bytes, "": count})


def partitions(session: Session, table: StoredTable) -> list[str]:
    """Give the names of the partitions that have rows."""
    name = _name(table.resource)
    return [row[0] for row in session.rows(f"SELECT DISTINCT {name} FROM {table.physical} ORDER BY 1")]  # noqa: S608 - ours


def _name(resource: Mapping[str, Any]) -> str:
    """Give the SQL that makes the name of a row's partition."""
    by_time, by_range = resource.get("timePartitioning") or {}, resource.get("rangePartitioning") or {}
    field = by_time.get("field") or by_range.get("field")
    if not field:
        kind = "ingestion time: the sandbox has none" if by_time else "a column: it has none"
        table = resource.get("tableReference", {}).get("tableId")
        raise JobProblem("invalid", f"Cannot find partitions of {table} by {kind}")
    column = quoted(field)
    if by_time:
        form = _NAMES[by_time.get("type") or "DAY"]
        return f"coalesce(strftime(CAST({column} AS TIMESTAMP), '{form}'), '__NULL__')"
    start, end, step = (int(by_range["range"][part]) for part in ("start", "end", "interval"))
    number = f"CAST({start} + (({column} - {start}) // {step}) * {step} AS VARCHAR)"
    return (
        f"CASE WHEN {column} IS NULL THEN '__NULL__' WHEN {column} >= {start} AND {column} < {end} "
        f"THEN {number} ELSE '__UNPARTITIONED__' END"
    )
