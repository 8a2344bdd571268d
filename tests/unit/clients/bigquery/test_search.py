"""What a sensor looks for, and when it has found it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_jobs.clients.bigquery.search import JobSearch
from airflow_provider_jobs.errors import ConfigurationError, ProtocolError
from tests.unit.clients.replay import client_of, job

if TYPE_CHECKING:
    from tests.unit.conftest import Clock


def listed(*jobs: dict[str, Any]) -> dict[str, Any]:
    return {"jobs": list(jobs)}


def labelled(job_id: str, state: str = "DONE", **labels: str) -> dict[str, Any]:
    return job(job_id, state, configuration={"labels": labels})


@pytest.mark.parametrize(
    "search",
    [
        {"job_id_prefix": "a"},
        {"labels": {"a": "b"}},
        {"parent_job_id": "a"},
        {"min_creation_time": 1, "max_creation_time": 1},
        {"job_id_prefix": "a", "min_jobs": 0},
    ],
)
def test_a_search_needs_something_to_look_for(search: dict[str, Any]) -> None:
    made = JobSearch(**search)
    assert JobSearch(**json.loads(json.dumps(made.to_json()))) == made


@pytest.mark.parametrize(
    ("search", "text"),
    [
        ({}, "give job_id_prefix, labels, parent_job_id or min_creation_time"),
        ({"max_creation_time": 1}, "give job_id_prefix"),
        ({"job_id_prefix": "a b"}, "job_id_prefix"),
        ({"parent_job_id": "a/b"}, "parent_job_id"),
        ({"job_id_prefix": "a", "min_jobs": -1}, "min_jobs is -1"),
        ({"min_creation_time": 2, "max_creation_time": 1}, "min_creation_time is after max_creation_time"),
    ],
)
def test_what_is_no_search_is_refused(search: dict[str, Any], text: str) -> None:
    with pytest.raises(ConfigurationError, match=text):
        JobSearch(**search)


def test_asks_with_all_filters(clock: Clock) -> None:
    client, replay = client_of(clock, {}, listed(labelled("a", x="y")))
    search = JobSearch("q", "a", {"x": "y"}, "parent", 1, 2, all_users=True)
    assert search.ended(client)
    common = {
        "projection": "full",
        "parentJobId": "parent",
        "minCreationTime": 1,
        "maxCreationTime": 2,
        "allUsers": True,
    }
    assert replay.asked == ["GET q/jobs"] * 2
    assert replay.params == [
        {**common, "stateFilter": ["pending", "running"]},
        {**common, "stateFilter": ["done"]},
    ]


def test_an_active_match_goes_on(clock: Clock) -> None:
    client, replay = client_of(clock, listed(job("b-1", "RUNNING"), job("a-1", "RUNNING")))
    assert not JobSearch(job_id_prefix="a").ended(client)
    assert len(replay.sent) == 1


def test_others_that_are_active_do_not_matter(clock: Clock) -> None:
    active = listed(labelled("a", "RUNNING", x="other"), labelled("b", "RUNNING"), job("c", "RUNNING"))
    client, _ = client_of(clock, active, listed(labelled("a", x="y", z="1")))
    assert JobSearch(labels={"x": "y"}).ended(client)


@pytest.mark.parametrize(("found", "enough"), [(0, False), (1, False), (2, True), (3, True)])
def test_fewer_than_expected_are_not_yet_submitted(clock: Clock, found: int, *, enough: bool) -> None:
    client, _ = client_of(clock, {}, listed(*[job(f"a{number}") for number in range(found)]))
    assert JobSearch(job_id_prefix="a", min_jobs=2).ended(client) is enough


def test_none_can_be_enough(clock: Clock) -> None:
    client, _ = client_of(clock, {}, {})
    assert client.search_ended(JobSearch(job_id_prefix="a", min_jobs=0).to_json())


def test_what_was_found_says_why_it_failed(clock: Clock) -> None:
    """Only a full projection holds status, and with it errors[]."""
    client, replay = client_of(clock, listed(job("a1")))
    assert [status.state for status in JobSearch(job_id_prefix="a").found(client)] == ["succeeded"]
    assert replay.params[0]["projection"] == "full"


def test_a_malformed_list_is_a_protocol_error(clock: Clock) -> None:
    client, _ = client_of(clock, {"jobs": [{}]})
    with pytest.raises(ProtocolError):
        JobSearch(job_id_prefix="a").ended(client)


def test_a_region_that_cannot_be_seen_may_hold_more(clock: Clock) -> None:
    """Its jobs may be active, so nobody can say that all have ended."""
    hidden = {"unreachable": ["europe-west3"]}
    for pages in ([hidden, listed(job("a1"))], [{}, {**listed(job("a1")), **hidden}]):
        client, _ = client_of(clock, *pages)
        with pytest.raises(ProtocolError, match=r"jobs\.list could not see europe-west3") as caught:
            JobSearch(job_id_prefix="a").ended(client)
        assert caught.value.retryable
