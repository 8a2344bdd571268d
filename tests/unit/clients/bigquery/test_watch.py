"""Many jobs in few requests, and never a wrong answer for the sake of it."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_jobs.errors import JobsError, NotFoundError, ServiceError
from airflow_provider_jobs.jobs import JobRef, JobStatus
from tests.unit.clients.replay import client_of, job, refusal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.unit.conftest import Clock

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


def test_many_that_left_at_once_are_listed_too(clock: Clock) -> None:
    names = ["a", "b", "c", "d", "e", "f"]
    ended = [listed("a", "b", nextPageToken="t", state="DONE"), listed("c", "d", "e", "f", state="DONE")]
    client, replay = client_of(clock, {}, *ended)
    assert set(summary(client.status_many(refs(*names))).values()) == {"succeeded"}
    assert replay.params[1] == {
        "maxResults": 1_000,
        "projection": "full",
        "stateFilter": "done",
        "minCreationTime": str((CREATED - 60) * 1000),
        "maxCreationTime": str((CREATED + 60) * 1000),
    }
    assert len(replay.sent) == 3


def test_the_rest_of_many_is_asked_for(clock: Clock) -> None:
    names = ["a", "b", "c", "d", "e"]
    client, replay = client_of(clock, {}, listed("a", "b", "c", "d", state="DONE"), "not_found")
    clock.time = CREATED + 3600
    found = client.status_many(refs(*names))
    assert summary(found) == {**dict.fromkeys(names, "succeeded"), "e": "NotFoundError"}
    assert replay.asked[-1] == "GET p/jobs/e"


def test_a_busy_history_is_not_read_to_its_end(clock: Clock) -> None:
    """No more pages of ended jobs than gets would have cost."""
    names = ["a", "b", "c", "d", "e"]
    pages = [listed("stranger", state="DONE", nextPageToken=str(number)) for number in range(5)]
    client, replay = client_of(clock, {}, *pages, *[job(name) for name in names])
    assert set(summary(client.status_many(refs(*names))).values()) == {"succeeded"}
    assert len(replay.sent) == 11


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
    client, replay = client_of(clock, listed("a", "b"), job("c"))
    found = client.status_many([*refs("a"), other, *refs("b")])
    assert summary(found) == {"a": "running", "b": "running", "c": "succeeded"}
    assert replay.asked == ["GET p/jobs", "GET q/jobs/c"]


def test_a_list_that_costs_more_than_gets_is_given_up_for_a_while(clock: Clock) -> None:
    pages = [listed("a", nextPageToken="1"), listed("b")]
    ticks = [[job("a", "RUNNING"), job("b", "RUNNING")]] * 19
    client, replay = client_of(clock, *pages, *(each for tick in ticks for each in tick), listed("a", "b"))
    for _ in range(21):
        assert summary(client.status_many(refs("a", "b"))) == {"a": "running", "b": "running"}
    lists = [number for number, asked in enumerate(replay.asked) if asked == "GET p/jobs"]
    assert lists == [0, 1, 40]


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


@pytest.mark.parametrize("reason", ["rateLimitExceeded", "quotaExceeded"])
def test_a_list_that_is_refused_for_now_is_asked_for_again(clock: Clock, reason: str) -> None:
    """Such a refusal is a 403 too; one get for each job would make it worse."""
    replies = [refusal(403, reason)] * 6
    client, script = client_of(clock, *replies, {"jobs": [job("a", "RUNNING"), job("b", "RUNNING")]})
    while script.replies:
        with contextlib.suppress(ServiceError):
            client.status_many(refs("a", "b"))
    assert {each.url.rpartition("/")[2] for each in script.sent} == {"jobs"}


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
