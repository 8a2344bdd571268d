"""What is staged becomes the target's rows: one script, which counts before it changes anything.

Each staged row gets one action; the counts, the checks and the changes all go by it. What does not add up
undoes the transaction. The script's last statement selects the counts as one row, which getQueryResults
gives.
Sources: https://cloud.google.com/bigquery/docs/transactions and
https://cloud.google.com/bigquery/docs/reference/standard-sql/dml-syntax#merge_statement
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from airflow_provider_jobs.errors import ConfigurationError
from airflow_provider_jobs.transfers.bigquery_sql import (
    DELETED_AT,
    LOADED_AT,
    SYNCED_TO,
    Statement,
    cast,
    is_bad,
    quoted,
    table_path,
)
from airflow_provider_jobs.words import shown

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterable, Mapping, Sequence

    from airflow_provider_jobs.transfers.bigquery_sql import Column

ID, IS_DELETED = "Id", "IsDeleted"
KEEP, REMOVE = "keep", "remove"
FAIL, NULL = "fail", "null"
#: Staged rows that are told as bad.
_MOST_BAD = 20
#: Characters of a staged value that are told.
_MOST_VALUE = 100
#: The script's variable that goes into rows: a column of its name would hide it.
_RUN_AT = "_airflow_transfer_loaded_at"
#: What becomes of a staged row, and how the counts call it.
_ACTIONS = {
    "duplicate": "duplicates", "older": "older", "absent": "absent",
    "insert": "inserted", "update": "updated", "delete": "deleted",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Merge:
    """What is merged into what.

    :param columns: Those of :class:`.TargetPlan`, all of which are staged, in that order or another.
    :param cursor: The column that tells which of two versions of a record is the later one.
    :param kept: The target's columns that the run does not read.
    :param defaults: Of those that have one, the SQL of what a new row has there.
    :param deleted: ``keep`` leaves deleted records in the target, marked by IsDeleted; ``remove`` takes them
        out.
    :param bad_values: ``fail``, or ``null`` for text that is not a value of its column's type.
    :raises ConfigurationError: a word is not one of these.
    """

    target: Mapping[str, str]
    staging: Mapping[str, str]
    columns: Sequence[Column]
    cursor: str | None = None
    kept: Sequence[str] = ()
    deleted: str = KEEP
    bad_values: str = FAIL
    defaults: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, words in {"deleted": (KEEP, REMOVE), "bad_values": (FAIL, NULL)}.items():
            if (value := getattr(self, name)) not in words:
                raise ConfigurationError(f"{name} is {shown(value, 40)!r}: give {' or '.join(words)}")

    def has(self, name: str) -> bool:
        """Return True if a column of that name is merged."""
        return any(column.name == name for column in self.columns)


@dataclass(frozen=True, slots=True)
class Counts:
    """What a script has done; each loaded row is in exactly one of the six numbers from ``duplicates`` on.

    :param duplicates: Rows of an Id that has a later version in the same load.
    :param older: Rows whose record is newer in the target.
    :param absent: Rows of which the target has no row to take out, or to refresh.
    :param nulled: Texts that were not values and became NULL; 0 unless ``bad_values`` is ``null``.
    """

    loaded: int
    duplicates: int
    older: int
    absent: int
    inserted: int
    updated: int
    deleted: int
    nulled: int
    rows_before: int
    rows_after: int

    @property
    def set_aside(self) -> int:
        """Rows that were loaded and changed nothing."""
        return self.duplicates + self.older + self.absent

    def __str__(self) -> str:
        return (
            f"{self.loaded:,} rows loaded: {self.inserted:,} inserted, {self.updated:,} updated, "
            f"{self.deleted:,} deleted, {self.set_aside:,} set aside; the target has {self.rows_after:,}"
        )


def merge_script(merge: Merge, *, loaded: int, synced_to: dt.datetime | None) -> Statement:
    """Return the script that merges a window's records.

    :param loaded: Rows that the load jobs have loaded.
    :param synced_to: Up to when the run is complete. None of an explicit window: it leaves the target's
        mark, and takes nothing out, since an old window could bring back what is removed later.
    :raises ConfigurationError: there is no cursor.
    """
    cursor = _cursor(merge)
    gone = _gone(merge) if synced_to is not None else None
    cases = [f"T.{quoted(ID)} IS NULL AND {gone} THEN 'absent'"] if gone else []
    cases += [f"T.{quoted(ID)} IS NULL THEN 'insert'", f"{_is_older(cursor)} THEN 'older'"]
    cases += [f"{gone} THEN 'delete'"] if gone else []
    values = {name: f"S.{name}" for name in _names(merge)} | _own_values(with_mark=synced_to is not None)
    deletion = "WHEN MATCHED AND S._action = 'delete' THEN DELETE\n" if gone else ""
    dml = f"""{_merge_into(merge)}
{deletion}WHEN MATCHED THEN UPDATE SET {_assignments(values)}
WHEN NOT MATCHED THEN INSERT ({", ".join(values)}) VALUES ({", ".join(values.values())})"""  # noqa: S608 - checked names
    changes = _changes(cases, "update", table_path(merge.target))
    return _script(merge, changes, dml, loaded, synced_to)


def replace_script(merge: Merge, *, loaded: int, synced_to: dt.datetime | None) -> Statement:
    """Return the script that makes an object's records all that the target has, at its end and at once.

    Columns that the run does not read keep their values, where the record had a row before.

    :param loaded: Rows that the load jobs have loaded.
    :param synced_to: Up to when the run is complete; None if the object has no cursor.
    """
    gone = _gone(merge)
    cases = [f"{gone} THEN 'absent'"] if gone else []
    changes = _changes(cases, "insert", _kept_values(merge), _kept_columns(merge))
    values = {name: name for name in (*_names(merge), *map(quoted, merge.kept))}
    values |= _own_values(with_mark=synced_to is not None)
    target = table_path(merge.target)
    dml = f"""TRUNCATE TABLE {target};
