"""The original flow: the upload first, then its bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_jobs.core.http.messages import Reply
from airflow_provider_jobs.errors import (
    ServiceError,
    TransportError,
    UploadExpired,
)
from tests.unit.clients.redivis.replay import (
    CONTENT,
    CREATE,
    LOST,
    MISSING,
    OK,
    Memory,
    T,
    U,
    client_of,
    refused,
    request_of,
    upload,
)

if TYPE_CHECKING:
    from airflow_provider_jobs.jobs import JobRef
    from tests.unit.conftest import Clock


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

    def interrupted(self, clock: Clock) -> Memory:
        """Return what an attempt remembers that was out in the middle."""
        memory = Memory()
        client, _ = client_of(clock, MISSING, self.EMPTY, *[LOST] * 12)
        with pytest.raises(TransportError):
            client.submit_upload(request_of(flow="original", memory=memory))
        return memory

    def test_a_retry_asks_how_far_it_came(self, clock: Clock) -> None:
        memory = self.interrupted(clock)
        client, replay = client_of(clock, self.EMPTY, Reply(308, {}, b""), OK, upload())
        client.submit_upload(request_of(flow="original", memory=memory))
        assert replay.sent[1].headers["Content-Range"] == "bytes */5"
        assert replay.content[2] == CONTENT
        assert not memory.kept

    @pytest.mark.parametrize("known", ["other bytes", "another upload", "nothing"])
    def test_what_may_hold_a_part_of_other_bytes_is_made_anew(self, clock: Clock, known: str) -> None:
        """It would be completed with the rest of these, and be neither."""
        memory = None if known == "nothing" else self.interrupted(clock)
        content = b"HELLO!" if known == "other bytes" else CONTENT
        there = {**self.EMPTY, "id": 8 if known == "another upload" else 7}
        client, replay = client_of(clock, there, OK, {**self.EMPTY, "id": 9}, OK, upload())
        client.submit_upload(request_of(content, flow="original", memory=memory))
        assert replay.asked[1:4] == [f"DELETE {U}", CREATE, f"PUT {T}/uploads/9"]
        assert replay.content[3] == content

    @pytest.mark.parametrize("status", [400, 403])
    def test_an_upload_that_refuses_its_bytes_is_deleted(self, clock: Clock, status: int) -> None:
        memory = Memory()
        client, replay = client_of(clock, MISSING, self.EMPTY, refused(status), self.EMPTY, OK)
        with pytest.raises(ServiceError, match=str(status)):
            client.submit_upload(request_of(flow="original", memory=memory))
        assert replay.asked[-1] == f"DELETE {U}"
        assert not memory.kept

    def test_the_upload_is_told_before_its_bytes_leave(self, clock: Clock) -> None:
        """The end of the task can delete it from then on."""
        told: list[tuple[JobRef, int]] = []
        client, replay = client_of(clock, MISSING, self.EMPTY, OK, upload())
        submission = client.submit_upload(
            request_of(flow="original", on_created=lambda ref: told.append((ref, len(replay.sent))))
        )
        assert told == [(submission.status.ref, 2)]

    def test_a_lost_create_is_adopted_empty(self, clock: Clock) -> None:
        client, replay = client_of(clock, MISSING, LOST, self.EMPTY, OK, upload())
        client.submit_upload(request_of(flow="original"))
        assert replay.asked.count(CREATE) == 1

    def test_a_session_that_is_gone_fails_and_leaves_nothing(self, clock: Clock) -> None:
        client, replay = client_of(clock, MISSING, self.EMPTY, refused(410), self.EMPTY, OK)
        with pytest.raises(UploadExpired):
            client.submit_upload(request_of(flow="original"))
        assert replay.asked[-1] == f"DELETE {U}"

    @pytest.mark.parametrize(
        "there", [MISSING, upload(id=8), {**EMPTY, "id": 8}], ids=["gone", "whole", "begun"]
    )
    def test_what_another_task_has_put_in_its_place_is_not_deleted(self, clock: Clock, there: Any) -> None:
        client, replay = client_of(clock, MISSING, self.EMPTY, refused(410), there)
        with pytest.raises(UploadExpired):
            client.submit_upload(request_of(flow="original"))
        assert replay.asked[-1] == f"GET {U}"

    def test_a_failed_upload_makes_way(self, clock: Clock) -> None:
        client, replay = client_of(clock, "redivis_upload_failed", OK, self.EMPTY, OK, upload())
        client.submit_upload(request_of(flow="original"))
        assert replay.asked[1:3] == [f"DELETE {U}", CREATE]
