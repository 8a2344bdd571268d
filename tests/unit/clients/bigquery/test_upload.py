"""Load jobs whose bytes are sent along: one job, whatever becomes of requests and sessions.

What one attempt began, the next one ends; and nobody sees where it goes.
"""

from __future__ import annotations

import email.parser
import json
import logging
import traceback
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_jobs.clients.bigquery.client import BigQueryClient
from airflow_provider_jobs.clients.bigquery.upload import MULTIPART_BYTES
from airflow_provider_jobs.core.http.messages import Reply
from airflow_provider_jobs.core.sources.source import Media, NoMemory
from airflow_provider_jobs.core.upload.uploader import SESSIONS
from airflow_provider_jobs.core.work import JobRequest
from airflow_provider_jobs.errors import (
    AuthenticationError,
    ConfigurationError,
    ConflictError,
    JobsError,
    ProtocolError,
    ServiceError,
    SourceChanged,
    UploadExpired,
)
from tests.unit.clients.replay import refusal, resource
from tests.unit.clients.wire import JOB, LOST, ROWS, SESSION, STARTED, STORED, UPLOAD, Memory, Wire, upload
from tests.unit.core.upload.storage import source_of

if TYPE_CHECKING:
    from tests.unit.conftest import Clock


class TestMultipart:
    """A small file travels with its job."""

    @pytest.mark.parametrize("content", [ROWS, b"", b"\r\n", b"x", bytes(MULTIPART_BYTES)], ids=len)
    def test_job_and_bytes_are_the_two_parts_of_one_request(self, clock: Clock, content: bytes) -> None:
        wire = Wire(clock, "insert_running")
        assert upload(wire, content) == resource("insert_running")
        (request,) = wire.sent
        assert (request.method, request.url, wire.params) == ("POST", UPLOAD, [{"uploadType": "multipart"}])
        head = f"Content-Type: {request.headers['Content-Type']}\r\n\r\n".encode()
        assert request.headers["Content-Type"].startswith("multipart/related; boundary=")
        _, _, boundary = request.headers["Content-Type"].partition("boundary=")
        begin, first, second, end = wire.bodies[0].split(f"--{boundary}".encode())
        assert (begin, end) == (b"", b"--\r\n")
        assert second == b"\r\nContent-Type: */*\r\n\r\n" + content + b"\r\n"
        part = email.parser.BytesParser().parsebytes(head + wire.bodies[0]).get_payload(0)
        assert isinstance(part, email.message.Message)
        assert part["Content-Type"] == "application/json; charset=UTF-8"
        assert json.loads(first.partition(b"\r\n\r\n")[2]) == JOB

    def test_a_lost_reply_is_repeated(self, clock: Clock) -> None:
        """The job has an id, so that there is one."""
        wire = Wire(clock, LOST, refusal(503), "insert_running")
        upload(wire)
        assert wire.bodies[0] == wire.bodies[1] == wire.bodies[2]

    def test_a_taken_id_is_told(self, clock: Clock) -> None:
        with pytest.raises(ConflictError):
            upload(Wire(clock, LOST, "duplicate"))

    def test_a_source_that_changed_is_not_sent(self, clock: Clock) -> None:
        wire = Wire(clock)
        with pytest.raises(SourceChanged):
            upload(wire, look=lambda: "other")
        assert wire.sent == []

    @pytest.mark.parametrize("size", [len(ROWS) - 1, len(ROWS) + 1])
    def test_a_reader_that_gives_another_size_than_it_said_is_found_out(
        self, clock: Clock, size: int
    ) -> None:
        wire = Wire(clock)
        with pytest.raises(SourceChanged, match=rf"rows\.csv is 15 bytes long, not {size}"):
            upload(wire, bytes(size), opener=source_of(ROWS).opener)
        assert wire.sent == []

    def test_progress_is_told_when_it_has_arrived(self, clock: Clock) -> None:
        told: list[Any] = []
        media = Media(source_of(ROWS), on_progress=lambda *news: told.append(news))
        BigQueryClient(Wire(clock, "insert_running"), "p").upload_job(JOB, media, "other")
        assert told == [(0, None), (15, 15)]


class TestResumable:
    """A large file, or one of unknown size, goes to a session."""

    def test_the_session_is_told_the_job_and_the_size(self, clock: Clock) -> None:
        size = MULTIPART_BYTES + 1
        wire = Wire(clock, STARTED, "insert_running")
        assert upload(wire, bytes(size)) == resource("insert_running")
        start, data = wire.sent
        assert (start.method, start.url, start.body) == ("POST", UPLOAD, JOB)
        assert wire.params[0] == {"uploadType": "resumable"}
        assert start.headers == {"X-Upload-Content-Type": "*/*", "X-Upload-Content-Length": str(size)}
        assert (data.method, data.url, data.headers) == (
            "PUT",
            SESSION,
            {"Content-Range": f"bytes 0-{size - 1}/{size}"},
        )
        assert wire.bodies[1] == bytes(size)

    def test_an_unknown_size_is_left_out(self, clock: Clock) -> None:
        wire = Wire(clock, STARTED, "insert_running")
        upload(wire, sized=False)
        assert "X-Upload-Content-Length" not in wire.sent[0].headers
        assert wire.steps == ["POST", "bytes 0-14/15"]
        assert wire.bodies[1] == ROWS

    def test_a_lost_start_is_repeated(self, clock: Clock) -> None:
        """The second session is the one that is used."""
        other = Reply(200, {"Location": SESSION + "2"}, b"")
        wire = Wire(clock, LOST, refusal(500), other, "insert_running")
        upload(wire, sized=False)
        assert wire.sent[-1].url == SESSION + "2"

    def test_a_refused_start_is_told(self, clock: Clock) -> None:
        wire = Wire(clock, refusal(403))
        with pytest.raises(ServiceError):
            upload(wire, sized=False)
        assert len(wire.sent) == 1

    def test_a_start_without_session_is_told(self, clock: Clock) -> None:
        with pytest.raises(ProtocolError, match="without a session"):
            upload(Wire(clock, *[Reply(200, {}, b"")] * 6), sized=False)

    @pytest.mark.parametrize(
        "url", ["http://example.com/S3CR3T", "/S3CR3T", "ftp://h/S3CR3T", "https://h:p/S3CR3T"]
    )
    def test_bytes_go_to_no_address_that_is_not_safe(self, clock: Clock, url: str) -> None:
        memory, wire = Memory(), Wire(clock, Reply(200, {"Location": url}, b""))
        with pytest.raises(ConfigurationError) as caught:
            upload(wire, sized=False, memory=memory)
        assert "S3CR3T" not in str(caught.value)
        assert memory.known == {}
        assert len(wire.sent) == 1

    def test_a_cut_is_asked_about(self, clock: Clock) -> None:
        wire = Wire(clock, STARTED, LOST, STORED, "insert_running")
        upload(wire, sized=False)
        assert wire.steps == ["POST", "bytes 0-14/15", "bytes */15", "bytes 2-14/15"]
        assert wire.bodies[-1] == ROWS[2:]


