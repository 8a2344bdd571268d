"""Rows that a job has computed become a table, all at once or not at all.

A job first stages its rows where nobody sees them. Publishing is one transaction: a reader sees the table as
it was or as it is, and whatever fails leaves it as it was.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from airflow_provider_jobs.sandbox.bigquery.engine.catalog import (
    StoredTable,
    drop_rows,
    find_table,
    get_dataset,
    new_table,
    save_table,
)
from airflow_provider_jobs.sandbox.bigquery.engine.googlesql.values import shape
from airflow_provider_jobs.sandbox.bigquery.engine.names import TableId
from airflow_provider_jobs.sandbox.bigquery.engine.outcomes import ApiError, JobProblem
from airflow_provider_jobs.sandbox.bigquery.engine.partitions import is_in, partition_of, split_decorator
from airflow_provider_jobs.sandbox.bigquery.engine.store import quoted, text
from airflow_provider_jobs.sandbox.bigquery.engine.types import (
    BIGNUMERIC_SCALE,
    Field,
    change_column,
    column_definitions,
    duck_type,
    schema_resource,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow_provider_jobs.sandbox.bigquery.engine.store import Session, Store

# Parts of a job's configuration that a new table takes over.
_TABLE_PARTS = ("timePartitioning", "rangePartitioning", "clustering")


@dataclass(frozen=True)
class Target:
    """Where rows go, and what may happen to what is there."""

    table: TableId
    location: str
    create: str = "CREATE_IF_NEEDED"
    write: str = "WRITE_EMPTY"
    schema_updates: frozenset[str] = frozenset()
    more: dict[str, Any] = field(default_factory=dict)  # metadata of a new table
    partition: str | None = None  # the one that the rows go to, and that is written


def target_of(configuration: Mapping[str, Any], project: str, location: str, write: str) -> Target:
    """Read the destination and the dispositions of a job; ``write`` is the default of its kind."""
    reference, partition = split_decorator(configuration.get("destinationTable"))
    table = TableId.from_reference(reference, project, "destinationTable")
    more = {part: configuration[part] for part in _TABLE_PARTS if configuration.get(part)}
    properties = configuration.get("destinationTableProperties") or {}
    more |= {key: properties[key] for key in ("description", "labels", "friendlyName") if key in properties}
    create = configuration.get("createDisposition") or "CREATE_IF_NEEDED"
    disposition = configuration.get("writeDisposition") or write
    if create not in {"CREATE_IF_NEEDED", "CREATE_NEVER"}:
        raise JobProblem("invalid", f"Invalid value for createDisposition: {create} is not a valid value")
    if disposition not in {"WRITE_TRUNCATE", "WRITE_TRUNCATE_DATA", "WRITE_APPEND", "WRITE_EMPTY"}:
        raise JobProblem("invalid", f"Invalid value for writeDisposition: {disposition} is not a valid value")
    updates = frozenset(configuration.get("schemaUpdateOptions") or ())
    for wrong in updates - {"ALLOW_FIELD_ADDITION", "ALLOW_FIELD_RELAXATION"}:
        raise JobProblem("invalid", f"Invalid value for schemaUpdateOptions: {wrong} is not a valid value")
    if updates and (disposition == "WRITE_EMPTY" or (disposition == "WRITE_TRUNCATE" and not partition)):
        raise JobProblem(
            "invalid",
            "Schema update options should only be specified with WRITE_APPEND disposition, "
            "or with WRITE_TRUNCATE disposition on a table partition.",
        )
    return Target(table, location, create, disposition, updates, more, partition)


def stage(session: Session, physical: str, fields: Sequence[Field], select: str) -> None:
    """Compute rows into a DuckDB table that no BigQuery table points to yet."""
    session.execute(f"CREATE TABLE {physical} ({column_definitions(fields) or 'nothing INTEGER'})")
    session.execute(f"INSERT INTO {physical} {select}")


def stage_texts(
    session: Session, physical: str, fields: Sequence[Field], columns: Sequence[Sequence[str | None]]
) -> None:
    """Put rows, as columns of texts, into a DuckDB table that no BigQuery table points to yet.

    :param columns: what ``googlesql.values.reader`` gives, column by column.
    :raises JobProblem: DuckDB's type cannot hold a value.
    """
    session.execute(f"CREATE TABLE {physical} ({column_definitions(fields) or 'nothing INTEGER'})")
    if not columns or not columns[0]:
        return
    for each, values in zip(fields, columns, strict=True):
        if each.type == "BIGNUMERIC" and any(map(_is_too_long, values)):
            what = f"more than {BIGNUMERIC_SCALE} digits before or after the point of a BIGNUMERIC"
            raise JobProblem("invalidQuery", f"The sandbox cannot store {what}, BigQuery can", "query")
    lists = ", ".join(f"unnest(CAST(? AS VARCHAR[])) AS c{number}" for number in range(len(fields)))
    casts = ", ".join(from_text(each, f"c{number}") for number, each in enumerate(fields))
    session.execute(f"INSERT INTO {physical} SELECT {casts} FROM (SELECT {lists})", columns)  # noqa: S608 - ours


def from_text(each: Field, column: str) -> str:
    """Give DuckDB's SQL for a column's values, which are texts as ``googlesql.values.reader`` gives them."""
    if each.repeated or each.type == "RECORD":
        column = f"from_json({column}, {text(shape(each))})"
    return f"CAST({column} AS {duck_type(each)})"


def _is_too_long(value: str | None) -> bool:
    whole, _, rest = (value or "").lstrip("-").partition(".")
    return max(len(whole), len(rest.rstrip("0"))) > BIGNUMERIC_SCALE


def check_target(session: Session, target: Target) -> StoredTable | None:
    """Refuse early what publishing would refuse anyway; give the table that is there.

    :raises JobProblem: no dataset, no table and none may be created, or a table that has rows.
    :raises ApiError: no such dataset in the job's location.
    """
    get_dataset(session, target.table.project, target.table.dataset, target.location)
    existing = find_table(session, target.table)
    if existing is None and target.create == "CREATE_NEVER":
        raise JobProblem("notFound", f"Not found: Table {target.table}")
    if existing is not None and existing.view_query is not None:
        raise JobProblem("invalid", f"Cannot write to {target.table}: it is a view")
    if (
        existing is not None
        and target.write == "WRITE_EMPTY"
        and partition_of(session, existing, target.partition).rows
    ):
        raise JobProblem("duplicate", f"Already Exists: Table {target.table}")
    return existing


def publish(
    store: Store, session: Session, physical: str, fields: Sequence[Field], target: Target
) -> StoredTable:
    """Make staged rows the destination's, by its dispositions; the staging table is gone afterwards."""
    try:
        with store.writing(session, target.table), session.transaction():
            existing = check_target(session, target)
            if target.partition is not None:
                return _into_partition(session, physical, fields, existing, target)
            if existing is None:
                dataset = get_dataset(session, target.table.project, target.table.dataset)
                return save_table(session, new_table(target.table, physical, fields, dataset, target.more))
            if target.write == "WRITE_TRUNCATE":
                drop_rows(session, existing.physical)
                resource = {**existing.resource, **target.more, "schema": schema_resource(fields)}
                return save_table(session, replace(existing, physical=physical, resource=resource))
            if target.write == "WRITE_TRUNCATE_DATA":
                session.execute(f"DELETE FROM {existing.physical}")  # noqa: S608 - our own name
            return _append(session, physical, fields, existing, target)
    except BaseException:
        # Nothing was published, so the rows belong to nobody.
        session.clean_up(f"DROP TABLE IF EXISTS {physical}")
        raise


