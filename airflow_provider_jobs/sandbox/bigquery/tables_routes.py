"""datasets, tables and tabledata: list, get, insert, delete, and changes of tables.

See https://cloud.google.com/bigquery/docs/reference/rest/v2/tables.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_jobs.sandbox.bigquery.engine import check_project
from airflow_provider_jobs.sandbox.bigquery.job_resources import etag_of
from airflow_provider_jobs.sandbox.bigquery.request_parameters import Parameters, make_token, read_token
from airflow_provider_jobs.sandbox.bigquery.rows import RowRequest, read_page
from airflow_provider_jobs.sandbox.bigquery.validation import check_message, invalid
from airflow_provider_jobs.sandbox.replies import Reply

if TYPE_CHECKING:
    from starlette.routing import Route

    from airflow_provider_jobs.sandbox.bigquery.state import BigQueryState
    from airflow_provider_jobs.sandbox.call import Call

DEFAULT_PAGE = 50
LARGEST_PAGE = 1000
#: The rows of a table with this at the end of its name are its partitions.
SUMMARY = "$__PARTITIONS_SUMMARY__"
TABLE = "datasets/{dataset}/tables/{table}"


def routes(service: BigQueryState) -> list[Route]:
    """Give the routes of datasets, tables and their rows."""
    methods = TableMethods(service)
    return [
        service.route("GET", "datasets", "datasets.list", methods.list_datasets),
        service.route("POST", "datasets", "datasets.insert", methods.insert_dataset),
        service.route("GET", "datasets/{dataset}", "datasets.get", methods.get_dataset),
        service.route("DELETE", "datasets/{dataset}", "datasets.delete", methods.delete_dataset),
        service.route("GET", "datasets/{dataset}/tables", "tables.list", methods.list_tables),
        service.route("POST", "datasets/{dataset}/tables", "tables.insert", methods.insert_table),
        service.route("GET", TABLE, "tables.get", methods.get_table),
        service.route("PATCH", TABLE, "tables.patch", methods.change_table),
        service.route("PUT", TABLE, "tables.update", methods.change_table),
        service.route("DELETE", TABLE, "tables.delete", methods.delete_table),
        service.route("GET", TABLE + "/data", "tabledata.list", methods.list_rows),
    ]


class TableMethods:
    """The methods of these resources: each one call of the engine."""

    def __init__(self, service: BigQueryState) -> None:
        self._ask = service.ask
        self._engine = service.engine
        self._service = service

    async def list_datasets(self, call: Call) -> Reply:
        """Give a page of a project's datasets."""
        given = Parameters(call.request)
        project = _project(call)
        datasets = await self._ask(self._engine.list_datasets, project)
        page = _page(given, datasets, "datasets", ["datasets", project])
        return Reply({"kind": "bigquery#datasetList", **page})

    async def insert_dataset(self, call: Call) -> Reply:
        """Make a dataset."""
        document = check_message(await call.document(), "Dataset")
        return Reply(await self._ask(self._engine.insert_dataset, _project(call), document))

    async def get_dataset(self, call: Call) -> Reply:
        """Give a dataset."""
        return Reply(await self._ask(self._engine.get_dataset, _project(call), call.path("dataset")))

    async def delete_dataset(self, call: Call) -> Reply:
        """Delete a dataset, with its tables if told so."""
        contents = Parameters(call.request).flag("deleteContents")
        await self._ask(
            self._engine.delete_dataset, _project(call), call.path("dataset"), delete_contents=contents
        )
        return Reply(status=204)

    async def list_tables(self, call: Call) -> Reply:
        """Give a page of a dataset's tables."""
        given = Parameters(call.request)
        project, dataset = _project(call), call.path("dataset")
        tables = await self._ask(self._engine.list_tables, project, dataset)
        page = _page(given, tables, "tables", ["tables", project, dataset])
        return Reply({"kind": "bigquery#tableList", "totalItems": len(tables), **page})

    async def insert_table(self, call: Call) -> Reply:
        """Make a table."""
        document = check_message(await call.document(), "Table")
        return Reply(
            await self._ask(self._engine.insert_table, _project(call), call.path("dataset"), document)
        )

    async def get_table(self, call: Call) -> Reply:
        """Give a table."""
        project, dataset, table = _table(call)
        found = await self._ask(self._engine.get_table, project, dataset, table.removesuffix(SUMMARY))
        if table.endswith(SUMMARY):
            reference = {**found["tableReference"], "tableId": table}
            schema = {"fields": [{"name": "partition_id", "type": "STRING"}]}
            found = {"kind": found["kind"], "tableReference": reference, "schema": schema, "type": "TABLE"}
        return Reply(found)

    async def change_table(self, call: Call) -> Reply:
        """Change a table: what a patch says, or all that an update does not repeat too."""
        document = check_message(await call.document(), "Table")
        etag, whole = call.request.headers.get("if-match", ""), call.request.method == "PUT"
        change = self._engine.change_table
        return Reply(await self._ask(change, *_table(call), document, etag.strip('"'), whole=whole))

    async def delete_table(self, call: Call) -> Reply:
        """Delete a table."""
        await self._ask(self._engine.delete_table, *_table(call))
        return Reply(status=204)

    async def list_rows(self, call: Call) -> Reply:
        """Give a page of a table's rows; ``selectedFields`` names whole columns."""
        given = Parameters(call.request)
        project, dataset, table = _table(call)
        selected = given.text("selectedFields")
        if table.endswith(SUMMARY):
            names = await self._ask(self._engine.partitions, project, dataset, table.removesuffix(SUMMARY))
            rows = [{"f": [{"v": name}]} for name in names]
            if selected != "partition_id":
                raise invalid("The sandbox gives partition_id alone: name it.", "selectedFields")
            page = _page(given, rows, "rows", ["partitions", project, dataset, table])
            token = {"pageToken": page.pop("nextPageToken")} if "nextPageToken" in page else {}
            return Reply({"kind": "bigquery#tableDataList", "totalRows": str(len(rows)), **page, **token})
        page = await read_page(
            self._service,
            {"projectId": project, "datasetId": dataset, "tableId": table},
            RowRequest.of(given, ["rows", project, dataset, table]),
            with_schema=False,
            columns=None if selected is None else [column.strip() for column in selected.split(",")],
        )
        return Reply({"kind": "bigquery#tableDataList", "etag": etag_of(page["totalRows"]), **page})


def _project(call: Call) -> str:
    return check_project(call.path("project"))


def _table(call: Call) -> tuple[str, str, str]:
    return _project(call), call.path("dataset"), call.path("table")


def _page(given: Parameters, items: list[dict[str, Any]], name: str, listing: list[str]) -> dict[str, Any]:
    """Give one page of resources under the list's name."""
    token = given.text("pageToken")
    start = 0 if token is None else read_token(token, *listing)
    size = min(given.number("maxResults") or DEFAULT_PAGE, LARGEST_PAGE)
    page: dict[str, Any] = {"etag": etag_of(len(items), start, size)}
    if items[start : start + size]:
        page[name] = items[start : start + size]
    if start + size < len(items):
        page["nextPageToken"] = make_token(start + size, *listing)
    return page
