"""What the client makes of several requests of the API."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from airflow_provider_jobs.clients.bigquery.replies import job_status
from airflow_provider_jobs.errors import NotFoundError, ServiceError
from airflow_provider_jobs.jobs import JobRef
from tests.unit.clients.replay import client_of, job, refusal, resource

if TYPE_CHECKING:
    from tests.unit.conftest import Clock

REF = JobRef("bigquery", "p", "j_0", "EU", created_at=1_700_000_000.5)


def test_a_cancel_tells_whether_there_was_something_to_stop(clock: Clock) -> None:
    running, stopped = {"state": "RUNNING"}, {"state": "DONE", "errorResult": {"reason": "stopped"}}
    replies = [{"job": job("j_0", status=each)} for each in (running, stopped, {"state": "DONE"})]
    client, replay = client_of(clock, *replies)
    assert [client.cancel(REF) for _ in replies] == [False, False, True]
    assert replay.asked == ["POST p/jobs/j_0/cancel"] * 3


def test_a_cancel_of_a_job_that_is_not_there_says_so(clock: Clock) -> None:
    """It may be one that was made a moment ago."""
    client, _ = client_of(clock, "not_found")
    with pytest.raises(NotFoundError):
        client.cancel(REF)


def test_a_cancel_finds_the_location_that_nobody_knows(clock: Clock) -> None:
    listed = job("j_0")
    client, replay = client_of(clock, "not_found", {"jobs": [listed]}, {"job": listed})
    client.cancel(JobRef("bigquery", "p", "j_0"))
    assert replay.asked == ["POST p/jobs/j_0/cancel", "GET p/jobs", "POST p/jobs/j_0/cancel"]
    assert replay.params[-1] == {"location": listed["jobReference"]["location"]}


def test_a_refused_cancel_is_an_error(clock: Clock) -> None:
    client, replay = client_of(clock, refusal(403))
    with pytest.raises(ServiceError, match="403"):
        client.cancel(REF)
    assert replay.asked == ["POST p/jobs/j_0/cancel"]


def test_names_the_statement_of_a_script_that_failed(clock: Clock) -> None:
    script = job_status(job("j_0", statistics={"numChildJobs": "2"}))
    client, replay = client_of(clock, "script_children")
    assert client.failing_statement(script) == (
        "line 3, column 1: SELECT 1/0; called from line 9, column 5: CALL d.proc()"
    )
    assert replay.params == [{"parentJobId": "j_0", "projection": "full"}]


def test_a_script_may_fail_without_a_statement(clock: Clock) -> None:
    script = job_status(job("j_0", statistics={"numChildJobs": "2"}))
    client, _ = client_of(clock, {"jobs": [job("child")]})
    assert client.failing_statement(script) is None


def test_other_jobs_have_no_statements(clock: Clock) -> None:
    client, replay = client_of(clock)
    assert client.failing_statement(job_status(resource("load_failed"))) is None
    assert replay.sent == []
