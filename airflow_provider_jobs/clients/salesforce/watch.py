"""How many jobs are doing, in as few requests as can be: each counts against the org's daily limit.

A list of jobs tells their states, ended ones too, so a tick costs one request as long as the org's jobs fit
on a page, and never more than two: of a longer list each tick reads on where the tick before has stopped.
Only a job that a whole list did not show is asked for itself.
"""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from airflow_provider_jobs.clients.salesforce.names import kind_of, version_of
from airflow_provider_jobs.clients.salesforce.replies import next_locator
from airflow_provider_jobs.core import several as joint
from airflow_provider_jobs.core.wait.single import concerns_job
from airflow_provider_jobs.errors import JobsError, ServiceError
from airflow_provider_jobs.jobs import JobRef, JobState, JobStatus

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from airflow_provider_jobs.clients.salesforce.client import SalesforceClient

log = logging.getLogger(__name__)

#: Requests that a tick may cost.
_MOST_CALLS = 2
#: After so many ticks without a list, what listing costs is measured anew.
_TICKS_WITHOUT_LIST = 100
_FORBIDDEN = 403
_JOB_TYPES = {"query": "V2Query", "ingest": "V2Ingest"}
#: An id's last three characters only repeat the case of the others.
_ID_LENGTH = 15


def joint_status(ref: JobRef | None, statuses: Sequence[JobStatus]) -> JobStatus:
    """Return one status for all: active as long as one is, failed if one did; None makes their reference."""
    return joint.joint_status(ref, statuses, what="Salesforce jobs", key="jobs")


def look(client: SalesforceClient, ref: JobRef) -> JobStatus:
    """Return how jobs are doing, by two pages of the list and a request for each job that they do not show.

    This one look tells of all of them, whoever has looked before. Once all have ended they are asked for one
    by one: a list has neither numbers nor reasons.
    """
    refs = {each.id[:_ID_LENGTH]: each for each in joint.parts(ref)}
    if len(refs) <= _MOST_CALLS:
        return client.status(ref)
    kind, found = kind_of(ref), dict[str, JobStatus]()
    try:
        pages = client.list_job_pages(kind, version=version_of(ref), jobType=_JOB_TYPES[kind])
        for _, page in zip(range(_MOST_CALLS), pages, strict=False):
            jobs = {_id(job): job for job in page.get("records") or []}
            found |= {job_id: client.read(jobs[job_id], refs[job_id]) for job_id in jobs.keys() & refs.keys()}
            if len(found) == len(refs):
                break
    except JobsError as error:
        if not error.retryable and not _is_forbidden(error):
            raise
    status = joint_status(ref, [found.get(name) or client.single_status(refs[name]) for name in refs])
    return client.status(ref) if status.state.ended else status


@dataclass
class _List:
    """The list of one kind of jobs, read a page or two a tick.

    :ivar locator: Where the next tick reads on; None begins anew.
    :ivar pages: Pages of this reading so far.
    :ivar unseen: Jobs that this reading did not show so far.
    :ivar missing: Jobs that a whole list did not show.
    :ivar cost: Pages of the last whole list.
    """

    locator: str | None = None
    pages: int = 0
    unseen: set[str] = field(default_factory=set)
    missing: set[str] = field(default_factory=set)
    cost: int = 1
    ticks_without: int = 0
    forbidden: bool = False


News = dict[JobRef, JobStatus | JobsError]


