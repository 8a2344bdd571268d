"""Copy jobs.

https://cloud.google.com/bigquery/docs/reference/rest/v2/Job#JobConfigurationTableCopy
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from airflow_provider_jobs.sandbox.bigquery.engine.catalog import StoredTable, get_dataset, get_table
from airflow_provider_jobs.sandbox.bigquery.engine.destination import Target, check_target, publish, target_of
from airflow_provider_jobs.sandbox.bigquery.engine.names import TableId
from airflow_provider_jobs.sandbox.bigquery.engine.outcomes import JobProblem, Outcome
from airflow_provider_jobs.sandbox.bigquery.engine.partitions import partition_of, split_decorator
from airflow_provider_jobs.sandbox.bigquery.engine.types import column_definitions

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow_provider_jobs.sandbox.bigquery.engine.outcomes import RunningJob
    from airflow_provider_jobs.sandbox.bigquery.engine.store import Session, Store

# What a new table takes over from its first source.
_INHERITED = ("timePartitioning", "rangePartitioning", "clustering", "description", "labels", "friendlyName")


def run_copy(store: Store, session: Session, job: RunningJob) -> Outcome:
    """Copy the rows of one or several tables into another.

    :raises JobProblem: schemas differ, a table is missing or elsewhere, or a disposition forbids it.
    """
    configuration = job.configuration["copy"]
    names = _source_names(configuration, job.project)
    target = target_of(configuration, job.project, job.location, "WRITE_EMPTY")
    name = target.table
    operation = configuration.get("operationType") or "COPY"
    if operation not in {"COPY", "OPERATION_TYPE_UNSPECIFIED"}:
        raise JobProblem("invalid", f"operationType {operation} is not supported by the sandbox")
    physical = store.new_physical()
    with session.transaction():
        sources = [_source(session, each, part, target, job.location) for each, part in names]
        get_dataset(session, name.project, name.dataset, job.location)
        existing = check_target(session, target)
        _same_schemas(sources, existing if target.write == "WRITE_APPEND" else None)
        fields = sources[0].fields
        session.execute(f"CREATE TABLE {physical} ({column_definitions(fields) or 'nothing INTEGER'})")
        for source in sources:
            session.execute(f"INSERT INTO {physical} BY NAME SELECT * FROM {source.physical}")  # noqa: S608 - our names
    inherited = {key: sources[0].resource[key] for key in _INHERITED if key in sources[0].resource}
    if configuration.get("destinationExpirationTime"):
        inherited["expirationTime"] = str(configuration["destinationExpirationTime"])
    publish(store, session, physical, fields, replace(target, more=inherited))
    statistics = {
        "copy": {
            "copiedRows": str(sum(source.rows for source in sources)),
            "copiedLogicalBytes": str(sum(source.size for source in sources)),
        },
    }
    return Outcome(dict(job.configuration), statistics)


def _source_names(configuration: Mapping[str, Any], project: str) -> list[tuple[TableId, str | None]]:
    one, several = configuration.get("sourceTable"), configuration.get("sourceTables")
    if one and several:
        raise JobProblem("invalid", "Only one of sourceTable and sourceTables may be given")
    references = several or ([one] if one else [])
    if not references:
        raise JobProblem("invalid", "Required parameter is missing: sourceTables")
    split = map(split_decorator, references)
    return [(TableId.from_reference(each, project, "sourceTable"), partition) for each, partition in split]


def _source(
    session: Session, name: TableId, partition: str | None, target: Target, location: str
) -> StoredTable:
    found = get_table(session, name, location)
    if found.view_query is not None:
        raise JobProblem(
            "invalid", f"{name} is not allowed for this operation because it is currently a VIEW."
        )
    if (name, partition) == (target.table, target.partition):
        raise JobProblem("invalid", f"Source and destination table are the same: {name}")
    return partition_of(session, found, partition)


def _same_schemas(sources: Sequence[StoredTable], existing: StoredTable | None) -> None:
    first = sources[0]
    for other in [*sources[1:], *([existing] if existing else [])]:
        if _shape(other) != _shape(first):
            raise JobProblem(
                "invalid", f"Provided Schema does not match Table {other.id}. {_difference(first, other)}"
            )


def _shape(table: StoredTable) -> dict[str, object]:
    return {each.name.lower(): (each.type, each.repeated, each.fields) for each in table.fields}


def _difference(first: StoredTable, other: StoredTable) -> str:
    given = {each.name.lower(): each for each in first.fields}
    there = {each.name.lower(): each for each in other.fields}
    for key, each in given.items():
        if key not in there:
            return f"Cannot add fields (field: {each.name})"
        if each.type != there[key].type:
            return f"Field {each.name} has changed type from {there[key].type} to {each.type}"
        if each.repeated != there[key].repeated or each.fields != there[key].fields:
            return f"Field {each.name} has a different mode or different nested fields"
    missing = next(there[key].name for key in there if key not in given)
    return f"Field {missing} is missing in new schema"
