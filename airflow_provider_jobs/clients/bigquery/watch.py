"""BigQuery's lists of jobs: one of the active ones, and one of ended ones when many end at once."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from airflow_provider_jobs.clients.bigquery.replies import job_status, listed_jobs
from airflow_provider_jobs.core.wait.job_list import JobList, Page
from airflow_provider_jobs.errors import JobsError, ServiceError
from airflow_provider_jobs.jobs import JobState, JobStatus

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator, Sequence

    from airflow_provider_jobs.jobs import JobRef

#: Jobs a page: a list of the active ones asks for three short fields of each.
_PAGE_JOBS = 10_000
#: Ended jobs a page: each comes whole.
_PAGE_ENDED = 1000
#: Seconds by which the clocks of two machines may differ.
_SKEW_SECONDS = 60
_FORBIDDEN = 403
#: What a 403 says that stays; exceeded rates and quotas are 403 too, and pass.
_MAY_NOT_LIST = frozenset({"accessDenied", "forbidden", "insufficientPermissions"})
_ACTIVE_FIELDS = "nextPageToken,unreachable,jobs(jobReference(jobId,location),state)"
#: A job in a location that could not be seen: nothing says that it has ended.
_HIDDEN: dict[str, Any] = {"state": "location unreachable"}
_STATES = {"PENDING": JobState.PENDING}


@dataclass(kw_only=True)
class ProjectJobs(JobList):
    """The jobs of a project.

    One that is absent from the list of active ones is not known to have ended before a ``get``, or a list of
    ended jobs, has said so. BigQuery takes 100 requests of a user a second for each method: 16 that take a
    fifth of a second are 80.

    Source: https://cloud.google.com/bigquery/quotas#api_request_quotas
    """

    at_a_time: int = 16
    ask_pause: float = 0.2

    def where(self, ref: JobRef) -> tuple[str, Hashable]:
        """Return project, and location and id: an id may occur in two locations."""
        return ref.scope, (ref.location, ref.id)

    def pages(self, refs: Sequence[JobRef]) -> Iterator[Page]:
        """Yield the active jobs."""
        filters = {"maxResults": _PAGE_JOBS, "projection": "minimal", "stateFilter": ["pending", "running"]}
        return self._pages(refs, {**filters, "fields": _ACTIVE_FIELDS, **_creation_window(refs)})

    def ended_pages(self, refs: Sequence[JobRef]) -> Iterator[Page]:
        """Yield ended jobs, each whole; for references that say where and when they were created."""
        known = [ref for ref in refs if ref.created_at is not None and ref.location]
        if not known:
            return iter(())
        filters = {"maxResults": _PAGE_ENDED, "projection": "full", "stateFilter": "done"}
        return self._pages(known, {**filters, **_creation_window(known, end=True)})

    def _pages(self, refs: Sequence[JobRef], filters: dict[str, Any]) -> Iterator[Page]:
        anywhere = any(ref.location is None for ref in refs)
        for page in self.list_pages(refs[0].scope, **filters):
            hidden = page.get("unreachable")
            hidden = hidden if isinstance(hidden, list) else ()
            jobs = [((ref.location, ref.id), _HIDDEN) for ref in refs if ref.location in hidden]
            jobs += [((location, job_id), job) for location, job_id, job in listed_jobs(page)]
            if anywhere:
                jobs += [((None, job_id), job) for (_, job_id), job in jobs if job is not _HIDDEN]
            yield Page(jobs, last=not page.get("nextPageToken"))

    def read(
        self, job: dict[str, Any], ref: JobRef, before: JobStatus | JobsError | None
    ) -> JobStatus | None:
        """Return the state of an active job and nothing else, or all that there is to say of an ended one."""
        state = str(job.get("state"))
        if state == "DONE":
            return job_status(job) if "status" in job else None
        location = job["jobReference"].get("location") if job is not _HIDDEN else ref.location
        if isinstance(before, JobStatus) and (before.vendor_state, before.ref.location) == (state, location):
            return before  # ten thousand of them take memory, and time
        ref = ref if ref.location == location else replace(ref, location=location)
        return JobStatus(ref, _STATES.get(state, JobState.RUNNING), state)

    def may_not_list(self, error: JobsError) -> bool:
        """Return True of an account that may run jobs, and not list them."""
        return (
            isinstance(error, ServiceError) and error.status == _FORBIDDEN and error.reason in _MAY_NOT_LIST
        )


def _creation_window(refs: Sequence[JobRef], *, end: bool = False) -> dict[str, str]:
    """Return the filter for the time in which these jobs were created; none if it is not known of all."""
    created = [ref.created_at for ref in refs if ref.created_at is not None]
    if len(created) < len(refs):
        return {}
    window = {"minCreationTime": str(int((min(created) - _SKEW_SECONDS) * 1000))}
    if end:
        window["maxCreationTime"] = str(int((max(created) + _SKEW_SECONDS) * 1000))
    return window
