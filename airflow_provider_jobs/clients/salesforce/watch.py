"""Salesforce's lists of jobs: each request counts against the org's daily limit.

A list of jobs tells their states, ended ones too, so a tick costs one request as long as the org's jobs fit
on a page, and never more than two: of a longer list each tick reads on where the tick before has stopped.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_provider_jobs.clients.salesforce.names import JOB_TYPES, kind_of, version_of
from airflow_provider_jobs.clients.salesforce.replies import FORBIDDEN, next_locator
from airflow_provider_jobs.core.wait.job_list import JobList, Page
from airflow_provider_jobs.core.wait.listing import NOT_ASKED, Listing
from airflow_provider_jobs.core.wait.single import ask_each
from airflow_provider_jobs.errors import JobsError, ServiceError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from airflow_provider_jobs.jobs import JobRef, JobStatus

#: An id's last three characters only repeat the case of the others.
_ID_LENGTH = 15


@dataclass(kw_only=True)
class OrgJobs(JobList):
    """The jobs of an org: a list of its query jobs, and one of its ingest jobs.

    :param parse: Returns the status of a job, whole or as a list shows it.
    """

    parse: Callable[[Any, JobRef], JobStatus]
    calls: float = 2
    measured_after: int = 100

    def where(self, ref: JobRef) -> tuple[str, str]:
        """Return the kind of a job, and the part of its id that tells it from others."""
        return kind_of(ref), ref.id[:_ID_LENGTH]

    def pages(self, refs: Sequence[JobRef]) -> Iterator[Page]:
        """Yield the jobs of the whole org that are of the kind of these."""
        kind = kind_of(refs[0])
        for page in self.list_pages(kind, version=version_of(refs[0]), jobType=JOB_TYPES[kind]):
            found = page.get("records")
            jobs = [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []
            keyed = [(str(job.get("id"))[:_ID_LENGTH], job) for job in jobs]
            yield Page(keyed, last=next_locator(page, "queryLocator") is None)

    def read(self, job: Any, ref: JobRef, before: JobStatus | JobsError | None) -> JobStatus:
        """Return the state of a job, ended ones too; a list has neither numbers nor reasons."""
        return self.parse(job, ref)

    def may_not_list(self, error: JobsError) -> bool:
        """Return True of a user who may not list.

        :raises JobsError: nobody may ask for anything for a while: each further request makes it worse.
        """
        if not isinstance(error, ServiceError):
            return False
        if "LIMIT" in error.reason or "METERING" in error.reason:
            raise error
        return error.status == FORBIDDEN


def one_look(jobs: OrgJobs, refs: Sequence[JobRef]) -> list[JobStatus]:
    """Return how jobs are doing, by two pages of the list and a request for each job that they do not show.

    This one look tells of all of them, whoever has looked before. Once all have ended they are asked for one
    by one: a list has neither numbers nor reasons.

    :raises JobsError: one of them cannot be asked for.
    """
    if len(refs) <= jobs.calls:
        return ask_each(jobs.ask, refs)
    found: dict[JobRef, JobStatus] = {}
    for ref, news in Listing(jobs).statuses(refs).items():
        if isinstance(news, JobsError):
            raise news
        if news.vendor_state != NOT_ASKED:
            found[ref] = news
    left = [ref for ref in refs if ref not in found]
    found |= zip(left, ask_each(jobs.ask, left), strict=True)
    ended = all(status.state.ended for status in found.values())
    return ask_each(jobs.ask, refs) if ended else [found[ref] for ref in refs]
