"""jobs.getQueryResults and jobs.query: rows of a finished query, page by page.

See https://cloud.google.com/bigquery/docs/reference/rest/v2/jobs/getQueryResults.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_jobs.sandbox.bigquery import job_resources
from airflow_provider_jobs.sandbox.bigquery.engine import ApiError, JobProblem, check_project
from airflow_provider_jobs.sandbox.bigquery.job_resources import api_error
from airflow_provider_jobs.sandbox.bigquery.jobs import DONE, Job
from airflow_provider_jobs.sandbox.bigquery.jobs_routes import job_location, new_job
from airflow_provider_jobs.sandbox.bigquery.query_requests import (
    DEFAULT_WAIT_MS,
    Answering,
    configuration_of,
    job_id_of,
)
from airflow_provider_jobs.sandbox.bigquery.request_parameters import Parameters
from airflow_provider_jobs.sandbox.bigquery.rows import RowRequest, read_page
from airflow_provider_jobs.sandbox.bigquery.validation import (
    check_job_id,
    check_message,
    invalid,
)
from airflow_provider_jobs.sandbox.connection import wait_for_first
from airflow_provider_jobs.sandbox.replies import Reply

if TYPE_CHECKING:
    from starlette.routing import Route

    from airflow_provider_jobs.sandbox.bigquery.state import BigQueryState
    from airflow_provider_jobs.sandbox.call import Call

LONGEST_WAIT_MS = 200_000  # BigQuery answers by then, finished or not
WITH_ROWS = frozenset({"SELECT", "SCRIPT"})


def routes(service: BigQueryState) -> list[Route]:
    """Give the routes of query results."""
    methods = ResultMethods(service)
    return [
        service.route("GET", "queries/{job}", "jobs.getQueryResults", methods.get_query_results),
        service.route("POST", "queries", "jobs.query", methods.query),
    ]


class ResultMethods:
    """The methods that give rows of queries."""

    def __init__(self, service: BigQueryState) -> None:
        self._service = service

    async def get_query_results(self, call: Call) -> Reply:
        """Wait a while for a query, then give a page of its rows."""
        given = Parameters(call.request)
        project, job_id = check_project(call.path("project")), check_job_id(call.path("job"))
        job = self._service.store.find(project, job_id, given.text("location"))
        if "query" not in job.configuration:
            raise invalid(f"Job {job.full_id} is not a query.", "jobId")
        wait_ms = given.number("timeoutMs")
        await self._finished(job, DEFAULT_WAIT_MS if wait_ms is None else wait_ms)
        rows = RowRequest.of(given, [job.full_id])
        return Reply({"kind": "bigquery#getQueryResultsResponse", **await self._results(job, rows)})

    async def query(self, call: Call) -> Reply:
        """Run a query and give its first rows, or at least its job."""
        project = check_project(call.path("project"))
        document = check_message(await call.document(), "QueryRequest")
        answering = Answering.of(document)
        configuration = configuration_of(document)
        reference = {"location": document.get("location")}
        if answering.dry_run:
            return await self._dry_run(project, configuration, reference)
        job = await self._job(call, project, configuration, {**reference, "jobId": job_id_of(document)})
        await self._finished(job, answering.wait_ms)
        results = await self._results(job, answering.rows([job.full_id]))
        return Reply({"kind": "bigquery#queryResponse", "location": job.location, **results})

    async def _job(
        self, call: Call, project: str, configuration: dict[str, Any], reference: dict[str, Any]
    ) -> Job:
        """Give a new job, or that of an earlier request with the same requestId."""
        try:
            return await new_job(self._service, call, project, configuration, reference)
        except ApiError as error:
            known = self._service.store.known(project, reference["jobId"])
            if error.reason != "duplicate" or known is None:
                raise
            return known

    async def _dry_run(self, project: str, configuration: dict[str, Any], reference: dict[str, Any]) -> Reply:
        location = await job_location(self._service, project, configuration, reference)
        try:
            result = await self._service.ask(self._service.engine.dry_run, project, configuration)
        except JobProblem as problem:
            raise api_error(problem.error_result) from problem
        statistics = result.get("statistics", {})
        document = {
            "kind": "bigquery#queryResponse",
            "jobReference": {"projectId": project, "location": location},
            "jobComplete": True,
            "totalBytesProcessed": statistics.get("totalBytesProcessed", "0"),
            "cacheHit": False,
        }
        schema = statistics.get("query", {}).get("schema")
        return Reply(document if schema is None else {**document, "schema": schema})

    async def _finished(self, job: Job, wait_ms: int) -> None:
        """Wait for a job, at most so long, and not beyond the end of the sandbox."""
        seconds = min(wait_ms, LONGEST_WAIT_MS) / 1000
        await wait_for_first(seconds, job.done.wait(), self._service.platform.stopping.wait())

    async def _results(self, job: Job, rows: RowRequest) -> dict[str, Any]:
        """Give what is known of a query: its rows if it succeeded, its error as an HTTP error if not."""
        document: dict[str, Any] = {
            "etag": job_resources.etag_of(job.full_id, job.state, rows),
            "jobReference": job_resources.reference(job),
            "jobComplete": job.state == DONE,
        }
        if job.state != DONE:
            return document
        if job.error_result is not None:
            raise api_error(job.error_result)
        query = job.statistics.get("query", {})
        document["totalBytesProcessed"] = str(query.get("totalBytesProcessed", "0"))
        document["cacheHit"] = bool(query.get("cacheHit", False))
        for name in ("numDmlAffectedRows", "statementType"):
            if name in query:
                document[name] = query[name]
        if "sessionInfo" in job.statistics:
            document["sessionInfo"] = job.statistics["sessionInfo"]
        if job.errors:
            document["errors"] = job.errors
        table = job.configuration["query"].get("destinationTable")
        if table is not None and query.get("statementType") in WITH_ROWS:
            document |= await read_page(self._service, table, rows, with_schema=True)
        return document
