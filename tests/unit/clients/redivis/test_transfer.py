"""Bytes on their way, and the token that does not follow them everywhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_jobs.clients.redivis.names import table_reference
from airflow_provider_jobs.core.http.messages import Reply
from airflow_provider_jobs.core.sources.digest import Digested
from airflow_provider_jobs.core.sources.source import Media, NoMemory, source_of
from airflow_provider_jobs.errors import (
    AuthenticationError,
    ConfigurationError,
    JobsError,
    ProtocolError,
    ServiceError,
    SourceChanged,
    TransportError,
    UploadExpired,
)
from tests.unit.clients.redivis.replay import API, CONTENT, OK, TABLE, Memory, client_of, refused
from tests.unit.clients.replay import resource

if TYPE_CHECKING:
    from airflow_provider_jobs.clients.redivis.transfer import TemporaryUpload
    from tests.unit.clients.redivis.replay import RedivisReplay
    from tests.unit.conftest import Clock


FOREIGN = "https://storage.example"


def temporary(
    url: str = f"{API}/storage/tmp1", *, resumable: bool = False, identity: str = "tmp1"
) -> dict[str, Any]:
    return {"results": [{"id": identity, "url": url, "resumable": resumable}]}


def session(url: str = f"{API}/session/1") -> Reply:
    return Reply(201, {"Location": url}, b"")


def send(
    clock: Clock, *replies: Any, content: Any = CONTENT, memory: Any = None, **options: Any
) -> tuple[TemporaryUpload, RedivisReplay]:
    client, replay = client_of(clock, *replies, **options)
    progress: list[tuple[int, int | None]] = []
    media = Media(Digested(source_of(content)), memory or NoMemory(), lambda *news: progress.append(news))
    upload = client.transfers.send(table_reference(TABLE), "orders.csv", media)
    return upload, replay


def test_a_small_file_goes_in_one_put(clock: Clock) -> None:
    upload, replay = send(clock, temporary(), OK)
    assert upload.id == "tmp1"
    assert replay.sent[0].body == {"tempUploads": [{"size": 5, "name": "orders.csv", "resumable": False}]}
    assert replay.content[1] == CONTENT
    assert "Content-Range" not in replay.sent[1].headers


def test_an_empty_file_is_sent_too(clock: Clock) -> None:
    _, replay = send(clock, temporary(), OK, content=b"")
    assert replay.content == [b"", b""]


@pytest.mark.parametrize(
    "interruption", [refused(503), refused(429, **{"Retry-After": "7"}), TransportError("cut")]
)
def test_a_put_that_failed_sends_every_byte_again(clock: Clock, interruption: Any) -> None:
    """Seen elsewhere: the repetition sent nothing, and an empty file was registered."""
    _, replay = send(clock, temporary(), interruption, interruption, OK)
    assert replay.content[1:] == [CONTENT] * 3


def test_a_put_that_is_refused_is_not_repeated(clock: Clock) -> None:
    with pytest.raises(ServiceError, match="403") as caught:
        send(clock, temporary(), refused(403))
    assert "storage" in str(caught.value)


@pytest.mark.parametrize("status", [401, 403])
def test_a_session_that_is_refused_is_not_asked_again(clock: Clock, status: int) -> None:
    with pytest.raises(ServiceError, match=str(status)):
        send(clock, temporary(resumable=True), session(), refused(status))
    assert not clock.pauses


def test_the_reply_decides_about_a_session(clock: Clock) -> None:
    _, replay = send(clock, temporary(resumable=True), session(), OK)
    start, data = replay.sent[1:]
    assert start.headers == {"x-goog-resumable": "start", "x-upload-content-length": "5"}
    assert data.headers["Content-Range"] == "bytes 0-4/5"
    assert replay.content[2] == CONTENT


def test_the_threshold_is_a_parameter(clock: Clock) -> None:
    client, replay = client_of(clock, temporary(resumable=True), session(), OK)
    media = Media(Digested(source_of(CONTENT)))
    client.transfers.send(table_reference(TABLE), "orders.csv", media, session_bytes=5)
    assert replay.sent[0].body["tempUploads"][0]["resumable"] is True


def test_what_was_not_kept_is_sent_again(clock: Clock) -> None:
    short = Reply(308, {"Range": "bytes=0-1"}, b"")
    _, replay = send(clock, temporary(resumable=True), session(), short, OK)
    assert replay.content[2:] == [CONTENT, b"llo"]


def test_a_lost_session_start_is_repeated_and_the_second_session_used(clock: Clock) -> None:
    _, replay = send(clock, temporary(resumable=True), TransportError("cut"), session(f"{API}/session/2"), OK)
    assert replay.sent[-1].url == f"{API}/session/2"
    assert replay.content[-1] == CONTENT


@pytest.mark.parametrize("status", [404, 410])
def test_a_session_that_is_gone_gets_another(clock: Clock, status: int) -> None:
    second = temporary(resumable=True, identity="tmp2")
    memory = Memory()
    upload, replay = send(
        clock,
        *(temporary(resumable=True), session(), refused(status)),
        *(second, session(f"{API}/session/2"), OK),
        memory=memory,
    )
    assert upload.id == "tmp2"
    assert replay.content[-1] == CONTENT
    assert "tmp2" in "".join(memory.kept.values())


def test_sessions_that_are_always_gone_end_the_upload(clock: Clock) -> None:
    with pytest.raises(UploadExpired, match="5 upload sessions"):
        send(clock, *[temporary(resumable=True), session(), refused(410)] * 5)


class TestToken:
    """It goes to the API's own origin, elsewhere only if the connection says so."""

    def test_the_own_origin_gets_it(self, clock: Clock) -> None:
        _, replay = send(clock, temporary(resumable=True), session(), OK)
        assert replay.authorized == [True, True, True]

    def test_a_foreign_host_does_not(self, clock: Clock) -> None:
        _, replay = send(clock, temporary(f"{FOREIGN}/o", resumable=True), session(f"{FOREIGN}/s"), OK)
        assert replay.authorized == [True, False, False]

    @pytest.mark.parametrize("status", [401, 403])
    @pytest.mark.parametrize("resumable", [False, True])
    def test_a_foreign_host_that_asks_for_it_does_not(
        self, clock: Clock, status: int, resumable: bool
    ) -> None:
        """The message names both hosts, and what to set if the storage is Redivis's own."""
        client, replay = client_of(clock, temporary(f"{FOREIGN}/o", resumable=resumable), refused(status))
        with pytest.raises(ServiceError, match=r"storage\.example.*redivis\.com.*storage_token"):
            client.transfers.send(table_reference(TABLE), "orders.csv", Media(Digested(source_of(CONTENT))))
        assert replay.authorized == [True, False]

    @pytest.mark.parametrize("status", [401, 403])
    def test_nor_does_a_session_that_it_names(self, clock: Clock, status: int) -> None:
        replies = (temporary(f"{FOREIGN}/o", resumable=True), session("https://third.example/s"))
        client, replay = client_of(clock, *replies, refused(status))
        with pytest.raises(ServiceError, match=r"third\.example"):
            client.transfers.send(table_reference(TABLE), "orders.csv", Media(Digested(source_of(CONTENT))))
        assert replay.authorized == [True, False, False]

    def test_what_the_own_origin_refuses_is_not_for_want_of_it(self, clock: Clock) -> None:
        with pytest.raises(AuthenticationError) as caught:
            send(clock, temporary(), refused(401))
        assert "storage_token" not in str(caught.value)

    def test_a_session_of_another_address_is_not_resumed(self, clock: Clock) -> None:
        """The connection was changed since, or the state was written by somebody else."""
        memory = Memory()
        send(clock, temporary(resumable=True), session(), OK, memory=memory)
        memory.kept = dict.fromkeys(memory.kept, '["tmp1", "http://evil.example/s"]')
        _, replay = send(clock, temporary(resumable=True), session(), OK, memory=memory)
        assert [request.url for request in replay.sent[1:]] == [f"{API}/storage/tmp1", f"{API}/session/1"]

    def test_an_option_sends_it_at_once(self, clock: Clock) -> None:
        _, replay = send(clock, temporary(f"{FOREIGN}/o"), OK, storage_token=True)
        assert replay.authorized == [True, True]

    def test_another_port_is_another_origin(self, clock: Clock) -> None:
        _, replay = send(clock, temporary("https://redivis.com:8443/o"), OK)
        assert replay.authorized == [True, False]


