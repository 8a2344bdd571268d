"""Many jobs in few requests, and never a wrong answer for the sake of it."""

from __future__ import annotations

import threading
from collections import Counter
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_jobs.clients.bigquery.client import BigQueryClient
from airflow_provider_jobs.core.http.retry import LATER_SECONDS
from airflow_provider_jobs.errors import JobsError, NotFoundError, ServiceError
from airflow_provider_jobs.jobs import JobRef, JobStatus
from tests.unit.clients.replay import Replay, client_of, job, refusal
from tests.unit.conftest import Clock, at_rest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_provider_jobs.core.http.messages import Reply, Request

CREATED = 1_700_000_000
LISTED = {
    "maxResults": 10_000,
    "projection": "minimal",
    "stateFilter": ["pending", "running"],
    "fields": "nextPageToken,unreachable,jobs(jobReference(jobId,location),state)",
}


def refs(*names: str, location: str | None = "EU", created_at: float | None = CREATED) -> list[JobRef]:
    return [JobRef("bigquery", "p", name, location, created_at) for name in names]


def listed(*names: str, state: str = "RUNNING", **more: Any) -> dict[str, Any]:
    return {"jobs": [job(name, state) for name in names], **more}


def summary(found: Mapping[JobRef, JobStatus | JobsError]) -> dict[str, str]:
    return {
        ref.id: news.state if isinstance(news, JobStatus) else type(news).__name__
        for ref, news in found.items()
    }


class Project(Replay):
    """A project whose jobs end when a test says so.

    :param jobs: The locations of each job by its id: several jobs have it if there are several.
    :ivar created: When a job was created that is not as old as the others.
    :ivar page_jobs: Jobs of a page.
    :ivar out: What is answered in place of a list, or of a get.
    """

    def __init__(self, clock: Clock, jobs: Mapping[str, str]) -> None:
        super().__init__(clock)
        self.active = {(location, name) for name, places in jobs.items() for location in places.split()}
        self.ended: set[tuple[str, str]] = set()
        self.created: dict[str, int] = {}
        self.page_jobs = 10_000
        self.out: dict[str, Any] = {}
        self.lock = threading.Lock()

    def end(self, name: str, location: str = "EU") -> None:
        self.active.discard((location, name))
        self.ended.add((location, name))

    def send(self, request: Request, headers: Mapping[str, str]) -> Reply:
        name = request.url.partition("/jobs/")[2]
        with self.lock:
            reply = self.out.get("get" if name else "list")
            self.replies = [
                reply or (self._get(name, request.params) if name else self._list(request.params))
            ]
            return super().send(request, headers)

    def _get(self, name: str, params: Mapping[str, Any]) -> Any:
        for places, state in ((self.active, "RUNNING"), (self.ended, "DONE")):
            for location in [params["location"]] if params["location"] else ["US", "EU"]:
                if (location, name) in places:
                    return self._job(location, name, state)
        return refusal(404, "notFound")

    def _list(self, params: Mapping[str, Any]) -> Any:
        done = params["stateFilter"] == "done"
        first, last = int(params.get("minCreationTime", 0)), int(params.get("maxCreationTime", 1e15))
        jobs = [
            self._job(*place, "DONE" if done else "RUNNING")
            for place in sorted(self.ended if done else self.active)
            if first <= self.created.get(place[1], CREATED) * 1000 <= last
        ]
        at = int(params.get("pageToken") or 0)
        following = at + min(self.page_jobs, params["maxResults"])
        token = {"nextPageToken": str(following)} if following < len(jobs) else {}
        return {"jobs": jobs[at:following], **token}

    def _job(self, location: str, name: str, state: str) -> dict[str, Any]:
        created = str(self.created.get(name, CREATED) * 1000)
        found = job(name, state, statistics={"creationTime": created})
        found["jobReference"]["location"] = location
        return found


def test_one_job_is_asked_for(clock: Clock) -> None:
    client, replay = client_of(clock, "query_done")
    assert summary(client.status_many(refs("j_0"))) == {"j_0": "succeeded"}
    assert replay.asked == ["GET p/jobs/j_0"]


def test_no_job_asks_nothing(clock: Clock) -> None:
    client, replay = client_of(clock)
    assert client.status_many([]) == {}
    assert replay.sent == []


def test_several_jobs_are_listed(clock: Clock) -> None:
    page = {"jobs": [job("a", "RUNNING"), job("b", "PENDING"), job("stranger", "RUNNING")]}
    client, replay = client_of(clock, page)
    assert summary(client.status_many(refs("a", "b"))) == {"a": "running", "b": "pending"}
    assert replay.params == [{**LISTED, "minCreationTime": str((CREATED - 60) * 1000)}]


