"""One list tells of many jobs; who is not on it is asked for beside the ticks, and nobody for nothing."""

from __future__ import annotations

import math
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_jobs.core.http.retry import Timing
from airflow_provider_jobs.core.wait.job_list import JobList, Page
from airflow_provider_jobs.core.wait.listing import MOST_LISTS, NOT_ASKED, Listing, _Cost
from airflow_provider_jobs.errors import (
    AuthenticationError,
    JobsError,
    NotFoundError,
    ServiceError,
    TransportError,
)
from airflow_provider_jobs.jobs import JobRef, JobState, JobStatus
from tests.unit.conftest import at_rest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

#: No test waits longer for anything; seconds.
PATIENCE = 10.0
DOWN = TransportError("no reply")
RUNNING, SUCCEEDED = JobState.RUNNING, JobState.SUCCEEDED


def refs(*names: str, scope: str = "p") -> list[JobRef]:
    return [JobRef("bigquery", scope, name) for name in names]


@dataclass(kw_only=True)
class Jobs(JobList):
    """Jobs of a service in this process, on a list unless they are hidden.

    :ivar pages_asked: Pages that were asked for.
    :ivar asked: The single jobs that were.
    :ivar out: What a list ends in.
    :ivar gates: Whoever asks for such a job waits there.
    :ivar errors: What it ends in to ask for such a job; "" stands for every other.
    """

    list_pages: Callable[..., Iterator[dict[str, Any]]] = lambda: iter(())
    ask: Callable[[JobRef], JobStatus] = field(init=False)
    active: list[str] = field(default_factory=list)
    ended: list[str] = field(default_factory=list)
    hidden: set[str] = field(default_factory=set)
    page_jobs: int = 1000
    shows_ended: bool = False
    out: Exception | None = None
    for_good: bool = False
    gates: dict[str, threading.Event] = field(default_factory=dict)
    errors: dict[str, Exception] = field(default_factory=dict)
    wait_seconds: float = PATIENCE
    failed_ask_pause: float = 0.0

    def __post_init__(self) -> None:
        self.ask = self._ask
        self.pages_asked = 0
        self.list_gate: threading.Event | None = None
        self.asked: list[str] = []
        self.under_way = Counter[str]()
        self.most_at_once = 0
        self.begun = threading.Event()
        self.lock = threading.Lock()

    @property
    def requests(self) -> int:
        return self.pages_asked + len(self.asked)

    def where(self, ref: JobRef) -> tuple[str, str]:
        return ref.scope, ref.id

    def pages(self, refs: Sequence[JobRef]) -> Iterator[Page]:
        shown = [(name, RUNNING) for name in self.active if name not in self.hidden]
        shown += [(name, SUCCEEDED) for name in self.ended if self.shows_ended and name not in self.hidden]
        for first in range(0, len(shown) or 1, self.page_jobs):
            self.pages_asked += 1
            if self.list_gate:
                assert self.list_gate.wait(PATIENCE)
            if self.out:
                raise self.out
            last = first + self.page_jobs >= len(shown)
            yield Page([(job[0], job) for job in shown[first : first + self.page_jobs]], last=last)

    def read(self, job: Any, ref: JobRef, before: Any) -> JobStatus:
        return JobStatus(ref, job[1], job[1].upper())

    def may_not_list(self, error: JobsError) -> bool:
        return self.for_good

    def _ask(self, ref: JobRef) -> JobStatus:
        with self.lock:
            self.asked.append(ref.id)
            self.under_way[ref.id] += 1
            assert self.under_way[ref.id] == 1, "asked for twice at once"
            self.most_at_once = max(self.most_at_once, self.under_way.total())
        self.begun.set()
        try:
            if ref.id in self.gates:
                assert self.gates[ref.id].wait(PATIENCE)
            if error := self.errors.get(ref.id) or self.errors.get(""):
                raise error
            if ref.id in self.ended:
                return JobStatus(ref, SUCCEEDED, "DONE")
            if ref.id in self.active:
                return JobStatus(ref, RUNNING, "ACTIVE")
            raise NotFoundError("gone", status=404, reason="notFound")
        finally:
            with self.lock:
                self.under_way[ref.id] -= 1


