"""What can go wrong with an upload, on request; and connections that really break."""

from __future__ import annotations

import socket
import threading
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
import requests

from airflow_provider_jobs.sandbox.uploads import pouring
from tests.integration.sandbox.conftest import Api, reason, wait_until
from tests.integration.sandbox.upload_api import CHUNK, Uploads, csv_of, kept

if TYPE_CHECKING:
    from airflow_provider_jobs.sandbox import Sandbox

CONTENT = csv_of(9 * CHUNK + 77)
TOTAL = len(CONTENT)
PLACES = [0, 1, CHUNK - 1, CHUNK, 1_000_000, 2_000_000, TOTAL - 1]


@pytest.fixture
def uploads(sandbox: Sandbox, api: Api) -> Uploads:
    api.post("datasets", {"datasetReference": {"projectId": api.project, "datasetId": "d"}})
    return Uploads(sandbox, api)


def raw_request(uploads: Uploads, uri: str, length: int, given: str) -> socket.socket:
    """Begin a PUT by hand; the body is the caller's."""
    parts = urlsplit(uri)
    connection = socket.create_connection((str(parts.hostname), int(parts.port or 0)), timeout=30)
    head = (
        f"PUT {parts.path}?{parts.query} HTTP/1.1\r\nHost: sandbox\r\nContent-Length: {length}\r\n"
        f"Authorization: Bearer {uploads.sandbox.token}\r\nContent-Range: bytes {given}\r\n"
    )
    connection.sendall(head.encode())
    return connection


def _has_seen(uploads: Uploads, requests_: int) -> bool:
    return bool(uploads.records()[0]["requests"] == requests_)


@pytest.mark.parametrize("place", [*PLACES, TOTAL])
def test_cut_keeps_what_arrived(uploads: Uploads, place: int) -> None:
    uploads.fault(action="cut_after_bytes", bytes=place)
    uri = uploads.start()
    with pytest.raises(requests.ConnectionError):
        uploads.send(uri, CONTENT)
    if place < TOTAL:
        assert kept(uploads.ask(uri, TOTAL)) == place
    assert uploads.finish(uri, CONTENT).status_code == 200
    assert uploads.check(CONTENT)["bytes_received"] == TOTAL


@pytest.mark.parametrize("place", PLACES)
def test_short_308(uploads: Uploads, place: int) -> None:
    """Everything is read, less is kept, even of what would have been the last bytes."""
    uploads.fault(action="short_308", bytes=place)
    uri = uploads.start()
    assert kept(uploads.send(uri, CONTENT)) == place
    assert kept(uploads.ask(uri)) == place
    assert uploads.finish(uri, CONTENT).status_code == 200
    assert uploads.check(CONTENT)["bytes_received"] == TOTAL + TOTAL - place


def test_short_308_counts_within_its_request(uploads: Uploads) -> None:
    uploads.fault(action="short_308", bytes=10, nth=2)
    uri = uploads.start()
    uploads.put(uri, CONTENT[:CHUNK], f"0-{CHUNK - 1}/*")
    assert kept(uploads.send(uri, CONTENT, CHUNK)) == CHUNK + 10
    assert uploads.finish(uri, CONTENT).status_code == 200
    uploads.check(CONTENT)


@pytest.mark.parametrize("operation", ["data", "status"])
def test_308_without_range(uploads: Uploads, operation: str) -> None:
    """Nothing is kept, and nothing of before either."""
    uri = uploads.start()
    uploads.put(uri, CONTENT[:CHUNK], f"0-{CHUNK - 1}/*")
    uploads.fault(operation, action="308_without_range")
    reply = uploads.send(uri, CONTENT, CHUNK) if operation == "data" else uploads.ask(uri)
    assert (reply.status_code, "Range" in reply.headers) == (308, False)
    assert kept(uploads.ask(uri)) == 0
    assert uploads.finish(uri, CONTENT).status_code == 200
    uploads.check(CONTENT)


