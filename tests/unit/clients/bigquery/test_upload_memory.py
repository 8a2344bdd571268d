"""What one attempt of an upload began, the next one ends; and nobody sees where it goes."""

from __future__ import annotations

import logging
import traceback
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_jobs.clients.bigquery.client import BigQueryClient
from airflow_provider_jobs.core.http.messages import Reply
from airflow_provider_jobs.core.sources.source import Media
from airflow_provider_jobs.errors import AuthenticationError, JobsError
from tests.unit.clients.replay import refusal
from tests.unit.clients.wire import JOB, LOST, ROWS, SESSION, STARTED, STORED, Memory, Wire, upload
from tests.unit.core.upload.storage import source_of

if TYPE_CHECKING:
    from tests.unit.conftest import Clock


def known() -> Memory:
    return Memory(**{"j_0:same": SESSION})


class TestMemory:
    """What one attempt began, the next one ends."""

    def test_a_session_is_kept_while_it_is_used(self, clock: Clock) -> None:
        memory = Memory()
        seen: list[dict[str, str]] = []
        media = Media(source_of(ROWS, sized=False), memory, lambda *_: seen.append(memory.known))
        BigQueryClient(Wire(clock, STARTED, "insert_running"), "p").upload_job(JOB, media)
        assert seen[0] == {"j_0:same": SESSION}
        assert memory.known == {}

    def test_a_known_session_is_asked_first(self, clock: Clock) -> None:
        memory = known()
        wire = Wire(clock, STORED, "insert_running")
        upload(wire, sized=False, memory=memory)
        assert wire.steps == ["bytes */*", "bytes 2-14/15"]
        assert wire.sent[0].url == SESSION
        assert wire.bodies[1] == ROWS[2:]
        assert memory.known == {}

    def test_a_source_that_changed_between_attempts_begins_anew(self, clock: Clock) -> None:
        wire = Wire(clock, STARTED, "insert_running")
        upload(wire, sized=False, memory=known(), fingerprint="new", look=lambda: "new")
        assert wire.steps == ["POST", "bytes 0-14/15"]

    def test_a_session_of_another_job_is_not_used(self, clock: Clock) -> None:
        """The job before this one failed: its bytes were complete."""
        wire = Wire(clock, STARTED, "insert_running")
        upload(wire, sized=False, memory=Memory(**{"j_1:same": SESSION}))
        assert wire.steps[0] == "POST"

    def test_a_known_session_may_have_expired(self, clock: Clock) -> None:
        memory = known()
        wire = Wire(clock, refusal(410), "not_found", STARTED, "insert_running")
        upload(wire, sized=False, memory=memory)
        assert wire.steps == ["bytes */*", "GET", "POST", "bytes 0-14/15"]
        assert memory.known == {}

    @pytest.mark.parametrize("reply", [LOST, refusal(503), refusal(401), RuntimeError("killed")])
    def test_a_session_outlives_an_outage(self, clock: Clock, reply: Any) -> None:
        memory = Memory()
        with pytest.raises((JobsError, RuntimeError)):
            upload(Wire(clock, STARTED, *[reply] * 99), sized=False, memory=memory)
        assert memory.known == {"j_0:same": SESSION}

    @pytest.mark.parametrize(
        "reply",
        [
            refusal(400),
            refusal(403),
            refusal(409),
            Reply(308, {"Range": "bytes=0-15"}, b""),
        ],
    )
    def test_a_session_that_would_refuse_the_next_attempt_too_is_dropped(
        self, clock: Clock, reply: Reply
    ) -> None:
        memory = Memory()
        with pytest.raises(JobsError):
            upload(Wire(clock, STARTED, LOST, reply), sized=False, memory=memory)
        assert memory.known == {}


@pytest.mark.parametrize(
    "replies", [[LOST] * 99, [refusal(400)], [refusal(410), refusal(403)], [Reply(200, {}, b"[]")]]
)
def test_no_address_of_a_session_is_shown(
    clock: Clock, replies: list[Any], caplog: pytest.LogCaptureFixture
) -> None:
    wire = Wire(clock, STARTED, *replies)
    with caplog.at_level(logging.DEBUG), pytest.raises(JobsError) as caught:
        upload(wire, sized=False)
    assert any("S3CR3T" in request.url for request in wire.sent)
    shown = "".join(traceback.format_exception(caught.value)) + repr(vars(caught.value)) + caplog.text
    assert "S3CR3T" not in shown + repr(wire.sent)


def test_a_token_that_stays_rejected_is_told(clock: Clock) -> None:
    with pytest.raises(AuthenticationError):
        upload(Wire(clock, STARTED, refusal(401), refusal(401)), sized=False)
    assert len(clock.pauses) == 1