def told(found: Mapping[JobRef, JobStatus | JobsError]) -> dict[str, str]:
    return {
        ref.id: news.vendor_state if isinstance(news, JobStatus) else type(news).__name__
        for ref, news in found.items()
    }


def until(look: Callable[[], dict[str, str]], what: dict[str, str]) -> int:
    """Look until that is told, and return how often it took."""
    end = time.monotonic() + PATIENCE
    looks = 1
    while look() != what:
        assert time.monotonic() < end
        looks += 1
    return looks


def test_what_the_list_tells_waits_for_nobody() -> None:
    gate = threading.Event()
    jobs = Jobs(active=["a", "b"], ended=["c"], gates={"c": gate}, wait_seconds=0.0)
    listing, watched = Listing(jobs), refs("a", "b", "c")
    running = {"a": "RUNNING", "b": "RUNNING"}
    for _ in range(5):
        assert told(listing.statuses(watched)) == {**running, "c": NOT_ASKED}
    assert jobs.begun.wait(PATIENCE)
    gate.set()
    until(lambda: told(listing.statuses(watched)), {**running, "c": "DONE"})
    assert jobs.asked[0] == "c"


def test_an_answer_that_comes_late_is_told_by_the_next_tick() -> None:
    gate = threading.Event()
    jobs = Jobs(active=["a", "b"], ended=["c"], gates={"c": gate}, wait_seconds=0.0)
    listing, watched = Listing(jobs), refs("a", "b", "c")
    listing.statuses(watched)
    (known,) = listing._lists.values()
    gate.set()
    with known._changed:
        assert known._changed.wait_for(lambda: not known._asks.busy, PATIENCE)
    assert told(listing.statuses(watched))["c"] == "DONE"
    assert jobs.asked == ["c"]


def test_few_are_asked_for_at_once() -> None:
    """However many ticks begin meanwhile, and however long nobody answers."""
    names = [f"j{number}" for number in range(100)]
    gate = threading.Event()
    jobs = Jobs(active=["a", *names], hidden=set(names), gates=dict.fromkeys(names, gate), wait_seconds=0.0)
    listing = Listing(jobs)
    for _ in range(20):
        assert told(listing.statuses(refs("a", *names)))["a"] == "RUNNING"
    gate.set()
    jobs.gates.clear()
    everybody = dict.fromkeys(names, "ACTIVE")
    until(lambda: told(listing.statuses(refs("a", *names))), {"a": "RUNNING", **everybody})
    assert jobs.most_at_once <= 4


def test_where_requests_are_limited_they_do_not_pile_up() -> None:
    gate = threading.Event()
    hidden = ["x", "y", "z"]
    jobs = Jobs(active=["a", *hidden], hidden=set(hidden), calls=2, at_a_time=1, wait_seconds=0.0)
    jobs.gates = dict.fromkeys(hidden, gate)
    listing = Listing(jobs)
    listing.statuses(refs("a", *hidden))
    assert jobs.begun.wait(PATIENCE)
    for _ in range(5):
        listing.statuses(refs("a", *hidden))
    (known,) = listing._lists.values()
    assert len([*known._asks._queue, *known._asks._under_way]) == 2  # one is asked for, one is the next
    gate.set()


def test_a_job_that_the_list_shows_meanwhile_is_not_asked_for() -> None:
    gate = threading.Event()
    jobs = Jobs(active=["a", "x", "y"], hidden={"x", "y"}, gates={"x": gate}, at_a_time=1, wait_seconds=0.0)
    listing, watched = Listing(jobs), refs("a", "x", "y")
    listing.statuses(watched)
    assert jobs.begun.wait(PATIENCE)
    jobs.hidden = {"x"}
    listing.statuses(watched)
    gate.set()
    until(lambda: told(listing.statuses(watched)), {"a": "RUNNING", "x": "ACTIVE", "y": "RUNNING"})
    assert set(jobs.asked) == {"x"}


