"""The client answers what the engine asks of every service."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_jobs.core.work import JobRequest
from airflow_provider_jobs.errors import ConfigurationError, NotFoundError
from airflow_provider_jobs.jobs import JobRef, JobState
from tests.unit.clients.redivis.replay import (
    COMPLETED,
    MISSING,
    QUEUED,
    TABLE,
    T,
    U,
    client_of,
    upload,
)

if TYPE_CHECKING:
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
    [(QUEUED, True), (COMPLETED, False), ("redivis_upload_failed", False)],
)
def test_cancel_deletes_what_is_under_way_only(clock: Clock, found: str, *, deletes: bool) -> None:
    client, replay = client_of(clock, found, *([{}] if deletes else []))
    assert client.cancel(REF) is not deletes
    assert (f"DELETE {U}" in replay.asked) is deletes


@pytest.mark.parametrize("replies", [[MISSING], [QUEUED, MISSING]])
def test_a_cancel_of_an_upload_that_is_not_there_says_so(clock: Clock, replies: list[str]) -> None:
    """It may be one that was made a moment ago."""
    client, _ = client_of(clock, *replies)
    with pytest.raises(NotFoundError):
        client.cancel(REF)


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
