"""How many jobs are doing, in as few requests as can be.

A list of the active jobs costs one request however many are watched. A watched job that is absent from it is
not known to have ended until a ``get``, or a list of ended jobs when many left at once, has said so.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

from airflow_provider_jobs.clients.bigquery.replies import job_status, listed_jobs
from airflow_provider_jobs.errors import JobsError, ServiceError
from airflow_provider_jobs.jobs import JobState, JobStatus

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from airflow_provider_jobs.clients.bigquery.client import BigQueryClient
    from airflow_provider_jobs.jobs import JobRef

#: Jobs a page: a list of the active ones asks for three short fields of each.
_PAGE_JOBS = 10_000
#: Ended jobs a page: each comes whole.
_PAGE_ENDED = 1000
#: So many jobs are asked for each before a list of ended ones is tried, and after one that did not pay.
_FEW, _FEW_WHERE_CROWDED = 1, 4
#: Seconds by which the clocks of two machines may differ.
_SKEW_SECONDS = 60
_FORBIDDEN = 403
#: What a 403 says that stays; exceeded rates and quotas are 403 too, and pass.
_MAY_NOT_LIST = frozenset({"accessDenied", "forbidden", "insufficientPermissions"})
#: A cost that no number of jobs outweighs.
_NEVER = 1_000_000_000
_ACTIVE_FIELDS = "nextPageToken,unreachable,jobs(jobReference(jobId,location),state)"
#: After so many ticks of single gets, what a list costs is measured anew.
_TICKS_OF_GETS = 20
_STATES = {"PENDING": JobState.PENDING}


class ManyStatuses:
    """Asks for many jobs of one connection; remembers what listing cost last time."""

    def __init__(self, client: BigQueryClient) -> None:
        self._client = client
        self._list_cost: dict[str, int] = {}
        self._ticks_of_gets: dict[str, int] = defaultdict(int)
        self._crowded: dict[str, int] = defaultdict(int)
        self._active: dict[str, dict[JobRef, JobStatus]] = {}

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
                if error.status != _FORBIDDEN or error.reason not in _MAY_NOT_LIST:
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
        active, unreachable, cost = self._active_ones(project, refs)
        found: dict[JobRef, JobStatus | JobsError] = {**active}
        left = []
        for ref in refs if len(found) < len(refs) else []:
            if ref in found:
                continue
            if ref.location in unreachable:
                found[ref] = JobStatus(ref, JobState.RUNNING, "location unreachable")
            else:
                left.append(ref)
        if len(left) > (_FEW_WHERE_CROWDED if self._crowded[project] else _FEW):
            found |= self._ended(project, left)
        elif left and self._crowded[project]:
            self._crowded[project] -= 1
        confirmed = {ref: self._get(ref) for ref in left if ref not in found}
        unlisted = sum(isinstance(each, JobStatus) and not each.state.ended for each in confirmed.values())
        self._list_cost[project] = cost + unlisted
        return found | confirmed

    def _active_ones(self, project: str, refs: list[JobRef]) -> tuple[dict[JobRef, JobStatus], set[str], int]:
        """Return those that a list shows as active, the regions that it could not see, and its pages."""
        before = self._active.get(project, {})
        active: dict[JobRef, JobStatus] = {}
        watched = _by_location(refs)
        unreachable: set[str] = set()
        cost = 0
        window = _creation_window(refs)
        for page in self._pages(project, stateFilter=["pending", "running"], fields=_ACTIVE_FIELDS, **window):
            cost += 1
            unreachable.update(page.get("unreachable") or [])
            for location, job_id, job in listed_jobs(page):
                if ref := watched[location].get(job_id):
                    state = str(job.get("state"))
                    status = before.get(ref)
                    if status is None or status.vendor_state != state:
                        status = JobStatus(ref, _STATES.get(state, JobState.RUNNING), state)
                    active[ref] = status
        self._active[project] = active
        return active, unreachable, cost

    def _ended(self, project: str, refs: list[JobRef]) -> dict[JobRef, JobStatus | JobsError]:
        """Return the ended ones of these jobs, from a list over the time in which they were created."""
        found: dict[JobRef, JobStatus | JobsError] = {}
        watched = _by_location(refs)
        window = _creation_window(refs, end=True)
        pages = self._pages(
            project, **{"stateFilter": "done", "projection": "full", "maxResults": _PAGE_ENDED, **window}
        )
        read = 0
        for page in pages:
            read += 1
            for location, job_id, job in listed_jobs(page):
                if ref := watched[location].get(job_id):
                    found[ref] = job_status(job)
            if len(found) == len(refs) or read == len(refs):
                break
        if read > 1 or len(found) < len(refs):
            self._crowded[project] = _TICKS_OF_GETS
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


def _by_location(refs: Sequence[JobRef]) -> dict[str | None, dict[str, JobRef]]:
    """Return the references by id: an id may occur in two locations."""
    found: dict[str | None, dict[str, JobRef]] = defaultdict(dict)
    for ref in refs:
        found[ref.location][ref.id] = ref
    return found


def _creation_window(refs: Sequence[JobRef], *, end: bool = False) -> dict[str, str]:
    """Return the filter for the time in which these jobs were created; none if it is not known of all."""
    created = [ref.created_at for ref in refs if ref.created_at is not None]
    if len(created) < len(refs):
        return {}
    window = {"minCreationTime": str(int((min(created) - _SKEW_SECONDS) * 1000))}
    if end:
        window["maxCreationTime"] = str(int((max(created) + _SKEW_SECONDS) * 1000))
    return window
