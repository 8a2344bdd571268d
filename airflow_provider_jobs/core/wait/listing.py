"""How many jobs of a service are doing, in as few requests as can be.

A list costs one request a page, however many jobs are watched. A job that it does not show is asked for by
itself: beside the ticks and a few at a time, so that what the list has told waits for nobody. What listing
cost is remembered; where asking for each is cheaper, or there is no list, the jobs are asked for in turn.
"""

from __future__ import annotations

import contextvars
import itertools
import logging
import math
import threading
import time
from abc import ABC, abstractmethod
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from airflow_provider_jobs.core.wait.single import concerns_job
from airflow_provider_jobs.core.wait.threads import STEP_SECONDS, Lane, settle
from airflow_provider_jobs.errors import AuthenticationError, JobsError
from airflow_provider_jobs.jobs import JobRef, JobState, JobStatus

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Mapping, Sequence

    Key = Hashable
    News = JobStatus | JobsError

log = logging.getLogger(__name__)

#: The state of a job of which nothing was heard yet.
NOT_ASKED = "not asked yet"
#: The turn of a job that was not asked for yet.
_FIRST = (0, False)


class Page(NamedTuple):
    """One page of a list.

    :param jobs: What it shows, each with the key by which :meth:`JobList.where` knows it.
    :param cost: What it adds to the cost of listing: 0 if only a tick in which jobs have ended needs it.
    :param last: True if it says that no page follows.
    """

    jobs: Iterable[tuple[Key, Any]]
    cost: int = 1
    last: bool = False


@dataclass(kw_only=True)
class JobList(ABC):
    """What is particular of a service's list of jobs, and what a look at it may cost.

    :param list_pages: Yields the pages of the list, as the API has them.
    :param ask: Returns the status of one job.
    :param calls: Requests of a tick; where they are limited, a list is read on in the next tick.
    :param listed_from: From so many jobs on they are listed.
    :param measured_after: Ticks without a list after which its cost is measured anew.
    :param at_a_time: Jobs that are asked for at once.
    :param wait_seconds: So long a tick that has news waits for answers; what comes later, the next one tells.
    """

    list_pages: Callable[..., Iterator[dict[str, Any]]]
    ask: Callable[[JobRef], JobStatus]
    calls: float = math.inf
    listed_from: int = 2
    measured_after: int = 20
    at_a_time: int = 4
    wait_seconds: float = 5.0

    @abstractmethod
    def where(self, ref: JobRef) -> tuple[str, Key]:
        """Return the name of the list that shows a job, and the job's key there."""

    @abstractmethod
    def pages(self, refs: Sequence[JobRef], unseen: Collection[Key]) -> Iterator[Page]:
        """Yield the pages of the list that shows these jobs, each by one request.

        :param unseen: The keys that no page has shown so far; they become fewer meanwhile.
        """

    @abstractmethod
    def read(self, job: Any, ref: JobRef, before: News | None) -> JobStatus | None:
        """Return what a page tells of a job, None if the job has to be asked for.

        :param before: What was heard of it last.
        """

    def may_not_list(self, error: JobsError) -> bool:
        """Return True if a list will always end in this error.

        :raises JobsError: the error itself, if asking for each job would make it worse.
        """
        return False


class Listing:
    """Tells how the jobs of one connection are doing; threads share it."""

    def __init__(self, jobs: JobList) -> None:
        self.jobs = jobs
        self._lists: dict[str, _WatchedList] = {}

    def statuses(self, refs: Sequence[JobRef]) -> dict[JobRef, News]:
        """Return the last known status of each job, or the error that stands in its way.

        :raises JobsError: nobody answers; the jobs must not seem to be as they were.
        """
        placed = [(ref, *self.jobs.where(ref)) for ref in refs]
        groups: dict[str, dict[Key, JobRef]] = {}
        for ref, name, key in placed:  # one job may be watched under several references
            groups.setdefault(name, {}).setdefault(key, ref)
        news = {}
        for name, watched in groups.items():
            watched_list = self._lists.setdefault(name, _WatchedList(name, self.jobs))
            with watched_list.lock:
                news[name] = watched_list.look(watched, self.jobs.calls / len(groups))
        found = ((ref, groups[name][key], news[name][key]) for ref, name, key in placed)
        return {  # one of another id, or of another version, has its own reference in what it is told
            ref: replace(one, ref=ref) if ref != asked and isinstance(one, JobStatus) else one
            for ref, asked, one in found
        }