def test_a_job_of_unknown_age_opens_the_window(clock: Clock) -> None:
    client, replay = client_of(clock, listed("a", "b"))
    client.status_many([*refs("a"), *refs("b", created_at=None)])
    assert replay.params == [LISTED]


def test_a_job_that_left_the_list_is_confirmed(clock: Clock) -> None:
    """Absent does not mean ended: the list may be late."""
    client, replay = client_of(clock, listed("a"), job("b"), listed("a"), job("b", "RUNNING"))
    assert summary(client.status_many(refs("a", "b"))) == {"a": "running", "b": "succeeded"}
    assert summary(client.status_many(refs("a", "b"))) == {"a": "running", "b": "running"}
    assert replay.asked == ["GET p/jobs", "GET p/jobs/b"] * 2


def test_a_job_of_the_same_id_elsewhere_is_another(clock: Clock) -> None:
    client, replay = client_of(clock, listed("a", "b"), job("b"))
    found = client.status_many([*refs("a"), *refs("b", location="US")])
    assert summary(found) == {"a": "running", "b": "succeeded"}
    assert replay.params[-1] == {"location": "US"}


def test_a_job_of_unknown_location_costs_what_another_does(clock: Clock) -> None:
    """A sensor knows neither the location of a job nor when it was created."""
    names = [f"j{number}" for number in range(100)]
    project = Project(clock, dict.fromkeys(names, "europe-west3"))
    client = BigQueryClient(project, "p")
    watched = refs(*names, location=None, created_at=None)
    for _ in range(41):
        assert set(summary(client.status_many(watched)).values()) == {"running"}
    assert project.asked == ["GET p/jobs"] * 41
    project.end("j7", "europe-west3")
    found = summary(client.status_many(watched))
    assert (found.pop("j7"), set(found.values())) == ("succeeded", {"running"})
    assert project.asked[41:] == ["GET p/jobs", "GET p/jobs/j7"]
    assert project.params[-1] == {"location": "europe-west3"}


def test_an_id_that_two_locations_show_is_asked_for(clock: Clock) -> None:
    project = Project(clock, {"a": "asia-east1 US", "b": "EU", "c": "EU"})
    client = BigQueryClient(project, "p")
    assert set(summary(client.status_many(refs("a", "b", "c", location=None))).values()) == {"running"}
    assert project.asked == ["GET p/jobs", "GET p/jobs/a"]
    assert project.params[-1] == {}


def test_jobs_of_unknown_age_do_not_open_the_history(clock: Clock) -> None:
    """A list of the ended ones is bounded by when the jobs were created: who does not say is asked for."""
    young, old = refs("a", "b", "c"), refs("d", "e", created_at=None)
    project = Project(clock, dict.fromkeys("abcde", "EU"))
    project.created = dict.fromkeys("de", CREATED - 10 * 86400)
    client = BigQueryClient(project, "p")
    client.status_many([*young, *old])
    for name in "abcde":
        project.end(name)
    assert set(summary(client.status_many([*young, *old])).values()) == {"succeeded"}
    assert sorted(project.asked) == [*["GET p/jobs"] * 3, "GET p/jobs/d", "GET p/jobs/e"]
    (ended,) = [params for params in project.params if params.get("stateFilter") == "done"]
    assert ended["minCreationTime"] == str((CREATED - 60) * 1000)
    assert ended["maxCreationTime"] == str((CREATED + 60) * 1000)


def test_a_history_is_not_read_on_for_jobs_of_unknown_age(clock: Clock) -> None:
    young, old = refs("a", "b"), refs("d", "e", "f", "g", created_at=None)
    project = Project(clock, dict.fromkeys([*"abdefg", *(f"other{number}" for number in range(9))], "EU"))
    for _, name in list(project.active):
        project.end(name)
    project.page_jobs = 1
    client = BigQueryClient(project, "p")
    assert set(summary(client.status_many([*young, *old])).values()) == {"succeeded"}
    assert project.asked.count("GET p/jobs") == 2


def test_many_that_left_at_once_are_listed_too(clock: Clock) -> None:
    names = ["a", "b", "c", "d", "e", "f"]
    client, replay = client_of(clock, {}, listed(*names, state="DONE"))
    assert set(summary(client.status_many(refs(*names))).values()) == {"succeeded"}
    assert replay.params[1] == {
        "maxResults": 1_000,
        "projection": "full",
        "stateFilter": "done",
        "minCreationTime": str((CREATED - 60) * 1000),
        "maxCreationTime": str((CREATED + 60) * 1000),
    }
    assert len(replay.sent) == 2


def test_pages_of_ended_jobs_are_read_on_while_they_pay(clock: Clock) -> None:
    """Side by side with what is asked for."""
    names = [f"j{number:02}" for number in range(60)]
    project = Project(clock, dict.fromkeys(names, "EU"))
    project.page_jobs = 20
    client = BigQueryClient(project, "p")
    for name in names:
        project.end(name)
    assert set(summary(client.status_many(refs(*names))).values()) == {"succeeded"}
    assert project.asked.count("GET p/jobs") > 2
    assert len(project.asked) < 60


