"""tables: https://docs.redivis.com/api/rest-api/tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_jobs.sandbox.redivis.datasets_routes import checked_description
from airflow_provider_jobs.sandbox.redivis.model import APPEND, REPLACE
from airflow_provider_jobs.sandbox.redivis.references import check_name, read_dataset, read_table
from airflow_provider_jobs.sandbox.redivis.replies import check_known, invalid
from airflow_provider_jobs.sandbox.replies import Reply

if TYPE_CHECKING:
    from starlette.routing import Route

    from airflow_provider_jobs.sandbox.call import Call
    from airflow_provider_jobs.sandbox.redivis.model import Table, Version
    from airflow_provider_jobs.sandbox.redivis.state import RedivisState

TABLES = "datasets/{dataset}/tables"
TABLE = "tables/{table}"
CHANGED = ("description", "uploadMergeStrategy", "isFileIndex")


def routes(service: RedivisState) -> list[Route]:
    """Give the routes of tables."""
    methods = TableMethods(service)
    return [
        service.route("POST", TABLES, "tables.create", methods.create),
        service.route("GET", TABLES, "tables.list", methods.list_tables),
        service.route("HEAD", TABLE, "tables.head", methods.head),  # before GET, which would take it
        service.route("GET", TABLE, "tables.get", methods.get),
        service.route("PATCH", TABLE, "tables.update", methods.update),
    ]


class TableMethods:
    """The methods of tables."""

    def __init__(self, service: RedivisState) -> None:
        self._catalog = service.catalog
        self._spell = service.resources

    async def create(self, call: Call) -> Reply:
        """Make a table in the unreleased version."""
        wanted = read_dataset(call.path("dataset"))
        dataset, version = self._catalog.dataset(wanted), self._catalog.writable_version(wanted)
        document = check_known(await call.document(), "name", *CHANGED)
        name = check_name(document.get("name"), "name")
        changes = _checked(document)
        table = self._catalog.add_table(dataset, version, name)
        self._change(table, version, changes)
        return Reply(self._spell.table(table, version))

    async def list_tables(self, call: Call) -> Reply:
        """Give the tables of a version."""
        wanted = read_dataset(call.path("dataset"))
        version = self._catalog.version(wanted)
        tables = self._catalog.tables(self._catalog.dataset(wanted), version)
        results = [self._spell.table(each, version) for each in tables]
        return Reply({"kind": "tableList", "results": results, "nextPageToken": None})

    async def get(self, call: Call) -> Reply:
        """Give a table as it is at the version that is named."""
        return Reply(self._spell.table(*self._catalog.table(read_table(call.path("table")))))

    async def head(self, call: Call) -> Reply:
        """Tell whether there is a table."""
        self._catalog.table(read_table(call.path("table")))
        return Reply()

    async def update(self, call: Call) -> Reply:
        """Change a table of the unreleased version."""
        wanted = read_table(call.path("table"))
        table, version = self._catalog.table(wanted)
        self._catalog.writable_version(wanted)
        self._change(table, version, _checked(check_known(await call.document(), *CHANGED)))
        return Reply(self._spell.table(table, version))

    def _change(self, table: Table, version: Version, changes: dict[str, Any]) -> None:
        if "uploadMergeStrategy" in changes:
            table.strategies[str(version.number)] = changes["uploadMergeStrategy"]
        table.description = changes.get("description", table.description)
        table.is_file_index = changes.get("isFileIndex", table.is_file_index)
        self._catalog.keep(table)


def _checked(document: dict[str, Any]) -> dict[str, Any]:
    """Give the fields of a table that are set."""
    changes = {name: value for name, value in document.items() if value is not None}
    if changes.get("uploadMergeStrategy", APPEND) not in {APPEND, REPLACE}:
        raise invalid(f"uploadMergeStrategy must be {APPEND} or {REPLACE}.")
    if not isinstance(changes.get("isFileIndex", False), bool):
        raise invalid("isFileIndex must be true or false.")
    checked_description(changes)
    return changes