def test_jobs_that_no_list_shows_are_asked_for_until_one_does() -> None:
    jobs = Jobs(active=["a", "b", "c"], hidden={"a", "b", "c"}, measured_after=3)
    listing = Listing(jobs)
    for _ in range(3):
        assert set(told(listing.statuses(refs(*"abc"))).values()) == {"ACTIVE"}
    assert (jobs.pages_asked, len(jobs.asked)) == (1, 9)
    jobs.hidden = set()
    for _ in range(3):
        assert set(told(listing.statuses(refs(*"abc"))).values()) == {"RUNNING"}
    assert (jobs.pages_asked, len(jobs.asked)) == (4, 9)


def test_three_thousand_jobs_without_a_list_are_told_of_in_many_short_ticks() -> None:
    names = [f"j{number}" for number in range(3000)]
    gate = threading.Event()
    jobs = Jobs(active=names[:-1], ended=names[-1:], out=DOWN, for_good=True, wait_seconds=PATIENCE)
    jobs.gates = {names[-1]: gate}
    listing, watched = Listing(jobs), refs(*names)
    assert told(listing.statuses(watched[:2])) == dict.fromkeys(names[:2], "ACTIVE")  # there is no list
    jobs.wait_seconds = 0.0
    assert told(listing.statuses(watched))[names[-1]] == NOT_ASKED
    gate.set()
    jobs.wait_seconds = PATIENCE
    found = told(listing.statuses(watched))
    assert found == {**dict.fromkeys(names, "ACTIVE"), names[-1]: "DONE"}
    assert jobs.pages_asked == 1
    # Those who were asked for first have their next turn after all others; four are asked for at once.
    assert max(Counter(jobs.asked[2:2990]).values()) == 1


def test_who_is_told_of_what_comes_later_does_not_wait_for_it() -> None:
    gate = threading.Event()
    jobs = Jobs(active=["a", "b"], ended=["c"], gates={"c": gate}, wait_seconds=0.0)
    listing, parts = Listing(jobs), list[dict[str, str]]()
    told_of_c = threading.Event()

    def tell(news: Mapping[JobRef, JobStatus | JobsError]) -> None:
        parts.append(told(news))
        if "c" in parts[-1]:
            told_of_c.set()

    assert listing.statuses(refs("a", "b", "c"), tell) == {}
    assert parts == [{"a": "RUNNING", "b": "RUNNING"}]
    gate.set()
    assert told_of_c.wait(PATIENCE)
    assert parts[1:] == [{"c": "DONE"}]


def test_each_page_is_told_before_the_next_is_asked_for() -> None:
    jobs, parts = Jobs(active=[*"abcd"], page_jobs=2), list[tuple[int, set[str]]]()
    Listing(jobs).statuses(refs(*"abcd"), lambda news: parts.append((jobs.pages_asked, set(told(news)))))
    assert parts == [(1, {"a", "b"}), (2, {"c", "d"})]


@pytest.mark.parametrize("tell", [True, False])
def test_a_list_that_never_answers_holds_up_nobody(*, tell: bool) -> None:
    """The jobs are asked for in its place, in every look, and it is not begun again meanwhile."""
    gate = threading.Event()
    jobs = Jobs(active=["a", "b"], ended=["c"], patience_seconds=0.1)
    jobs.list_gate = gate
    listing, watched = Listing(jobs), refs("a", "b", "c")
    for _ in range(3):
        found: dict[JobRef, Any] = {}
        found |= listing.statuses(watched, found.update if tell else None)
        assert told(found) == {"a": "ACTIVE", "b": "ACTIVE", "c": "DONE"}
    assert jobs.pages_asked == 1
    gate.set()


def test_a_list_that_is_gone_says_nothing_of_the_jobs() -> None:
    """Else their waits would end while nobody has been able to ask for them."""
    gate = threading.Event()
    jobs = Jobs(active=["a", "b"], out=NotFoundError("no such table", status=404, reason="notFound"))
    jobs.gates, jobs.wait_seconds = {"a": gate, "b": gate}, 0.0
    found: dict[JobRef, Any] = {}
    Listing(jobs).statuses(refs("a", "b"), found.update)
    assert found == {}
    gate.set()
    until(lambda: told(dict(found)), {"a": "ACTIVE", "b": "ACTIVE"})


