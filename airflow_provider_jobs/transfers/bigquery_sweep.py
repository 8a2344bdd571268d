"""A sweep: the Ids that an object has now are staged, and rows of the target without one are marked or
removed.

Deletions for good leave no trace that a window could read. A lost permission looks exactly like them, so a
sweep that would take out more than a share of the target undoes itself. The Ids are read with queryAll, and
IsDeleted beside them where there is one: ``query`` also hides archived activities, which are not deleted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from airflow_provider_jobs.errors import ConfigurationError
from airflow_provider_jobs.transfers.bigquery_sql import DELETED_AT, LOADED_AT, Statement, quoted, table_path

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Mapping

ID, IS_DELETED = "Id", "IsDeleted"
#: The share of live rows that one sweep may take out, unless a user says otherwise.
MOST_SHARE = 0.05

_NOT_CHANGED = (
    "the target was not changed, since rows do not add up: %d were loaded, %d are staged, %d have no Id"
)
_TOO_MANY = (
    "the target was not changed: of %d live rows %d have no record that this user may read, which is more "
    "than the share of %t that a sweep may take out; see whether a permission is lost"
)
_UNDONE = (
    "the changes were undone, since rows do not add up: the target had %d, %d were to be removed, and it had "
    "%d then"
)


@dataclass(frozen=True, slots=True)
class Sweep:
    """What is compared with what.

    :param staging: Has Id, and IsDeleted if ``has_is_deleted``.
    :param has_is_deleted: The target has this column, and so has the staging table.
    :param remove: Take rows out instead of marking them.
    :param most_share: The share of live rows, from 0 to 1, that may be taken out.
    :raises ConfigurationError: the share is not one.
    """

    target: Mapping[str, str]
    staging: Mapping[str, str]
    has_is_deleted: bool
    remove: bool = False
    most_share: float = MOST_SHARE

    def __post_init__(self) -> None:
        if not 0 <= self.most_share <= 1:
            raise ConfigurationError(f"most_share is {self.most_share}: give a share from 0 to 1")


@dataclass(frozen=True, slots=True)
class SweepCounts:
    """What a sweep has done.

    :param loaded: Ids that were staged.
    :param live: Rows that were not marked before, of those that the sweep looked at.
    :param gone: Live rows that it has marked or removed.
    :param returned: Marked rows whose records are there: the marks are taken off.
    :param cleared: Rows marked before that a sweep with ``remove`` has removed too.
    """

    loaded: int
    live: int
    gone: int
    returned: int
    cleared: int
    rows_before: int
    rows_after: int

    def __str__(self) -> str:
        return (
            f"{self.loaded:,} records are there; of {self.live:,} live rows {self.gone:,} have none, "
            f"{self.returned:,} came back; the target has {self.rows_after:,}"
        )


def sweep_script(sweep: Sweep, *, loaded: int, read_from: dt.datetime) -> Statement:
    """Return the script of a sweep.

    Rows that were written since the Ids were read are left to the next sweep: their records may be younger.

    :param loaded: Rows that the load jobs have loaded.
    :param read_from: When the query of the Ids was made, by Salesforce's clock; the mark of what is gone.
    """
    target, staging = table_path(sweep.target), table_path(sweep.staging)
    doomed = "'gone', 'cleared'" if sweep.remove else "'gone'"
    rows_gone = "gone + cleared" if sweep.remove else "0"
    sql = f"""DECLARE staged, without_id, live, gone, returned, cleared, rows_before, rows_after INT64;
BEGIN TRANSACTION;
CREATE TEMP TABLE changes AS
{_changes(sweep)};
CREATE TEMP TABLE counts AS
SELECT (SELECT COUNT(*) FROM {staging}) AS staged,
  (SELECT COUNTIF(NULLIF({quoted(ID)}, '') IS NULL) FROM {staging}) AS without_id,
  (SELECT COUNT(*) FROM {target}) AS rows_before, COUNTIF(_live) AS live, COUNTIF(_action = 'gone') AS gone,
  COUNTIF(_action = 'returned') AS returned, COUNTIF(_action = 'cleared') AS cleared
FROM changes;
SET (staged, without_id, rows_before, live, gone, returned, cleared) = (
  SELECT AS STRUCT staged, without_id, rows_before, live, gone, returned, cleared FROM counts);
IF staged != @loaded OR without_id > 0 THEN
  ROLLBACK TRANSACTION;
  RAISE USING MESSAGE = FORMAT('{_NOT_CHANGED}', @loaded, staged, without_id);
END IF;
IF gone > live * @most_share THEN
  ROLLBACK TRANSACTION;
  RAISE USING MESSAGE = FORMAT('{_TOO_MANY}', live, gone, @most_share);
END IF;
MERGE {target} AS T USING (SELECT * FROM changes WHERE _action IN ({doomed}, 'returned')) AS S
ON T.{quoted(ID)} = S.{quoted(ID)}
WHEN MATCHED AND S._action = 'returned' THEN UPDATE SET {_marks(sweep, "CAST(NULL AS TIMESTAMP)", "FALSE")}
WHEN MATCHED THEN {"DELETE" if sweep.remove else f"UPDATE SET {_marks(sweep, '@read_from', 'TRUE')}"};
SET rows_after = (SELECT COUNT(*) FROM {target});
IF rows_after != rows_before - ({rows_gone}) THEN
  ROLLBACK TRANSACTION;
  RAISE USING MESSAGE = FORMAT('{_UNDONE}', rows_before, {rows_gone}, rows_after);
END IF;
COMMIT TRANSACTION;
SELECT staged AS loaded, live, gone, returned, {"cleared" if sweep.remove else "0 AS cleared"}, rows_before,
  rows_after;"""  # noqa: S608 - checked names
    parameters = {"loaded": loaded, "read_from": read_from, "most_share": float(sweep.most_share)}
    return Statement(sql, parameters)


def _changes(sweep: Sweep) -> str:
    """Return the query of the target's rows that a sweep looks at, each with its action."""
    is_there = f"COALESCE({quoted(IS_DELETED)} != 'true', TRUE)" if sweep.has_is_deleted else "TRUE"
    marked = f" AND NOT COALESCE(T.{quoted(IS_DELETED)}, FALSE)" if sweep.has_is_deleted else ""
    return f"""SELECT {quoted(ID)}, _live, CASE
    WHEN _live AND NOT _there THEN 'gone'
    WHEN _there AND NOT _live THEN 'returned'
    WHEN _there THEN 'same'
    ELSE 'cleared'
  END AS _action
FROM (
  SELECT T.{quoted(ID)}, T.{quoted(DELETED_AT)} IS NULL{marked} AS _live, COALESCE(S._there, FALSE) AS _there
  FROM {table_path(sweep.target)} AS T
  LEFT JOIN (
    SELECT {quoted(ID)}, LOGICAL_OR({is_there}) AS _there
    FROM {table_path(sweep.staging)} GROUP BY {quoted(ID)}
  ) AS S ON T.{quoted(ID)} = S.{quoted(ID)}
  WHERE COALESCE(T.{quoted(LOADED_AT)} < @read_from, TRUE)
)"""  # noqa: S608 - checked names


def _marks(sweep: Sweep, deleted_at: str, is_deleted: str) -> str:
    flag = f", {quoted(IS_DELETED)} = {is_deleted}" if sweep.has_is_deleted else ""
    return f"{quoted(DELETED_AT)} = {deleted_at}{flag}"
