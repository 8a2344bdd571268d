"""REST's query and queryAll: records as JSON, a page a reply.

It takes the SOQL that the Bulk API takes, and nothing more: no aggregates, no subqueries of children.
See https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/resources_query.htm.
"""

from __future__ import annotations

import csv
import io
import re
import shutil
from collections import OrderedDict
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from airflow_provider_jobs.sandbox.call import whole_number
from airflow_provider_jobs.sandbox.replies import Reply
from airflow_provider_jobs.sandbox.salesforce.ids import LOCATOR, random_id
from airflow_provider_jobs.sandbox.salesforce.org import SalesforceRefusal
from airflow_provider_jobs.sandbox.salesforce.replies import bad
from airflow_provider_jobs.sandbox.salesforce.requests import check_object
from airflow_provider_jobs.sandbox.salesforce.state import FOLDER

if TYPE_CHECKING:
    from starlette.routing import Route

    from airflow_provider_jobs.sandbox.call import Call
    from airflow_provider_jobs.sandbox.salesforce.org import QueryShape, ResultFile
    from airflow_provider_jobs.sandbox.salesforce.state import SalesforceState

# https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/headers_queryoptions.htm
PAGE_RECORDS, FEWEST_RECORDS = 2000, 200
BATCH_SIZE = re.compile(r"\bbatchSize=(\d{1,9})\b", re.ASCII)
CURSORS = 10  # results that are kept to be read on; older ones are dropped
NOT_OF_BULK = frozenset({"API_ERROR", "INVALIDENTITY"})  # what the Bulk API refuses, and REST does not
NUMBERS = frozenset({"double", "currency", "percent"})


def routes(service: SalesforceState) -> list[Route]:
    """Give the routes."""
    methods = RestQueryMethods(service)
    query, query_all = (partial(methods.query, all_rows=all_rows) for all_rows in (False, True))
    return [
        *service.both("GET", "query", "rest.query", query),
        *service.both("GET", "queryAll", "rest.queryAll", query_all),
        service.route("GET", "query/{locator}", "rest.query", methods.more),
        service.route("GET", "queryAll/{locator}", "rest.queryAll", methods.more),
    ]


@dataclass(frozen=True)
class Cursor:
    """A result that is being read."""

    shape: QueryShape
    result: ResultFile
    page_records: int


class RestQueryMethods:
    """The methods."""

    def __init__(self, service: SalesforceState) -> None:
        self._service = service
        self._folder = service.platform.root / FOLDER / "cursors"
        shutil.rmtree(self._folder, ignore_errors=True)  # of an earlier life: nobody reads them on
        self._folder.mkdir()
        self._cursors: OrderedDict[str, Cursor] = OrderedDict()

    async def query(self, call: Call, *, all_rows: bool) -> Reply:
        """Run a query, and give its first records."""
        soql = call.request.query_params.get("q", "")
        org, ask = self._service.org, self._service.ask
        try:
            shape = await ask(org.check_query, soql, all_rows=all_rows)
        except SalesforceRefusal as refusal:
            if refusal.code in NOT_OF_BULK:
                message = f"the sandbox's query takes what the Bulk API takes: {refusal.message}"
                raise bad("MALFORMED_QUERY", message) from refusal
            raise
        check_object(self._service.settings, shape.object_name)
        name = random_id(LOCATOR)
        result = await ask(org.run_query, soql, into=self._folder / name, all_rows=all_rows, with_ids=True)
        asked = BATCH_SIZE.search(call.request.headers.get("sforce-query-options", ""))
        most = min(PAGE_RECORDS, max(FEWEST_RECORDS, int(asked[1]))) if asked else PAGE_RECORDS
        self._cursors[name] = Cursor(shape, result, most)
        while len(self._cursors) > CURSORS:
            self._cursors.popitem(last=False)[1].result.delete()
        return await self._page(call, name, 0)

    async def more(self, call: Call) -> Reply:
        """Give the records that a ``nextRecordsUrl`` leads to."""
        name, _, text = call.path("locator").rpartition("-")
        first = whole_number(text)
        if name not in self._cursors or first is None:
            raise bad("INVALID_QUERY_LOCATOR", "invalid query locator")
        return await self._page(call, name, first)

    async def _page(self, call: Call, name: str, first: int) -> Reply:
        cursor, base = self._cursors[name], f"/services/data/v{call.path('version')}"
        following, total = first + cursor.page_records, cursor.result.record_count
        rows = await self._service.ask(read_records, cursor, first, f"{base}/sobjects")
        document = {"totalSize": total, "done": following >= total, "records": rows}
        if following >= total:
            return Reply(document)
        return Reply({**document, "nextRecordsUrl": f"{base}/query/{name}-{following}"})


def read_records(cursor: Cursor, first: int, base: str) -> list[dict[str, Any]]:
    """Read a page of records."""
    start, end = cursor.result.page(first, cursor.page_records)
    with cursor.result.path.open("rb") as file:
        file.seek(start)
        text = file.read(end - start).decode()
    rows = csv.reader(io.StringIO(text, newline=""), strict=True)
    return [record_of(row, cursor.shape, base) for row in rows]


def record_of(row: list[str], shape: QueryShape, base: str) -> dict[str, Any]:
    """Give a record as JSON; parents are objects in it, null where there is none."""
    ids = {path: row[2 * place : 2 * place + 2] for place, path in enumerate(shape.records)}
    begun = {
        path: {"attributes": {"type": name, "url": f"{base}/{name}/{record_id}"}} if record_id else None
        for path, (name, record_id) in ids.items()
    }
    record: dict[str, Any] = begun[""] or {}
    for path, kind, text in zip(shape.columns, shape.types, row[2 * len(ids) :], strict=True):
        holder: dict[str, Any] | None = record
        parents = path.split(".")[:-1]
        for depth, parent in enumerate(parents, 1):
            holder = holder and holder.setdefault(parent, begun[".".join(parents[:depth])])
        if holder is not None:
            holder[path.rpartition(".")[2]] = value_of(kind, text)
    return record


def value_of(kind: str, text: str) -> Any:
    """Give a value as REST spells it."""
    if not text:
        return None
    if kind == "boolean":
        return text == "true"
    if kind == "int":
        return int(text)
    if kind in NUMBERS:
        return float(text)
    return text.removesuffix("Z") + "+0000" if kind == "datetime" else text
