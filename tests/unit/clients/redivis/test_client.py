"""The client answers what the engine asks of every service."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_jobs.core.work import JobRequest
from airflow_provider_jobs.errors import ConfigurationError, ServiceError
from airflow_provider_jobs.jobs import JobRef, JobState
from tests.unit.clients.redivis.replay import (
    COMPLETED,
    MISSING,
    QUEUED,
    TABLE,
    T,
    U,
    client_of,
    refused,
    upload,
)

if TYPE_CHECKING:
    from airflow_provider_jobs.core.http.messages import Reply
    from tests.unit.conftest import Clock

REF = JobRef("redivis", TABLE, U)


def many(count: int) -> list[JobRef]:
    return [JobRef("redivis", TABLE, f"{T}/uploads/{number}_csv") for number in range(count)]


def listed(number: int, status: str) -> dict[str, Any]:
    return upload(uri=f"{T}/uploads/{number}_csv", name=f"{number}.csv", status=status)


def test_status(clock: Clock) -> None:
    client, _ = client_of(clock, COMPLETED, "redivis_upload_failed", QUEUED, MISSING)
    states = [client.status(REF).state for _ in range(4)]
    assert states == [JobState.SUCCEEDED, JobState.FAILED, JobState.PENDING, JobState.CANCELLED]


@pytest.mark.parametrize(
    ("found", "deletes"),
    [(QUEUED, True), (COMPLETED, False), ("redivis_upload_failed", False), (MISSING, False)],
)
def test_cancel_deletes_what_is_under_way_only(clock: Clock, found: str, *, deletes: bool) -> None:
    client, replay = client_of(clock, found, *([MISSING] if deletes else []))
    client.cancel(REF)
    assert (f"DELETE {U}" in replay.asked) is deletes


def test_releases_are_not_cancelled(clock: Clock) -> None:
    client, replay = client_of(clock)
    client.cancel(JobRef("redivis", "acme.sales", "release-after-none"))
    assert not replay.sent


def test_an_upload_has_no_statement(clock: Clock) -> None:
    client, _ = client_of(clock, COMPLETED)
    assert client.failing_statement(client.status(REF)) is None


def test_other_work_is_refused(clock: Clock) -> None:
    client, _ = client_of(clock)
    with pytest.raises(ConfigurationError):
        client.submit(JobRequest("s", "k", {}))


class TestMany:
    """Many uploads, few requests."""

    def test_one_list_tells_of_all_that_are_active(self, clock: Clock) -> None:
        client, replay = client_of(clock, {"results": [listed(number, "running") for number in range(50)]})
        found = client.status_many(many(50))
        assert len(replay.sent) == 1
        assert all(getattr(each, "state", None) is JobState.RUNNING for each in found.values())

    def test_who_has_ended_is_asked_for_alone(self, clock: Clock) -> None:
        page = {"results": [listed(0, "queued"), listed(1, "completed"), listed(2, "running")]}
        client, replay = client_of(clock, page, listed(1, "completed"))
        found = client.status_many(many(3))
        assert replay.asked[1:] == [f"GET {T}/uploads/1_csv"]
        assert [getattr(found[ref], "state", None) for ref in many(3)] == ["pending", "succeeded", "running"]

    def test_a_long_list_is_left_for_single_questions(self, clock: Clock) -> None:
        pages = [{"results": [listed(90 + n, "completed")], "nextPageToken": f"{n}"} for n in range(3)]
        client, replay = client_of(clock, *pages, *[listed(n, "running") for n in range(3)])
        client.status_many(many(3))
        assert len(replay.sent) == 6

    def test_a_failure_stands_for_one_upload(self, clock: Clock) -> None:
        client, _ = client_of(clock, refused(403), COMPLETED)
        one, other = many(2)
        found = client.status_many([one, other])
        assert isinstance(found[one], ServiceError)
        assert getattr(found[other], "state", None) is JobState.SUCCEEDED

    @pytest.mark.parametrize("outage", [[refused(503)] * 6, [refused(403)]])
    def test_each_is_asked_for_where_the_list_is_out(self, clock: Clock, outage: list[Reply]) -> None:
        client, _ = client_of(clock, *outage, *[listed(n, "running") for n in range(3)])
        found = client.status_many(many(3))
        assert {getattr(each, "vendor_state", each) for each in found.values()} == {"running"}

    def test_where_all_is_out_nobody_is_asked_in_vain(self, clock: Clock) -> None:
        """The rest hear of the failure that the first met: each question takes two minutes."""
        client, replay = client_of(clock, *[refused(503)] * 6, listed(0, "running"), *[refused(503)] * 6)
        found = list(client.status_many(many(50)).values())
        assert len(replay.sent) == 13
        assert getattr(found[0], "vendor_state", None) == "running"
        assert all(isinstance(each, ServiceError) for each in found[1:])

    def test_a_token_that_is_rejected_is_said_at_once(self, clock: Clock) -> None:
        client, replay = client_of(clock, refused(401))
        with pytest.raises(ServiceError, match="401"):
            client.status_many(many(3))
        assert len(replay.sent) == 1
