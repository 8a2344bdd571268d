"""How many jobs of a service are doing, in as few requests as can be, told as soon as it is known.

A list costs one request a page, however many jobs are watched. A job that it does not show is asked for by
itself, a few at a time. Both go on in threads beside whoever looks, who waits for them only a moment: a list,
or a job, that is out or silent holds up nobody else. What comes later is told later. What listing cost is
remembered; where asking for each is cheaper, or there is no list, the jobs are asked for in turn.
"""

from __future__ import annotations

import contextvars
import logging
import math
import threading
import time
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from airflow_provider_jobs.core.wait.asks import Asks
from airflow_provider_jobs.core.wait.single import asked_pause, concerns_job, within_pause
from airflow_provider_jobs.core.wait.threads import STEP_SECONDS, Lane
from airflow_provider_jobs.errors import AuthenticationError, JobsError
from airflow_provider_jobs.jobs import JobState, JobStatus

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping

    from airflow_provider_jobs.core.wait.job_list import JobList, Key, Page
    from airflow_provider_jobs.core.work import Tell
    from airflow_provider_jobs.jobs import JobRef

    News = JobStatus | JobsError

log = logging.getLogger(__name__)

#: The state of a job of which nothing was heard yet.
NOT_ASKED = "not asked yet"
#: Lists that are remembered, those that were looked at last: what a list costs is soon learnt again.
MOST_LISTS = 1000
#: So long at most a look waits for answers where somebody is told what comes later, in seconds.
_ANSWER_SECONDS = 1.0
#: So many looks in which jobs have ended pass after a list of ended jobs that did not pay.
_CROWDED_LOOKS = 20


class Listing:
    """Tells how the jobs of one connection are doing; threads share it."""

    def __init__(self, jobs: JobList) -> None:
        self.jobs = jobs
        self._lists: dict[str, _WatchedList] = {}
        self._lock = threading.Lock()

    def statuses(self, refs: Collection[JobRef], tell: Tell | None = None) -> dict[JobRef, News]:
        """Look at the jobs once, all lists side by side.

        :param tell: Gets the news in parts, each as soon as it is known, in whatever thread and also after
            the return; then nothing is returned. Without it the last known status of each job is returned,
            or the error that stands in its way.
        :raises JobsError: nobody answers; the jobs must not seem to be as they were.
        """
        placed: dict[str, dict[Key, list[JobRef]]] = {}
        for ref in refs:  # one job may be watched under several references
            name, key = self.jobs.where(ref)
            placed.setdefault(name, {}).setdefault(key, []).append(ref)
        found: dict[JobRef, News] = {}
        failures: list[JobsError] = []
        with ExitStack() as turns:
            lists = {name: self._list(name) for name in sorted(placed)}
            for name, watched_list in lists.items():
                turns.enter_context(watched_list.turn)
                watched = {key: same[0] for key, same in placed[name].items()}
                hear = partial(_tell, tell, placed[name]) if tell else _nobody
                watched_list.begin(watched, self.jobs.calls / len(lists), hear)
            until = time.monotonic() + min(self.jobs.wait_seconds, _ANSWER_SECONDS if tell else math.inf)
            for name, watched_list in lists.items():
                try:
                    news = watched_list.end(until)
                except JobsError as error:
                    failures.append(error)
                    _tell(tell or found.update, placed[name], dict.fromkeys(placed[name], error))
                else:
                    _tell(_nobody if tell else found.update, placed[name], news)
        if failures and len(failures) == len(lists):
            raise failures[0]
        return found

    def _list(self, name: str) -> _WatchedList:
        with self._lock:
            found = self._lists[name] = self._lists.pop(name, _WatchedList(name, self.jobs))
            if len(self._lists) > MOST_LISTS:
                del self._lists[next(iter(self._lists))]
            return found


def _nobody(_: Mapping[Any, News]) -> None: ...


