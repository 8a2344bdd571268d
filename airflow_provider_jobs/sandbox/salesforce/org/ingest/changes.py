"""Writes the records of a batch that passed the checks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_provider_jobs.sandbox.salesforce.org.objects import ACTING_USER, children_of

if TYPE_CHECKING:
    from datetime import datetime

    from airflow_provider_jobs.sandbox.salesforce.org.ingest.checks import Batch
    from airflow_provider_jobs.sandbox.salesforce.org.ingest.columns import InputColumn

_NEW = "error IS NULL AND created"
_OLD = "error IS NULL AND NOT created"


def insert(batch: Batch, now: datetime) -> None:
    """Add the new records."""
    by_field: dict[str, InputColumn] = {
        each.field.name: each for each in batch.columns if each.field.writable
    }
    system = {"Id": "target", "CreatedDate": "$1", "LastModifiedDate": "$1", "SystemModstamp": "$1"}
    names, values = [], []
    for field in batch.object.stored:
        column = by_field.get(field.name)
        names.append(field.column)
        value = system.get(field.name) or (
            f"coalesce({column.value}, {field.default})" if column else field.default
        )
        values.append(value)
    batch.cursor.execute(
        f"INSERT INTO {batch.object.table} ({', '.join(names)}) "  # noqa: S608 - our names
        f"SELECT {', '.join(values)} FROM batch WHERE {_NEW} ORDER BY n",
        [now],
    )
    _derive(batch, _NEW)


def update(batch: Batch, now: datetime) -> None:
    """Change the records that there are: an empty text leaves a field alone, ``#N/A`` empties it."""
    assignments = [
        '"LastModifiedDate" = $1',
        '"SystemModstamp" = $1',
        f"\"LastModifiedById\" = '{ACTING_USER}'",
    ]
    for column in batch.columns:
        if not column.field.writable:
            continue
        own = f"{batch.object.table}.{column.field.column}"
        emptied = "false" if column.field.type == "boolean" else column.value
        cases = f"WHEN '' THEN {own} WHEN '#N/A' THEN {emptied} ELSE {column.value}"
        assignments.append(f"{column.field.column} = CASE {column.raw} {cases} END")
    batch.cursor.execute(
        f"UPDATE {batch.object.table} SET {', '.join(assignments)} FROM batch "  # noqa: S608 - our names
        f'WHERE {_OLD} AND batch.target = {batch.object.table}."Id"',
        [now],
    )
    _derive(batch, _OLD)


def _derive(batch: Batch, which: str) -> None:
    """Compute the fields that follow from others."""
    if batch.object.derived:
        assignments = ", ".join(f'"{name}" = {value}' for name, value in batch.object.derived)
        batch.cursor.execute(
            f"UPDATE {batch.object.table} SET {assignments} "  # noqa: S608 - our names
            f'WHERE "Id" IN (SELECT target FROM batch WHERE {which})'
        )


def delete(batch: Batch, now: datetime, *, hard: bool) -> None:
    """Move records to the bin, or out of the org; references to them become empty."""
    gone = f"SELECT target FROM batch WHERE {_OLD}"  # noqa: S608 - our names
    if hard:
        batch.cursor.execute(f'DELETE FROM {batch.object.table} WHERE "Id" IN ({gone})')  # noqa: S608 - our names
    else:
        batch.cursor.execute(
            f'UPDATE {batch.object.table} SET "IsDeleted" = true, "LastModifiedDate" = $1, '  # noqa: S608 - our names
            f'"SystemModstamp" = $1, "LastModifiedById" = \'{ACTING_USER}\' WHERE "Id" IN ({gone})',
            [now],
        )
    for child, field in children_of(batch.object):
        batch.cursor.execute(
            f"UPDATE {child.table} SET {field.column} = NULL WHERE {field.column} IN ({gone})"  # noqa: S608 - our names
        )
