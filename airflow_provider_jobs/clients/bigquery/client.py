"""The jobs part of BigQuery's REST API, version 2.

Source: https://cloud.google.com/bigquery/docs/reference/rest/v2/jobs
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from airflow_provider_jobs.clients.bigquery.configuration import check_job_id, check_project
from airflow_provider_jobs.clients.bigquery.joint import joint_status
from airflow_provider_jobs.clients.bigquery.replies import job_status, parse_json
from airflow_provider_jobs.clients.bigquery.rows import typed_rows
from airflow_provider_jobs.clients.bigquery.search import JobSearch
from airflow_provider_jobs.clients.bigquery.submit import GRACE_SECONDS, submit_once
from airflow_provider_jobs.clients.bigquery.upload import JobUploads
from airflow_provider_jobs.clients.bigquery.watch import ProjectJobs
from airflow_provider_jobs.core.http.messages import Request, check_url
from airflow_provider_jobs.core.several import for_each, parts
from airflow_provider_jobs.core.wait.listing import Listing
from airflow_provider_jobs.core.wait.single import FLOOR_SECONDS
from airflow_provider_jobs.errors import DeadlineExceeded, JobsError, NotFoundError, ProtocolError
from airflow_provider_jobs.jobs import JobRef, JobState, JobStatus

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from airflow_provider_jobs.core.http.transport import Transport
    from airflow_provider_jobs.core.sources.source import Media
    from airflow_provider_jobs.core.work import JobRequest, Submission

log = logging.getLogger(__name__)

ENDPOINT = "https://bigquery.googleapis.com"


class BigQueryClient:
    """Speaks to BigQuery for one connection; safe to share between threads.

    Methods named as the API's own take and return the API's own JSON. ``submit``, ``status``, ``status_many``
    and ``cancel`` are what the engine asks of every service.

    :param project: The project that runs and pays for jobs, where a call names none.
    :param location: The region of jobs, where a call names none.
    :param endpoint: The API's address without ``/bigquery/v2``.
    """

    def __init__(
        self, transport: Transport, project: str, *, location: str | None = None, endpoint: str = ENDPOINT
    ) -> None:
        self.project = check_project(project)
        self.location = location
        self._transport = transport
        self._base = f"{check_url(endpoint).rstrip('/')}/bigquery/v2/projects"
        self._many = Listing(ProjectJobs(list_pages=self.list_job_pages, ask=self.status))
        self._uploads = JobUploads(self, transport, endpoint)

    # https://cloud.google.com/bigquery/docs/reference/rest/v2/jobs/insert
    def insert_job(self, job: Mapping[str, Any], project: str | None = None) -> dict[str, Any]:
        """Start a job: a Job resource with ``configuration`` and best a ``jobReference.jobId``.

        Without a job id a job is sent once only, since a repetition would be a second one.

        :raises ConflictError: the job id is taken.
        """
        harmless = bool(job.get("jobReference", {}).get("jobId") or job["configuration"].get("dryRun"))
        return self._call("POST", project, "jobs", body=job, idempotent=harmless)

    # https://cloud.google.com/bigquery/docs/reference/api-uploads
    def upload_job(self, job: Mapping[str, Any], media: Media, project: str | None = None) -> dict[str, Any]:
        """Start a load job of the bytes that are sent with it: a Job resource with ``jobReference.jobId``.

        :raises ConflictError: the job id is taken.
        :raises SourceChanged: the bytes were changed while they were sent; there is no job.
        """
        return self._uploads.upload(check_project(project or self.project), job, media)

    # https://cloud.google.com/bigquery/docs/reference/rest/v2/jobs/get
    def get_job(
        self, job_id: str, project: str | None = None, *, location: str | None = None
    ) -> dict[str, Any]:
        """Return a Job resource.

        :raises NotFoundError: no such job there; outside of US and EU the location has to be given.
        """
        return self._call("GET", project, "jobs", check_job_id(job_id), params={"location": location})

    # https://cloud.google.com/bigquery/docs/reference/rest/v2/jobs/list
    def list_job_pages(self, project: str | None = None, **filters: Any) -> Iterator[dict[str, Any]]:
        """Yield the pages of a job list, newest first.

        :param filters: The API's parameters: allUsers, maxResults (jobs a page), pageToken, projection,
            stateFilter (one or a list), minCreationTime and maxCreationTime (ms since 1970), parentJobId,
            fields.
        """
        while True:
            page = self._call("GET", project, "jobs", params=filters)
            yield page
            token = page.get("nextPageToken")
            if token and token == filters.get("pageToken"):
                raise ProtocolError("jobs.list answered with the page token that it was asked with")
            if not token:
                return
            filters["pageToken"] = token

    def list_jobs(self, project: str | None = None, **filters: Any) -> Iterator[dict[str, Any]]:
        """Yield the jobs of all pages; see :meth:`list_job_pages`."""
        for page in self.list_job_pages(project, **filters):
            yield from page.get("jobs", [])

    # https://cloud.google.com/bigquery/docs/reference/rest/v2/jobs/cancel
    def cancel_job(
        self, job_id: str, project: str | None = None, *, location: str | None = None
    ) -> dict[str, Any]:
        """Ask for a job's end and return it as it is: it may run on for a while, and costs what it did."""
        path = ("jobs", check_job_id(job_id), "cancel")
        job = self._call("POST", project, *path, params={"location": location}).get("job")
        if not isinstance(job, dict):
            raise ProtocolError("jobs.cancel answered without the job")
        return job

    # https://cloud.google.com/bigquery/docs/reference/rest/v2/jobs/delete
    def delete_job(self, job_id: str, project: str | None = None, *, location: str) -> None:
        """Delete a job's metadata, and that of its children; it must have ended."""
        self._call("DELETE", project, "jobs", check_job_id(job_id), "delete", params={"location": location})

    # https://cloud.google.com/bigquery/docs/reference/rest/v2/jobs/getQueryResults
    def get_query_results(
        self,
        job_id: str,
        project: str | None = None,
        *,
        location: str | None = None,
        start_index: int | None = None,
        page_rows: int | None = None,
        timeout_seconds: float | None = None,
    ) -> Iterator[dict[str, Any]]:
        """Wait for a query's end, and yield its rows, each a dict from column name to Python value.

        :param page_rows: At most so many rows a request; the service decides if not given.
        :param timeout_seconds: How long to wait for the query's end; None waits without end.
        :raises DeadlineExceeded: the query runs longer than that.
        """
        params = {"location": location, "startIndex": start_index, "maxResults": page_rows}
        params["formatOptions.useInt64Timestamp"] = True
        fields = None
        until = float("inf") if timeout_seconds is None else self._transport.timing.now() + timeout_seconds
        while True:
            page = self._call("GET", project, "queries", check_job_id(job_id), params=params)
            if not page.get("jobComplete"):  # BigQuery has waited for ten seconds before it said so
                self._pause(JobRef("bigquery", project or self.project, job_id, location), until)
                continue
            fields = (page.get("schema") or {}).get("fields") or [] if fields is None else fields
            yield from typed_rows(fields, page.get("rows") or [])
            token = page.get("pageToken")
            if token and token == params.get("pageToken"):
                raise ProtocolError("getQueryResults answered with the page token that it was asked with")
            if not token:
                return
            params |= {"pageToken": token, "startIndex": None}

    def _pause(self, ref: JobRef, until: float) -> None:
        if self._transport.timing.now() >= until:
            raise DeadlineExceeded(f"{ref} has not ended: its rows can be read once it has", ref=ref)
        self._transport.timing.sleep(FLOOR_SECONDS)

    def row_count(self, ref: JobRef) -> int:
        """Return how many rows a finished query has."""
        params = {"location": ref.location, "maxResults": 0, "fields": "totalRows"}
        return int(self._call("GET", ref.scope, "queries", ref.id, params=params).get("totalRows", 0))

    def submit(self, request: JobRequest) -> Submission:
        """Run the work once: start its job, or adopt the one that an earlier attempt started.

        :raises ServiceError: BigQuery refused the job.
        """
        return submit_once(self, request, self._transport.timing)

    def status(self, ref: JobRef) -> JobStatus:
        """Return how a job is doing, or several that one reference stands for.

        :raises NotFoundError: it is gone; a job younger than :data:`GRACE_SECONDS` counts as pending instead.
        """
        return joint_status(ref, [self._single_status(part) for part in parts(ref)])

    def _single_status(self, ref: JobRef) -> JobStatus:
        try:
            return job_status(self.get_job(ref.id, ref.scope, location=ref.location))
        except NotFoundError:
            if ref.created_at is None or self._transport.timing.now() > ref.created_at + GRACE_SECONDS:
                raise
            return JobStatus(ref, JobState.PENDING, "not visible yet")

    def status_many(self, refs: Sequence[JobRef]) -> dict[JobRef, JobStatus | JobsError]:
        """Return how many jobs are doing, in as few requests as can be; each failure stands for one job."""
        return self._many.statuses(refs)

    def search_ended(self, search: Mapping[str, Any]) -> bool:
        """Return True if all jobs that a :class:`.JobSearch` matches have ended, and they are enough."""
        return JobSearch(**search).ended(self)

    def failing_statement(self, status: JobStatus) -> str | None:
        """Return the statement of a script that failed and its place; None if the job is no script."""
        if not status.statistics.get("child_job_count"):
            return None
        ref = status.ref
        for job in self.list_jobs(ref.scope, parentJobId=ref.id, projection="full"):
            if job.get("status", {}).get("errorResult"):
                frames = job.get("statistics", {}).get("scriptStatistics", {}).get("stackFrames", [])
                return "; called from ".join(
                    f"line {frame.get('startLine')}, column {frame.get('startColumn')}: {frame.get('text')}"
                    for frame in frames
                )
        return None

    def cancel(self, ref: JobRef) -> None:
        """Ask for the end of a job, or of several that one reference stands for.

        Harmless if one has ended or is gone; a failure of one leaves out no other.
        """
        for_each(parts(ref), self._cancel_single)

    def _cancel_single(self, ref: JobRef) -> None:
        try:
            self.cancel_job(ref.id, ref.scope, location=ref.location)
        except NotFoundError:
            return

    def _call(
        self,
        method: str,
        project: str | None,
        *path: str,
        params: Mapping[str, Any] | None = None,
        body: Any = None,
        idempotent: bool = True,
    ) -> dict[str, Any]:
        parts = (check_project(project or self.project), *path)
        url = "/".join((self._base, *(quote(part, safe=":") for part in parts)))
        return self._transport.call(Request(method, url, params or {}, body, idempotent), parse_json)
