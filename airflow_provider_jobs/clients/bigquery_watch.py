"""How many jobs are doing, in as few requests as can be.

A list of the active jobs costs one request however many are watched. A watched job that is absent from it is
not known to have ended until a ``get``, or a list of ended jobs when many left at once, has said so.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

from airflow_provider_jobs.clients.bigquery_status import job_status, listed_jobs
from airflow_provider_jobs.core.jobs import JobState, JobStatus
from airflow_provider_jobs.errors import JobsError, ServiceError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from airflow_provider_jobs.clients.bigquery import BigQueryClient
    from airflow_provider_jobs.core.jobs import JobRef

#: Jobs a page: a list of the active ones asks for three short fields of each.
_PAGE_JOBS = 10_000
#: Jobs that may have ended in one tick before a list is cheaper than a get each.
_GETS_AT_MOST = 4
#: Seconds by which the clocks of two machines may differ.
_SKEW_SECONDS = 60
_FORBIDDEN = 403
#: A cost that no number of jobs outweighs.
_NEVER = 1_000_000_000
_ACTIVE_FIELDS = "nextPageToken,unreachable,jobs(jobReference,state)"
#: After so many ticks of single gets, what a list costs is measured anew.
_TICKS_OF_GETS = 20


class ManyStatuses:
    """Asks for many jobs of one connection; remembers what listing cost last time."""

    def __init__(self, client: BigQueryClient) -> None:
        self._client = client
        self._list_cost: dict[str, int] = {}
        self._ticks_of_gets: dict[str, int] = defaultdict(int)

    def statuses(self, refs: Sequence[JobRef]) -> dict[JobRef, JobStatus | JobsError]:
        """Return the status of each job, or the error that stands in its way."""
        by_project: dict[str, list[JobRef]] = defaultdict(list)
        for ref in refs:
            by_project[ref.scope].append(ref)
        found: dict[JobRef, JobStatus | JobsError] = {}
        for project, group in by_project.items():
            found |= self._project_statuses(project, group)
        return found

    def _project_statuses(self, project: str, refs: list[JobRef]) -> dict[JobRef, JobStatus | JobsError]:
        if self._listing_pays(project, len(refs)):
            try:
                return self._by_list(project, refs)
            except ServiceError as error:
                if error.status != _FORBIDDEN:
                    raise
                self._list_cost[project] = _NEVER  # some accounts may run jobs, and not list them
        return {ref: self._get(ref) for ref in refs}

    def _listing_pays(self, project: str, job_count: int) -> bool:
        cost = self._list_cost.get(project, 1)
        if job_count <= 1 or cost == _NEVER:
            return False
        if cost < job_count:
            return True
        self._ticks_of_gets[project] = (self._ticks_of_gets[project] + 1) % _TICKS_OF_GETS
        return self._ticks_of_gets[project] == 0

    def _by_list(self, project: str, refs: list[JobRef]) -> dict[JobRef, JobStatus | JobsError]:
        found: dict[JobRef, JobStatus | JobsError] = {}
        watched = {(ref.location, ref.id): ref for ref in refs}
        unreachable: set[str] = set()
        cost = 0
        window = _creation_window(refs)
        for page in self._pages(project, stateFilter=["pending", "running"], fields=_ACTIVE_FIELDS, **window):
            cost += 1
            unreachable.update(page.get("unreachable") or [])
            for location, job_id, job in listed_jobs(page):
                if ref := watched.get((location, job_id)):
                    state = JobState.PENDING if job.get("state") == "PENDING" else JobState.RUNNING
                    found[ref] = JobStatus(ref, state, str(job.get("state")))
        for ref in refs:
            if ref not in found and ref.location in unreachable:
                found[ref] = JobStatus(ref, JobState.RUNNING, "location unreachable")
        left = [ref for ref in refs if ref not in found]
        if len(left) > _GETS_AT_MOST:
            found |= self._ended(project, left)
        confirmed = {ref: self._get(ref) for ref in left if ref not in found}
        unlisted = sum(isinstance(each, JobStatus) and not each.state.ended for each in confirmed.values())
        self._list_cost[project] = cost + unlisted
        return found | confirmed

    def _ended(self, project: str, refs: list[JobRef]) -> dict[JobRef, JobStatus | JobsError]:
        """Return the ended ones of these jobs, from a list over the time in which they were created."""
        found: dict[JobRef, JobStatus | JobsError] = {}
        watched = {(ref.location, ref.id): ref for ref in refs}
        pages = self._pages(
            project, stateFilter="done", projection="full", **_creation_window(refs, end=True)
        )
        for _, page in zip(range(len(refs)), pages, strict=False):
            for location, job_id, job in listed_jobs(page):
                if ref := watched.get((location, job_id)):
                    found[ref] = job_status(job)
            if len(found) == len(refs):
                break
        return found

    def _pages(self, project: str, **filters: Any) -> Iterator[dict[str, Any]]:
        return self._client.list_job_pages(
            project, **{"maxResults": _PAGE_JOBS, "projection": "minimal", **filters}
        )

    def _get(self, ref: JobRef) -> JobStatus | JobsError:
        try:
            return self._client.status(ref)
        except JobsError as error:
            return error


def _creation_window(refs: Sequence[JobRef], *, end: bool = False) -> dict[str, str]:
    """Return the filter for the time in which these jobs were created; none if it is not known of all."""
    created = [ref.created_at for ref in refs if ref.created_at is not None]
    if len(created) < len(refs):
        return {}
    window = {"minCreationTime": str(int((min(created) - _SKEW_SECONDS) * 1000))}
    if end:
        window["maxCreationTime"] = str(int((max(created) + _SKEW_SECONDS) * 1000))
    return window
