"""Each method sends its own request, and each reply has one meaning."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_jobs.core.http.messages import Reply
from airflow_provider_jobs.errors import ConfigurationError, NotFoundError, ProtocolError, TransportError
from airflow_provider_jobs.jobs import JobRef, JobState
from tests.unit.clients.redivis.replay import (
    COMPLETED,
    MISSING,
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


def test_every_method_asks_for_its_own(clock: Clock) -> None:
    client, replay = client_of(clock, *[COMPLETED] * 12)
    client.create_upload(TABLE, {"name": "x"})
    client.get_upload(TABLE, "orders.csv")
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


def test_what_asks_is_repeated_as_the_service_wants(clock: Clock) -> None:
    client, _ = client_of(clock, refused(429, **{"Retry-After": "40"}), refused(502), COMPLETED)
    client.get_upload(TABLE, "x")
    assert clock.pauses[0] == 40


def test_deleting_what_is_gone_is_harmless(clock: Clock) -> None:
    client, replay = client_of(clock, MISSING)
    client.delete_upload(TABLE, "orders.csv")
    assert len(replay.sent) == 1


def test_lists_are_read_page_by_page(clock: Clock) -> None:
    pages = [{"results": [upload(name="1")], "nextPageToken": "n"}, {"results": [upload(name="2")]}]
    client, replay = client_of(clock, *pages)
    assert [each["name"] for each in client.list_uploads(TABLE, maxResults=1)] == ["1", "2"]
    assert replay.params == [{"maxResults": 1}, {"maxResults": 1, "pageToken": "n"}]


def test_a_list_that_goes_in_circles_ends(clock: Clock) -> None:
    client, _ = client_of(clock, *[{"results": [], "nextPageToken": "n"}] * 2)
    with pytest.raises(ProtocolError, match="page token"):
        list(client.list_uploads(TABLE))


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


@pytest.mark.parametrize("endpoint", ["http://redivis.com/api/v1", "redivis.com"])
def test_the_token_travels_over_https_only(clock: Clock, endpoint: str) -> None:
    with pytest.raises(ConfigurationError):
        client_of(clock, endpoint=endpoint)


def test_repr_shows_no_token(clock: Clock) -> None:
    client, _ = client_of(clock)
    assert "Bearer" not in repr(client) + repr(vars(client))


def test_not_found_is_raised_where_one_is_asked_for(clock: Clock) -> None:
    client, _ = client_of(clock, MISSING)
    with pytest.raises(NotFoundError, match="No such upload"):
        client.get_upload(TABLE, "orders.csv")
