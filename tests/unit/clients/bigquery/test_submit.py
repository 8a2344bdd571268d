"""One job for one piece of work, whatever gets lost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_jobs.clients.bigquery.submit import MAX_ATTEMPTS
from airflow_provider_jobs.core.wait.single import GRACE_SECONDS
from airflow_provider_jobs.core.work import JobRequest
from airflow_provider_jobs.errors import (
    ConfigurationError,
    JobsError,
    NotFoundError,
    ProtocolError,
    ServiceError,
    TransportError,
)
from airflow_provider_jobs.jobs import JobRef, JobState
from tests.unit.clients.replay import client_of, job, refusal

if TYPE_CHECKING:
    from tests.unit.conftest import Clock

REF = JobRef("bigquery", "p", "j_0", "EU", created_at=1_700_000_000.5)
WORK = JobRequest(scope="p", key="j", body={"query": {"query": "SELECT 1"}})
LOST = TransportError("cut")


def made(state: str, created_ms: int = 1_700_000_000_500, **more: Any) -> dict[str, Any]:
    return job("j_0", state, statistics={"creationTime": str(created_ms)}, **more)


def ended(reason: str, created_ms: int = 1_700_000_000_500) -> dict[str, Any]:
    status = {"state": "DONE", "errorResult": {"reason": reason, "message": "m"}}
    return made("DONE", created_ms, status=status)


class TestSubmit:
    """One job for one piece of work, whatever gets lost."""

    def test_starts_the_job(self, clock: Clock) -> None:
        client, replay = client_of(clock, "insert_running")
        submission = client.submit(WORK)
        assert not submission.adopted
        assert submission.status.ref == REF
        assert replay.sent[0].body == {
            "jobReference": {"projectId": "p", "jobId": "j_0"},
            "configuration": WORK.body,
        }

    def test_a_location_goes_with_the_job(self, clock: Clock) -> None:
        client, replay = client_of(clock, "insert_running")
        client.submit(JobRequest(scope="p", key="j", body={}, location="EU"))
        assert replay.sent[0].body["jobReference"]["location"] == "EU"

    def test_a_lost_reply_makes_no_second_job(self, clock: Clock) -> None:
        client, replay = client_of(clock, LOST, "duplicate", made("RUNNING"))
        submission = client.submit(WORK)
        assert not submission.adopted
        assert submission.status.state is JobState.RUNNING
        assert replay.asked == ["POST p/jobs", "POST p/jobs", "GET p/jobs/j_0"]

    @pytest.mark.parametrize("state", ["PENDING", "RUNNING", "DONE"])
    def test_adopts_the_job_of_an_earlier_attempt(self, clock: Clock, state: str) -> None:
        clock.time += 3600
        client, replay = client_of(clock, "duplicate", made(state))
        submission = client.submit(WORK)
        assert submission.adopted
        assert submission.status.ref == REF
        assert len(replay.sent) == 2

    @pytest.mark.parametrize("reason", ["stopped", "backendError", "invalidQuery"])
    def test_steps_over_a_job_that_failed(self, clock: Clock, reason: str) -> None:
        client, replay = client_of(clock, "duplicate", ended(reason), "insert_running")
        assert not client.submit(WORK).adopted
        ids = [each.body["jobReference"]["jobId"] for each in replay.sent if each.body]
        assert ids == ["j_0", "j_1"]

    def test_steps_over_a_job_that_is_older_than_the_run(self, clock: Clock) -> None:
        client, replay = client_of(clock, "duplicate", made("DONE"), "insert_running")
        client.submit(JobRequest(scope="p", key="j", body={}, not_before=1_700_000_001.0))
        assert replay.sent[-1].body["jobReference"]["jobId"] == "j_1"

    def test_finds_a_job_wherever_it_is(self, clock: Clock) -> None:
        """Outside of US and EU a job is not found without its location, which a list tells."""
        there = {"projectId": "p", "jobId": "j_0", "location": "asia-east1"}
        client, replay = client_of(
            clock,
            "duplicate",
            "not_found",
            {"jobs": [job("other")], "nextPageToken": "t"},
            {"jobs": [{"jobReference": there}]},
            made("RUNNING", jobReference=there),
        )
        assert client.submit(WORK).status.ref.location == "asia-east1"
        assert replay.asked[1:] == ["GET p/jobs/j_0", "GET p/jobs", "GET p/jobs", "GET p/jobs/j_0"]
        assert replay.params[-1] == {"location": "asia-east1"}

    def test_waits_for_a_job_that_does_not_show_up_yet(self, clock: Clock) -> None:
        nothing: list[Any] = ["not_found", {}]
        client, _ = client_of(clock, "duplicate", *nothing * 3, made("RUNNING"))
        assert client.submit(WORK).status.state is JobState.RUNNING

    def test_a_job_that_never_shows_up_is_an_error_to_retry(self, clock: Clock) -> None:
        nothing: list[Any] = ["not_found", {}]
        client, _ = client_of(clock, "duplicate", *nothing * 99)
        began = clock.time
        with pytest.raises(NotFoundError) as caught:
            client.submit(WORK)
        assert caught.value.retryable
        assert clock.time - began <= GRACE_SECONDS

    def test_who_may_not_list_waits_for_the_job_too(self, clock: Clock) -> None:
        """The role jobUser may get its own jobs and not list them."""
        client, _ = client_of(clock, "duplicate", "not_found", refusal(403, "accessDenied"), made("RUNNING"))
        assert client.submit(WORK).status.state is JobState.RUNNING

    def test_a_refused_job_is_an_error(self, clock: Clock) -> None:
        client, replay = client_of(clock, refusal(400, "invalidQuery"))
        with pytest.raises(ServiceError) as caught:
            client.submit(WORK)
        assert not caught.value.retryable
        assert len(replay.sent) == 1

    def test_gives_up_on_work_that_always_fails(self, clock: Clock) -> None:
        failed: list[Any] = ["duplicate", ended("backendError")]
        client, _ = client_of(clock, *failed * MAX_ATTEMPTS)
        with pytest.raises(JobsError, match="100 jobs of the id j_… failed"):
            client.submit(WORK)

    def test_a_dry_run_through_submit_is_no_job(self, clock: Clock) -> None:
        """BigQuery's answer to one names no job id."""
        client, _ = client_of(clock, "dry_run")
        submission = client.submit(JobRequest(scope="p", key="j", body={"dryRun": True, "query": {}}))
        assert submission.status.state is JobState.SUCCEEDED
        assert submission.status.statistics["bytes_processed"] == 4096

    def test_a_dry_run_tells_what_a_query_would_process(self, clock: Clock) -> None:
        client, replay = client_of(clock, LOST, "dry_run")
        body = {"query": {}, "dryRun": True}
        status = client.submit(JobRequest(scope="p", key="j", body=body, location="EU")).status
        assert status.statistics["bytes_processed"] == 4096
        assert (status.ref.id, status.ref.location) == ("", "EU")
        assert replay.sent[-1].body["configuration"] == {"query": {}, "dryRun": True}