def test_the_rest_of_many_is_asked_for(clock: Clock) -> None:
    names = ["a", "b", "c", "d", "e"]
    client, replay = client_of(clock, {}, listed("a", "b", "c", "d", state="DONE"), "not_found")
    clock.time = CREATED + 3600
    found = client.status_many(refs(*names))
    assert summary(found) == {**dict.fromkeys(names, "succeeded"), "e": "NotFoundError"}
    assert replay.asked[-1] == "GET p/jobs/e"


def test_a_busy_history_is_not_read_to_its_end(clock: Clock) -> None:
    """A page that tells of nobody is not worth another: in its time several would have been asked for."""
    names = ["a", "b", "c", "d", "e"]
    client, replay = client_of(
        clock, {}, listed("stranger", state="DONE", nextPageToken="t"), *[job(name) for name in names]
    )
    assert set(summary(client.status_many(refs(*names))).values()) == {"succeeded"}
    assert len(replay.sent) == 7


def test_where_lists_of_ended_jobs_do_not_pay_a_few_are_asked_for(clock: Clock) -> None:
    """For twenty ticks in which something ended; then the list has another chance."""
    few = [job("a"), job("b")]
    again = [{}, *few] * 20
    client, replay = client_of(
        clock, {}, listed("stranger"), *few, *again, {}, listed("a", "b", state="DONE")
    )
    for _ in range(22):
        assert set(summary(client.status_many(refs("a", "b"))).values()) == {"succeeded"}
    lists = [number for number, asked in enumerate(replay.asked) if asked == "GET p/jobs"]
    assert lists == [0, 1, *range(4, 64, 3), 64, 65]


def test_a_region_that_cannot_be_reached_proves_nothing(clock: Clock) -> None:
    client, replay = client_of(clock, listed("a", unreachable=["US"]))
    found = client.status_many([*refs("a"), *refs("b", location="US")])
    assert summary(found) == {"a": "running", "b": "running"}
    assert len(replay.sent) == 1


def test_each_failure_stands_for_one_job(clock: Clock) -> None:
    clock.time = CREATED + 3600
    client, _ = client_of(clock, {}, {}, "not_found", job("b", "RUNNING"))
    found = client.status_many(refs("a", "b"))
    assert isinstance(found[refs("a")[0]], NotFoundError)
    assert summary(found)["b"] == "running"


def test_projects_are_asked_each_by_itself(clock: Clock) -> None:
    other = JobRef("bigquery", "q", "c", "EU", CREATED)
    # Two threads ask, and either may be first: which of them gets a reply hangs on what it asks.
    client, replay = client_of(clock, listed("a", "b"))
    elsewhere, other_replay = client_of(clock, job("c"))
    watched = {"p": client, "q": elsewhere}
    client._many.jobs.ask = lambda ref: watched[ref.scope].status(ref)
    found = client.status_many([*refs("a"), other, *refs("b")])
    assert summary(found) == {"a": "running", "b": "running", "c": "succeeded"}
    assert (replay.asked, other_replay.asked) == (["GET p/jobs"], ["GET q/jobs/c"])


def test_a_list_that_costs_more_than_gets_is_given_up_for_a_while(clock: Clock) -> None:
    page = listed("a", nextPageToken="1")
    ticks = [[job("a", "RUNNING"), job("b", "RUNNING")]] * 19
    client, replay = client_of(
        clock, page, job("b", "RUNNING"), *(each for tick in ticks for each in tick), listed("a", "b")
    )
    for _ in range(21):
        assert summary(client.status_many(refs("a", "b"))) == {"a": "running", "b": "running"}
    lists = [number for number, asked in enumerate(replay.asked) if asked == "GET p/jobs"]
    assert lists == [0, 40]


@pytest.mark.parametrize("status", [403, 401])
def test_who_may_not_list_asks_for_each(clock: Clock, status: int) -> None:
    """The role jobUser may get its own jobs and not list them."""
    if status == 401:
        client, _ = client_of(clock, refusal(401))
        with pytest.raises(ServiceError):
            client.status_many(refs("a", "b"))
        return
    client, _ = client_of(clock, refusal(403, "accessDenied"), job("a"), job("b", "RUNNING"))
    assert summary(client.status_many(refs("a", "b"))) == {"a": "succeeded", "b": "running"}