def check_partitioning(before: Mapping[str, Any], given: Mapping[str, Any]) -> None:
    """Refuse another partitioning than that of a table that is there.

    :raises ApiError: it is another one.
    """
    for kind, fixed in (("timePartitioning", ("type", "field")), ("rangePartitioning", ("field", "range"))):
        old, new = before.get(kind) or {}, given.get(kind) or {}
        if new and not old:
            message = "Cannot convert non partitioned/clustered table to partitioned/clustered table."
            raise ApiError(400, "invalid", message)
        if any(
            new.get(part) is not None and _spelled(new[part]) != _spelled(old.get(part)) for part in fixed
        ):
            raise ApiError(400, "invalid", "Incompatible table partitioning specification.")


def _spelled(value: Any) -> Any:
    """Give a part of a partitioning to compare: numbers may be texts, names in any letters."""
    if isinstance(value, dict):
        return {name: str(each) for name, each in value.items()}
    return str(value).lower()


def _into_partition(
    session: Session,
    physical: str,
    fields: Sequence[Field],
    existing: StoredTable | None,
    target: Target,
) -> StoredTable:
    """Make staged rows a partition's, all of which have to belong there; the others stay as they are."""
    resource = target.more if existing is None else existing.resource
    inside = is_in({"tableReference": target.table.reference, **resource}, str(target.partition))
    if session.rows(f"SELECT count(*) FROM {physical} WHERE NOT ({inside})")[0][0]:  # noqa: S608 - our own name
        message = "Some rows belong to different partitions rather than destination partition"
        raise JobProblem("invalid", f"{message} {target.partition}")
    if existing is None:
        dataset = get_dataset(session, target.table.project, target.table.dataset)
        return save_table(session, new_table(target.table, physical, fields, dataset, target.more))
    if target.write.startswith("WRITE_TRUNCATE"):
        session.execute(f"DELETE FROM {existing.physical} WHERE {inside}")  # noqa: S608 - our own name
    return _append(session, physical, fields, existing, target)


