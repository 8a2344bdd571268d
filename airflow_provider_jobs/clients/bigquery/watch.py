"""BigQuery's lists of jobs: one of the active ones, and one of ended ones when many end at once."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from airflow_provider_jobs.clients.bigquery.replies import job_status, listed_jobs
from airflow_provider_jobs.core.wait.listing import JobList, Page
from airflow_provider_jobs.errors import JobsError, ServiceError
from airflow_provider_jobs.jobs import JobState, JobStatus

if TYPE_CHECKING:
    from collections.abc import Collection, Hashable, Iterator, Sequence

    from airflow_provider_jobs.jobs import JobRef

#: Jobs a page: a list of the active ones asks for three short fields of each.
_PAGE_JOBS = 10_000
#: Ended jobs a page: each comes whole.
_PAGE_ENDED = 1000
#: So many jobs are asked for each before a list of ended ones is tried, and after one that did not pay.
_FEW, _FEW_WHERE_CROWDED = 1, 4
#: So many times a project counts as crowded after a list of ended jobs that did not pay.
_CROWDED_TIMES = 20
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
    ended jobs, has said so.
    """

    _crowded: Counter[str] = field(default_factory=Counter, init=False)

    def where(self, ref: JobRef) -> tuple[str, Hashable]:
        """Return project, and location and id: an id may occur in two locations."""
        return ref.scope, (ref.location, ref.id)

    def pages(self, refs: Sequence[JobRef], unseen: Collection[Hashable]) -> Iterator[Page]:
        """Yield the active jobs, then ended ones if many are not active any more."""
        active = {"stateFilter": ["pending", "running"], "fields": _ACTIVE_FIELDS}
        yield from self._pages(refs, {**active, **_creation_window(refs)})
        project = refs[0].scope
        dated = {(ref.location, ref.id): ref for ref in refs if ref.created_at is not None}
        left = [ref for key, ref in dated.items() if key in unseen]
        if len(left) <= (_FEW_WHERE_CROWDED if self._crowded[project] else _FEW):
            self._crowded[project] -= bool(unseen and self._crowded[project])
            return
        ended = {"stateFilter": "done", "projection": "full", "maxResults": _PAGE_ENDED}
        read = 0
        try:
            for page in self._pages(left, {**ended, **_creation_window(left, end=True)}, cost=0):
                read += 1
                yield page
                if read >= len(dated.keys() & unseen):
                    return
        finally:  # who reads may stop at any page
            if read > 1 or dated.keys() & unseen:
                self._crowded[project] = _CROWDED_TIMES

    def _pages(self, refs: Sequence[JobRef], filters: dict[str, Any], cost: int = 1) -> Iterator[Page]:
        anywhere = any(ref.location is None for ref in refs)
        filters = {"maxResults": _PAGE_JOBS, "projection": "minimal", **filters}
        for page in self.list_pages(refs[0].scope, **filters):
            hidden = page.get("unreachable") or ()
            jobs = [((ref.location, ref.id), _HIDDEN) for ref in refs if hidden and ref.location in hidden]
            jobs += [((location, job_id), job) for location, job_id, job in listed_jobs(page)]
            if anywhere:
                jobs += [((None, job_id), job) for (_, job_id), job in jobs if job is not _HIDDEN]
            yield Page(jobs, cost)

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