@dataclass(slots=True)
class _Cost:
    """What listing cost last, against one request for each job; decides, and asks nobody.

    :ivar unlisted: Active jobs that the list did not show: each costs a request besides.
    :ivar pause: Ticks until a list is tried again.
    """

    measured_after: int
    pages: float = 1
    unlisted: set[Key] = field(default_factory=set)
    pause: float = 0
    failures: int = 0

    def list_now(self, count: int, calls: float = math.inf) -> bool:
        """Return True if so many jobs are to be listed in this tick, and not asked for by so many calls."""
        if count <= calls < math.inf:
            return False
        if self.pages + len(self.unlisted) < count:
            return True
        self.pause -= 1
        return self.pause < 0

    def measured(self, pages: int) -> None:
        """Note what the list cost."""
        self.pages, self.pause, self.failures = pages, self.measured_after - 1, 0
        self.unlisted.clear()

    def failed(self, *, for_good: bool) -> None:
        """Note that there is no list: it is tried again in the next tick, and less often after that."""
        pause = min(2 ** min(self.failures, 10) - 1, self.measured_after)
        self.pages, self.pause = math.inf, math.inf if for_good else pause
        self.failures += 1


@dataclass(slots=True)
class _Reading:
    """A list on the way from its first page to its last.

    :ivar unseen: Jobs that it has not shown so far.
    :ivar limit: It is given up after so many pages; None reads on while that is cheaper than asking for each.
    """

    pages: Iterator[Page]
    unseen: set[Key]
    limit: int | None
    page_count: int = 0
    cost: int = 0
    whole: bool = False
    failure: JobsError | None = None

    @property
    def over(self) -> bool:
        """True if there is nothing to read on for."""
        enough = len(self.unseen) if self.limit is None else self.limit
        return self.whole or not self.unseen or self.page_count >= enough

    def read_on(
        self, calls: float, watched: Collection[Key], read: Callable[[Key, Any], JobStatus | None]
    ) -> dict[Key, JobStatus | None]:
        """Return what so many more pages tell of the watched jobs; None of a job that has to be asked for.

        :raises AuthenticationError: the token is not accepted.
        """
        found: dict[Key, JobStatus | None] = {}
        try:
            while calls > 0 and not self.over:
                calls -= 1
                page = next(self.pages, None)
                self.whole = page is None or page.last
                if page is None:
                    break
                self.page_count, self.cost = self.page_count + 1, self.cost + page.cost
                for key, job in page.jobs:
                    if key in watched:
                        status = read(key, job)
                        if key in found:  # on two pages, or of two jobs of one key
                            other = found[key]
                            status = status if status and other and status.ref == other.ref else None
                        found[key] = status
                self.unseen.difference_update(found)
        except AuthenticationError:
            raise
        except JobsError as error:
            self.failure = error
        return found


class _Asks:
    """Asks for single jobs beside the ticks: a few at a time, in turn, and for none twice at once.

    :ivar turns: When each job was asked for last, and whether that failed.
    """

    def __init__(self, jobs: JobList) -> None:
        self.turns: dict[Key, tuple[int, bool]] = {}
        self._turn = itertools.count(1)
        self._jobs = jobs
        self._lane = Lane(jobs.at_a_time, linger_seconds=0.0)
        self._futures: dict[Key, Future[JobStatus]] = {}
        self._begun: list[Future[JobStatus]] = []

    def begin(self, refs: Mapping[Key, JobRef], calls: float) -> None:
        """Ask for so many of these jobs, and no more for others that are not being asked for yet."""
        self._futures = {key: each for key, each in self._futures.items() if key in refs or not each.cancel()}
        queued = [each for each in self._futures.values() if not each.running()]
        free = [key for key in refs if key not in self._futures]
        free.sort(key=lambda key: self.turns.get(key, _FIRST))
        most = max(0, math.ceil(min(calls - len(queued), len(free))))
        chosen = {key: Future[JobStatus]() for key in free[:most]}
        self._futures |= chosen
        self._begun = [*queued, *chosen.values()]
        for key, future in chosen.items():  # what it logs belongs to who asks
            ask = partial(contextvars.copy_context().run, self._ask, refs[key])
            self._lane.submit(partial(settle, future, ask))

    def _ask(self, ref: JobRef) -> JobStatus:
        try:
            return self._jobs.ask(ref)
        except JobsError as error:
            if not concerns_job(error):
                for each in [*self._futures.values()]:
                    each.cancel()  # the service is at fault: nobody else is asked for
            raise

    def wait(self, seconds: float, *, patient: bool) -> None:
        """Wait for the answers for so long; with patience, until there is one at least."""
        until = time.monotonic() + seconds
        while patient and self._futures and not any(each.done() for each in self._futures.values()):
            wait(self._futures.values(), STEP_SECONDS, FIRST_COMPLETED)
        while (left := until - time.monotonic()) > 0 and not all(each.done() for each in self._begun):
            wait(self._begun, min(left, STEP_SECONDS))

    def take(self) -> dict[Key, News]:
        """Return the answers that nobody has taken yet; who could not be asked for has another turn, once."""
        done = {key: self._futures.pop(key) for key in [*self._futures] if self._futures[key].done()}
        answers = {key: _answer(each) for key, each in done.items() if not each.cancelled()}
        for key, answer in answers.items():
            failed, (_, failed_before) = bool(_outage(answer)), self.turns.get(key, _FIRST)
            self.turns[key] = 0 if failed and not failed_before else next(self._turn), failed
        return answers


