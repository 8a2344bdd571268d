"""The client speaks the vendor's words, and the engine's."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_jobs.clients.redivis.client import RedivisClient
from airflow_provider_jobs.core.http.messages import Reply
from airflow_provider_jobs.core.work import JobRequest
from airflow_provider_jobs.errors import (
    ConfigurationError,
    NotFoundError,
    ProtocolError,
    ServiceError,
    TransportError,
)
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
    from tests.unit.conftest import Clock

REF = JobRef("redivis", TABLE, U)


def many(count: int) -> list[JobRef]:
    return [JobRef("redivis", TABLE, f"{T}/uploads/{number}_csv") for number in range(count)]


def listed(number: int, status: str) -> dict[str, Any]:
    return upload(uri=f"{T}/uploads/{number}_csv", name=f"{number}.csv", status=status)


def test_every_method_asks_for_its_own(clock: Clock) -> None:
    client, replay = client_of(clock, *[COMPLETED] * 13)
    client.create_upload(TABLE, {"name": "x"})
    client.get_upload(TABLE, "orders.csv")
    assert client.upload_exists(TABLE, "orders.csv")
    client.delete_upload(TABLE, "orders.csv")
    client.get_dataset("acme.sales:next")
    client.create_dataset("acme", {"name": "x"})
    client.create_dataset("jo b", {"name": "x"}, owner_type="user")
    client.get_table(TABLE)
    client.create_table("acme.sales:next", {"name": "t"})
    client.update_table(TABLE, {"uploadMergeStrategy": "replace"})
    client.create_version("acme.sales")
    client.release_version("acme.sales", "what is new")
    client.release_version("acme.sales")
    assert replay.asked == [
        f"POST {T}/uploads",
        f"GET {U}",
        f"HEAD {U}",
        f"DELETE {U}",
        "GET /datasets/acme.sales%3Anext",
        "POST /organizations/acme/datasets",
        "POST /users/jo%20b/datasets",
        f"GET {T}",
        "POST /datasets/acme.sales%3Anext/tables",
        f"PATCH {T}",
        "POST /datasets/acme.sales/versions",
        "POST /datasets/acme.sales/versions/next/release",
        "POST /datasets/acme.sales/versions/next/release",
    ]
    assert [request.body for request in replay.sent[-3:]] == [None, {"releaseNotes": "what is new"}, {}]


@pytest.mark.parametrize(
    "call",
    [
        lambda client: client.create_upload(TABLE, {}),
        lambda client: client.create_version("acme.sales"),
        lambda client: client.release_version("acme.sales"),
        lambda client: client.create_table("acme.sales", {}),
        lambda client: client.create_dataset("acme", {}),
    ],
)
def test_what_creates_is_sent_once(clock: Clock, call: Any) -> None:
    client, replay = client_of(clock, TransportError("cut"))
    with pytest.raises(TransportError):
        call(client)
    assert len(replay.sent) == 1


@pytest.mark.parametrize(
    "call", [lambda client: client.get_upload(TABLE, "x"), lambda client: client.upload_exists(TABLE, "x")]
)
def test_what_asks_is_repeated_as_the_service_wants(clock: Clock, call: Any) -> None:
    client, _ = client_of(clock, refused(429, **{"Retry-After": "40"}), refused(502), COMPLETED)
    call(client)
    assert clock.pauses[0] == 40


def test_head_says_whether_there_is_one(clock: Clock) -> None:
    client, _ = client_of(clock, refused(404), refused(403))
    assert not client.upload_exists(TABLE, "x")
    with pytest.raises(ServiceError, match="403"):
        client.upload_exists(TABLE, "x")


def test_deleting_what_is_gone_is_harmless(clock: Clock) -> None:
    client, replay = client_of(clock, MISSING)
    client.delete_upload(TABLE, "orders.csv")
    assert len(replay.sent) == 1


def test_lists_are_read_page_by_page(clock: Clock) -> None:
    pages = [{"results": [listed(1, "queued")], "nextPageToken": "n"}, {"results": [listed(2, "failed")]}]
    client, replay = client_of(clock, *pages)
    assert [each["name"] for each in client.list_uploads(TABLE, maxResults=1)] == ["1.csv", "2.csv"]
    assert replay.params == [{"maxResults": 1}, {"maxResults": 1, "pageToken": "n"}]


def test_a_list_that_goes_in_circles_ends(clock: Clock) -> None:
    client, _ = client_of(clock, *[{"results": [], "nextPageToken": "n"}] * 2)
    with pytest.raises(ProtocolError, match="page token"):
        list(client.list_uploads(TABLE))


def test_status(clock: Clock) -> None:
    client, _ = client_of(clock, COMPLETED, "redivis_upload_failed", QUEUED, MISSING)
    states = [client.status(REF).state for _ in range(4)]
    assert states == [JobState.SUCCEEDED, JobState.FAILED, JobState.PENDING, JobState.CANCELLED]


def test_an_unknown_word_runs_on_and_is_told_once(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    client, _ = client_of(clock, *[upload(status="pondering")] * 3)
    assert {client.status(REF).state for _ in range(3)} == {JobState.RUNNING}
    assert caplog.text.count("'pondering', which is not known") == 1


def test_warnings_are_told_once(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    warning = Reply(200, {"X-REDIVIS-WARNING": "this will change"}, b"{}")
    client, _ = client_of(clock, warning, warning)
    with caplog.at_level(logging.WARNING):
        client.get_table(TABLE)
        client.get_table(TABLE)
    assert caplog.text.count("this will change") == 1


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


@pytest.mark.parametrize("endpoint", ["http://redivis.com/api/v1", "redivis.com"])
def test_the_token_travels_over_https_only(clock: Clock, endpoint: str) -> None:
    with pytest.raises(ConfigurationError):
        client_of(clock, endpoint=endpoint)


class TestMany:
    """Several uploads as one job."""

    def test_several_uploads_are_one_job(self, clock: Clock) -> None:
        together = JobRef("redivis", TABLE, " ".join(ref.id for ref in many(2)))
        client, _ = client_of(
            clock, listed(0, "completed"), listed(1, "running"), listed(0, "failed"), listed(1, "completed")
        )
        running = client.status(together)
        assert (running.state, running.vendor_state) == ("running", "1 of 2 completed")
        failed = client.status(together)
        assert failed.state is JobState.FAILED
        assert (
            "error 1: the upload (Redivis upload 0.csv): Redivis gives no reason" in failed.failure_report()
        )
        assert [each["state"] for each in failed.statistics["uploads"]] == ["failed", "succeeded"]

    def test_all_of_them_are_cancelled(self, clock: Clock) -> None:
        together = JobRef("redivis", TABLE, " ".join(ref.id for ref in many(2)))
        client, replay = client_of(clock, listed(0, "completed"), listed(1, "running"), Reply(204, {}, b""))
        client.cancel(together)
        assert replay.asked[-1] == f"DELETE {T}/uploads/1_csv"

    def test_a_cancel_that_fails_leaves_out_no_other(self, clock: Clock) -> None:
        together = JobRef("redivis", TABLE, " ".join(ref.id for ref in many(2)))
        client, replay = client_of(clock, refused(403), listed(1, "running"), Reply(204, {}, b""))
        with pytest.raises(ServiceError):
            client.cancel(together)
        assert replay.asked[-1] == f"DELETE {T}/uploads/1_csv"

    def test_one_that_cannot_be_asked_for_stands_for_all(self, clock: Clock) -> None:
        together = JobRef("redivis", TABLE, " ".join(ref.id for ref in many(2)))
        client, _ = client_of(clock, refused(403), listed(1, "running"))
        with pytest.raises(ServiceError):
            client.status(together)


def test_repr_shows_no_token(clock: Clock) -> None:
    client, _ = client_of(clock)
    assert isinstance(client, RedivisClient)
    assert "Bearer" not in repr(client) + repr(vars(client))


def test_not_found_is_raised_where_one_is_asked_for(clock: Clock) -> None:
    client, _ = client_of(clock, MISSING)
    with pytest.raises(NotFoundError, match="No such upload"):
        client.get_upload(TABLE, "orders.csv")