@pytest.mark.parametrize("place", PLACES)
def test_503_in_the_middle(uploads: Uploads, place: int) -> None:
    """What came before it is kept, the connection goes on."""
    uploads.fault(action="reply", status=503, retry_after=1, bytes=place)
    uri = uploads.start()
    reply = uploads.send(uri, CONTENT)
    assert (reason(reply), reply.headers["Retry-After"]) == ("backendError", "1")
    assert kept(uploads.ask(uri)) == place
    assert uploads.finish(uri, CONTENT).status_code == 200
    uploads.check(CONTENT)


def test_503_before_any_byte_and_for_questions(uploads: Uploads) -> None:
    uploads.fault("(data|status)", action="reply", status=502, times=2)
    uri = uploads.start()
    assert uploads.send(uri, CONTENT).status_code == 502
    assert uploads.ask(uri).status_code == 502
    assert uploads.send(uri, CONTENT).status_code == 200
    uploads.check(CONTENT)


def test_lost_final_reply(uploads: Uploads) -> None:
    """The job exists all the same; only requests that complete an upload count as a match."""
    uploads.fault("(data|status)", action="lost_final_reply")
    uri = uploads.start()
    assert kept(uploads.put(uri, CONTENT[:CHUNK], f"0-{CHUNK - 1}/*")) == CHUNK
    with pytest.raises(requests.ConnectionError):
        uploads.send(uri, CONTENT, CHUNK)
    assert uploads.ask(uri, TOTAL).status_code == 200
    uploads.check(CONTENT)


def test_second_final_reply_is_lost(uploads: Uploads) -> None:
    uploads.fault("(data|status)", action="lost_final_reply", nth=2)
    uri = uploads.start()
    assert uploads.send(uri, CONTENT).status_code == 200
    with pytest.raises(requests.ConnectionError):
        uploads.ask(uri)
    assert uploads.ask(uri).status_code == 200
    uploads.check(CONTENT)


@pytest.mark.parametrize("status", [404, 410])
@pytest.mark.parametrize("place", [0, 1_000_000])
def test_session_expires(uploads: Uploads, status: int, place: int) -> None:
    """At this request and for all later ones; a new session under the same job id is welcome."""
    uploads.fault(action="session_expired", status=status, bytes=place)
    uri = uploads.start()
    assert uploads.send(uri, CONTENT).status_code == status
    assert uploads.ask(uri).status_code == 404
    assert uploads.send(uploads.start(), CONTENT).status_code == 200
    uploads.check(CONTENT)


def test_session_expires_when_asked(uploads: Uploads) -> None:
    uploads.fault("status", action="session_expired", status=410)
    assert uploads.ask(uploads.start()).status_code == 410


@pytest.mark.parametrize("spec", [{}, {"bytes": 1_000_000}])
def test_token_expires(uploads: Uploads, sandbox: Sandbox, spec: dict[str, Any]) -> None:
    """An issued token is over for good; the session stays for a new token of the same account."""
    account = "uploader@example.com"
    uploads.session.headers["Authorization"] = f"Bearer {sandbox.issue_token(account)}"
    uploads.fault(action="token_expired", **spec)
    uri = uploads.start()
    assert reason(uploads.send(uri, CONTENT)) == "authError"
    assert uploads.ask(uri).status_code == 401
    uploads.session.headers["Authorization"] = f"Bearer {sandbox.issue_token(account)}"
    assert kept(uploads.ask(uri)) == spec.get("bytes", 0)
    assert uploads.finish(uri, CONTENT).status_code == 200
    uploads.check(CONTENT)


def test_stall_ends_when_the_upload_is_taken_over(uploads: Uploads) -> None:
    """A client that gives up and asks gets its answer, and what it sent until then is kept."""
    uploads.fault(action="stall", bytes=1_000_000, seconds=600)
    uri = uploads.start()
    with pytest.raises(requests.Timeout):
        uploads.session.put(
            uri, data=CONTENT, headers={"Content-Range": f"bytes 0-{TOTAL - 1}/{TOTAL}"}, timeout=0.3
        )
    assert kept(uploads.ask(uri)) == 1_000_000
    assert uploads.finish(uri, CONTENT).status_code == 200
    uploads.check(CONTENT)


