"""Logical bytes of a column, counted by BigQuery's rules.

https://cloud.google.com/bigquery/pricing#data
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_provider_jobs.sandbox.bigquery.store import quoted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow_provider_jobs.sandbox.bigquery.store import Session
    from airflow_provider_jobs.sandbox.bigquery.types import Field

_FIXED = {
    "INTEGER": 8, "FLOAT": 8, "BOOLEAN": 1, "TIMESTAMP": 8, "DATE": 8, "TIME": 8, "DATETIME": 8,
    "NUMERIC": 16, "BIGNUMERIC": 32, "INTERVAL": 16,
}  # fmt: skip

# A text or a byte string costs two bytes besides its own.
_LENGTH_BYTES = 2


def column_bytes(session: Session, physical: str, fields: Sequence[Field]) -> dict[str, int]:
    """Measure every column of a DuckDB table; the entry ``""`` is the number of rows."""
    sums = "".join(f", CAST(sum({_size(each, quoted(each.name))}) AS BIGINT)" for each in fields)
    row = session.rows(f"SELECT count(*){sums} FROM {physical}")[0]  # noqa: S608 - our own names
    return {name: value or 0 for name, value in zip(["", *(each.name for each in fields)], row, strict=True)}


def _size(each: Field, value: str, depth: int = 0) -> str:
    """Give the expression for the bytes of one value; a NULL costs nothing."""
    if each.repeated:
        variable = f"e{depth}"
        inner = _size(each.element, variable, depth + 1)
        return f"coalesce(list_sum(list_transform({value}, lambda {variable}: {inner})), 0)"
    if each.type == "RECORD":
        return (
            "(" + " + ".join(_size(part, f"{value}.{quoted(part.name)}", depth) for part in each.fields) + ")"
        )
    if each.type == "BYTES":
        return f"coalesce(octet_length({value}) + {_LENGTH_BYTES}, 0)"
    if each.type in _FIXED:
        return f"(CASE WHEN {value} IS NULL THEN 0 ELSE {_FIXED[each.type]} END)"
    return f"coalesce(strlen({value}) + {_LENGTH_BYTES}, 0)"