def _append(
    session: Session, physical: str, fields: Sequence[Field], existing: StoredTable, target: Target
) -> StoredTable:
    existing = _fitted(session, fields, existing, target)
    is_empty = not session.rows(f"SELECT 1 FROM {existing.physical} LIMIT 1")  # noqa: S608 - our own name
    if is_empty and column_definitions(fields) == column_definitions(existing.fields):
        drop_rows(session, existing.physical)  # instead of writing every row again
        return save_table(session, replace(existing, physical=physical))
    wanted = {each.name.lower(): each for each in existing.fields}
    columns = ", ".join(quoted(wanted[each.name.lower()].name) for each in fields)
    values = ", ".join(
        f"CAST({quoted(each.name)} AS {duck_type(wanted[each.name.lower()])})" for each in fields
    )
    if columns:
        session.execute(f"INSERT INTO {existing.physical} ({columns}) SELECT {values} FROM {physical}")  # noqa: S608
    drop_rows(session, physical)
    return save_table(session, existing)


def _fitted(session: Session, fields: Sequence[Field], existing: StoredTable, target: Target) -> StoredTable:
    """Check that the rows fit the table's schema; widen the schema where the job allows it."""
    given = {each.name.lower(): each for each in fields}
    result: list[Field] = []
    for each in existing.fields:
        new = given.pop(each.name.lower(), None)
        result.append(_merged(session, each, new, existing, target))
    for each in given.values():
        if "ALLOW_FIELD_ADDITION" not in target.schema_updates:
            raise _mismatch(target.table, f"Cannot add fields (field: {each.name})")
        if each.mode == "REQUIRED":
            raise _mismatch(
                target.table, f"Cannot add required fields to an existing schema. (field: {each.name})"
            )
        session.execute(f"ALTER TABLE {existing.physical} ADD COLUMN {quoted(each.name)} {duck_type(each)}")
        result.append(each)
    resource = {**existing.resource, "schema": schema_resource(result)}
    return replace(existing, resource=resource)


def _merged(session: Session, old: Field, new: Field | None, existing: StoredTable, target: Target) -> Field:
    relax = "ALLOW_FIELD_RELAXATION" in target.schema_updates
    if old.mode == "REQUIRED" and relax and (new is None or new.mode == "NULLABLE"):
        column = f"ALTER TABLE {existing.physical} ALTER COLUMN {quoted(old.name)}"
        session.execute(f"{column} DROP NOT NULL")
        return replace(old, mode="NULLABLE")
    if new is None:
        if old.mode == "REQUIRED":
            raise _mismatch(target.table, f"Field {old.name} is missing in new schema")
        return old
    if new.type != old.type and (new.type, old.type) not in WIDER:
        raise _mismatch(target.table, f"Field {old.name} has changed type from {old.type} to {new.type}")
    if new.repeated != old.repeated:
        raise _mismatch(target.table, f"Field {old.name} has changed mode from {old.mode} to {new.mode}")
    if old.type == "RECORD" and not _same_record(old, new):
        raise _mismatch(target.table, f"Field {old.name} has a different schema")
    return old


def changed_schema(session: Session, table: StoredTable, fields: Sequence[Field]) -> list[Field]:
    """Give a table's columns as a new schema has them, and change the table's rows accordingly.

    :raises JobProblem: columns are missing, of another type, or new and required.
    """
    merged = _changed(table.id, table.fields, fields)
    if table.physical:
        for old, new in zip(table.fields, merged, strict=False):
            change_column(session, table.physical, old, new)
        for each in merged[len(table.fields) :]:
            session.execute(f"ALTER TABLE {table.physical} ADD COLUMN {quoted(each.name)} {duck_type(each)}")
    return merged


def _changed(table: TableId, before: Sequence[Field], after: Sequence[Field], path: str = "") -> list[Field]:
    given = {each.name.lower(): each for each in after}
    result = []
    for old in before:
        new = given.pop(old.name.lower(), None)
        if new is None:
            raise _mismatch(table, f"Field {path}{old.name} is missing in new schema")
        if new.type != old.type:
            what = f"has changed type from {old.type} to {new.type}"
            raise _mismatch(table, f"Field {path}{old.name} {what}")
        if new.mode != old.mode and (old.mode, new.mode) != ("REQUIRED", "NULLABLE"):
            what = f"has changed mode from {old.mode} to {new.mode}"
            raise _mismatch(table, f"Field {path}{old.name} {what}")
        inner = _changed(table, old.fields, new.fields, f"{path}{old.name}.")
        result.append(replace(new, name=old.name, fields=tuple(inner)))
    for new in given.values():
        if new.mode == "REQUIRED":
            what = f"Cannot add required fields to an existing schema. (field: {path}{new.name})"
            raise _mismatch(table, what)
        result.append(new)
    return result


# What BigQuery converts without being asked when it appends.
WIDER = {("INTEGER", "FLOAT"), ("INTEGER", "NUMERIC"), ("INTEGER", "BIGNUMERIC"), ("NUMERIC", "BIGNUMERIC"),
          ("NUMERIC", "FLOAT")}  # fmt: skip


def _same_record(old: Field, new: Field) -> bool:
    return [(f.name.lower(), f.type, f.repeated) for f in old.fields] == [
        (f.name.lower(), f.type, f.repeated) for f in new.fields
    ] and all(_same_record(a, b) for a, b in zip(old.fields, new.fields, strict=True))


def _mismatch(table: TableId, what: str) -> JobProblem:
    return JobProblem("invalid", f"Provided Schema does not match Table {table}. {what}")
