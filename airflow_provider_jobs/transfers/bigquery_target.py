"""The tables of a copy: the staging table, whose columns are text, and the target, which follows the
describe.

Sources: https://cloud.google.com/bigquery/docs/reference/standard-sql/data-definition-language and
https://cloud.google.com/bigquery/docs/managing-table-schemas
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from airflow_provider_jobs.errors import ConfigurationError
from airflow_provider_jobs.transfers.bigquery_sql import OWN_COLUMNS, SYNCED_TO, Statement, quoted, table_path
from airflow_provider_jobs.transfers.salesforce_window import Mark

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Mapping, Sequence

    from airflow_provider_jobs.transfers.bigquery_sql import Column

    Table = Mapping[str, Any]

#: Days after which BigQuery drops a staging table that no run has dropped.
STAGING_DAYS = 3
ID = "Id"
#: The API's names of types, as GoogleSQL has them.
_SQL_TYPES = {"INTEGER": "INT64", "FLOAT": "FLOAT64", "BOOLEAN": "BOOL", "RECORD": "STRUCT"}
#: What a column may become. Source: https://cloud.google.com/bigquery/docs/managing-table-schemas#change_a_columns_data_type
_WIDER = {"INT64": ("NUMERIC", "BIGNUMERIC", "FLOAT64"), "NUMERIC": ("BIGNUMERIC", "FLOAT64")}
_PARTITIONS = {"DATE": ("DAY", "MONTH", "YEAR"), "TIMESTAMP": ("HOUR", "DAY", "MONTH", "YEAR")}
#: Source: https://cloud.google.com/bigquery/docs/clustered-tables#cluster_column_types
_CLUSTERED = frozenset({"STRING", "INT64", "NUMERIC", "BIGNUMERIC", "BOOL", "DATE", "TIMESTAMP"})
_MOST_CLUSTERED = 4


@dataclass(frozen=True, slots=True)
class Layout:
    """How a target that a run makes is stored; one that is there keeps its own.

    :param partition_by: A column of DATE or TIMESTAMP that a record keeps for life, such as CreatedDate.
    :param partition_type: ``HOUR``, ``DAY``, ``MONTH`` or ``YEAR``.
    :param cluster_by: Up to four columns. The merge looks for rows by Id.
    """

    partition_by: str | None = None
    partition_type: str = "MONTH"
    cluster_by: Sequence[str] = (ID,)


@dataclass(frozen=True, slots=True)
class TargetPlan:
    """What a run does to the target's schema before it merges, and what it leaves alone.

    :param columns: The run's columns, with the types that they have in the target.
    :param statements: DDL to run first, in order; harmless alone, and when repeated.
    :param added: Columns of fields that are new, whether they are made or not.
    :param widened: Columns that get a wider type, and it.
    :param kept: The target's columns that the run does not read; their values stay.
    :param defaults: Of those that have one, the SQL of what a new row has there.
    :param is_new: There was no table.
    """

    columns: tuple[Column, ...]
    statements: tuple[Statement, ...] = ()
    added: tuple[str, ...] = ()
    widened: Mapping[str, str] | None = None
    kept: tuple[str, ...] = ()
    defaults: Mapping[str, str] | None = None
    is_new: bool = False

    def gone(self, fields: Iterable[str]) -> tuple[str, ...]:
        """Return the kept columns of which the object has no field that the user may read.

        :param fields: Of the object, those that the run does not read among them.
        """
        there = {name.lower() for name in fields}
        return tuple(name for name in self.kept if name.lower() not in there)


def staging_table(dataset: Mapping[str, str], object_name: str, *work: object) -> dict[str, str]:
    """Return the TableReference of a run's staging table.

    :param dataset: A DatasetReference.
    :param work: What tells the run from others: DAG, task, run and map index.
    """
    digest = hashlib.sha256(json.dumps([object_name, *map(str, work)]).encode()).hexdigest()[:20]
    readable = re.sub(r"[^A-Za-z0-9_]", "_", object_name)[:80]
    return {
        "projectId": dataset["projectId"],
        "datasetId": dataset["datasetId"],
        "tableId": f"salesforce_staging_{readable}_{digest}",
    }


def create_staging(staging: Mapping[str, str], columns: Sequence[Column]) -> Statement:
    """Return the DDL of a staging table; it leaves alone one that an attempt before has made."""
    listed = ", ".join(f"{quoted(column.name)} STRING" for column in columns)
    expires = f"TIMESTAMP_ADD(CURRENT_TIMESTAMP(), INTERVAL {STAGING_DAYS} DAY)"
    return Statement(
        f"CREATE TABLE IF NOT EXISTS {table_path(staging)} ({listed}) OPTIONS(expiration_timestamp = "
        f"{expires})"
    )


def drop_staging(staging: Mapping[str, str]) -> Statement:
    """Return the DDL that drops a staging table, if it is there."""
    return Statement(f"DROP TABLE IF EXISTS {table_path(staging)}")


def staging_load(
    staging: Mapping[str, str], columns: Sequence[Column], *, is_first: bool = True
) -> dict[str, Any]:
    """Return the API's JobConfigurationLoad of CSV as Salesforce writes it.

    :param is_first: The rows replace what an attempt before has staged; otherwise they are added.
    """
    return {
        "destinationTable": dict(staging),
        "schema": {"fields": [{"name": column.name, "type": "STRING"} for column in columns]},
        "sourceFormat": "CSV",
        "skipLeadingRows": 1,
        "allowQuotedNewlines": True,
        "preserveAsciiControlCharacters": True,
        "encoding": "UTF-8",
        "maxBadRecords": 0,
        "writeDisposition": "WRITE_TRUNCATE" if is_first else "WRITE_APPEND",
    }


def plan_target(
    target: Mapping[str, str],
    table: Table | None,
    columns: Sequence[Column],
    layout: Layout,
    *,
    needed: Container[str] | None = None,
) -> TargetPlan:
    """Return what has to be done before the columns of a run can be merged into the target.

    :param table: The target as tables.get gives it; None if there is none.
    :param needed: Of columns that are new, those to make; the others are left out, and told. None makes all.
    :raises ConfigurationError: the target is not a table that can hold them, or a type has changed so that
        no column can have both.
    """
    if table is None:
        return TargetPlan(tuple(columns), (create_target(target, columns, layout),), is_new=True)
    path = ".".join((target["projectId"], target["datasetId"], target["tableId"]))
    fields = _fields(path, table)
    planned, added, widened = [], [], {}
    for column in columns:
        found = fields.get(column.name.lower())
        if found is None:
            added.append(column)
            planned += [column] if needed is None or column.name in needed else []
            continue
        kind = _fitting(path, column, found)
        if kind != _sql_type(found):
            widened[found["name"]] = kind
        planned.append(replace(column, type=kind))
    _check_own(path, fields)
    read = {column.name.lower() for column in columns} | set(OWN_COLUMNS)
    kept = tuple(each["name"] for name, each in fields.items() if name not in read)
    _check_required(path, fields, kept)
    missing = [f"{quoted(column.name)} {column.type}" for column in added if column in planned]
    missing += [f"{quoted(name)} TIMESTAMP" for name in OWN_COLUMNS if name not in fields]
    names = tuple(column.name for column in added)
    defaults = {
        each["name"]: str(each["defaultValueExpression"])
        for each in fields.values()
        if each["name"] in kept and each.get("defaultValueExpression")
    }
    return TargetPlan(tuple(planned), _alterations(target, missing, widened), names, widened, kept, defaults)


def create_target(target: Mapping[str, str], columns: Sequence[Column], layout: Layout) -> Statement:
    """Return the DDL of a target.

    :raises ConfigurationError: it cannot be partitioned or clustered by these columns.
    """
    listed = [
        f"{quoted(column.name)} {column.type}{' NOT NULL' if column.name == ID else ''}" for column in columns
    ]
    listed += [f"{quoted(name)} TIMESTAMP" for name in OWN_COLUMNS]
    types = {column.name.lower(): column.type for column in columns}
    return Statement(
        f"CREATE TABLE IF NOT EXISTS {table_path(target)} ({', '.join(listed)})"
        f"{_partitioning(types, layout)}{_clustering(types, layout)}"
    )


def mark_query(target: Mapping[str, str]) -> Statement:
    """Return the query of a target's mark: of a table that has :data:`.SYNCED_TO`."""
    found = f"MAX({quoted(SYNCED_TO)}) AS mark, COUNT(*) AS row_count"
    return Statement(f"SELECT {found} FROM {table_path(target)}")  # noqa: S608 - checked names


