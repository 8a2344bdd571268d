"""Several jobs that one reference stands for, as the client tells of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_jobs.clients.bigquery.joint import joint_ref, joint_status
from airflow_provider_jobs.clients.bigquery.replies import job_status
from airflow_provider_jobs.errors import JobsError, NotFoundError, ServiceError
from airflow_provider_jobs.jobs import JobRef, JobState, JobStatus
from tests.unit.clients.replay import client_of, job, refusal

if TYPE_CHECKING:
    from tests.unit.conftest import Clock

A, B = (JobRef("bigquery", "p", name, "EU", created_at=at) for name, at in (("a", 100.0), ("b", 500.0)))
BOTH = joint_ref([A, B])


def ended(job_id: str, *reasons: str) -> dict[str, Any]:
    errors = [{"reason": reason, "message": "m", "location": "f.csv"} for reason in reasons]
    return job(job_id, status={"state": "DONE", "errorResult": errors[0], "errors": errors})


def joint(*jobs: dict[str, Any]) -> JobStatus:
    return joint_status(None, [job_status(each) for each in jobs])


def test_a_reference_is_as_young_as_its_youngest_job() -> None:
    """A job counts as not visible yet as long as it is young."""
    assert JobRef("bigquery", "p", "a b", "EU") == BOTH
    assert BOTH.created_at == 500.0
    assert joint_ref([B, A]).created_at == 500.0


def test_jobs_of_two_places_are_not_one() -> None:
    with pytest.raises(JobsError, match="in several places: p:EU, p:US"):
        joint_ref([A, JobRef("bigquery", "p", "b", "US")])


def test_one_job_is_itself() -> None:
    status = job_status(job("a"))
    assert joint_status(None, [status]) is status


def test_a_joint_status_tells_of_each() -> None:
    status = joint(job("a", statistics={"load": {"outputRows": "3"}}), job("b", "RUNNING"))
    assert status.state is JobState.RUNNING
    assert status.url
    assert status.url.endswith("bq:EU:b&page=queryresults")
    assert [each["job_id"] for each in status.statistics["jobs"]] == ["a", "b"]
    assert status.statistics["jobs"][0]["row_count"] == 3
    assert JobStatus.from_json(status.to_json()) == status


def test_a_failure_names_the_job_and_everything_it_said() -> None:
    status = joint(ended("a", "stopped"), ended("b", "invalid", "badRow", "badRow"))
    assert status.state is JobState.FAILED
    assert str(status.problem) == "invalid (b, f.csv): m"
    assert [problem.location for problem in status.problems] == ["a, f.csv", *["b, f.csv"] * 3]
    assert status.problem_count == 4
    assert status.url
    assert "bq:EU:b" in status.url


@pytest.mark.parametrize(
    ("reasons", "retryable"),
    [
        (("backendError", "backendError"), True),
        (("backendError", "stopped"), True),
        (("backendError", "invalid"), False),
        (("stopped", "stopped"), False),
    ],
)
def test_a_retry_has_to_help_each_failed_job(reasons: tuple[str, str], *, retryable: bool) -> None:
    assert joint(ended("a", reasons[0]), ended("b", reasons[1])).retryable is retryable


def test_status_asks_for_each(clock: Clock) -> None:
    client, replay = client_of(clock, job("a"), job("b", "RUNNING"))
    status = client.status(BOTH)
    assert status.ref == BOTH
    assert status.state is JobState.RUNNING
    assert replay.asked == ["GET p/jobs/a", "GET p/jobs/b"]
    assert replay.params == [{"location": "EU"}] * 2


def test_many_are_told_with_what_they_consist_of(clock: Clock) -> None:
    other = JobRef("bigquery", "p", "c", "EU")
    listed = {"jobs": [job("a", "RUNNING"), job("b", "RUNNING"), job("c", "RUNNING")]}
    client, replay = client_of(clock, listed)
    found = client.status_many([BOTH, other])
    assert {ref: isinstance(each, JobStatus) and each.ref for ref, each in found.items()} == {
        BOTH: BOTH,
        other: other,
    }
    assert len(replay.sent) == 1


def test_one_that_is_gone_stands_for_all(clock: Clock) -> None:
    client, _ = client_of(clock, {"jobs": [job("a", "RUNNING")]}, "not_found")
    assert isinstance(client.status_many([BOTH])[BOTH], NotFoundError)


@pytest.mark.parametrize("failing", [False, True])
def test_cancel_asks_for_the_end_of_each(clock: Clock, *, failing: bool) -> None:
    first = refusal(403) if failing else "not_found"
    client, replay = client_of(clock, first, {"job": job("b")})
    if failing:
        with pytest.raises(ServiceError, match="403"):
            client.cancel(BOTH)
    else:
        client.cancel(BOTH)
    assert replay.asked == ["POST p/jobs/a/cancel", "POST p/jobs/b/cancel"]
