"""BigQuery's jobs API: one request each, one reply one meaning.

Source: https://cloud.google.com/bigquery/docs/reference/rest/v2/jobs
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from airflow_provider_jobs.clients.bigquery.fields import typed
from airflow_provider_jobs.clients.bigquery.names import (
    check_job_id,
    check_project,
    dataset_reference,
    table_reference,
)
from airflow_provider_jobs.clients.bigquery.replies import job_status, parse_job, parse_json, service_error
from airflow_provider_jobs.clients.bigquery.rows import typed_rows
from airflow_provider_jobs.core.http.limits import MOST_PAGES
from airflow_provider_jobs.core.http.messages import Request, check_url, listed, number, pages
from airflow_provider_jobs.core.http.origins import Origins
from airflow_provider_jobs.core.http.path import path_of
from airflow_provider_jobs.core.wait.single import FLOOR_SECONDS, GRACE_SECONDS
from airflow_provider_jobs.errors import DeadlineExceeded, NotFoundError, ProtocolError
from airflow_provider_jobs.jobs import JobRef, JobState, JobStatus

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from airflow_provider_jobs.core.http.messages import Reply
    from airflow_provider_jobs.core.http.transport import Transport

#: Of 20 MB they are 20 TB: more than results of a query can be.
_MOST_ROW_PAGES = 1_000_000
_ROWS = "getQueryResults"
#: The domain of Google's APIs; a sovereign cloud has another. Regional and private endpoints are in it too.
#: Sources: https://cloud.google.com/vpc/docs/configure-private-google-access#domain-options and
#: https://cloud.google.com/vpc/docs/regional-service-endpoints
UNIVERSE_DOMAIN = "googleapis.com"
ENDPOINT = f"https://bigquery.{UNIVERSE_DOMAIN}"


class BigQueryApi:
    """Methods named as the API's own take and return the API's own JSON.

    :param project: The project that runs and pays for jobs, where a call names none.
    :param endpoint: The API's address without ``/bigquery/v2``.
    :param universe_domain: The cloud's own domain: an upload session may be on another host in it.
    """

    #: As :class:`.Request` has it; :func:`.looking` sets it.
    within_seconds: float | None = None

    def __init__(
        self,
        transport: Transport,
        project: str,
        endpoint: str = ENDPOINT,
        universe_domain: str = UNIVERSE_DOMAIN,
    ) -> None:
        self.project = check_project(project)
        self.timing = transport.timing
        self._transport = transport
        self._endpoint = check_url(endpoint).rstrip("/")
        self._origins = Origins((self._endpoint,), (universe_domain,))
        # Whoever plays BigQuery at an address of its own plays Cloud Storage there, too.
        googles = (urlsplit(self._endpoint).hostname or "").endswith(f".{universe_domain}")
        self._storage = f"https://storage.{universe_domain}" if googles else self._endpoint

    # https://cloud.google.com/bigquery/docs/reference/rest/v2/jobs/insert
    def insert_job(self, job: Mapping[str, Any], project: str | None = None) -> dict[str, Any]:
        """Start a job: a Job resource with ``configuration`` and best a ``jobReference.jobId``.

        Without a job id a job is sent once only, since a repetition would be a second one.

        :raises ConflictError: the job id is taken.
        """
        job = {**job, "configuration": typed(job["configuration"])}
        harmless = bool(job.get("jobReference", {}).get("jobId") or job["configuration"].get("dryRun"))
        return self._call("POST", project, "jobs", body=job, idempotent=harmless, parse=parse_job)

    # https://cloud.google.com/bigquery/docs/reference/rest/v2/jobs/get
    def get_job(
        self, job_id: str, project: str | None = None, *, location: str | None = None
    ) -> dict[str, Any]:
        """Return a Job resource.

        :raises NotFoundError: no such job there; outside of US and EU the location has to be given.
        """
        return self._call("GET", project, "jobs", check_job_id(job_id), params={"location": location})

    def find_job(self, reference: Mapping[str, str]) -> dict[str, Any] | None:
        """Return the Job resource of a JobReference, None if there is no such job there."""
        try:
            return self.get_job(
                reference["jobId"], reference["projectId"], location=reference.get("location")
            )
        except NotFoundError:
            return None

    def status(self, ref: JobRef) -> JobStatus:
        """Return how a job is doing.

        :raises NotFoundError: it is gone; a job younger than :data:`GRACE_SECONDS` counts as pending instead.
        """
        try:
            return job_status(self.get_job(ref.id, ref.scope, location=ref.location))
        except NotFoundError:
            now = self.service_time(self.timing.now())
            # One that was created after now was created before BigQuery's clock was set back.
            if ref.created_at is None or abs(now - ref.created_at) > GRACE_SECONDS:
                raise
            return JobStatus(ref, JobState.PENDING, "not visible yet")

    # https://cloud.google.com/bigquery/docs/reference/rest/v2/jobs/list
    def list_job_pages(self, project: str | None = None, **filters: Any) -> Iterator[dict[str, Any]]:
        """Yield the pages of a job list, newest first.

        :param filters: The API's parameters: allUsers, maxResults (jobs a page), pageToken, projection,
            stateFilter (one or a list), minCreationTime and maxCreationTime (ms since 1970), parentJobId,
            fields.
        """

        def ask(token: str | None) -> dict[str, Any]:
            return self._call("GET", project, "jobs", params={**filters, "pageToken": token})

        return pages(ask, lambda page: page.get("nextPageToken"), "jobs.list", filters.get("pageToken"))

    def list_jobs(self, project: str | None = None, **filters: Any) -> Iterator[dict[str, Any]]:
        """Yield the jobs of all pages; see :meth:`list_job_pages`."""
        for page in self.list_job_pages(project, **filters):
            yield from listed(page, "jobs")

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
        params = {"location": location, "maxResults": page_rows, "formatOptions.useInt64Timestamp": True}
        until = float("inf") if timeout_seconds is None else self.timing.now() + timeout_seconds
        ref = JobRef("bigquery", project or self.project, job_id, location)

        def ask(token: str | None) -> dict[str, Any]:
            place = {"pageToken": token} if token else {"startIndex": start_index}
            while True:
                page = self._call("GET", project, "queries", check_job_id(job_id), params=params | place)
                if page.get("jobComplete"):
                    return page
                if self.timing.now() >= until:
                    raise DeadlineExceeded(f"{ref} has not ended: its rows can be read once it has", ref=ref)
                self.timing.sleep(FLOOR_SECONDS)  # BigQuery has waited for ten seconds before it said so

        fields, found, empty = None, 0, 0
        for page in pages(ask, lambda page: page.get("pageToken"), _ROWS, most_pages=_MOST_ROW_PAGES):
            fields = listed(page.get("schema") or {}, "fields") if fields is None else fields
            rows, total = listed(page, "rows"), number(page.get("totalRows"))
            found, empty = found + len(rows), empty + (not rows)
            if empty > MOST_PAGES or (total is not None and found > total):
                raise ProtocolError(f"{_ROWS} goes on after all rows that it has: {total}")
            yield from typed_rows(fields, rows)

    def row_count(self, ref: JobRef) -> int:
        """Return how many rows a finished query has.

        :raises ProtocolError: the reply does not say so.
        """
        params = {"location": ref.location, "maxResults": 0, "fields": "totalRows"}
        rows = number(
            self._call("GET", ref.scope, "queries", check_job_id(ref.id), params=params).get("totalRows")
        )
        if rows is None:
            raise ProtocolError("getQueryResults answered without totalRows")
        return rows

    # https://cloud.google.com/bigquery/docs/reference/rest/v2/datasets/get
    def get_dataset(self, dataset: str | Mapping[str, str]) -> dict[str, Any]:
        """Return a Dataset resource.

        :param dataset: ``project.dataset``, ``dataset`` in the client's project, or the API's
            DatasetReference.
        :raises NotFoundError: there is no such dataset.
        """
        reference = dataset_reference(dataset, self.project, "dataset")
        return self._call("GET", reference["projectId"], "datasets", reference["datasetId"])

    # https://cloud.google.com/bigquery/docs/reference/rest/v2/tables/get
    def get_table(self, table: str | Mapping[str, str]) -> dict[str, Any]:
        """Return a Table resource, its schema among it.

        :param table: ``project.dataset.table``, ``dataset.table`` in the client's project, or the API's
            TableReference.
        :raises NotFoundError: there is no such table, or no such dataset.
        """
        reference = table_reference(table, self.project, "table")
        return self._call("GET", reference["projectId"], *_table_path(reference))

    # https://cloud.google.com/bigquery/docs/reference/rest/v2/tables/insert
    def insert_table(self, table: Mapping[str, Any]) -> dict[str, Any]:
        """Make a table of a Table resource with its ``tableReference``, and return it as it is then.

        :raises ConflictError: there is one of this name, which a repetition may have made.
        :raises NotFoundError: there is no such dataset.
        """
        reference = table_reference(table["tableReference"], self.project, "tableReference")
        path = _table_path(reference)[:-1]
        body = {**table, "tableReference": reference}
        return self._call("POST", reference["projectId"], *path, body=body)

    # https://cloud.google.com/bigquery/docs/reference/rest/v2/tables/delete
    def delete_table(self, table: str | Mapping[str, str]) -> None:
        """Delete a table; harmless if it is gone."""
        reference = table_reference(table, self.project, "table")
        with suppress(NotFoundError):
            self._call("DELETE", reference["projectId"], *_table_path(reference))

    # https://cloud.google.com/bigquery/docs/reference/rest/v2/tabledata/list
    def list_row_pages(self, table: str | Mapping[str, str], **options: Any) -> Iterator[dict[str, Any]]:
        """Yield pages of a table's rows as they are stored, which costs nothing.

        :param table: As in :meth:`get_table`.
        :param options: The API's parameters: maxResults (rows a page), selectedFields, startIndex, pageToken.
        :raises NotFoundError: there is no such table.
        """
        reference = table_reference(table, self.project, "table", is_read=True)
        path = (*_table_path(reference), "data")

        def ask(token: str | None) -> dict[str, Any]:
            params = {**options, "formatOptions.useInt64Timestamp": True, "pageToken": token}
            return self._call("GET", reference["projectId"], *path, params=params)

        what, token = "tabledata.list", options.get("pageToken")
        return pages(ask, lambda page: page.get("pageToken"), what, token, most_pages=_MOST_ROW_PAGES)

    def result_columns(self, ref: JobRef) -> list[str]:
        """Return the names of a finished query's columns, none of a statement that has no rows."""
        params = {"location": ref.location, "maxResults": 0, "fields": "schema"}
        page = self._call("GET", ref.scope, "queries", check_job_id(ref.id), params=params)
        return [field["name"] for field in listed(page.get("schema") or {}, "fields")]

    # https://cloud.google.com/storage/docs/json_api/v1/objects/get
    def read_object(self, bucket: str, name: str) -> bytes:
        """Return a small object of Cloud Storage.

        :raises NotFoundError: there is no such object.
        """
        path = path_of("storage", "v1", "b", bucket, "o", name)
        request = Request("GET", f"{self._storage}{path}", {"alt": "media"})
        return self._transport.call(request, _content)

    def service_time(self, ours: float) -> float:
        """Return what BigQuery's clock shows when ours shows that, as far as replies have told."""
        return self._transport.service_time(ours)

    def _path(self, project: str | None, *path: str) -> str:
        """Return the path of what a project has."""
        return path_of("projects", check_project(project or self.project), *path, safe=":")

    def _call(
        self,
        method: str,
        project: str | None,
        *path: str,
        params: Mapping[str, Any] | None = None,
        body: Any = None,
        idempotent: bool = True,
        parse: Callable[[Reply], dict[str, Any]] = parse_json,
    ) -> dict[str, Any]:
        url = f"{self._endpoint}/bigquery/v2{self._path(project, *path)}"
        request = Request(method, url, params or {}, body, idempotent, within_seconds=self.within_seconds)
        return self._transport.call(request, parse)


def _content(reply: Reply) -> bytes:
    """Return the body of a reply that is not JSON."""
    if not reply.good:
        raise service_error(reply)
    return reply.body


def _table_path(reference: Mapping[str, str]) -> tuple[str, str, str, str]:
    return "datasets", reference["datasetId"], "tables", reference["tableId"]