INSERT INTO {target} ({", ".join(values)})
SELECT {", ".join(values.values())} FROM {_CHANGED}"""  # noqa: S608 - checked names
    return _script(merge, changes, dml, loaded, synced_to, keeps_rows=False)


def refresh_script(merge: Merge, *, loaded: int, before: Sequence[Statement] = ()) -> Statement:
    """Return the script that updates the columns it is given, and no others, in rows that are there.

    For what changes while no stamp moves: formulas, fields of parents, fields that are new.

    :param merge: Its columns are Id, the cursor, and those to update.
    :param before: DDL that makes columns, run once all values are cast: nothing but an outage is between it
        and the update, so that a column which is there is not an empty one.
    :raises ConfigurationError: there is no cursor, or nothing to update.
    """
    cursor = _cursor(merge)
    names = [name for name in _names(merge) if name not in {quoted(ID), cursor}]
    if not names:
        raise ConfigurationError("there are no columns to refresh besides Id and the cursor")
    cases = [f"T.{quoted(ID)} IS NULL THEN 'absent'", f"{_is_older(cursor)} THEN 'older'"]
    values = {name: f"S.{name}" for name in names}
    dml = f"{_merge_into(merge)}\nWHEN MATCHED THEN UPDATE SET {_assignments(values)}"
    changes = _changes(cases, "update", table_path(merge.target))
    return _script(merge, changes, dml, loaded, before=before)


def bad_values_query(merge: Merge) -> Statement | None:
    """Return the query of staged texts that are not values, for the message of a cast that failed.

    Its rows have ``column_name``, ``Id`` and ``value``, which is cut; None if every text is a value.
    """
    found = [
        f"STRUCT('{column.name}' AS column_name, {quoted(column.name)} AS value, {bad} AS is_bad)"
        for column in merge.columns
        if (bad := is_bad(column))
    ]
    if not found:
        return None
    cells = ",\n  ".join(found)
    return Statement(
        f"SELECT cell.column_name, {quoted(ID)} AS Id, SUBSTR(cell.value, 1, {_MOST_VALUE}) AS value\n"
        f"FROM {table_path(merge.staging)}, UNNEST([\n  {cells}\n]) AS cell\n"
        f"WHERE cell.is_bad ORDER BY column_name, Id LIMIT {_MOST_BAD}"
    )


def bad_values_report(rows: Iterable[Mapping[str, Any]]) -> str:
    """Return what the rows of :func:`bad_values_query` say, in one line."""
    found = [f"{row['column_name']} of {row['Id']}: {shown(row['value'], _MOST_VALUE)!r}" for row in rows]
    more = " and more" if len(found) == _MOST_BAD else ""
    return (
        f"not values of their columns' types are {'; '.join(found)}{more}"
        if found
        else "no staged value is bad"
    )


_NOT_CHANGED = (
    "the target was not changed, since rows do not add up: %d were loaded, %d are staged, %d after they have "
    "met the target (if more, it has an Id twice: a full run mends it), %d have no Id"
)
_UNDONE = (
    "the changes were undone, since rows do not add up: the target had %d, %d were to be inserted and %d "
    "deleted, and it had %d then"
)
#: The rows that change something, each with its action.
_CHANGED = f"""(
  SELECT S.*, C.* EXCEPT ({quoted(ID)}, _copy)
  FROM typed AS S JOIN changes AS C ON C.{quoted(ID)} = S.{quoted(ID)} AND C._copy = S._copy
  WHERE C._action IN ('insert', 'update', 'delete'))"""  # noqa: S608 - ours


def _merge_into(merge: Merge) -> str:
    return f"MERGE {table_path(merge.target)} AS T USING {_CHANGED} AS S ON T.{quoted(ID)} = S.{quoted(ID)}"


def _kept_values(merge: Merge) -> str | None:
    """Return the query of what a full run keeps, a row an Id; None if that is nothing."""
    if not merge.kept:
        return None
    names = ", ".join(map(quoted, (ID, *merge.kept)))
    one = f"QUALIFY ROW_NUMBER() OVER (PARTITION BY {quoted(ID)}) = 1"
    return f"(SELECT {names} FROM {table_path(merge.target)} WHERE TRUE {one})"  # noqa: S608 - checked names


def _kept_columns(merge: Merge) -> list[str]:
    """Return the columns of what a full run keeps; a record that is new has there what a new row has."""
    new = f"T.{quoted(ID)} IS NULL"
    return [
        f"IF({new}, ({merge.defaults[name]}), T.{quoted(name)}) AS {quoted(name)}"
        if name in merge.defaults
        else f"T.{quoted(name)}"
        for name in merge.kept
    ]


def _bad_conditions(merge: Merge) -> list[str]:
    """Return the conditions that a text becomes NULL since it is not a value; none if it would fail."""
    found = map(is_bad, merge.columns) if merge.bad_values == NULL else ()
    return [condition for condition in found if condition]


def _typed(merge: Merge) -> str:
    """Return the statement that makes the table of staged rows, cast, the versions of an Id numbered."""
    safe = merge.bad_values == NULL
    casts = [f"{cast(column, safe=safe)} AS {quoted(column.name)}" for column in merge.columns]
    if bad := _bad_conditions(merge):
        casts.append(f"(SELECT COUNTIF(bad) FROM UNNEST([{', '.join(bad)}]) AS bad) AS _nulled")  # noqa: S608
    latest = f" ORDER BY {quoted(merge.cursor)} DESC" if merge.cursor else ""
    return f"""CREATE TEMP TABLE typed AS