def _tell(tell: Tell, refs: Mapping[Key, list[JobRef]], news: Mapping[Key, News]) -> None:
    """Tell news under each reference that a job is watched by, each with its own id and version."""
    if tell is not _nobody:
        tell(
            {
                ref: replace(one, ref=ref) if ref != same[0] and isinstance(one, JobStatus) else one
                for key, one in news.items()
                for same in (refs[key],)
                for ref in same
            }
        )


@dataclass(slots=True)
class _Cost:
    """What listing cost last, against one request for each job; decides, and asks nobody.

    :ivar unlisted: Active jobs that the list did not show: each costs a request besides.
    :ivar pause: Looks until a list is tried again.
    :ivar seconds: How long the list took last.
    :ivar crowded: So many more times no ended jobs are listed; below 0 they may be.
    """

    measured_after: int
    pages: float = 1
    unlisted: set[Key] = field(default_factory=set)
    pause: float = 0
    failures: int = 0
    seconds: float = 0.0
    crowded: int = 0

    def list_now(self, count: int, calls: float = math.inf) -> bool:
        """Return True if so many jobs are to be listed in this look, and not asked for by so many calls."""
        if count <= calls < math.inf:
            return False
        if self.pages + len(self.unlisted) < count:
            return True
        self.pause -= 1
        return self.pause < 0

    def list_ended(self, count: int) -> bool:
        """Return True if a list of ended jobs may tell of so many at once."""
        self.crowded -= count > 1
        return count > 1 and self.crowded < 0 and not self.failures

    def measured(self, pages: int, seconds: float = 0.0) -> None:
        """Note what the list cost."""
        self.pages, self.pause, self.failures, self.seconds = pages, self.measured_after - 1, 0, seconds
        self.unlisted.clear()

    def failed(self, *, for_good: bool) -> None:
        """Note that there is no list: it is tried again in the next look, and less often after that."""
        pause = min(2 ** min(self.failures, 10) - 1, self.measured_after)
        self.pages, self.pause = math.inf, math.inf if for_good else pause
        self.failures += 1


@dataclass(slots=True)
class _Reading:
    """A list on the way from its first page to its last.

    :ivar unseen: Jobs that it has not shown so far.
    :ivar doubtful: Jobs that it does not tell enough of.
    :ivar limit: It is given up after so many pages; None reads on while that is cheaper than asking for each.
    """

    pages: Iterator[Page]
    unseen: set[Key]
    limit: int | None
    doubtful: set[Key] = field(default_factory=set)
    page_count: int = 0
    whole: bool = False

    @property
    def over(self) -> bool:
        """True if there is nothing to read on for."""
        enough = len(self.unseen) if self.limit is None else self.limit
        return self.whole or not self.unseen or self.page_count >= enough


