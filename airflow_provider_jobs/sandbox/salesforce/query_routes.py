"""Query jobs: https://developer.salesforce.com/docs/platform/api-asynch/guide/queries.html."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_provider_jobs.sandbox.replies import Reply
from airflow_provider_jobs.sandbox.salesforce.job_fields import job_resource, read_query, whole_job
from airflow_provider_jobs.sandbox.salesforce.jobs import ABORTED, ENDED, QUERY
from airflow_provider_jobs.sandbox.salesforce.org import ResultFile
from airflow_provider_jobs.sandbox.salesforce.replies import api_error
from airflow_provider_jobs.sandbox.salesforce.requests import (
    NOT_TERMINATED,
    check_alive,
    check_object,
    check_operation,
    read_document,
    read_state,
)

if TYPE_CHECKING:
    from starlette.routing import Route

    from airflow_provider_jobs.sandbox.call import Call
    from airflow_provider_jobs.sandbox.salesforce.state import SalesforceState

SINCE = 47


def routes(service: SalesforceState) -> list[Route]:
    """Give the routes of query jobs."""
    methods = QueryMethods(service)
    job = "jobs/query/{job}"
    return [
        service.route("POST", "jobs/query", "query.create", methods.create, SINCE),
        service.route("GET", job, "query.get", methods.get, SINCE),
        service.route("PATCH", job, "query.abort", methods.abort, SINCE),
        service.route("DELETE", job, "query.delete", methods.delete, SINCE),
    ]


class QueryMethods:
    """The methods of query jobs."""

    def __init__(self, service: SalesforceState) -> None:
        self._service = service
        self._store = service.store
        self._settings = service.settings

    async def create(self, call: Call) -> Reply:
        """Make a job; it is queued at once."""
        given = read_query(await read_document(call))
        check_operation(self._settings, given["operation"])
        all_rows = given["operation"] == "queryAll"
        shape = await self._service.ask(self._service.org.check_query, given["query"], all_rows=all_rows)
        check_object(self._settings, shape.object_name)
        self._service.limits.count_query_job()
        user = self._service.identity.account.user_id
        job = self._store.add(
            QUERY,
            call.path("version"),
            user,
            object_name=shape.object_name,
            pk_chunking=shape.chunkable,
            **given,
        )
        self._service.runner.submit(job)
        return Reply(job_resource(job, self._settings.api_version_type))

    async def get(self, call: Call) -> Reply:
        """Give a job."""
        job = self._store.find(QUERY, call.path("job"))
        reply = Reply(whole_job(job, self._settings.api_version_type))
        self._store.look(job)
        return reply

    async def abort(self, call: Call) -> Reply:
        """Stop a job; the reply already says so."""
        job = self._store.find(QUERY, call.path("job"))
        await read_state(call, ABORTED)
        check_alive(job, "Aborting")
        self._service.runner.abort(job)
        resource = job_resource(job, self._settings.api_version_type) | {"state": ABORTED}
        del resource["lineEnding"], resource["columnDelimiter"]
        return Reply(resource)

    async def delete(self, call: Call) -> Reply:
        """Forget a job and its result."""
        job = self._store.find(QUERY, call.path("job"))
        if job.state not in ENDED:
            raise api_error(NOT_TERMINATED)
        self._store.remove(job)
        path = self._store.result_path(job)
        if path.exists():
            ResultFile.at(path).delete()
        return Reply(status=204)
