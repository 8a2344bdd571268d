"""Writes the records of a batch that passed the checks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_provider_jobs.sandbox.salesforce.org.objects import ACTING_USER
from airflow_provider_jobs.sandbox.salesforce.org.records import bin_records, moved_stamps, purge_records
from airflow_provider_jobs.sandbox.salesforce.org.value_macros import text_of

if TYPE_CHECKING:
    from datetime import datetime

    from airflow_provider_jobs.sandbox.salesforce.org.ingest.checks import Batch
    from airflow_provider_jobs.sandbox.salesforce.org.ingest.columns import InputColumn
    from airflow_provider_jobs.sandbox.salesforce.org.model import SObject
    from airflow_provider_jobs.sandbox.salesforce.org.schema import Schema

_NEW = "error IS NULL AND created"
_OLD = "error IS NULL AND NOT created"
_FROM = "FROM batch WHERE"

# https://developer.salesforce.com/docs/atlas.en-us.object_reference.meta/object_reference/sforce_api_objects_accounthistory.htm
_HISTORY_TYPES = {
    "currency": "Currency",
    "phone": "PhoneNumber",
    "picklist": "DynamicEnum",
    "reference": "EntityId",
}


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
        [now] if "$1" in values else [],
    )
    _derive(batch, _NEW)


def update(batch: Batch, now: datetime) -> None:
    """Change the records that there are: an empty text leaves a field alone, ``#N/A`` empties it."""
    stamps = moved_stamps(batch.object)
    assignments = [
        *stamps,
        *(
            f"{each.field.column} = {_new_value(batch, each)}"
            for each in batch.columns
            if each.field.writable
        ),
    ]
    if not assignments:
        return
    batch.cursor.execute(
        f"UPDATE {batch.object.table} SET {', '.join(assignments)} FROM batch "  # noqa: S608 - our names
        f'WHERE {_OLD} AND batch.target = {batch.object.table}."Id"',
        [now] if stamps else [],
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


def _new_value(batch: Batch, column: InputColumn) -> str:
    own = f"{batch.object.table}.{column.field.column}"
    emptied = "false" if column.field.type == "boolean" else column.value
    return f"CASE {column.raw} WHEN '' THEN {own} WHEN '#N/A' THEN {emptied} ELSE {column.value} END"


def keep_history(batch: Batch, history: SObject, newest: int, now: datetime) -> int:
    """Write what is about to change into the history; give how many entries that makes.

    :param newest: the number of its newest entry.
    """
    table = batch.object.table
    parts = [
        f"SELECT target AS id, 'created' AS field, 'Text' AS kind, NULL AS old, NULL AS new {_FROM} {_NEW}"
    ]
    for column in batch.columns:
        field = column.field
        if field.name in batch.object.tracked and field.writable:
            old = text_of(field, f"{table}.{field.column}")
            new = text_of(field, f"({_new_value(batch, column)})")
            kind = _HISTORY_TYPES.get(field.type, "Text")
            parts.append(
                f"SELECT target, '{field.name}', '{kind}', {old}, {new} "  # noqa: S608 - our names
                f'FROM batch JOIN {table} ON batch.target = {table}."Id" '
                f"WHERE {_OLD} AND {old} IS DISTINCT FROM {new}"
            )
    batch.cursor.execute(
        f"INSERT INTO {history.table} BY NAME SELECT "  # noqa: S608 - our names
        f"sf_id('{history.key_prefix}', {newest:d} + row_number() OVER (ORDER BY id, field)) AS \"Id\", "
        f'false AS "IsDeleted", id AS "{batch.object.name}Id", \'{ACTING_USER}\' AS "CreatedById", '
        '$1 AS "CreatedDate", field AS "Field", kind AS "DataType", old AS "OldValue", new AS "NewValue" '
        f"FROM ({' UNION ALL '.join(parts)})",
        [now],
    )
    found = batch.cursor.fetchone()
    return int(found[0]) if found else 0


def delete(batch: Batch, schema: Schema, now: datetime, *, hard: bool) -> None:
    """Move records to the bin, or out of the org, and those that go with them."""
    batch.cursor.execute(f"SELECT target FROM batch WHERE {_OLD}")  # noqa: S608 - our names
    ids = [target for (target,) in batch.cursor.fetchall()]
    bin_records(batch.cursor, schema, batch.object, ids, now)
    if hard:
        purge_records(batch.cursor, schema, batch.object, ids)