def test_a_quota_that_is_spent_lets_nobody_ask_for_a_while(clock: Clock) -> None:
    project = Project(clock, dict.fromkeys("abcdef", "EU"))
    client = BigQueryClient(project, "p")
    client._many.jobs.at_a_time = 1
    project.out = dict.fromkeys(("list", "get"), refusal(403, "quotaExceeded"))
    for _ in range(20):
        with suppress(ServiceError):
            client.status_many(refs(*"abcdef"))
    asked = Counter(project.asked)
    assert max(asked.values()) == 1
    project.out = {}
    clock.time += LATER_SECONDS
    assert set(summary(client.status_many(refs(*"abcdef"))).values()) == {"running"}


def test_a_list_that_is_refused_for_now_is_asked_for_again(clock: Clock) -> None:
    """Such a refusal is a 403 too; as long as single jobs are refused as well, one is asked for in a tick."""
    reason = "rateLimitExceeded"
    project = Project(clock, dict.fromkeys("abcdef", "EU"))
    client = BigQueryClient(project, "p")
    client._many.jobs.at_a_time = 1
    project.out = dict.fromkeys(("list", "get"), refusal(403, reason))
    for tick in range(1, 8):
        with pytest.raises(ServiceError, match=reason):
            client.status_many(refs(*"abcdef"))
        at_rest(client._many)
        assert len({each for each in project.asked if each != "GET p/jobs"}) <= tick
    assert project.asked.count("GET p/jobs") == 3  # in the first tick, the second and the fourth
    project.out = {}
    for _ in range(50):  # nobody waits for a list that was out
        del project.sent[:]
        assert set(summary(client.status_many(refs(*"abcdef"))).values()) <= {"running", "ServiceError"}
        if project.asked == ["GET p/jobs"]:
            break
    else:
        pytest.fail("the list is not read again")


def test_jobs_that_cannot_be_listed_are_asked_for(clock: Clock) -> None:
    """Lists may be out alone: that is no reason to tell nothing."""
    project = Project(clock, dict.fromkeys("abcdef", "EU"))
    client = BigQueryClient(project, "p")
    project.out = {"list": refusal(500)}
    project.end("f")
    found = summary(client.status_many(refs(*"abcdef")))
    assert found == {**dict.fromkeys("abcde", "running"), "f": "succeeded"}


@pytest.mark.parametrize("page", [{"jobs": [{}]}, {"jobs": [None]}, {"jobs": None}, {"unreachable": None}])
def test_a_malformed_list_is_no_bug(clock: Clock, page: dict[str, Any]) -> None:
    """An error of another kind would end all tasks that wait on the connection."""
    client, _ = client_of(clock, page, {}, job("a"), job("b"))
    try:
        found = client.status_many(refs("a", "b"))
    except JobsError as error:
        assert error.retryable  # noqa: PT017 - asking for each is as good
    else:
        assert len(found) == 2


PLACES = ["EU", "US", "europe-west3"]


@settings(deadline=None, max_examples=150)
@given(data=st.data())
def test_each_end_is_seen_soon_wherever_the_job_is(data: st.DataObject) -> None:
    """Whatever the locations, the pages and the outages: the truth, and few requests."""
    clock = Clock(time=CREATED + 3600.0)
    names = [f"j{number}" for number in range(data.draw(st.integers(1, 12)))]
    places = {name: data.draw(st.sampled_from(PLACES)) for name in names}
    project = Project(
        clock, places | {f"other{number}": "EU" for number in range(data.draw(st.integers(0, 9)))}
    )
    project.page_jobs = data.draw(st.integers(1, 30))
    known = {name: data.draw(st.booleans()) or places[name] == "europe-west3" for name in names}
    aged = {name: data.draw(st.booleans()) for name in names}
    watched = {
        name: JobRef(
            "bigquery", "p", name, places[name] if known[name] else None, CREATED if aged[name] else None
        )
        for name in names
    }
    ends = {name: data.draw(st.integers(0, 6)) for name in names}
    outages = data.draw(st.lists(st.sampled_from([[], [], ["list"], ["get"], ["list", "get"]]), max_size=8))
    client = BigQueryClient(project, "p")
    for tick in range(max(7, len(outages)) + 3):
        for name in (name for name, end in ends.items() if end == tick):
            project.end(name, places[name])
        outage = outages[tick] if tick < len(outages) else []
        project.out = dict.fromkeys(outage, refusal(403, "rateLimitExceeded"))
        before, count = len(project.sent), len(watched)
        try:
            found = client.status_many(list(watched.values()))
        except ServiceError:
            assert outage
            found = {}
        at_rest(client._many)
        assert len(project.sent) - before <= 2 * count + 1
        for ref, news in found.items():
            if isinstance(news, JobStatus) and news.state.ended:
                assert news.ref.location == places[ref.id]
                assert (news.ref.location, ref.id) in project.ended
                del watched[ref.id]
            else:
                assert outage or outages or (places[ref.id], ref.id) in project.active
    assert not watched