@pytest.mark.parametrize(
    "reply",
    [
        {},
        {"results": []},
        {"results": [{"id": "x"}]},
        {"results": [{"id": "x", "url": None, "resumable": False}]},
        {"results": ["x"]},
        {"results": resource("redivis_temp_plain")["results"] * 2},
    ],
)
def test_a_reply_without_a_place_for_the_bytes_is_said(clock: Clock, reply: Any) -> None:
    with pytest.raises(ProtocolError):
        send(clock, *[reply] * 6)


@pytest.mark.parametrize("url", ["http://storage.example/o", "ftp://x.example", "x"])
def test_bytes_travel_over_https_only(clock: Clock, url: str) -> None:
    with pytest.raises(ConfigurationError, match="storage's address"):
        send(clock, temporary(url))


def test_a_session_without_an_address_is_said(clock: Clock) -> None:
    with pytest.raises(ProtocolError, match="without an address"):
        send(clock, temporary(resumable=True), *[Reply(201, {}, b"")] * 6)


def test_a_session_of_a_file_that_changed_is_forgotten(clock: Clock) -> None:
    memory = Memory()
    source = source_of(CONTENT)
    source.size = 6  # type: ignore[misc]  # it has become shorter since it was looked at
    with pytest.raises(SourceChanged):
        send(clock, temporary(resumable=True), session(), content=source, memory=memory)
    assert memory.kept == {}


def test_a_small_file_that_changed_is_not_sent_again(clock: Clock) -> None:
    """Its source goes on to know what it was: eleven more attempts took six minutes."""
    source = source_of(CONTENT)
    source.size = 6  # type: ignore[misc]  # it has become shorter since it was looked at
    with pytest.raises(SourceChanged):
        send(clock, temporary(), *[OK] * 12, content=source)
    assert not clock.pauses


def test_what_a_foreign_storage_refuses_for_another_reason_ends_it(clock: Clock) -> None:
    with pytest.raises(ServiceError, match="400"):
        send(clock, temporary(f"{FOREIGN}/o"), refused(400))


@pytest.mark.parametrize("refusal", [refused(400), refused(403), refused(302)])
def test_a_session_that_refuses_is_forgotten(clock: Clock, refusal: Reply) -> None:
    """A retry would meet the same refusal, for a day."""
    memory = Memory()
    with pytest.raises(ServiceError):
        send(clock, temporary(resumable=True), session(), refusal, memory=memory)
    assert memory.kept == {}


@pytest.mark.parametrize("outage", [refused(401), refused(503), TransportError("cut")])
def test_a_session_that_is_out_is_kept(clock: Clock, outage: Any) -> None:
    memory = Memory()
    with pytest.raises(JobsError):
        send(clock, temporary(resumable=True), session(), *[outage] * 12, memory=memory)
    assert memory.kept
