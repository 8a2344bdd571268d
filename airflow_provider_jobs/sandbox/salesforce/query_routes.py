"""Query jobs and their results: one page after the other, or by a list of pages.

See https://developer.salesforce.com/docs/platform/api-asynch/guide/queries.html,
https://developer.salesforce.com/docs/platform/api-asynch/guide/query-get-job-results.html and
https://developer.salesforce.com/docs/platform/api-asynch/guide/query-get-parallel-job-results.html.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlencode

from airflow_provider_jobs.sandbox.call import whole_number
from airflow_provider_jobs.sandbox.replies import Refusal, Reply
from airflow_provider_jobs.sandbox.salesforce.job_fields import job_resource, read_query, whole_job
from airflow_provider_jobs.sandbox.salesforce.jobs import ABORTED, ENDED, JOB_COMPLETE, QUERY, Job
from airflow_provider_jobs.sandbox.salesforce.org import ResultFile
from airflow_provider_jobs.sandbox.salesforce.pages import (
    Pages,
    Place,
    make_locator,
    page_reply,
    read_locator,
)
from airflow_provider_jobs.sandbox.salesforce.replies import api_error, bad, missing, wrong_state
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
PAGES_SINCE = 58
PAGES_AT_ONCE = 5
LIST_PATH = "resultpages"  # as the documented sample of nextRecordsUrl spells it
LIST_NAMES = {"documented": ("resultPages", "resultUrl"), "chunks": ("resultChunks", "resultLink")}
CSV, ANYTHING = "text/csv", "*/*"
LIST_SALT = "/resultPages"  # so that a locator of the list is not one of a page


def routes(service: SalesforceState) -> list[Route]:
    """Give the routes of query jobs and their results."""
    methods = QueryMethods(service)
    job = "jobs/query/{job}"
    return [
        service.route("POST", "jobs/query", "query.create", methods.create, SINCE),
        service.route("GET", job, "query.get", methods.get, SINCE),
        service.route("PATCH", job, "query.abort", methods.abort, SINCE),
        service.route("DELETE", job, "query.delete", methods.delete, SINCE),
        service.route("GET", f"{job}/results", "query.results", methods.results, SINCE),
        *(
            service.route("GET", f"{job}/{path}", "query.resultPages", methods.pages, PAGES_SINCE)
            for path in ("resultPages", LIST_PATH)
        ),
    ]


class QueryMethods:
    """The methods of query jobs and their results."""

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

    async def results(self, call: Call) -> Reply:
        """Give a page of records."""
        _check_accept(call)
        job, pages = self._pages(call)
        most = _count(call.request.query_params.get("maxRecords"))
        given = call.request.query_params.get("locator")
        place = Place(0) if given is None else read_locator(job.job_id, given)
        if place.first > pages.result.record_count:
            raise bad("INVALID_QUERY_LOCATOR", "invalid query locator")
        count = pages.place(place.first).count if place.count is None else place.count
        return page_reply(call, pages, Place(place.first, min(count or 0, most or count or 0)))

    async def pages(self, call: Call) -> Reply:
        """Give the URLs of some pages."""
        job, pages = self._pages(call)
        given = call.request.query_params.get("locator")
        first = 0 if given is None else read_locator(job.job_id + LIST_SALT, given).first
        names = LIST_NAMES[self._settings.page_list]
        found: list[dict[str, str]] = []
        done = False
        while not done and len(found) < PAGES_AT_ONCE:  # a result without records has one page as well
            place = pages.place(first)
            found.append({names[1]: self._page_url(job, place)})
            first += place.count or 0
            done = first >= pages.result.record_count
        query = urlencode({"locator": make_locator(job.job_id + LIST_SALT, Place(first))})
        following = None if done else f"{self._job_path(job)}/{LIST_PATH}?{query}"
        return Reply({names[0]: found, self._settings.next_url_spelling: following, "done": done})

    def _job_path(self, job: Job) -> str:
        base = "" if self._settings.result_url == "short" else f"/services/data/v{job.version}"
        return f"{base}/jobs/query/{job.job_id}"

    def _page_url(self, job: Job, place: Place) -> str:
        host = self._service.platform.url if self._settings.result_url == "full" else ""
        url = f"{host}{self._job_path(job)}/results"
        if place.first == 0 and self._settings.first_page_locator == "absent":
            return url
        return f"{url}?{urlencode({'locator': make_locator(job.job_id, place)})}"

    def _pages(self, call: Call) -> tuple[Job, Pages]:
        """Give job and result.

        :raises Refusal: 404, 409 or 400, there is no job, it is another version's, or it has no result.
        """
        job = self._service.store.find(QUERY, call.path("job"))
        if job.version != call.path("version"):
            message = f"The job belongs to API version {job.version}; its results are given to that one only."
            raise Refusal(409, "CONFLICT", message)
        if job.state != JOB_COMPLETE:
            raise wrong_state(f"Results are there when the job is {JOB_COMPLETE}; it is {job.state}")
        path = self._service.store.result_path(job)
        if not path.exists():
            raise missing()
        return job, Pages(job.job_id, ResultFile.at(path), self._settings)


def _check_accept(call: Call) -> None:
    """Refuse a client that takes no CSV.

    :raises Refusal: 406.
    """
    accepted = call.request.headers.get("accept") or ANYTHING
    kinds = {each.partition(";")[0].strip().lower() for each in accepted.split(",")}
    if not kinds & {CSV, "text/*", ANYTHING}:
        raise Refusal(406, "NOT_ACCEPTABLE", f"Results are {CSV}; Accept must allow it.")


def _count(text: str | None) -> int | None:
    if text is None:
        return None
    count = whole_number(text)
    if not count:
        raise api_error("Error processing request: maxRecords must be a number above 0")
    return count