SELECT *, ROW_NUMBER() OVER (PARTITION BY {quoted(ID)}{latest}) AS _copy
FROM (SELECT {", ".join(casts)} FROM {table_path(merge.staging)})"""  # noqa: S608 - checked names


def _changes(cases: Sequence[str], otherwise: str, rows: str | None, kept: Sequence[str] = ()) -> str:
    """Return the statement that makes the table of what becomes of each row.

    :param cases: Conditions and actions, of S, the typed row, and T, the target's.
    :param rows: The target's rows, if they count.
    :param kept: More columns of the table.
    """
    join = f"\nLEFT JOIN {rows} AS T ON T.{quoted(ID)} = S.{quoted(ID)}" if rows else ""
    columns = ", ".join((f"S.{quoted(ID)}", "S._copy", *kept))
    decided = "\n  ".join(f"WHEN {case}" for case in ("S._copy > 1 THEN 'duplicate'", *cases))
    return f"""CREATE TEMP TABLE changes AS
SELECT {columns}, CASE
  {decided}
  ELSE '{otherwise}'
END AS _action
FROM typed AS S{join}"""  # noqa: S608 - checked names


def _script(
    merge: Merge,
    changes: str,
    dml: str,
    loaded: int,
    synced_to: dt.datetime | None = None,
    *,
    keeps_rows: bool = True,
    before: Sequence[Statement] = (),
) -> Statement:
    """Return the script around the changes: what it counts, and what undoes it."""
    target = table_path(merge.target)
    counted = ", ".join(f"COUNTIF(_action = '{action}') AS {name}" for action, name in _ACTIONS.items())
    names = ", ".join(_ACTIONS.values())
    kept_rows = "rows_before" if keeps_rows else "0"
    prepared = "".join(f"{each.sql};\n" for each in before)
    nulled = "(SELECT COALESCE(SUM(_nulled), 0) FROM typed)" if _bad_conditions(merge) else "0"
    sql = f"""DECLARE staged, classified, without_id, nulled, rows_before, rows_after, {names} INT64;
