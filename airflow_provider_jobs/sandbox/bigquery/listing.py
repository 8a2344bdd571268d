"""jobs.list: filters and pages, newest job first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from airflow_provider_jobs.sandbox.bigquery.jobs import DONE, PENDING, RUNNING, Job, JobStore
from airflow_provider_jobs.sandbox.bigquery.request_parameters import (
    MOST_UINT64,
    Parameters,
    bad_value,
    make_token,
    read_token,
)
from airflow_provider_jobs.sandbox.bigquery.validation import check_job_id

if TYPE_CHECKING:
    from starlette.requests import Request

STATES = {"pending": PENDING, "running": RUNNING, "done": DONE}
DEFAULT_PAGE = 50
LARGEST_PAGE = 1000


@dataclass(frozen=True)
class Listing:
    """What a caller asked to see."""

    project: str
    email: str | None  # None: everybody's
    states: frozenset[str]
    earliest_ms: int
    latest_ms: int
    parent_id: str | None
    page_size: int
    page_token: str | None
    whole: bool  # projection=full

    @classmethod
    def of(cls, request: Request, project: str, email: str) -> Listing:
        """Read the query parameters.

        :raises ApiError: 400, a bad one.
        """
        given = Parameters(request)
        latest = given.number("maxCreationTime", MOST_UINT64)
        parent = given.text("parentJobId")
        return cls(
            project=project,
            email=None if given.flag("allUsers") else email,
            states=frozenset(_state(text) for text in given.texts("stateFilter"))
            or frozenset(STATES.values()),
            earliest_ms=given.number("minCreationTime", MOST_UINT64) or 0,
            latest_ms=MOST_UINT64 if latest is None else latest,
            parent_id=None if parent is None else check_job_id(parent),
            page_size=min(given.number("maxResults") or DEFAULT_PAGE, LARGEST_PAGE),
            page_token=given.text("pageToken"),
            whole=given.choice("projection", ("minimal", "full")) == "full",
        )

    def shows(self, job: Job) -> bool:
        """Tell whether a job passes every filter."""
        return (
            job.parent_id == self.parent_id
            and job.state in self.states
            and self.earliest_ms <= job.created_ms <= self.latest_ms
            and self.email in {None, job.email}
        )

    def facts(self) -> list[object]:
        """Give what a page token is bound to: another page size or projection may go on with it."""
        window = [self.earliest_ms, self.latest_ms]
        return [self.project, self.email, sorted(self.states), window, self.parent_id]


def page_of(store: JobStore, listing: Listing) -> tuple[list[Job], str | None]:
    """Give a page and the token of the next.

    A token names the last job shown, so that jobs added meanwhile shift nothing.

    :raises ApiError: 400, a token that is not one or belongs to another listing.
    """
    before = None
    if listing.page_token is not None:
        before = read_token(listing.page_token, *listing.facts())
    page: list[Job] = []
    for job in store.newest_first(listing.project, active_only=DONE not in listing.states):
        if job.created_ms < listing.earliest_ms:
            break
        if (before is not None and job.sequence >= before) or not listing.shows(job):
            continue
        if len(page) == listing.page_size:
            return page, make_token(page[-1].sequence, *listing.facts())
        page.append(job)
    return page, None


def _state(text: str) -> str:
    state = STATES.get(text.lower())
    if state is None:
        raise bad_value("stateFilter", text)
    return state