def test_stall_goes_on(uploads: Uploads) -> None:
    uploads.fault(action="stall", bytes=1_000_000, seconds=0.2)
    reply = uploads.send(uploads.start(), CONTENT)
    assert reply.status_code == 200
    assert reply.elapsed.total_seconds() >= 0.2
    uploads.check(CONTENT)


@pytest.mark.parametrize("sent", [10, CHUNK, 2_000_000])
def test_client_that_dies(uploads: Uploads, sent: int) -> None:
    uri = uploads.start()
    connection = raw_request(uploads, uri, TOTAL, f"0-{TOTAL - 1}/{TOTAL}")
    connection.sendall(b"\r\n" + CONTENT[:sent])
    connection.close()
    wait_until(lambda: uploads.records()[0]["bytes"] == sent)
    assert uploads.finish(uri, CONTENT).status_code == 200
    uploads.check(CONTENT)


@pytest.mark.parametrize("sent", [10, 2_000_000])
def test_silent_client_loses_its_session_to_a_later_request(uploads: Uploads, sent: int) -> None:
    uri = uploads.start()
    connection = raw_request(uploads, uri, TOTAL, f"0-{TOTAL - 1}/{TOTAL}")
    connection.sendall(b"\r\n" + CONTENT[:sent])
    wait_until(lambda: uploads.records()[0]["requests"])
    stored = kept(uploads.ask(uri))
    assert stored <= sent  # what was still in the socket went with it
    with connection, pytest.raises(ConnectionError):
        connection.sendall(bytes(100 * CHUNK))
    assert kept(uploads.ask(uri)) == stored
    assert uploads.send(uri, CONTENT, stored).status_code == 200
    uploads.check(CONTENT)


def test_expect_continue_and_pipelining(uploads: Uploads) -> None:
    """The server asks for the body, and serves what follows it on the same connection."""
    uri = uploads.start()
    connection = raw_request(uploads, uri, TOTAL, f"0-{TOTAL - 1}/{TOTAL}")
    connection.sendall(b"Expect: 100-continue\r\n\r\n")
    assert connection.recv(1000).startswith(b"HTTP/1.1 100")
    path = urlsplit(uploads.api.base).path
    connection.sendall(
        CONTENT + f"GET {path}jobs HTTP/1.1\r\nHost: sandbox\r\nConnection: close\r\n\r\n".encode()
    )
    with connection, connection.makefile("rb") as file:
        replies = file.read()
    assert replies.count(b"HTTP/1.1 200") == 1
    assert replies.count(b"HTTP/1.1 401") == 1
    uploads.check(CONTENT)


def test_connection_that_is_to_be_closed(uploads: Uploads) -> None:
    connection = raw_request(uploads, uploads.start(), TOTAL, f"0-{TOTAL - 1}/{TOTAL}")
    connection.sendall(b"Connection: close\r\n\r\n" + CONTENT)
    with connection, connection.makefile("rb") as file:
        assert file.read().startswith(b"HTTP/1.1 200")
    uploads.check(CONTENT)


def test_newest_of_three_has_the_session(uploads: Uploads) -> None:
    """Two silent clients, one after the other, keep nobody from going on."""
    uri = uploads.start()
    silent = [raw_request(uploads, uri, TOTAL, f"0-{TOTAL - 1}/{TOTAL}") for _ in "ab"]
    for number, connection in enumerate(silent, 1):
        connection.sendall(b"\r\n")
        wait_until(partial(_has_seen, uploads, number))
    assert uploads.send(uri, CONTENT).status_code == 200
    for connection in silent:
        connection.close()
    uploads.check(CONTENT)