class TestWasSubmitted:
    """Whether an earlier attempt has made the job: what it has loaded is not to be deleted."""

    def test_a_job_of_the_version_before_counts(self, clock: Clock) -> None:
        client, replay = client_of(clock, "not_found", made("DONE"))
        assert client.was_submitted(JobRequest(scope="p", key="j", key_before="old", body={}, location="EU"))
        assert replay.asked == ["GET p/jobs/j_0", "GET p/jobs/old_0"]

    def test_who_can_neither_see_nor_list_is_not_told_no(self, clock: Clock) -> None:
        """A get without a location shows jobs of US and EU alone."""
        client, _ = client_of(clock, "not_found", refusal(403, "accessDenied"))
        with pytest.raises(ConfigurationError, match="give location"):
            client.was_submitted(JobRequest(scope="p", key="j", body={}))

    def test_an_outage_of_the_list_is_for_the_retry(self, clock: Clock) -> None:
        client, _ = client_of(clock, "not_found", *[refusal(503, "backendError")] * 99)
        with pytest.raises(ServiceError) as caught:
            client.was_submitted(JobRequest(scope="p", key="j", body={}))
        assert caught.value.retryable

    def test_nobody_was_before_the_first(self, clock: Clock) -> None:
        client, replay = client_of(clock, "not_found")
        assert not client.was_submitted(JobRequest(scope="p", key="j", body={}, first=True))
        assert replay.asked == ["GET p/jobs/j_0"]

    def test_a_job_of_a_run_that_was_deleted_is_passed_over(self, clock: Clock) -> None:
        """The run has the same ids: it makes the next job of the id, and a retry asks for that one."""
        request = JobRequest(scope="p", key="j", body={}, location="EU", not_before=1_700_000_001.0)
        client, replay = client_of(clock, made("DONE"), "not_found")
        assert not client.was_submitted(request)
        assert replay.asked == ["GET p/jobs/j_0", "GET p/jobs/j_1"]
        client, _ = client_of(clock, made("DONE"), made("DONE", 1_700_000_002_000))
        assert client.was_submitted(request)

    def test_jobs_are_listed_from_the_runs_beginning_on(self, clock: Clock) -> None:
        """Whatever number the job has; one of the same beginning is another's."""
        clock.time += 3600
        there = {"projectId": "p", "jobId": "j_1", "location": "asia-east1"}
        pages: list[Any] = [{"jobs": [job("j_x"), job("j_")], "nextPageToken": "t"}, {"jobs": []}]
        request = JobRequest(scope="p", key="j", body={}, not_before=1_700_000_000.0)
        client, replay = client_of(clock, "not_found", *pages)
        assert not client.was_submitted(request)
        assert [each["minCreationTime"] for each in replay.params[1:]] == [1_700_000_000_000] * 2
        client, _ = client_of(clock, "not_found", pages[0], {"jobs": [{"jobReference": there}]})
        assert client.was_submitted(request)

    def test_a_run_that_has_another_clock_bounds_no_list(self, clock: Clock) -> None:
        client, replay = client_of(clock, "not_found", {})
        assert not client.was_submitted(JobRequest("p", "j", {}, not_before=clock.time + 3600))
        assert "minCreationTime" not in replay.params[1]

    def test_a_list_that_is_not_read_to_its_end_says_nothing(self, clock: Clock) -> None:
        pages = [{"jobs": [job("other")], "nextPageToken": f"t{number}"} for number in range(99)]
        client, replay = client_of(clock, "not_found", *pages)
        with pytest.raises(ConfigurationError, match="more than 20000 jobs to look through: give"):
            client.was_submitted(JobRequest("p", "j", {}))
        assert len(replay.sent) == 1 + 20 + 1  # one more tells that there is more

    def test_a_list_without_one_of_its_locations_says_nothing(self, clock: Clock) -> None:
        client, _ = client_of(clock, "not_found", {"jobs": [job("other")], "unreachable": ["asia-east1"]})
        with pytest.raises(ProtocolError, match="asia-east1") as caught:
            client.was_submitted(JobRequest("p", "j", {}))
        assert caught.value.retryable