class _WatchedList:
    """One list: what it cost, how far it was read, and what was heard last of the jobs on it."""

    def __init__(self, name: str, jobs: JobList) -> None:
        self.lock = threading.Lock()
        self._name, self._jobs = name, jobs
        self._asks = _Asks(jobs)
        self._cost = _Cost(jobs.measured_after)
        self._reading: _Reading | None = None
        self._has_read = False
        self._due: set[Key] = set()  # jobs that the last reading did not show
        self._last: dict[Key, News] = {}

    def look(self, watched: Mapping[Key, JobRef], calls: float) -> dict[Key, News]:
        """Return what is known of each job after so many requests at most.

        :raises JobsError: nobody answers.
        """
        self._last = {key: news for key, news in self._last.items() if key in watched}
        self._asks.turns = {key: turn for key, turn in self._asks.turns.items() if key in watched}
        news = self._answers()  # to what the tick before did not wait for
        wanted = {key: ref for key, ref in watched.items() if key not in news or not _settles(news[key])}
        heard, failure, due = not all(map(_outage, news.values())), None, set(wanted)
        if len(wanted) >= self._jobs.listed_from and self._cost.list_now(len(wanted), calls):
            listed, page_count, failure = self._list(wanted, calls)
            heard = heard or page_count > 0
            calls -= page_count + bool(failure)
            news |= listed
            due = due - listed.keys() if failure else self._due
        self._asks.begin({key: self._known_ref(key, ref) for key, ref in wanted.items() if key in due}, calls)
        self._asks.wait(self._jobs.wait_seconds, patient=not heard)
        answers = self._answers()
        failure = next(filter(None, map(_outage, answers.values())), failure)
        if failure and not heard and all(map(_outage, answers.values())):
            raise failure
        self._last |= news | answers
        return {
            key: self._last.get(key) or JobStatus(ref, JobState.RUNNING, NOT_ASKED)
            for key, ref in watched.items()
        }

    def _answers(self) -> dict[Key, News]:
        answers = self._asks.take()
        self._cost.unlisted |= {
            key for key, each in answers.items() if key in self._due and not _settles(each)
        }
        return answers

    def _known_ref(self, key: Key, ref: JobRef) -> JobRef:
        """Return the reference of a job, with what the service has told of its place."""
        last = self._last.get(key)
        return last.ref if isinstance(last, JobStatus) else ref

    def _list(
        self, wanted: Mapping[Key, JobRef], calls: float
    ) -> tuple[dict[Key, JobStatus], int, JobsError | None]:
        """Read on in the list; return what it tells, the pages read, and why it is out, if it is."""
        self._due &= wanted.keys()
        kept = bool(self._due) and (calls > 1 or self._has_read)  # for one who was not on the list
        unseen, limit = set(wanted), None if calls == math.inf else len(wanted)
        pages = self._jobs.pages([*wanted.values()], unseen)  # nothing is asked before the first is taken
        reading = self._reading or _Reading(pages, unseen, limit)
        before, self._reading = reading.page_count, None  # one that fails is not read on
        found = reading.read_on(
            calls - kept, wanted, lambda key, job: self._jobs.read(job, wanted[key], self._last.get(key))
        )
        listed = {key: status for key, status in found.items() if status}
        self._has_read = reading.page_count > before
        if reading.failure:
            for_good = self._jobs.may_not_list(reading.failure)
            if not self._cost.failures:
                log.warning("no list of %s, so single jobs are asked for: %s", self._name, reading.failure)
            self._cost.failed(for_good=for_good)
        elif reading.over:
            self._cost.measured(reading.cost)
            self._due = reading.unseen & wanted.keys() if reading.whole or limit is None else set()
        else:
            self._reading = reading
        self._due = (self._due | found.keys()) - listed.keys()
        return listed, reading.page_count - before, reading.failure


def _answer(future: Future[JobStatus]) -> News:
    error = future.exception()
    return error if isinstance(error, JobsError) else future.result()  # a bug has to end the waits


def _outage(news: News) -> JobsError | None:
    """Return the error that says nothing about the job; None if the service has answered."""
    return None if isinstance(news, JobStatus) or concerns_job(news) else news


def _settles(news: News) -> bool:
    """Return True if nobody has to look at the job any more."""
    return news.state.ended if isinstance(news, JobStatus) else concerns_job(news)
