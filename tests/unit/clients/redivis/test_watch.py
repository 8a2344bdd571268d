"""Many uploads, few requests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_jobs.errors import JobsError, ServiceError
from airflow_provider_jobs.jobs import JobRef, JobStatus
from tests.unit.clients.redivis.replay import COMPLETED, TABLE, RedivisReplay, T, client_of, refused, upload

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_provider_jobs.clients.redivis.client import RedivisClient
    from airflow_provider_jobs.core.http.messages import Reply
    from tests.unit.conftest import Clock


def many(count: int) -> list[JobRef]:
    return [JobRef("redivis", TABLE, f"{T}/uploads/{number}_csv") for number in range(count)]


def listed(number: int, status: str) -> dict[str, Any]:
    return upload(uri=f"{T}/uploads/{number}_csv", name=f"{number}.csv", status=status)


def states(found: Mapping[JobRef, JobStatus | JobsError]) -> list[str]:
    return [each.state if isinstance(each, JobStatus) else type(each).__name__ for each in found.values()]


def one_by_one(clock: Clock, *replies: Any) -> tuple[RedivisClient, RedivisReplay]:
    """Return a client that asks for one upload at a time, so that the replies come in order."""
    client, replay = client_of(clock, *replies)
    client._many.jobs.at_a_time = 1
    return client, replay


def test_one_list_tells_of_all_that_are_active(clock: Clock) -> None:
    client, replay = client_of(clock, {"results": [listed(number, "running") for number in range(50)]})
    assert states(client.status_many(many(50))) == ["running"] * 50
    assert len(replay.sent) == 1


def test_who_has_ended_is_asked_for_alone(clock: Clock) -> None:
    page = {"results": [listed(0, "queued"), listed(1, "completed"), listed(2, "running"), None]}
    client, replay = client_of(clock, page, listed(1, "completed"))
    assert states(client.status_many(many(3))) == ["pending", "succeeded", "running"]
    assert replay.asked[1:] == [f"GET {T}/uploads/1_csv"]


def test_a_long_list_is_left_for_single_questions(clock: Clock) -> None:
    """And once it was too long, the uploads are asked for without it."""
    pages = [{"results": [listed(90 + n, "completed")], "nextPageToken": f"{n}"} for n in range(3)]
    client, replay = one_by_one(clock, *pages, *[listed(n, "running") for n in range(3)] * 2)
    client.status_many(many(3))
    assert len(replay.sent) == 6
    assert states(client.status_many(many(3))) == ["running"] * 3
    assert len(replay.sent) == 9


def test_two_uploads_are_asked_for_and_so_are_releases(clock: Clock) -> None:
    dataset = {"version": {"isReleased": True, "tag": "v1.0"}}
    client, replay = one_by_one(clock, COMPLETED, COMPLETED, *[dataset] * 3)
    assert states(client.status_many(many(2))) == ["succeeded"] * 2
    releases = [JobRef("redivis", "acme.sales", f"release-after-v0.{n}") for n in range(3)]
    client.status_many(releases)
    assert replay.asked[2:] == ["GET /datasets/acme.sales"] * 3


def test_a_failure_stands_for_one_upload(clock: Clock) -> None:
    client, _ = one_by_one(clock, COMPLETED, refused(403))
    assert states(client.status_many(many(2))) == ["succeeded", "ServiceError"]


@pytest.mark.parametrize("outage", [[refused(503)], [refused(403)]])
def test_each_is_asked_for_where_the_list_is_out(clock: Clock, outage: list[Reply]) -> None:
    client, _ = client_of(clock, *outage, *[listed(n, "running") for n in range(3)])
    assert states(client.status_many(many(3))) == ["running"] * 3


def test_who_may_not_list_asks_for_each(clock: Clock) -> None:
    """And is not tried again: it would be refused each time."""
    client, replay = client_of(clock, refused(403), *[listed(0, "running")] * 300)
    for _ in range(50):
        client.status_many(many(3))
    assert sum("/uploads/" not in asked for asked in replay.asked) == 1


def test_where_all_is_out_each_is_asked_once_and_seldom(clock: Clock) -> None:
    """It may be out for some of them only."""
    client, replay = one_by_one(clock, refused(503), listed(0, "running"), *[refused(503)] * 49)
    assert states(client.status_many(many(50))) == ["running", *["ServiceError"] * 49]
    assert len(replay.sent) == 51
    replay.replies = [refused(503)] * 51
    with pytest.raises(ServiceError, match="503"):
        client.status_many(many(50))
    assert sum(clock.pauses) >= 98


def test_a_token_that_is_rejected_is_said_at_once(clock: Clock) -> None:
    client, replay = client_of(clock, refused(401))
    with pytest.raises(ServiceError, match="401"):
        client.status_many(many(3))
    assert len(replay.sent) == 1