class TestExpiredSessions:
    """A session that is gone is replaced under the same job id, unless the job was made."""

    @pytest.mark.parametrize("status", [404, 410])
    def test_another_one_gets_all_bytes(self, clock: Clock, status: int) -> None:
        other = Reply(200, {"Location": SESSION + "2"}, b"")
        wire = Wire(clock, STARTED, LOST, refusal(status), "not_found", other, "insert_running")
        assert upload(wire, sized=False) == resource("insert_running")
        assert wire.steps == ["POST", "bytes 0-14/15", "bytes */15", "GET", "POST", "bytes 0-14/15"]
        assert wire.sent[4].body == JOB
        assert wire.sent[5].url == SESSION + "2"
        assert wire.bodies[-1] == ROWS

    def test_the_job_that_was_made_is_adopted(self, clock: Clock) -> None:
        wire = Wire(clock, STARTED, LOST, refusal(410), "insert_running")
        assert upload(wire, sized=False) == resource("insert_running")
        assert wire.asked[-1] == "GET p/jobs/j_0"
        assert wire.params[-1] == {"location": "EU"}

    def test_there_is_an_end_of_it(self, clock: Clock) -> None:
        expired: list[Any] = [STARTED, refusal(410), "not_found"]
        wire = Wire(clock, *expired * SESSIONS)
        with pytest.raises(UploadExpired, match=r"5 upload sessions of rows.csv expired at BigQuery"):
            upload(wire, sized=False)
        assert wire.replies == []

    def test_who_cannot_look_does_not_send_again(self, clock: Clock) -> None:
        with pytest.raises(ServiceError):
            upload(Wire(clock, STARTED, refusal(410), refusal(403)), sized=False)


class TestSubmit:
    """One job for one piece of work."""

    def submit(self, wire: Wire, memory: Memory | None = None) -> Any:
        media = Media(source_of(ROWS, sized=False), memory or NoMemory())
        return BigQueryClient(wire, "p").submit(JobRequest("p", "j", {"load": {}}, media=media))

    def test_a_job_that_exists_gets_no_bytes(self, clock: Clock) -> None:
        wire = Wire(clock, "insert_running")
        memory = known()
        assert self.submit(wire, memory).status.ref.id == "j_0"
        assert wire.steps == ["GET"]
        assert memory.known == {}

    def test_a_new_job_gets_them(self, clock: Clock) -> None:
        wire = Wire(clock, "not_found", STARTED, "insert_running")
        assert not self.submit(wire).adopted
        assert wire.steps == ["GET", "POST", "bytes 0-14/15"]

    def test_a_job_that_another_made_meanwhile_is_adopted(self, clock: Clock) -> None:
        wire = Wire(clock, "not_found", STARTED, "duplicate", "insert_running")
        assert self.submit(wire).status.ref.id == "j_0"


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


@pytest.mark.parametrize(
    "place",
    [
        "https://bigquery.googleapis.com/upload/other?upload_id=S3CR3T",
        "https://www.googleapis.com/upload?upload_id=S3CR3T",
        "https://bigquery.europe-west3.rep.googleapis.com/upload?upload_id=S3CR3T",
    ],
)
def test_a_session_may_be_on_another_host_of_google(clock: Clock, place: str) -> None:
    wire = Wire(clock, Reply(200, {"Location": place}, b""), "insert_running")
    upload(wire, ROWS, sized=False)
    assert wire.sent[1].url == place
    assert wire.sent[1].authorized


@pytest.mark.parametrize(
    "place",
    [
        "https://evil.example/upload?upload_id=S3CR3T",
        "http://bigquery.googleapis.com/upload?upload_id=S3CR3T",
        "http://127.0.0.1:9/upload?upload_id=S3CR3T",
        "https://bigquery.googleapis.com:8443/upload?upload_id=S3CR3T",
    ],
)
def test_a_session_elsewhere_is_refused(clock: Clock, place: str) -> None:
    """From https to plain http on this machine too."""
    wire = Wire(clock, Reply(200, {"Location": place}, b""))
    with pytest.raises(ConfigurationError, match=r"bigquery\.googleapis\.com names http") as caught:
        upload(wire, ROWS, sized=False)
    assert place.split("/")[2] in str(caught.value)
    assert "S3CR3T" not in str(caught.value)
    assert len(wire.sent) == 1