def mark_of(table: Table | None, row: Mapping[str, Any] | None) -> Mark:
    """Return up to when a target is complete.

    :param table: The target as tables.get gives it; None if there is none.
    :param row: That of :func:`mark_query`; None if it was not asked, since there is no such column.
    """
    if table is None:
        return Mark(None, "there is no target yet")
    if row is None or not has_mark(table):
        return Mark(None, f"the target has no column {SYNCED_TO}")
    if row["mark"] is not None:
        return Mark(row["mark"])
    if not row["row_count"]:
        return Mark(None, "the target is empty")
    return Mark(
        None, f"no row of the target has a {SYNCED_TO}: explicit windows alone have written them, or others"
    )


def has_mark(table: Table) -> bool:
    """Return True if a table has the column of the mark; one of another type is refused by the plan."""
    fields = table.get("schema", {}).get("fields", ())
    return any(each["name"].lower() == SYNCED_TO and _sql_type(each) == "TIMESTAMP" for each in fields)


def _fields(path: str, table: Table) -> dict[str, Any]:
    """Return the columns of a table that can be a target, by their names in small letters."""
    kind = table.get("type", "TABLE")
    if kind != "TABLE":
        raise ConfigurationError(f"the target {path} is a {kind}: rows can be merged into a table alone")
    if table.get("requirePartitionFilter") or table.get("timePartitioning", {}).get("requirePartitionFilter"):
        raise ConfigurationError(
            f"the target {path} demands a filter by partition, and records may be in any: set "
            "require_partition_filter to false"
        )
    fields = {each["name"].lower(): each for each in table.get("schema", {}).get("fields", ())}
    found = fields.get(ID.lower())
    if found is None or _sql_type(found) != "STRING":
        said = "no column Id" if found is None else f"a column Id of {_sql_type(found)}"
        raise ConfigurationError(f"the target {path} has {said}: records are told apart by Id, a STRING")
    return fields


