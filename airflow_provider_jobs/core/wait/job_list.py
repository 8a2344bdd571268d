"""What a service's list of jobs is like, for who waits for many: how it is read, and what a look may cost."""

from __future__ import annotations

import copy
import math
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeVar

from airflow_provider_jobs.core.http.retry import Timing

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence

    from airflow_provider_jobs.errors import JobsError
    from airflow_provider_jobs.jobs import JobRef, JobStatus

    Key = Hashable

#: A list, and a single job, are given up after so many seconds: they are looked at again anyway.
LIST_SECONDS, ASK_SECONDS = 30.0, 10.0


class _Api(Protocol):
    within_seconds: float | None


A = TypeVar("A", bound=_Api)


def looking(api: A, within_seconds: float) -> A:
    """Return the same API for looks, which come again: each request is sent once, and given up after that."""
    api = copy.copy(api)
    api.within_seconds = within_seconds
    return api


class Page(NamedTuple):
    """One page of a list.

    :param jobs: What it shows, each with the key by which :meth:`JobList.where` knows it.
    :param last: True if it says that no page follows.
    """

    jobs: Iterable[tuple[Key, Any]]
    last: bool = False


@dataclass(kw_only=True)
class JobList(ABC):
    """What is particular of a service's list of jobs, and what a look at it may cost.

    :param list_pages: Yields the pages of the list, as the API has them.
    :param ask: Returns the status of one job.
    :param calls: Requests of a look; where they are limited, a list is read on in the next look.
    :param listed_from: From so many jobs on they are listed.
    :param measured_after: Looks without a list after which its cost is measured anew.
    :param at_a_time: Jobs that are asked for at once.
    :param ask_pause: So long each takes its thread at least, in seconds: a bound of the requests a second.
    :param failed_ask_pause: The same of one that fails: an outage need not hear from us often.
    :param patience_seconds: So long a look waits for a list that has not failed lately, or twice as long as
        the list took last; then who is not on it so far is asked for.
    :param wait_seconds: So long a look waits for answers.
    """

    list_pages: Callable[..., Iterator[dict[str, Any]]]
    ask: Callable[[JobRef], JobStatus]
    calls: float = math.inf
    listed_from: int = 2
    measured_after: int = 20
    at_a_time: int = 4
    ask_pause: float = 0.0
    failed_ask_pause: float = 1.0
    patience_seconds: float = 1.0
    wait_seconds: float = 5.0
    timing: Timing = field(default_factory=Timing)

    @abstractmethod
    def where(self, ref: JobRef) -> tuple[str, Key]:
        """Return the name of the list that shows a job, and the job's key there."""

    @abstractmethod
    def pages(self, refs: Sequence[JobRef]) -> Iterator[Page]:
        """Yield the pages of the list that shows these jobs, each by one request."""

    def ended_pages(self, _refs: Sequence[JobRef]) -> Iterator[Page]:
        """Yield the pages of a list of ended jobs, if there is one: it may save asking for each."""
        return iter(())

    @abstractmethod
    def read(self, job: Any, ref: JobRef, before: JobStatus | JobsError | None) -> JobStatus | None:
        """Return what a page tells of a job, None if the job has to be asked for.

        :param before: What was heard of it last.
        """

    def may_not_list(self, error: JobsError) -> bool:
        """Return True if a list will always end in this error.

        :raises JobsError: the error itself, if asking for each job would make it worse.
        """
        return False