def test_a_service_that_wants_no_more_requests_is_not_asked_for_each() -> None:
    names = [f"j{number}" for number in range(50)]
    enough = ServiceError("slow down", status=429, reason="rateLimitExceeded", retryable=True)
    jobs = Jobs(out=enough, errors={"": enough})
    listing = Listing(jobs)
    for tick in range(1, 21):
        with pytest.raises(ServiceError):
            listing.statuses(refs(*names))
        at_rest(listing)
        assert len(jobs.asked) <= 4 * tick
    assert jobs.pages_asked == 5  # the pauses between its attempts grow
    jobs.out, jobs.errors, jobs.active = None, {}, names
    until(lambda: dict.fromkeys(told(listing.statuses(refs(*names))).values(), ""), {"RUNNING": ""})


def test_a_pause_that_is_asked_for_is_kept() -> None:
    """Of a list, and of each job by itself: the others are asked for."""
    now = [1000.0]
    busy = ServiceError("busy", status=503, reason="r", retryable=True, retry_after=30.0)
    jobs = Jobs(active=["a", "b"], out=busy, errors={"a": busy}, failed_ask_pause=0.0)
    jobs.timing = Timing(now=lambda: now[0], sleep=lambda _: None)
    listing = Listing(jobs)
    for now[0] in (1000.0, 1010.0, 1029.0):
        assert told(listing.statuses(refs("a", "b"))) == {"a": "ServiceError", "b": "ACTIVE"}
    assert (jobs.pages_asked, jobs.asked.count("a"), jobs.asked.count("b")) == (1, 1, 3)
    now[0], jobs.out, jobs.errors = 1031.0, None, {}
    until(lambda: told(listing.statuses(refs("a", "b"))), {"a": "RUNNING", "b": "RUNNING"})


def test_a_clock_that_is_set_back_prolongs_no_pause_that_was_asked_for() -> None:
    now = [86_400.0]
    busy = ServiceError("busy", status=503, reason="r", retryable=True, retry_after=30.0)
    jobs = Jobs(active=["b"], out=busy, errors={"a": busy}, failed_ask_pause=0.0)
    jobs.timing = Timing(now=lambda: now[0], sleep=lambda _: None)
    listing = Listing(jobs)
    assert told(listing.statuses(refs("a", "b"))) == {"a": "ServiceError", "b": "ACTIVE"}
    at_rest(listing)
    now[0], jobs.out, jobs.errors, jobs.active = 1000.0, None, {}, ["a", "b"]
    until(lambda: told(listing.statuses(refs("a", "b"))), {"a": "RUNNING", "b": "RUNNING"})


def test_a_clock_that_is_set_back_stops_nobody() -> None:
    """Neither the thread that asks at that moment, nor what had failed before."""
    now = [86_400.0]
    pauses: list[float] = []
    jobs = Jobs(active=["a", "b"], out=DOWN, errors={"a": DOWN}, ask_pause=0.2, failed_ask_pause=1.0)
    jobs.timing = Timing(now=lambda: now[0], sleep=pauses.append)
    listing = Listing(jobs)
    assert told(listing.statuses(refs("a", "b"))) == {"a": "TransportError", "b": "ACTIVE"}
    at_rest(listing)
    now[0], jobs.out, jobs.errors = 1000.0, None, {}
    until(lambda: told(listing.statuses(refs("a", "b"))), {"a": "RUNNING", "b": "RUNNING"})
    jobs.gates["x"] = threading.Event()
    jobs.begun.clear()
    look = threading.Thread(target=listing.statuses, args=(refs("x"),))
    look.start()
    assert jobs.begun.wait(PATIENCE)
    now[0] = 0.0
    jobs.gates["x"].set()
    look.join(PATIENCE)
    until(lambda: {str(len(pauses)): ""}, {str(len(jobs.asked)): ""})
    assert max(pauses) <= 1.0