def _sql_type(found: Mapping[str, Any]) -> str:
    kind = str(found["type"]).upper()
    kind = _SQL_TYPES.get(kind, kind)
    return f"ARRAY<{kind}>" if str(found.get("mode", "")).upper() == "REPEATED" else kind


def _fitting(path: str, column: Column, found: Mapping[str, Any]) -> str:
    """Return the type that holds what the column holds and what the field has now: the wider one of two."""
    there = _sql_type(found)
    if there == column.type or there in _WIDER.get(column.type, ()):
        return there
    if column.type in _WIDER.get(there, ()):
        return column.type
    raise ConfigurationError(
        f"{column.path} is {column.kind} in Salesforce, which becomes {column.type}, and the target {path} "
        f"has it as {there}: no column can become that; rename or drop the column, or leave the field out "
        "with exclude_fields"
    )


def _check_own(path: str, fields: Mapping[str, Any]) -> None:
    for name in OWN_COLUMNS:
        if name in fields and _sql_type(fields[name]) != "TIMESTAMP":
            raise ConfigurationError(
                f"the target {path} has a column {name} of {_sql_type(fields[name])}, and this package "
                "writes a TIMESTAMP there: rename it"
            )


def _check_required(path: str, fields: Mapping[str, Any], kept: Iterable[str]) -> None:
    """See that new rows may leave every column empty but Id: so may Salesforce."""
    for name, found in fields.items():
        if str(found.get("mode", "")).upper() != "REQUIRED" or name == ID.lower():
            continue
        if found["name"] in kept and found.get("defaultValueExpression"):
            continue
        raise ConfigurationError(
            f"the target {path} has the column {found['name']} as REQUIRED, and a record may have no value: "
            "make it nullable"
        )


def _alterations(
    target: Mapping[str, str], missing: Sequence[str], widened: Mapping[str, str]
) -> tuple[Statement, ...]:
    """Return one statement that adds columns, and one for each that is widened: it takes no more."""
    alter = f"ALTER TABLE {table_path(target)}"
    added = ", ".join(f"ADD COLUMN IF NOT EXISTS {each}" for each in missing)
    wider = [f"{alter} ALTER COLUMN {quoted(name)} SET DATA TYPE {kind}" for name, kind in widened.items()]
    return tuple(map(Statement, ([f"{alter} {added}"] if added else []) + wider))


def _partitioning(types: Mapping[str, str], layout: Layout) -> str:
    if layout.partition_by is None:
        return ""
    kind = types.get(layout.partition_by.lower())
    if kind not in _PARTITIONS:
        said = f"is {kind}" if kind else "is not among the columns"
        raise ConfigurationError(
            f"time_partitioning: {layout.partition_by} {said}, and a DATE or a TIMESTAMP is needed, such as "
            "CreatedDate"
        )
    if layout.partition_type not in _PARTITIONS[kind]:
        raise ConfigurationError(
            f"time_partitioning has the type {layout.partition_type!r}: of a {kind} give "
            f"{', '.join(_PARTITIONS[kind])}"
        )
    name = quoted(layout.partition_by)
    by_day = (kind, layout.partition_type) == ("DATE", "DAY")  # DATE_TRUNC takes larger parts alone
    return f" PARTITION BY {name if by_day else f'{kind}_TRUNC({name}, {layout.partition_type})'}"


def _clustering(types: Mapping[str, str], layout: Layout) -> str:
    if len(layout.cluster_by) > _MOST_CLUSTERED:
        raise ConfigurationError(f"cluster_fields has {len(layout.cluster_by)} columns: four at most")
    for name in layout.cluster_by:
        kind = types.get(name.lower())
        if kind not in _CLUSTERED:
            said = f"is {kind}, by which BigQuery does not cluster" if kind else "is not among the columns"
            raise ConfigurationError(f"cluster_fields: {name} {said}")
    return f" CLUSTER BY {', '.join(map(quoted, layout.cluster_by))}" if layout.cluster_by else ""
