"""What exists: datasets and tables with their REST metadata, kept in the DuckDB file beside the rows."""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from airflow_provider_jobs.sandbox.bigquery.engine.names import (
    HIDDEN_DATASET,
    TableId,
    check_dataset,
    check_project,
)
from airflow_provider_jobs.sandbox.bigquery.engine.outcomes import ApiError
from airflow_provider_jobs.sandbox.bigquery.engine.types import (
    Field,
    column_bytes,
    read_schema,
    schema_resource,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow_provider_jobs.sandbox.bigquery.engine.store import Session


@dataclass(frozen=True)
class StoredTable:
    """A table or view. ``physical`` is DuckDB's name of the rows, empty for a view."""

    id: TableId
    physical: str
    resource: dict[str, Any]  # without what is computed: numRows, numBytes
    column_bytes: dict[str, int]  # logical size of each column, and "" -> number of rows

    @property
    def fields(self) -> tuple[Field, ...]:
        """The schema."""
        return read_schema(self.resource.get("schema") or {})

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return self.column_bytes.get("", 0)

    @property
    def size(self) -> int:
        """Logical bytes, as BigQuery counts them."""
        return sum(size for name, size in self.column_bytes.items() if name)

    @property
    def location(self) -> str:
        """Where the table's dataset is."""
        return str(self.resource["location"])

    @property
    def view_query(self) -> str | None:
        """The SQL of a view."""
        view = self.resource.get("view")
        return str(view["query"]) if view else None

    def full_resource(self) -> dict[str, Any]:
        """Give the REST resource."""
        if self.view_query is not None:
            return dict(self.resource)
        counts = {"numRows": str(self.rows), "numBytes": str(self.size), "numLongTermBytes": "0"}
        return {**self.resource, **counts}


def now_milliseconds() -> str:
    """Give the time the way resources carry it."""
    return str(time.time_ns() // 1_000_000)


def etag(value: object) -> str:
    """Give a short text that changes with the value."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:24]


# -- datasets ------------------------------------------------------------------------------------------------


def find_dataset(session: Session, project: str, dataset: str) -> dict[str, Any] | None:
    """Give a dataset's resource, or ``None``."""
    found = session.rows(
        "SELECT resource FROM meta.datasets WHERE project = ? AND dataset = ?",
        [check_project(project), check_dataset(dataset)],
    )
    return json.loads(found[0][0]) if found else None


def get_dataset(session: Session, project: str, dataset: str, location: str = "") -> dict[str, Any]:
    """Give a dataset's resource.

    :param location: where the asking job runs; a dataset elsewhere does not exist for it.
    :raises ApiError: 404.
    """
    found = find_dataset(session, project, dataset)
    if found is None or (location and found["location"].lower() != location.lower()):
        where = f" was not found in location {location}" if location else ""
        raise ApiError(404, "notFound", f"Not found: Dataset {project}:{dataset}{where}")
    return found


def insert_dataset(session: Session, project: str, body: dict[str, Any]) -> dict[str, Any]:
    """Create a dataset."""
    if body.get("defaultCollation"):
        raise ApiError(400, "invalid", "defaultCollation is not supported by the sandbox")
    dataset = str((body.get("datasetReference") or {}).get("datasetId") or "")
    if find_dataset(session, project, dataset) is not None:
        raise ApiError(409, "duplicate", f"Already Exists: Dataset {project}:{dataset}")
    created = now_milliseconds()
    resource = {
        **body,
        "kind": "bigquery#dataset",
        "id": f"{project}:{dataset}",
        "datasetReference": {"projectId": project, "datasetId": dataset},
        "location": _location(body.get("location")),
        "creationTime": created,
        "lastModifiedTime": created,
        "type": "DEFAULT",
    }
    resource["etag"] = etag(resource)
    row = [project, dataset, json.dumps(resource)]
    session.execute("INSERT INTO meta.datasets VALUES (?, ?, ?)", row)
    return resource


def _location(given: Any) -> str:
    """Spell a location as BigQuery does: multi-regions in capitals, regions in small letters."""
    location = str(given or "US")
    return location.upper() if location.upper() in {"US", "EU"} else location.lower()


def list_datasets(session: Session, project: str) -> list[dict[str, Any]]:
    """List a project's datasets by name, without the hidden ones."""
    found = session.rows(
        "SELECT resource FROM meta.datasets WHERE project = ? AND NOT starts_with(dataset, ?) "
        "ORDER BY dataset",
        [check_project(project), HIDDEN_DATASET],
    )
    return [json.loads(resource) for (resource,) in found]


def delete_dataset(session: Session, project: str, dataset: str, *, delete_contents: bool) -> None:
    """Delete a dataset; a full one only when told so."""
    get_dataset(session, project, dataset)
    tables = list_tables(session, project, dataset)
    if tables and not delete_contents:
        message = f"Dataset {project}:{dataset} is still in use"
        raise ApiError(400, "resourceInUse", message)
    for table in tables:
        drop_table(session, table)
    session.execute("DELETE FROM meta.datasets WHERE project = ? AND dataset = ?", [project, dataset])


# -- tables --------------------------------------------------------------------------------------------------


def find_table(session: Session, name: TableId) -> StoredTable | None:
    """Give a table, or ``None``."""
    found = session.rows(
        "SELECT physical, resource, column_bytes FROM meta.tables "
        "WHERE project = ? AND dataset = ? AND name = ?",
        [name.project, name.dataset, name.table],
    )
    return StoredTable(name, found[0][0], *map(json.loads, found[0][1:])) if found else None


def get_table(session: Session, name: TableId, location: str = "") -> StoredTable:
    """Give a table.

    :param location: where the asking job runs; a table elsewhere does not exist for it.
    :raises ApiError: 404, for the dataset or the table.
    """
    if location:
        get_dataset(session, name.project, name.dataset, location)
    found = find_table(session, name)
    if found is None:
        get_dataset(session, name.project, name.dataset, location)
        where = f" was not found in location {location}" if location else ""
        raise ApiError(404, "notFound", f"Not found: Table {name}{where}")
    return found


def list_tables(session: Session, project: str, dataset: str) -> list[StoredTable]:
    """List the tables and views of a dataset by name."""
    get_dataset(session, project, dataset)
    found = session.rows(
        "SELECT name, physical, resource, column_bytes FROM meta.tables "
        "WHERE project = ? AND dataset = ? ORDER BY name",
        [project, dataset],
    )
    return [
        StoredTable(TableId(project, dataset, name), physical, json.loads(resource), json.loads(sizes))
        for name, physical, resource, sizes in found
    ]


def hidden_tables(session: Session) -> list[TableId]:
    """List the tables that nobody named, oldest first."""
    found = session.rows(
        "SELECT project, dataset, name FROM meta.tables WHERE starts_with(dataset, ?) ORDER BY rowid",
        [HIDDEN_DATASET],
    )
    return [TableId(*names) for names in found]


_PARTITIONED_BY = {"timePartitioning": {"DATE", "DATETIME", "TIMESTAMP"}, "rangePartitioning": {"INTEGER"}}


def new_table(
    name: TableId, physical: str, fields: Sequence[Field], dataset: dict[str, Any], more: dict[str, Any]
) -> StoredTable:
    """Describe a new table; nothing is stored yet.

    :param more: what a resource may carry besides: partitioning, clustering, labels, description, view.
    :raises ApiError: no such table can be partitioned like this.
    """
    for kind, types in _PARTITIONED_BY.items():
        by = (more.get(kind) or {}).get("field")
        found = {each.type for each in fields if by and each.name.lower() == str(by).lower()}
        if by and not found & types:
            what = f"can only be {', '.join(sorted(types))}" if found else "cannot be found in the schema"
            raise ApiError(400, "invalid", f"The field specified for partitioning {what}: {by}")
    created = now_milliseconds()
    resource = {
        **more,
        "kind": "bigquery#table",
        "id": str(name),
        "tableReference": name.reference,
        "schema": schema_resource(fields),
        "type": "VIEW" if more.get("view") else "TABLE",
        "location": dataset["location"],
        "creationTime": created,
        "lastModifiedTime": created,
    }
    return StoredTable(name, physical, resource, {})


def save_table(session: Session, table: StoredTable) -> StoredTable:
    """Store a table's metadata after its rows or its schema changed; sizes are measured here."""
    sizes = column_bytes(session, table.physical, table.fields) if table.physical else {}
    resource = {**table.resource, "lastModifiedTime": now_milliseconds()}
    resource["etag"] = etag([resource, sizes, table.physical, time.time_ns()])
    saved = replace(table, resource=resource, column_bytes=sizes)
    key = [table.id.project, table.id.dataset, table.id.table]
    values = [table.physical, json.dumps(resource), json.dumps(sizes)]
    changed = session.rows(
        "UPDATE meta.tables SET physical = ?, resource = ?, column_bytes = ? "
        "WHERE project = ? AND dataset = ? AND name = ?",
        values + key,
    )
    if changed[0][0] == 0:
        session.execute("INSERT INTO meta.tables VALUES (?, ?, ?, ?, ?, ?)", key + values)
    return saved


def drop_table(session: Session, table: StoredTable) -> None:
    """Remove a table or view and its rows."""
    key = [table.id.project, table.id.dataset, table.id.table]
    session.execute("DELETE FROM meta.tables WHERE project = ? AND dataset = ? AND name = ?", key)
    drop_rows(session, table.physical)


def drop_rows(session: Session, physical: str) -> None:
    """Remove the rows behind a table that no longer points to them."""
    if physical:
        session.execute(f"DROP TABLE IF EXISTS {physical}")