def test_an_outage_hears_from_us_seldom() -> None:
    """A thread that has failed pauses; one that has an answer only as long as the rate bids."""
    pauses: list[float] = []
    timing = Timing(now=lambda: 0.0, sleep=pauses.append)
    jobs = Jobs(errors={"a": DOWN}, active=["b"], out=DOWN, ask_pause=0.2, failed_ask_pause=1.0)
    jobs.at_a_time, jobs.timing = 1, timing
    Listing(jobs).statuses(refs("a", "b"))
    until(lambda: {str(len(pauses)): ""}, {"2": ""})
    assert sorted(pauses) == [0.2, 1.0]


def test_a_job_that_is_gone_stops_nobody() -> None:
    jobs = Jobs(active=["a", "b"], out=DOWN, at_a_time=1)
    found = told(Listing(jobs).statuses(refs("x", "a", "y", "b")))
    assert found == {"x": "NotFoundError", "a": "ACTIVE", "y": "NotFoundError", "b": "ACTIVE"}


def test_one_job_that_cannot_be_asked_for_does_not_hold_up_the_others() -> None:
    jobs = Jobs(active=list("abc"), out=DOWN, for_good=True, at_a_time=1, errors={"x": DOWN})
    listing = Listing(jobs)
    for _ in range(4):
        found = told(listing.statuses(refs(*"xabc")))
        assert found == {**dict.fromkeys("abc", "ACTIVE"), "x": "TransportError"}


def test_a_job_that_could_not_be_asked_for_once_has_another_turn() -> None:
    """Else its error would last until all others have had theirs."""
    names = [f"j{number}" for number in range(6)]
    jobs = Jobs(active=names, out=DOWN, for_good=True, at_a_time=1, calls=2)
    listing = Listing(jobs)
    for _ in range(4):
        listing.statuses(refs(*names))
    jobs.errors = {"j2": DOWN}
    del jobs.asked[:]
    for _ in range(3):
        listing.statuses(refs(*names))
        jobs.errors = {}
    assert jobs.asked == ["j1", "j2", "j2", "j3", "j4", "j5"]


def test_an_error_is_the_news_of_a_job_until_there_is_an_answer() -> None:
    """Else an outage would seem to be over each time that a tick does not wait."""
    gate = threading.Event()
    jobs = Jobs(active=["a", "b", "c"], hidden={"c"}, errors={"c": DOWN})
    listing, watched = Listing(jobs), refs("a", "b", "c")
    assert told(listing.statuses(watched))["c"] == "TransportError"
    jobs.gates, jobs.errors, jobs.wait_seconds = {"c": gate}, {}, 0.0
    for _ in range(3):
        assert told(listing.statuses(watched)) == {"a": "RUNNING", "b": "RUNNING", "c": "TransportError"}
    gate.set()
    until(lambda: told(listing.statuses(watched)), {"a": "RUNNING", "b": "RUNNING", "c": "ACTIVE"})


def test_a_rejected_token_is_raised() -> None:
    error = AuthenticationError("no", status=401, reason="r")
    jobs = Jobs(active=["a", "b"], out=error)
    with pytest.raises(AuthenticationError):
        Listing(jobs).statuses(refs("a", "b"))
    assert jobs.asked == []


def test_a_bug_ends_the_wait() -> None:
    jobs = Jobs(errors={"a": ZeroDivisionError("bug")})
    with pytest.raises(ZeroDivisionError):
        Listing(jobs).statuses(refs("a"))


def test_two_lists_do_not_wait_for_each_other() -> None:
    gate = threading.Event()
    jobs = Jobs(active=["a", "b"], gates={"a": gate})
    listing = Listing(jobs)
    found: list[dict[str, str]] = []
    other = threading.Thread(target=lambda: found.append(told(listing.statuses(refs("a")))))
    other.start()
    assert jobs.begun.wait(PATIENCE)
    assert told(listing.statuses(refs("b", scope="q"))) == {"b": "ACTIVE"}
    assert found == []
    gate.set()
    other.join(PATIENCE)
    assert found == [{"a": "ACTIVE"}]