class _WatchedList:
    """One list: what it cost, how far it was read, and what was heard last of the jobs on it.

    A look is :meth:`begin` and :meth:`end`, by who holds :attr:`turn`. What the threads find is heard under
    the lock of ``_changed``, and told at once.
    """

    def __init__(self, name: str, jobs: JobList) -> None:
        self.turn = threading.Lock()
        self._name, self._jobs = name, jobs
        self._changed = threading.Condition(threading.RLock())
        self._reader = Lane(2, linger_seconds=0.0)  # a list, and one of ended jobs that goes on meanwhile
        self._asks = Asks(jobs, self._changed, self._hear_answer)
        self._cost = _Cost(jobs.measured_after)
        self._look = 0  # its number; what follows is of this look
        self._watched: Mapping[Key, JobRef] = {}
        self._tell: Callable[[Mapping[Key, News]], object] = _nobody
        self._calls = 0.0  # requests that are left
        self._lists_first = self._heard = self._has_read = False
        self._failure: JobsError | None = None
        self._bug: Exception | None = None
        self._last: dict[Key, News] = {}  # this, and what follows, is kept from look to look
        self._settled: set[Key] = set()  # heard of since the last look's end: they need no other look
        self._reading: _Reading | None = None  # to be read on
        self._is_reading, self._quiet = False, (0.0, 0.0)  # since when the service wants no list, how long
        self._due: set[Key] = set()  # jobs that the last reading did not show

    def begin(
        self, watched: Mapping[Key, JobRef], calls: float, tell: Callable[[Mapping[Key, News]], object]
    ) -> None:
        """Begin to read the list, or to ask for jobs, by so many requests at most."""
        with self._changed:
            self._look += 1
            self._watched, self._tell, self._calls = watched, tell, calls
            self._heard, self._failure = bool(self._settled), None
            self._last = {key: news for key, news in self._last.items() if key in watched}
            self._asks.forget_others(watched)
            wanted = {key: ref for key, ref in watched.items() if key not in self._settled}
            quiet = self._is_reading or within_pause(self._quiet, self._jobs.timing.now())
            many = len(wanted) >= self._jobs.listed_from
            lists = many and not quiet and self._cost.list_now(len(wanted), calls)
            # One that was out may be out still: nobody waits to see.
            self._lists_first = lists and (not self._cost.failures or calls < math.inf)
            if lists:
                self._is_reading = True
                self._reader.submit(partial(contextvars.copy_context().run, self._read, wanted, self._look))
            if not self._lists_first:
                self._ask(wanted)

    def end(self, until: float) -> dict[Key, News]:
        """Wait for the list and for answers, but not for long; return what is known of each job.

        :raises JobsError: nobody answers.
        """
        with self._changed:
            patience = max(self._jobs.patience_seconds, 2 * self._cost.seconds)
            if self._lists_first:
                self._wait(lambda: not self._is_reading, time.monotonic() + patience)
                if self._is_reading:  # it is slow
                    self._lists_first = False
                    self._ask(self._watched.keys() - self._settled)
            self._wait(lambda: not self._asks.busy, until)
            self._settled = set()
            if self._bug:
                bug, self._bug = self._bug, None
                raise bug
            if self._failure and not self._heard:
                raise self._failure
            return {
                key: self._last.get(key) or JobStatus(ref, JobState.RUNNING, NOT_ASKED)
                for key, ref in self._watched.items()
            }

    def _wait(self, condition: Callable[[], bool], until: float) -> None:
        while not condition() and not self._bug and (left := until - time.monotonic()) > 0:
            self._changed.wait(min(left, STEP_SECONDS))  # a signal has its turn

    def _ask(self, keys: Collection[Key]) -> None:
        """Ask for these jobs, and for no others, as far as requests are left."""
        refs = {}
        for key in (key for key in self._watched if key in keys):
            last = self._last.get(key)  # the service has told of its place
            refs[key] = last.ref if isinstance(last, JobStatus) else self._watched[key]
        self._calls -= self._asks.begin(refs, self._calls)

    def _read(self, wanted: Mapping[Key, JobRef], look: int) -> None:
        """Read on in the list, in a thread of its own, then ask for whom it does not show."""
        ended: Iterator[Page] = iter(())
        due: set[Key] = set()
        try:
            due = self._read_list(wanted)
            if self._cost.list_ended(len(due)):
                ended = self._jobs.ended_pages([wanted[key] for key in due])
            more = self._hear_ended(ended, wanted, due)
        except Exception as error:  # noqa: BLE001 - a bug has to end the waits: who looks raises it
            self._bug, more = error, False
        with self._changed:
            self._is_reading = False
            if self._lists_first:  # else they are asked for already
                self._ask(due)
            self._changed.notify_all()
        while more and look == self._look:  # side by side with what is asked
            more = self._hear_ended(ended, wanted, due)

    def _read_list(self, wanted: Mapping[Key, JobRef]) -> set[Key]:
        """Read on in the list, as far as requests are left; return whom to ask for."""
        began = time.monotonic()
        self._due &= wanted.keys()
        kept = bool(self._due) and (self._calls > 1 or self._has_read)  # for one who was not on the list
        limit = None if self._calls == math.inf else len(wanted)
        reading = self._reading or _Reading(self._jobs.pages([*wanted.values()]), set(wanted), limit)
        self._reading, self._has_read = None, False  # one that fails is not read on
        reading.unseen &= wanted.keys()
        failure = None
        try:
            while not reading.over and self._may_call(kept):
                page = next(reading.pages, None)
                reading.whole = page is None or page.last
                if page is not None:
                    reading.page_count += 1
                    self._has_read = self._heard = True
                    self._hear_page(page, wanted, reading)
        except JobsError as error:
            failure = error
        with self._changed:
            if failure:
                return self._without_list(failure) & (reading.unseen | reading.doubtful)
            self._due -= wanted.keys() - reading.unseen
            if not reading.over:
                self._reading = reading
            else:
                self._cost.measured(reading.page_count, time.monotonic() - began)
                # Of a list that is too long nobody is asked for just because it was not read to his place.
                self._due = set(reading.unseen) if reading.whole or limit is None else set()
            self._due |= reading.doubtful
            return set(self._due)

    def _may_call(self, kept: int) -> bool:
        """Take one of the requests that are left, but for those that are kept."""
        with self._changed:
            allowed = self._calls > kept
            self._calls -= allowed
            return allowed

    def _without_list(self, failure: JobsError) -> set[Key]:
        """Note that the list is out; return who may be asked for all the same."""
        self._failure = None if concerns_job(failure) else failure  # none that would seem to be the jobs' own
        try:
            if isinstance(failure, AuthenticationError):
                return set()
            for_good = self._jobs.may_not_list(failure)
        except JobsError:
            return set()
        if not self._cost.failures:
            log.warning("no list of %s, so single jobs are asked for: %s", self._name, failure)
        self._cost.failed(for_good=for_good)
        self._quiet = self._jobs.timing.now(), asked_pause(failure)
        return set(self._watched)

    def _hear_ended(self, pages: Iterator[Page], wanted: Mapping[Key, JobRef], due: set[Key]) -> bool:
        """Hear a page of ended jobs, and strike out whom it tells of; return True if another may pay too."""
        try:
            page = next(pages, None)
            if page is None:
                return False
            told = self._hear_page(page, {key: wanted[key] for key in due}, _Reading(pages, set(due), None))
        except JobsError as error:
            log.warning("no list of ended jobs of %s: %s", self._name, error)
            return False
        pays = len(told) >= min(self._jobs.at_a_time, len(due))
        due.difference_update(told)
        if not pays:
            self._cost.crowded = _CROWDED_LOOKS
        return pays and bool(due)

    def _hear_page(self, page: Page, wanted: Mapping[Key, JobRef], reading: _Reading) -> Collection[Key]:
        """Hear what a page tells of the wanted jobs; return of which."""
        found: dict[Key, JobStatus] = {}
        with self._changed:
            for key, job in page.jobs:
                if key not in wanted:
                    continue
                status = self._jobs.read(job, wanted[key], self._last.get(key))
                if key not in reading.unseen:  # on two pages, or of two jobs of one key
                    other = found.pop(key, None) or self._last.get(key)
                    if status and isinstance(other, JobStatus) and status.ref != other.ref:
                        status = None
                reading.unseen.discard(key)
                if status:
                    found[key] = status
                else:
                    reading.doubtful.add(key)
            self._asks.drop(found)
            self._hear(found)
        return found.keys()

    def _hear_answer(self, key: Key, answer: JobStatus | Exception) -> None:
        if not isinstance(answer, JobStatus | JobsError):
            self._bug = answer
            return
        if isinstance(answer, JobsError) and not concerns_job(answer):
            self._failure = answer
        else:
            self._heard = True
            if key in self._due and not _settles(answer):
                self._cost.unlisted.add(key)
        self._hear({key: answer})

    def _hear(self, news: Mapping[Key, News]) -> None:
        """Take in what was found, and tell it; what came later of a job that has ended is older."""
        news = {key: one for key, one in news.items() if key in self._watched and key not in self._settled}
        self._last |= news
        self._settled.update(key for key, one in news.items() if _settles(one))
        if news:
            self._tell(news)


def _settles(news: News) -> bool:
    """Return True if nobody has to look at the job any more."""
    return news.state.ended if isinstance(news, JobStatus) else concerns_job(news)
