"""The BigQuery client: the API, and what is made of several of its requests.

Source: https://cloud.google.com/bigquery/docs/reference/rest/v2/jobs
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_jobs.clients.bigquery.api import ENDPOINT, UNIVERSE_DOMAIN
from airflow_provider_jobs.clients.bigquery.replies import failing_place, job_status
from airflow_provider_jobs.clients.bigquery.search import JobSearch, TableSearch
from airflow_provider_jobs.clients.bigquery.submit import listed_location, submit_once, was_submitted
from airflow_provider_jobs.clients.bigquery.upload import BigQueryUploads
from airflow_provider_jobs.clients.bigquery.watch import ProjectJobs
from airflow_provider_jobs.core.wait.job_list import ASK_SECONDS, LIST_SECONDS, looking
from airflow_provider_jobs.core.wait.listing import Listing
from airflow_provider_jobs.errors import NotFoundError
from airflow_provider_jobs.jobs import JobState

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow_provider_jobs.core.http.transport import Transport
    from airflow_provider_jobs.core.work import JobRequest, Submission, Tell
    from airflow_provider_jobs.errors import JobsError
    from airflow_provider_jobs.jobs import JobRef, JobStatus


class BigQueryClient(BigQueryUploads):
    """Speaks to BigQuery for one connection; safe to share between threads.

    Single requests, and the other parameters, are those of :class:`.BigQueryApi`. ``submit``, ``status``,
    ``status_many`` and ``cancel`` are what the engine asks of every service.

    :param transport: Sends the requests, with the token: see :class:`.Transport`.
    :param location: The region of jobs, where a task names none.
    :param table_project: The project of tables whose names have none; default is the one that pays for jobs.
    """

    def __init__(
        self,
        transport: Transport,
        project: str,
        *,
        location: str | None = None,
        table_project: str | None = None,
        endpoint: str = ENDPOINT,
        universe_domain: str = UNIVERSE_DOMAIN,
    ) -> None:
        super().__init__(transport, project, endpoint, universe_domain)
        self.location = location
        self.table_project = table_project or self.project
        self._many = Listing(
            ProjectJobs(
                list_pages=looking(self, LIST_SECONDS).list_job_pages,
                ask=looking(self, ASK_SECONDS).status,
                timing=self.timing,
            )
        )

    def submit(self, request: JobRequest) -> Submission:
        """Run the work once: start its job, or adopt the one that an earlier attempt started."""
        return submit_once(self, request)

    def was_submitted(self, request: JobRequest) -> bool:
        """Return True if an earlier attempt has submitted the work, whatever has become of it."""
        return was_submitted(self, request)

    def status_many(
        self, refs: Sequence[JobRef], tell: Tell | None = None
    ) -> dict[JobRef, JobStatus | JobsError]:
        """Return how many jobs are doing, in as few requests as can be; each failure stands for one job."""
        return self._many.statuses(refs, tell)

    def search_ended(self, search: Mapping[str, Any]) -> bool:
        """Return True if what is looked for is there.

        :param search: Of a :class:`.JobSearch`, whose jobs have to have ended, or a :class:`.TableSearch`.
        """
        kind = TableSearch if "table" in search else JobSearch
        return kind(**search).ended(self)

    def cancel(self, ref: JobRef) -> bool:
        """Ask for a job's end; return True if there is nothing to stop, since it has ended.

        :raises NotFoundError: BigQuery does not know it: it is gone, or too young.
        """
        try:
            job = self.cancel_job(ref.id, ref.scope, location=ref.location)
        except NotFoundError:
            # Without a location only jobs of US and EU are found.
            location = None if ref.location else listed_location(self, ref.id, ref.scope)
            if location is None:
                raise
            job = self.cancel_job(ref.id, ref.scope, location=location)
        state = job_status(job).state
        return state.ended and state is not JobState.CANCELLED

    def failing_statement(self, status: JobStatus) -> str | None:
        """Return the statement of a script that failed and its place; None if the job is not a script."""
        if not status.statistics.get("child_job_count"):
            return None
        ref = status.ref
        for job in self.list_jobs(ref.scope, parentJobId=ref.id, projection="full"):
            if place := failing_place(job):
                return place
        return None