def test_without_splice(uploads: Uploads, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the kernel does not move bytes by itself, they are copied."""
    monkeypatch.setattr(pouring, "SPLICE", False)
    assert uploads.send(uploads.start(), CONTENT).status_code == 200
    uploads.check(CONTENT)


def test_uploads_side_by_side(uploads: Uploads) -> None:
    """Sessions do not disturb each other, nor anything else the sandbox serves."""
    uris = [uploads.start(uploads.job(f"job-{number}")) for number in range(8)]
    replies: list[int] = []

    def send(uri: str) -> None:
        given = {"Content-Range": f"bytes 0-{TOTAL - 1}/{TOTAL}", "Authorization": authorization}
        replies.append(requests.put(uri, data=CONTENT, headers=given, timeout=30).status_code)

    authorization = str(uploads.session.headers["Authorization"])
    threads = [threading.Thread(target=send, args=(uri,)) for uri in uris]
    for thread in threads:
        thread.start()
    assert uploads.api.get("jobs").status_code == 200
    for thread in threads:
        thread.join()
    assert replies == [200] * 8
    assert len({each["sha256"] for each in uploads.records()}) == 1
    for number in range(8):
        assert uploads.api.finished(f"job-{number}")["status"] == {"state": "DONE"}


@pytest.mark.parametrize(
    ("spec", "named"),
    [
        ({"action": "cut_after_bytes", "bytes": -1}, "bytes"),
        ({"action": "cut_after_bytes", "bytes": 1.5}, "bytes"),
        ({"action": "session_expired", "status": 400}, "status"),
        ({"action": "reply", "retry_after_form": "words"}, "retry_after_form"),
        ({"action": "short_308", "seconds": 1}, "seconds"),
    ],
)
def test_bad_fault_is_refused(sandbox: Sandbox, spec: dict[str, Any], named: str) -> None:
    headers = {"Authorization": f"Bearer {sandbox.token}"}
    reply = requests.post(f"{sandbox.url}/sandbox/faults", json=spec, headers=headers, timeout=10)
    assert reason(reply) == "invalid"
    assert named in reply.json()["error"]["message"]


def test_session_expired_while_bytes_flow(uploads: Uploads) -> None:
    """What arrives after the end of a session completes nothing."""
    uri = uploads.start()
    with raw_request(uploads, uri, TOTAL, f"0-{TOTAL - 1}/{TOTAL}") as connection:
        connection.sendall(b"\r\n" + CONTENT[: TOTAL // 2])
        wait_until(lambda: uploads.records()[0]["bytes"] > 0)
        assert uploads.sandbox.expire_uploads(uploads.records()[0]["id"]) == 1
        connection.sendall(CONTENT[TOTAL // 2 :])
        assert connection.recv(12) == b"HTTP/1.1 404"
    assert uploads.ask(uri, TOTAL).status_code == 404
    assert [each["state"] for each in uploads.records()] == ["expired"]
    assert uploads.api.get("jobs").json().get("jobs", []) == []


def test_session_expired_before_a_request_is_served(uploads: Uploads) -> None:
    """A request that was let in before the end is answered by it."""
    uri = uploads.start()
    uploads.fault("status", action="stall", seconds=2)
    statuses: list[int] = []
    asking = threading.Thread(target=lambda: statuses.append(uploads.ask(uri, TOTAL).status_code))
    asking.start()
    wait_until(partial(_has_seen, uploads, 1))
    uploads.sandbox.expire_uploads(uploads.records()[0]["id"])
    asking.join(30)
    assert statuses == [404]
    assert uploads.api.get("jobs").json().get("jobs", []) == []


@pytest.mark.parametrize("complete", [False, True])
def test_end_of_a_session_is_told_every_time(uploads: Uploads, *, complete: bool) -> None:
    """With the status that is set, however often somebody asks."""
    uri = uploads.start()
    if complete:
        assert uploads.send(uri, CONTENT).status_code == 200
    uploads.sandbox.upload_settings(expired_status=410)
    try:
        uploads.sandbox.advance(8 * 86400)
        assert [uploads.ask(uri, TOTAL).status_code for _ in range(3)] == [410] * 3
    finally:
        uploads.sandbox.upload_settings(expired_status=404)
