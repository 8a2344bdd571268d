"""What becomes of records besides inserts and updates: the bin and what goes along, merges, the end.

Source: https://developer.salesforce.com/docs/atlas.en-us.api.meta/api/sforce_api_calls_delete.htm,
https://developer.salesforce.com/docs/atlas.en-us.api.meta/api/sforce_api_calls_undelete.htm and
https://developer.salesforce.com/docs/atlas.en-us.api.meta/api/sforce_api_calls_merge.htm.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_provider_jobs.sandbox.salesforce.org.objects import ACTING_USER
from airflow_provider_jobs.sandbox.salesforce.org.refusals import SalesforceRefusal

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    import duckdb

    from airflow_provider_jobs.sandbox.salesforce.org.model import SObject
    from airflow_provider_jobs.sandbox.salesforce.org.schema import Schema


def moved_stamps(of: SObject, *, by_user: bool = True) -> list[str]:
    """Give the assignments of a change, with the moment as ``$1``.

    :param by_user: False for what the system does by itself, which moves SystemModstamp alone.
    """
    values = {"SystemModstamp": "$1"}
    if by_user or "SystemModstamp" not in of.columns:
        values |= {"LastModifiedDate": "$1", "LastModifiedById": f"'{ACTING_USER}'"}
    return [f'"{name}" = {value}' for name, value in values.items() if name in of.columns]


def bin_records(
    cursor: duckdb.DuckDBPyConnection,
    schema: Schema,
    of: SObject,
    ids: Sequence[str],
    now: datetime,
    *,
    stamps: bool = True,
) -> None:
    """Delete live records softly, and those that go with them; other references to them become empty.

    :param stamps: whether the records that go along get new stamps: Salesforce does not say.
    """
    cursor.execute("CREATE OR REPLACE TEMP TABLE going (object VARCHAR, id VARCHAR, root VARCHAR)")
    cursor.execute(
        "INSERT INTO going SELECT DISTINCT ?, id, id FROM unnest(?::VARCHAR[]) AS given(id)", [of.name, ids]
    )
    waiting = [of]
    while waiting:
        parent = waiting.pop()
        for child, field in schema.children_of(parent):
            if field.on_delete == "cascade" and _take_along(cursor, parent, child, field.column):
                waiting.append(child)
    names = {name for (name,) in cursor.execute("SELECT DISTINCT object FROM going").fetchall()}
    gone = [each for each in schema.objects if each.name in names]
    for each in gone:
        changes = ['"IsDeleted" = true', *(moved_stamps(each) if stamps or each is of else [])]
        _change(cursor, each, changes, f'"Id" IN ({_going(each)})', now)
    cursor.execute("INSERT INTO deletions SELECT object, id, ?, root FROM going", [now])
    for parent in gone:
        for child, field in schema.children_of(parent):
            if field.on_delete == "clear":
                where = f'{field.column} IN ({_going(parent)}) AND "Id" NOT IN ({_going(child)})'
                changes = [f"{field.column} = NULL", *moved_stamps(child, by_user=False)]
                _change(cursor, child, changes, where, now)


def _take_along(cursor: duckdb.DuckDBPyConnection, parent: SObject, child: SObject, column: str) -> bool:
    """Add the live children of what goes; tell whether there are any."""
    cursor.execute(
        f"INSERT INTO going SELECT '{child.name}', c.\"Id\", min(going.root) FROM {child.table} AS c "  # noqa: S608 - our names
        f"JOIN going ON going.object = '{parent.name}' AND going.id = c.{column} "
        f'WHERE NOT c."IsDeleted" AND c."Id" NOT IN ({_going(child)}) GROUP BY c."Id"'
    )
    found = cursor.fetchone()
    return bool(found and found[0])


def undelete_records(
    cursor: duckdb.DuckDBPyConnection, schema: Schema, of: SObject, ids: Sequence[str], now: datetime
) -> None:
    """Take records out of the bin, and those that went there with them; references stay empty."""
    _bring(cursor, of, ids)
    for each in schema.family_of(of):
        if "IsDeleted" in each.columns:
            changes = ['"IsDeleted" = false', *moved_stamps(each)]
            if "MasterRecordId" in each.columns:
                changes.append('"MasterRecordId" = NULL')
            _change(cursor, each, changes, f'"IsDeleted" AND "Id" IN ({_going(each)})', now)
    cursor.execute("DELETE FROM deletions WHERE (object, id) IN (SELECT (object, id) FROM going)")


def merge_records(
    cursor: duckdb.DuckDBPyConnection,
    schema: Schema,
    of: SObject,
    winner: str,
    losers: Sequence[str],
    now: datetime,
) -> None:
    """Delete the losers, which name the winner then, and let their children refer to it.

    :raises SalesforceRefusal: these records cannot be merged.
    """
    if "MasterRecordId" not in of.columns:
        raise SalesforceRefusal("INVALID_TYPE_FOR_OPERATION", f"entity type {of.name} does not support merge")
    if winner in losers:
        raise SalesforceRefusal("INVALID_ID_FIELD", f"{winner} cannot be merged into itself")
    _bring(cursor, of, losers)
    gone = _going(of)
    for child, field in schema.children_of(of):
        if field.on_delete != "keep" and child.writable:
            changes = [f"{field.column} = '{winner}'", *moved_stamps(child)]
            # The winner itself, whose parent may be one of them, loses it when they go.
            where = f'{field.column} IN ({gone}) AND NOT "IsDeleted" AND "Id" <> \'{winner}\''
            _change(cursor, child, changes, where, now)
    _change(cursor, of, [f"\"MasterRecordId\" = '{winner}'"], f'"Id" IN ({gone})', now)
    _change(cursor, of, moved_stamps(of), f"\"Id\" = '{winner}'", now)
    bin_records(cursor, schema, of, losers, now)


def purge_records(
    cursor: duckdb.DuckDBPyConnection,
    schema: Schema,
    of: SObject,
    ids: Sequence[str],
    *,
    trimmed: datetime | None = None,
) -> None:
    """Take records out of the bin for good: no query shows them any more.

    :param trimmed: when the log of deletions forgets them too; None: it keeps them.
    """
    _bring(cursor, of, ids)
    for each in schema.family_of(of):
        cursor.execute(f'DELETE FROM {each.table} WHERE "Id" IN ({_going(each)})')  # noqa: S608 - our names
    if trimmed is not None:
        cursor.execute("INSERT INTO trimmed SELECT DISTINCT object, ?::TIMESTAMP FROM going", [trimmed])
        cursor.execute("DELETE FROM deletions WHERE (object, id) IN (SELECT (object, id) FROM going)")


def _bring(cursor: duckdb.DuckDBPyConnection, of: SObject, ids: Sequence[str]) -> None:
    """Let ``going`` hold records and what was deleted with them."""
    cursor.execute(
        "CREATE OR REPLACE TEMP TABLE going AS SELECT ? AS object, id, id AS root "
        "FROM unnest(?::VARCHAR[]) AS given(id) UNION "
        "SELECT object, id, root FROM deletions WHERE root IN (SELECT unnest(?::VARCHAR[]))",
        [of.name, ids, ids],
    )


def _going(of: SObject) -> str:
    return f"SELECT id FROM going WHERE object = '{of.name}'"  # noqa: S608 - our names


def _change(
    cursor: duckdb.DuckDBPyConnection, of: SObject, changes: list[str], where: str, now: datetime
) -> None:
    if changes:
        statement = f"UPDATE {of.table} SET {', '.join(changes)} WHERE {where}"  # noqa: S608 - our names
        cursor.execute(statement, [now] if "$1" in statement else [])
