"""Text of a CSV field to a typed value, as SQL: DuckDB converts columns where Python would convert cells.

https://cloud.google.com/bigquery/docs/loading-data-cloud-storage-csv#data_types
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_provider_jobs.sandbox.bigquery.store import text
from airflow_provider_jobs.sandbox.bigquery.types import duck_type

if TYPE_CHECKING:
    from airflow_provider_jobs.sandbox.bigquery.types import Field

_TRUE = "('true', 't', 'yes', 'y', '1')"
_FALSE = "('false', 'f', 'no', 'n', '0')"


def converted(each: Field, value: str) -> str:
    """Give the expression for a typed value; NULL where the text is not one."""
    if each.type in {"STRING", "GEOGRAPHY"}:
        return value
    trimmed = f"trim({value})"
    cast = f"TRY_CAST({trimmed} AS {duck_type(each)})"
    special = {
        "INTEGER": f"CASE WHEN regexp_full_match({trimmed}, '[+-]?[0-9]+') THEN {cast} END",
        "BOOLEAN": f"CASE WHEN lower({trimmed}) IN {_TRUE} THEN true "
        f"WHEN lower({trimmed}) IN {_FALSE} THEN false END",
        "BYTES": f"TRY(from_base64({trimmed}))",
        # Seconds since 1970 are accepted, too.
        "TIMESTAMP": f"CASE WHEN regexp_full_match({trimmed}, '-?[0-9]+([.][0-9]*)?') "
        f"THEN to_timestamp(TRY_CAST({trimmed} AS DOUBLE)) ELSE {cast} END",
        "JSON": f"CASE WHEN json_valid({value}) THEN CAST({value} AS JSON) END",
    }
    return special.get(each.type, cast)


def demanded(each: Field, value: str) -> str:
    """Give the expression for a typed value that fails the statement where the text is not one."""
    if each.type in {"STRING", "GEOGRAPHY"}:
        return value
    wrong = f"error({text('bad ' + each.type)})"
    return f"CASE WHEN {value} IS NULL THEN NULL ELSE coalesce({converted(each, value)}, {wrong}) END"


def is_wrong(each: Field, value: str) -> str:
    """Give the condition for text that is not a value of the column's type."""
    if each.type in {"STRING", "GEOGRAPHY"}:
        return "false"
    return f"({value} IS NOT NULL AND ({converted(each, value)}) IS NULL)"
