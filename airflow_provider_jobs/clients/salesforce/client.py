"""The public face of Salesforce's Bulk API 2.0: query jobs and ingest jobs."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from airflow_provider_jobs.clients.salesforce import change
from airflow_provider_jobs.clients.salesforce.api import SalesforceApi
from airflow_provider_jobs.clients.salesforce.names import INGEST, QUERY, VERSION, job_location
from airflow_provider_jobs.clients.salesforce.results.download import (
    download,
    download_ingested,
    open_results,
)
from airflow_provider_jobs.clients.salesforce.results.stream import ResultStream
from airflow_provider_jobs.clients.salesforce.submit import submit_once
from airflow_provider_jobs.clients.salesforce.watch import OrgJobs, one_look
from airflow_provider_jobs.core.sources.source import Media, source_of
from airflow_provider_jobs.core.wait.job_list import ASK_SECONDS, LIST_SECONDS, looking
from airflow_provider_jobs.core.wait.listing import Listing
from airflow_provider_jobs.errors import NotFoundError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from airflow_provider_jobs.clients.salesforce.results.files import Downloaded, LocalSink, Output
    from airflow_provider_jobs.core.http.transport import Transport
    from airflow_provider_jobs.core.work import JobRequest, Submission, Tell
    from airflow_provider_jobs.errors import JobsError
    from airflow_provider_jobs.jobs import JobRef, JobStatus


class SalesforceClient(SalesforceApi):
    """Speaks to one Salesforce org; safe to share between threads.

    Methods named as the API's own take and return the API's own JSON; a ``job`` is an id, of the kind and
    version that go with it, or a :class:`.JobRef`, which knows both. ``submit``, ``status``, ``status_many``
    and ``cancel`` are what the engine asks of every service.

    :param transport: Sends the requests, with the token: see :class:`.Transport`.
    :param instance_url: The org's address, such as ``https://acme.my.salesforce.com``.
    :param version: The API version of new jobs; a job keeps its own for life.
    :param client_id: Names the caller in Salesforce's own logs (``Sforce-Call-Options``).
    :param api_usage_limit: The share of the org's daily API requests, 0 to 1, from which on no job is made.
    """

    def __init__(
        self,
        transport: Transport,
        instance_url: str,
        *,
        version: str | float = VERSION,
        client_id: str | None = None,
        api_usage_limit: float | None = None,
    ) -> None:
        super().__init__(transport, instance_url, version, client_id, api_usage_limit)
        self._jobs = OrgJobs(
            list_pages=looking(self, LIST_SECONDS).list_job_pages,
            ask=looking(self, ASK_SECONDS).status,
            parse=self.read,
            timing=self.timing,
        )
        self._many = Listing(self._jobs)

    # https://developer.salesforce.com/docs/platform/api-asynch/guide/query-create-job.html
    def create_query_job(self, body: Mapping[str, Any], version: str | float | None = None) -> dict[str, Any]:
        """Create a query job; sent once more at most if the reply is lost.

        :param body: ``operation`` (``query`` or ``queryAll``), ``query`` and, if wanted, ``contentType``,
            ``columnDelimiter``, ``lineEnding``.
        :raises UncertainSubmission: both replies were lost: jobs may exist.
        :raises UsageLimitReached: the org's API requests are used up to ``api_usage_limit``.
        """
        return change.create(self, job_location(QUERY, self._version(version)), body)

    # https://developer.salesforce.com/docs/platform/api-asynch/guide/create-job.html
    def create_ingest_job(
        self, body: Mapping[str, Any], version: str | float | None = None
    ) -> dict[str, Any]:
        """Create an ingest job, which waits for its data; sent once more at most if the reply is lost.

        :param body: ``object``, ``operation`` (``insert``, ``update``, ``upsert``, ``delete``,
            ``hardDelete``) and, if wanted, ``externalIdFieldName``, ``assignmentRuleId``,
            ``columnDelimiter``, ``lineEnding``.
        """
        return change.create(self, job_location(INGEST, self._version(version)), body)

    # https://developer.salesforce.com/docs/platform/api-asynch/guide/upload-job-data.html
    def upload_job_data(self, job: str | JobRef, content: Any, *, version: str | float | None = None) -> None:
        """Send the data of an ingest job, once: at most 100 MB of UTF-8.

        After an error nobody knows whether it was taken: abort the job and make another.

        :param content: A path, bytes, a source, or a :class:`.Media`.
        """
        media = content if isinstance(content, Media) else Media(source_of(content))
        change.put_data(self, self.ref(job, INGEST, version), media)

    # https://developer.salesforce.com/docs/platform/api-asynch/guide/close-job.html
    def close_job(self, job: str | JobRef, *, version: str | float | None = None) -> dict[str, Any]:
        """Have Salesforce process an ingest job's data; a lost reply is answered by asking for the job."""
        return change.close(self, self.ref(job, INGEST, version))

    # https://developer.salesforce.com/docs/platform/api-asynch/guide/query-abort-job.html
    def abort_job(
        self, job: str | JobRef, kind: str = QUERY, *, version: str | float | None = None
    ) -> dict[str, Any]:
        """Abort a job and return it; one that has ended is returned as it is."""
        return change.abort(self, self.ref(job, kind, version))

    # https://developer.salesforce.com/docs/platform/api-asynch/guide/query-delete-job.html
    def delete_job(self, job: str | JobRef, kind: str = QUERY, *, version: str | float | None = None) -> None:
        """Delete a job that has ended, its results too; harmless if it is gone."""
        change.delete(self, self.ref(job, kind, version))

    # https://developer.salesforce.com/docs/platform/api-asynch/guide/query-get-job-results.html
    def open_results(
        self, job: str | JobRef, *, version: str | float | None = None, page_records: int | None = None
    ) -> Iterator[bytes]:
        """Yield a query's results as CSV bytes, the header once; complete once the iterator has ended.

        A page is in a temporary file, whole and counted, before its first byte is yielded.

        :param page_records: At most so many records a request.
        :raises ProtocolError: records are missing, or more than the job has.
        """
        return open_results(self, self.ref(job, QUERY, version), page_records)

    def stream_results(self, job: str | JobRef, sink: LocalSink, **how: Any) -> ResultStream:
        """Return a query's results as sources for uploads; see :class:`.ResultStream` for the rest.

        :param sink: A folder for a few pages at a time.
        """
        return ResultStream(self, self.ref(job, QUERY), sink, **how)

    def download(self, job: str | JobRef, output: Output, sink: LocalSink, **how: Any) -> Downloaded:
        """Write a query's results to files; see :func:`.results.download.download` for the rest."""
        return download(self, self.ref(job, QUERY), output, sink, **how)

    def download_ingested(
        self,
        jobs: Sequence[str | JobRef],
        which: str,
        output: Output,
        sink: LocalSink,
        known: Sequence[JobStatus] = (),
        resent: Collection[str] = (),
    ) -> Downloaded:
        """Write what became of the records of ingest jobs to one file, or to one for each job.

        :param which: ``successfulResults``, ``failedResults`` or ``unprocessedrecords``.
        :param known: Statuses whose numbers are known to be right; others are asked for, and compared.
        :param resent: Ids of jobs whose records that a lock kept out went to later ones.
        """
        refs = [self.ref(job, INGEST) for job in jobs]
        return download_ingested(self, refs, which, output, sink, known, resent)

    def submit(self, request: JobRequest) -> Submission:
        """Create a query job, or an ingest job with its data, and start it; see :class:`.SalesforceRequest`.

        :raises ServiceError: Salesforce refused.
        """
        return submit_once(self, request)

    def status_many(
        self, refs: Sequence[JobRef], tell: Tell | None = None
    ) -> dict[JobRef, JobStatus | JobsError]:
        """Return how many jobs are doing, in at most two requests if they can be listed."""
        return self._many.statuses(refs, tell)

    def look(self, refs: Sequence[JobRef]) -> list[JobStatus]:
        """Return how jobs of one kind are doing, by one look that needs no other; see :func:`.one_look`."""
        return one_look(self._jobs, refs)

    def cancel(self, ref: JobRef) -> bool:
        """Abort a job; return True if there is nothing to stop, since it has ended.

        :raises NotFoundError: Salesforce does not know it: it is gone, or too young.
        """
        return change.cancel(self, ref)

    def discard(self, ref: JobRef, *, timeout_seconds: float = 60.0) -> bool:
        """Abort a job, see it end, and delete it; return False if it is left. One that was complete stays."""
        with suppress(NotFoundError):
            change.cancel(self, ref)
        return self.delete_aborted(ref, timeout_seconds=timeout_seconds)

    def delete_aborted(self, ref: JobRef, *, timeout_seconds: float = 60.0) -> bool:
        """See a job end that was told to, and delete it if it is aborted; return False if it is left."""
        return change.delete_aborted(self, ref, timeout_seconds)

    def failing_statement(self, status: JobStatus) -> str | None:
        """Return None: a job has no parts."""
        return None