class ManyStatuses:
    """Asks for many jobs of one org; remembers how far their lists were read, and what they told."""

    def __init__(self, client: SalesforceClient) -> None:
        self._client = client
        self._lists: dict[str, _List] = {}
        self._last: dict[JobRef, JobStatus] = {}
        self._asked: dict[JobRef, int] = {}
        self._gets = 0
        self._lock = threading.Lock()

    def statuses(self, refs: Sequence[JobRef]) -> News:
        """Return the status of each job, or the error that stands in its way."""
        with self._lock:
            return joint.statuses_of(refs, self._singles, joint_status)

    def _singles(self, refs: Sequence[JobRef]) -> News:
        self._asked = {ref: self._asked[ref] for ref in refs if ref in self._asked}
        if len(refs) <= _MOST_CALLS:
            return self._ask(refs, len(refs))
        same: dict[tuple[str, str], JobRef] = {}  # one job may be waited for under several references
        for ref in refs:
            same.setdefault((kind_of(ref), ref.id[:_ID_LENGTH]), ref)
        news = self._distinct(list(same.values()))
        return {ref: _told_as(ref, news[same[kind_of(ref), ref.id[:_ID_LENGTH]]]) for ref in refs}

    def _distinct(self, refs: list[JobRef]) -> News:
        if len(refs) <= _MOST_CALLS:
            return self._ask(refs, len(refs))
        groups: dict[str, dict[str, JobRef]] = {}
        for ref in refs:
            groups.setdefault(kind_of(ref), {})[ref.id[:_ID_LENGTH]] = ref
        found: News = {}
        for kind, watched in groups.items():
            found |= self._kind(kind, watched, _MOST_CALLS // len(groups))
        news = {ref: found.get(ref) or self._last.get(ref) or _not_yet(ref) for ref in refs}
        self._last = {ref: each for ref, each in news.items() if isinstance(each, JobStatus)}
        return news

    def _kind(self, kind: str, watched: dict[str, JobRef], calls: int) -> News:
        """Return the news of this tick, of as many jobs as the calls tell of."""
        known = self._lists.setdefault(kind, _List())
        if known.forbidden:
            return self._ask(watched.values(), len(watched))
        known.ticks_without += 1
        if known.cost > len(watched) and known.ticks_without < _TICKS_WITHOUT_LIST:
            return self._ask_some(watched.values(), calls)
        missing = [watched[job_id] for job_id in known.missing if job_id in watched]
        found: News = {}
        if missing and (calls > 1 or known.ticks_without == 1):
            found = self._ask(missing, 1)
            calls -= 1
        try:
            while calls and self._read_page(kind, known, watched, found):
                calls -= 1
        except JobsError as error:
            if _is_forbidden(error):
                known.forbidden = True  # who may not list asks for each
                return found | self._ask(watched.values(), len(watched))
            if not error.retryable:
                raise  # such as used up daily requests: that passes, and asking for each makes it worse
            log.warning("jobs cannot be listed, and are asked for one by one for a while: %s", error)
            known.cost, known.ticks_without = len(watched) + 1, 0
            return found | self._ask_some(watched.values(), calls)
        return found

    def _read_page(self, kind: str, known: _List, watched: dict[str, JobRef], found: News) -> bool:
        """Read a page; return True if there is more to read in this tick."""
        if known.locator is None:
            known.pages, known.unseen = 0, set(watched)
        locator, known.locator = known.locator, None  # one that is refused is not asked with again
        version = version_of(next(iter(watched.values())))
        filters = {"jobType": _JOB_TYPES[kind], "queryLocator": locator}
        page = next(self._client.list_job_pages(kind, version=version, **filters))
        known.pages, known.ticks_without = known.pages + 1, 0
        for job in page.get("records") or []:
            ref = watched.get(_id(job))
            if ref is not None:
                found[ref] = self._client.read(job, ref)
                known.unseen.discard(_id(job))
        known.locator = next_locator(page, "queryLocator")
        if known.locator is None:
            known.cost, known.missing = known.pages, known.unseen
            return False
        if len(found) < len(watched):
            return True
        known.locator = None  # everybody was met: the next tick begins anew
        return False

    def _ask_some(self, refs: Iterable[JobRef], calls: int) -> News:
        """Ask for so many jobs of more.

        :raises JobsError: nobody answers; those who were not asked for would seem to be as they were.
        """
        found = self._ask(refs, calls)
        errors = [each for each in found.values() if isinstance(each, JobsError) and not concerns_job(each)]
        if errors and len(errors) == len(found):
            raise errors[0]
        return found

    def _ask(self, refs: Iterable[JobRef], calls: int) -> News:
        """Ask for so many jobs, those first that were not asked for the longest."""
        found: News = {}
        for ref in sorted(refs, key=lambda ref: self._asked.get(ref, 0))[:calls]:
            self._gets += 1
            self._asked[ref] = self._gets
            try:
                found[ref] = self._client.single_status(self._client.ref(ref))
            except JobsError as error:
                found[ref] = error
        return found


def _is_forbidden(error: JobsError) -> bool:
    """Return True if the user may not list, and False if nobody may ask for anything for a while."""
    if not isinstance(error, ServiceError) or error.status != _FORBIDDEN:
        return False
    return "LIMIT" not in error.reason and "METERING" not in error.reason


def _told_as(ref: JobRef, news: JobStatus | JobsError) -> JobStatus | JobsError:
    return replace(news, ref=ref) if isinstance(news, JobStatus) else news


def _not_yet(ref: JobRef) -> JobStatus:
    return JobStatus(ref, JobState.RUNNING, "not listed yet")


def _id(job: Any) -> str:
    return str(job.get("id"))[:_ID_LENGTH] if isinstance(job, dict) else ""
