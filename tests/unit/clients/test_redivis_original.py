"""The original flow: the upload first, then its bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from airflow_provider_jobs.core.transport import Reply
from airflow_provider_jobs.errors import (
    TransportError,
    UploadExpired,
)
from tests.unit.clients.redivis_replay import (
    CONTENT,
    MISSING,
    T,
    U,
    client_of,
    refused,
    request_of,
    upload,
)

if TYPE_CHECKING:
    from tests.unit.conftest import Clock


OK = Reply(200, {}, b"")


LOST = TransportError("cut")


CREATE = f"POST {T}/uploads"


class TestOriginalFlow:
    """The upload first, then its bytes."""

    EMPTY = upload(id=7, status=None, size=None, hash=None)

    def test_the_bytes_follow_the_upload(self, clock: Clock) -> None:
        client, replay = client_of(clock, MISSING, self.EMPTY, OK, upload(status="queued"))
        client.submit_upload(request_of(flow="original"))
        assert replay.asked == [f"GET {U}", CREATE, f"PUT {T}/uploads/7", f"GET {U}"]
        assert replay.content[2] == CONTENT
        assert "tempUploadId" not in replay.body(CREATE)
        assert replay.authorized == [True] * 4

    def test_without_an_id_the_uri_is_the_address(self, clock: Clock) -> None:
        client, replay = client_of(clock, MISSING, {**self.EMPTY, "id": None}, OK, upload())
        client.submit_upload(request_of(flow="original"))
        assert replay.asked[2] == f"PUT {U}"

    def test_a_retry_asks_how_far_it_came(self, clock: Clock) -> None:
        client, replay = client_of(clock, self.EMPTY, Reply(308, {}, b""), OK, upload())
        client.submit_upload(request_of(flow="original"))
        assert replay.sent[1].headers["Content-Range"] == "bytes */5"
        assert replay.content[2] == CONTENT

    def test_a_lost_create_is_adopted_empty(self, clock: Clock) -> None:
        client, replay = client_of(clock, MISSING, LOST, self.EMPTY, OK, upload())
        client.submit_upload(request_of(flow="original"))
        assert replay.asked.count(CREATE) == 1

    def test_a_session_that_is_gone_fails_and_leaves_nothing(self, clock: Clock) -> None:
        client, replay = client_of(clock, MISSING, self.EMPTY, refused(410), OK)
        with pytest.raises(UploadExpired):
            client.submit_upload(request_of(flow="original"))
        assert replay.asked[-1] == f"DELETE {U}"

    def test_a_failed_upload_makes_way(self, clock: Clock) -> None:
        client, replay = client_of(clock, "redivis_upload_failed", OK, self.EMPTY, OK, upload())
        client.submit_upload(request_of(flow="original"))
        assert replay.asked[1:3] == [f"DELETE {U}", CREATE]