def test_ticks_of_one_list_take_turns() -> None:
    jobs = Jobs(active=[f"j{number}" for number in range(50)], hidden={"j1"})
    listing = Listing(jobs)
    found: list[dict[str, str]] = []
    threads = [
        threading.Thread(target=lambda: found.append(told(listing.statuses(refs(*jobs.active)))))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    expected = {name: "ACTIVE" if name == "j1" else "RUNNING" for name in jobs.active}
    assert found == [expected] * 8
    assert jobs.requests == 16


@pytest.mark.parametrize(
    ("pages", "unlisted", "count", "listed"),
    [(1, 0, 2, True), (1, 0, 1, False), (2, 0, 2, False), (1, 99, 100, False), (1, 98, 100, True)],
)
def test_jobs_are_listed_where_that_is_cheaper(
    pages: int, unlisted: int, count: int, *, listed: bool
) -> None:
    cost = _Cost(20)
    cost.measured(pages)
    cost.unlisted |= set(range(unlisted))
    assert cost.list_now(count) is listed


def test_what_listing_costs_is_measured_anew() -> None:
    cost = _Cost(20)
    cost.measured(9)
    assert [cost.list_now(3) for _ in range(20)] == [False] * 19 + [True]
    assert cost.list_now(10)


def test_a_list_that_fails_is_tried_less_and_less_often() -> None:
    cost, tries = _Cost(20), []
    for tick in range(100):
        if cost.list_now(5000):
            tries.append(tick)
            cost.failed(for_good=False)
    assert tries == [0, 1, 3, 7, 15, 31, 52, 73, 94]
    cost.failed(for_good=True)
    assert not any(cost.list_now(5000) for _ in range(1000))


@settings(deadline=None, max_examples=150)
@given(data=st.data())
def test_the_truth_is_told_in_the_end_and_within_the_budget(data: st.DataObject) -> None:
    """Whatever the service does for a while: ends are seen soon after, and never told too early."""
    count, rationed = data.draw(st.integers(1, 12)), data.draw(st.booleans())
    names = [f"j{number}" for number in range(count)]
    jobs = Jobs(
        active=[*names, *(f"other{number}" for number in range(data.draw(st.integers(0, 12))))],
        hidden=data.draw(st.sets(st.sampled_from(names))),
        page_jobs=data.draw(st.integers(1, 20)),
        calls=2 if rationed else math.inf,
        measured_after=data.draw(st.sampled_from([3, 20])),
        at_a_time=data.draw(st.integers(1, 4)),
        shows_ended=rationed or data.draw(st.booleans()),
    )
    jobs.active = data.draw(st.permutations(jobs.active))
    listing, seen = Listing(jobs), set[str]()
    ends = {name: data.draw(st.integers(0, 8)) for name in names}
    outages = data.draw(st.lists(st.sampled_from(["", "", "list", "asks", "list, asks"]), max_size=10))
    page_count = -(-len(jobs.active) // jobs.page_jobs)
    patience = 2 * (count + page_count) + 2 * jobs.measured_after if rationed else 3 + 2 * jobs.measured_after
    for tick in range(max(len(outages), 9) + patience):
        for name in (name for name, end in ends.items() if end == tick):
            jobs.active.remove(name)
            jobs.ended.append(name)
        outage = outages[tick] if tick < len(outages) else ""
        jobs.out = DOWN if "list" in outage else None
        jobs.errors = {"": DOWN} if "asks" in outage else {}
        watched, before = refs(*sorted(set(names) - seen)), jobs.requests
        try:
            found = listing.statuses(watched)
        except TransportError:
            assert outage
            found = {}
        at_rest(listing)  # or the next look counts what this one's threads ask
        assert jobs.requests - before <= (2 if rationed else 2 * len(watched) + 1)
        for ref, news in found.items():
            if isinstance(news, JobStatus) and news.state.ended:
                assert ref.id in jobs.ended
                seen.add(ref.id)
    assert seen == set(names)


def test_lists_that_nobody_looks_at_any_more_are_forgotten() -> None:
    """A connection may be in use for months, and each table of Redivis, and each release, has a list."""
    used = refs("used")
    jobs = Jobs(active=["used"])
    listing = Listing(jobs)
    listing.statuses(used)
    first = listing._lists["p"]
    for number in range(MOST_LISTS + 50):
        listing.statuses([*used, *refs("a", scope=str(number))])
    assert len(listing._lists) == MOST_LISTS
    assert listing._lists["p"] is first