DECLARE {_RUN_AT} TIMESTAMP DEFAULT CURRENT_TIMESTAMP();
{_typed(merge)};
{prepared}BEGIN TRANSACTION;
{changes};
CREATE TEMP TABLE counts AS
SELECT (SELECT COUNT(*) FROM typed) AS staged, {nulled} AS nulled,
  (SELECT COUNT(*) FROM {target}) AS rows_before, COUNT(*) AS classified,
  COUNTIF({quoted(ID)} IS NULL) AS without_id, {counted}
FROM changes;
SET (staged, nulled, rows_before, classified, without_id, {names}) = (
  SELECT AS STRUCT staged, nulled, rows_before, classified, without_id, {names} FROM counts);
IF staged != @loaded OR classified != staged OR without_id > 0 OR staged != {" + ".join(_ACTIONS.values())}
  THEN ROLLBACK TRANSACTION;
  RAISE USING MESSAGE = FORMAT('{_NOT_CHANGED}', @loaded, staged, classified, without_id);
END IF;
{dml};
SET rows_after = (SELECT COUNT(*) FROM {target});
IF rows_after != {kept_rows} + inserted - deleted THEN
  ROLLBACK TRANSACTION;
  RAISE USING MESSAGE = FORMAT('{_UNDONE}', {kept_rows}, inserted, deleted, rows_after);
END IF;
COMMIT TRANSACTION;
SELECT staged AS loaded, nulled, rows_before, rows_after, {names};"""  # noqa: S608 - checked names
    mark = {} if synced_to is None else {"synced_to": synced_to}
    return Statement(sql, {"loaded": loaded, **mark})


def _cursor(merge: Merge) -> str:
    if merge.cursor is None or not merge.has(merge.cursor):
        raise ConfigurationError(
            "without a cursor among the columns, nothing tells which version of a record is later"
        )
    return quoted(merge.cursor)


def _names(merge: Merge) -> list[str]:
    return [quoted(column.name) for column in merge.columns]


def _gone(merge: Merge) -> str | None:
    """Return the condition that a staged record is to be taken out; None if none is."""
    removes = merge.deleted == REMOVE and merge.has(IS_DELETED)
    return f"COALESCE(S.{quoted(IS_DELETED)}, FALSE)" if removes else None


def _is_older(cursor: str) -> str:
    """Return the condition that the target has a later version: of one stamp the staged one is the later."""
    return f"(T.{cursor} > S.{cursor} OR (T.{cursor} IS NOT NULL AND S.{cursor} IS NULL))"


def _own_values(*, with_mark: bool) -> dict[str, str]:
    """Return what is written into this package's columns; the mark stays as it is where it is not moved."""
    values = {quoted(LOADED_AT): _RUN_AT, quoted(DELETED_AT): "CAST(NULL AS TIMESTAMP)"}
    return values | ({quoted(SYNCED_TO): "@synced_to"} if with_mark else {})


def _assignments(values: Mapping[str, str]) -> str:
    return ", ".join(f"{name} = {value}" for name, value in values.items() if name != quoted(ID))
