"""Lists of jobs: https://developer.salesforce.com/docs/platform/api-asynch/guide/query-get-all-jobs.html."""

from __future__ import annotations

import random
from collections import OrderedDict
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from airflow_provider_jobs.sandbox.call import whole_number
from airflow_provider_jobs.sandbox.replies import Reply
from airflow_provider_jobs.sandbox.salesforce.ids import JOB, LOCATOR, make_id, random_id
from airflow_provider_jobs.sandbox.salesforce.ingest_routes import SINCE as INGEST_SINCE
from airflow_provider_jobs.sandbox.salesforce.job_fields import JOB_TYPES, listed_job, spelled_time
from airflow_provider_jobs.sandbox.salesforce.jobs import INGEST, QUERY, Job
from airflow_provider_jobs.sandbox.salesforce.query_routes import SINCE as QUERY_SINCE
from airflow_provider_jobs.sandbox.salesforce.replies import bad

if TYPE_CHECKING:
    from starlette.routing import Route

    from airflow_provider_jobs.sandbox.call import Call
    from airflow_provider_jobs.sandbox.salesforce.state import SalesforceState

FOREIGN_TYPES = ("Classic", "BigObjectIngest")
TYPES = {QUERY: ("V2Query", "V2Ingest", *FOREIGN_TYPES), INGEST: ("V2Ingest", *FOREIGN_TYPES)}
MOST_ROWS = 1000
LISTS_KEPT = 100
FIRST_FOREIGN = 1 << 40  # in ids, far from those of this API's jobs
ORDER_SEED = 5

Row = Job | dict[str, Any]


def routes(service: SalesforceState) -> list[Route]:
    """Give the routes of lists."""
    methods = ListMethods(service)
    queries, ingests = (partial(methods.list_jobs, kind=kind) for kind in (QUERY, INGEST))
    return [
        *service.both("GET", "jobs/query", "query.list", queries, QUERY_SINCE),
        *service.both("GET", "jobs/ingest", "ingest.list", ingests, INGEST_SINCE),
    ]


class ListMethods:
    """The methods of lists."""

    def __init__(self, service: SalesforceState) -> None:
        self._service = service
        self._settings = service.settings
        self._lists: OrderedDict[str, list[Row]] = OrderedDict()  # by what their locators begin with

    async def list_jobs(self, call: Call, *, kind: str) -> Reply:
        """Give jobs of every kind, or those that bring records in."""
        given = call.request.query_params.get("queryLocator")
        if given is None:
            name, start, rows = random_id(LOCATOR), 0, self._rows(call, kind)
        else:
            name, start, rows = self._known(given)
        size = min(max(1, self._settings.list_page), MOST_ROWS)
        shown, stop = rows[start : start + size], start + size
        following = None
        if stop < len(rows):
            self._keep(name, rows)
            place = kind if self._settings.list_url == "right" else INGEST
            query = urlencode({"queryLocator": f"{name}-{stop}"})
            following = f"/services/data/v{call.path('version')}/jobs/{place}?{query}"
        records = [self._spelled(row) for row in shown]
        return Reply({"done": following is None, "records": records, "nextRecordsUrl": following})

    def _known(self, locator: str) -> tuple[str, int, list[Row]]:
        name, _, text = locator.partition("-")
        rows, offset = self._lists.get(name), whole_number(text)
        if rows is None or offset is None or offset > len(rows):
            raise bad("INVALID_QUERY_LOCATOR", "invalid query locator")
        return name, offset, rows

    def _keep(self, name: str, rows: list[Row]) -> None:
        self._lists[name] = rows
        while len(self._lists) > LISTS_KEPT:
            self._lists.popitem(last=False)

    def _spelled(self, row: Row) -> dict[str, Any]:
        if isinstance(row, dict):
            return row
        document = listed_job(row, self._settings.api_version_type)
        self._service.store.look(row)
        return document

    def _rows(self, call: Call, kind: str) -> list[Row]:
        """Give every job that passes the filters, in the order that is set."""
        types = _types(call, kind)
        chunking = _flag(call, "isPkChunkingEnabled")
        mode = call.request.query_params.get("concurrencyMode", "parallel").lower()
        if mode not in {"parallel", "serial"}:
            raise bad("API_ERROR", "Error processing request: concurrencyMode must be parallel or serial")
        jobs = [
            job
            for job in self._service.store.all()
            if JOB_TYPES[job.kind] in types and chunking in {None, job.pk_chunking} and mode == "parallel"
        ]
        rows: list[Row] = [*self._foreign(types, mode, chunking=chunking), *jobs]
        if self._settings.list_order == "shuffled":
            random.Random(ORDER_SEED).shuffle(rows)  # noqa: S311 - any order will do
        elif self._settings.list_order == "newest":
            rows.reverse()
        return rows

    def _foreign(self, types: tuple[str, ...], mode: str, *, chunking: bool | None) -> list[dict[str, Any]]:
        """Give the jobs of other APIs: older than all others, with other states and without some fields."""
        if mode == "serial" or chunking:
            return []
        moment = spelled_time(self._service.platform.clock.now() - 86400)
        rows = []
        for number in range(self._settings.foreign_jobs):
            job_type = FOREIGN_TYPES[number % len(FOREIGN_TYPES)]
            row = {
                "id": make_id(JOB, FIRST_FOREIGN + number),
                "operation": "insert",
                "object": "Account",
                "createdById": self._service.identity.account.user_id,
                "createdDate": moment,
                "systemModstamp": moment,
                "state": "Closed",
                "concurrencyMode": "Parallel",
                "contentType": "ZIP_CSV",
                "apiVersion": "52.0",
                "jobType": job_type,
            }
            if job_type in types:
                rows.append(row)
        return rows


def _types(call: Call, kind: str) -> tuple[str, ...]:
    given = call.request.query_params.get("jobType")
    if given is None:
        return TYPES[kind]
    if given not in TYPES[QUERY]:
        raise bad("API_ERROR", f"Error processing request: jobType must be one of {', '.join(TYPES[QUERY])}")
    return (given,)


def _flag(call: Call, name: str) -> bool | None:
    given = call.request.query_params.get(name)
    if given is None:
        return None
    if given.lower() not in {"true", "false"}:
        raise bad("API_ERROR", f"Error processing request: {name} must be true or false")
    return given.lower() == "true"
