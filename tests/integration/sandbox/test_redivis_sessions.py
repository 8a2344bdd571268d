"""Redivis' temporary uploads and sessions, in the current flow and the original one."""

from __future__ import annotations

import hashlib
import http.client
import json
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests

from tests.integration.sandbox.redivis_api import CSV, RedivisApi, word
from tests.integration.sandbox.upload_api import CHUNK, csv_of, kept

CONTENT = csv_of(5 * CHUNK + 10)
TOTAL = len(CONTENT)


class Session:
    """A session of the current flow, or the bytes of an upload of the original one."""

    def __init__(self, redivis: RedivisApi, *, original: bool) -> None:
        self.redivis = redivis
        self.original = original
        if original:
            self.upload = redivis.create(name="a.csv")
            self.uri = f"{redivis.sandbox.redivis}{self.upload['uri']}"
            self.headers = {"Authorization": f"Bearer {redivis.sandbox.redivis_token}"}
        else:
            self.temp = redivis.promise(TOTAL, resumable=True)
            self.uri = redivis.open_session(self.temp["url"], TOTAL)
            self.headers = {}

    def put(self, content: bytes, given: str) -> requests.Response:
        headers = {**self.headers, "Content-Range": f"bytes {given}"}
        return requests.put(self.uri, data=content, headers=headers, timeout=30)

    def send(self, start: int = 0) -> requests.Response:
        return self.put(CONTENT[start:], f"{start}-{TOTAL - 1}/{TOTAL}")

    def ask(self, total: int | str = "*") -> requests.Response:
        return self.put(b"", f"*/{total}")

    def check(self) -> dict[str, Any]:
        """Check that the upload becomes what was sent; give the record of its bytes."""
        if self.original:
            upload = self.upload
        else:
            upload = self.redivis.create(name="a.csv", tempUploadId=self.temp["id"], hasHeaderRow=False)
        ended = self.redivis.ended(upload)
        md5 = hashlib.md5(CONTENT, usedforsecurity=False).hexdigest()
        assert (ended["status"], ended["size"], ended["hash"]) == ("completed", TOTAL, md5)
        assert ended["numRows"] == CONTENT.count(b"\n") - self.original  # one is the header by default
        (record,) = [each for each in self.redivis.records() if each["state"] == "complete"]
        assert (record["kind"], record["name"]) == ("resumable", "a.csv")
        return record


@pytest.fixture(params=["current", "original"])
def session(redivis: RedivisApi, request: pytest.FixtureRequest) -> Session:
    return Session(redivis, original=request.param == "original")


def test_everything_in_one_put(session: Session) -> None:
    """The final reply has no body."""
    reply = session.send()
    assert (reply.status_code, reply.content) == (200, b"")
    assert session.ask(TOTAL).status_code == 200
    assert session.check()["bytes_received"] == TOTAL


def test_chunks_with_the_total_told_last(session: Session) -> None:
    assert kept(session.put(CONTENT[:CHUNK], f"0-{CHUNK - 1}/*")) == CHUNK
    assert kept(session.put(CONTENT[CHUNK : 3 * CHUNK], f"{CHUNK}-{3 * CHUNK - 1}/*")) == 3 * CHUNK
    assert kept(session.ask()) == 3 * CHUNK
    assert session.send(3 * CHUNK).status_code == 200
    session.check()


def test_strictness(session: Session) -> None:
    """Gaps, odd chunks and other totals are refused; what is stored already is dropped."""
    assert session.put(CONTENT[:1000], f"0-999/{TOTAL}").status_code == 400
    assert session.send(CHUNK).status_code == 400
    assert kept(session.put(CONTENT[:CHUNK], f"0-{CHUNK - 1}/{TOTAL}")) == CHUNK
    assert session.ask(TOTAL + 1).status_code == 400
    assert session.send().status_code == 200
    assert session.check()["bytes_received"] == CHUNK + TOTAL


@pytest.mark.parametrize("place", [0, 1, CHUNK, TOTAL - 1])
def test_cut(session: Session, place: int) -> None:
    session.redivis.fault(r"upload\.data", action="cut_after_bytes", bytes=place)
    with pytest.raises(requests.ConnectionError):
        session.send()
    assert kept(session.ask(TOTAL)) == place
    assert session.send(place).status_code == 200
    session.check()


def test_short_308_of_the_whole_file(session: Session) -> None:
    session.redivis.fault(r"upload\.data", action="short_308", bytes=1_000_000)
    assert kept(session.send()) == 1_000_000
    assert session.send(1_000_000).status_code == 200
    session.check()


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_server_trouble(session: Session, status: int) -> None:
    session.redivis.fault(r"upload\.data", action="reply", status=status, bytes=1000)
    assert session.send().status_code == status
    assert kept(session.ask()) == 1000
    assert session.send(1000).status_code == 200
    session.check()


def test_lost_final_reply(session: Session) -> None:
    session.redivis.fault(r"upload\.data", action="lost_final_reply")
    with pytest.raises(requests.ConnectionError):
        session.send()
    assert session.ask(TOTAL).status_code == 200
    session.check()


def test_expired_session_is_replaced(redivis: RedivisApi) -> None:
    """The temporary upload stays; the second session is the one that counts."""
    session = Session(redivis, original=False)
    redivis.fault(r"upload\.data", action="session_expired", status=410, bytes=CHUNK)
    assert session.send().status_code == 410
    assert session.ask().status_code == 404
    session.uri = redivis.open_session(session.temp["url"], TOTAL)
    assert session.send().status_code == 200
    session.check()


def test_lost_session_start(redivis: RedivisApi) -> None:
    session = Session(redivis, original=False)
    redivis.fault(r"upload\.start", action="drop_reply_after_accepting")
    with pytest.raises(requests.ConnectionError):
        redivis.open_session(session.temp["url"], TOTAL)
    session.uri = redivis.open_session(session.temp["url"], TOTAL)
    assert session.send().status_code == 200
    session.check()


@pytest.mark.parametrize("forced", ["always", "never"])
def test_urls_are_signed_for_one_way(redivis: RedivisApi, redivis_settings: Any, forced: str) -> None:
    """A client has to heed the reply's ``resumable``, whatever it asked for."""
    redivis_settings(resumable=forced)
    temp = redivis.promise(len(CSV), resumable=forced == "never")
    start = {"x-goog-resumable": "start", "x-upload-content-length": str(len(CSV))}
    started = requests.post(temp["url"], headers=start, timeout=10)
    sent = requests.put(temp["url"], data=CSV, timeout=10)
    statuses = {"always": (200, 403), "never": (403, 200)}[forced]
    assert (started.status_code, sent.status_code) == statuses


def test_bad_session_start(redivis: RedivisApi) -> None:
    url = redivis.promise(1, resumable=True)["url"]
    start = {"x-goog-resumable": "start"}
    for headers in ({}, start, {**start, "x-upload-content-length": "x"}, {"x-upload-content-length": "1"}):
        assert requests.post(url, headers=headers, timeout=10).status_code == 400
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(str(parts.netloc), timeout=10)
    connection.putrequest("POST", f"{parts.path}?{parts.query}")
    for name, value in (*start.items(), ("x-upload-content-length", "1")):
        connection.putheader(name, value)
    connection.endheaders()  # without Content-Length, which requests always sends
    assert connection.getresponse().status == 411
    connection.close()


def test_original_flow_by_number(redivis: RedivisApi) -> None:
    """The create's reply has an integer id and no status; the bytes may go to that id."""
    upload = redivis.create(name="a.csv")
    assert (isinstance(upload["id"], int), upload["status"]) == (True, None)
    assert redivis.get(upload["uri"])["status"] is None
    headers = {"Content-Range": f"bytes 0-{len(CSV) - 1}/{len(CSV)}"}
    path = f"{redivis.table}/uploads/{upload['id']}"
    assert redivis.call("PUT", path, data=CSV, headers=headers).status_code == 200
    assert redivis.ended(upload)["numRows"] == 3


def test_original_flow_expires_after_a_day(redivis: RedivisApi) -> None:
    session = Session(redivis, original=True)
    redivis.sandbox.advance(86400)
    assert session.send().status_code == 404


def test_no_bytes_for_an_upload_that_has_them(redivis: RedivisApi) -> None:
    upload = redivis.upload(CSV)
    assert word(redivis.call("PUT", upload["uri"], data=CSV)) == "invalid_request"


def test_original_flow_needs_the_token(redivis: RedivisApi) -> None:
    session = Session(redivis, original=True)
    session.headers = {}
    assert session.send().status_code == 401


@pytest.mark.parametrize("resumable", [False, True])
def test_foreign_storage(redivis: RedivisApi, redivis_settings: Any, *, resumable: bool) -> None:
    """Another origin, with and without a look at the token."""
    redivis_settings(storage="foreign", storage_bearer="required")
    temp = redivis.promise(TOTAL, resumable=resumable)
    assert temp["url"].startswith(redivis.sandbox.redivis_storage + "/")
    assert not temp["url"].startswith(redivis.sandbox.url)
    token = {"Authorization": f"Bearer {redivis.sandbox.redivis_token}"}
    start = {"x-goog-resumable": "start", "x-upload-content-length": str(TOTAL)}
    if resumable:
        assert requests.post(temp["url"], headers=start, timeout=10).status_code == 401
        uri = requests.post(temp["url"], headers={**start, **token}, timeout=10).headers["Location"]
        assert uri.startswith(redivis.sandbox.redivis_storage + "/")
    else:
        uri = temp["url"]
    assert requests.put(uri, data=CONTENT, timeout=10).status_code == 401
    redivis_settings(storage_bearer="ignored")
    assert requests.put(uri, data=CONTENT, timeout=10).status_code == 200
    assert redivis.ended(redivis.create(name="a.csv", tempUploadId=temp["id"]))["size"] == TOTAL


def test_storage_refuses(redivis: RedivisApi) -> None:
    redivis.fault(r"upload\.plain", action="reply", status=403, reason="forbidden")
    assert requests.put(redivis.promise(len(CSV))["url"], data=CSV, timeout=10).status_code == 403


@pytest.mark.parametrize("content", [b"", CSV[:-1], CSV + b"4,four\n"])
def test_incomplete_temporary_upload_is_refused(redivis: RedivisApi, content: bytes) -> None:
    temp = redivis.promise(len(CSV))
    requests.put(temp["url"], data=content, timeout=10)
    refused = redivis.call("POST", f"{redivis.table}/uploads", {"name": "a.csv", "tempUploadId": temp["id"]})
    assert word(refused) == "invalid_request"
    assert redivis.get(f"{redivis.table}/uploads")["results"] == []


def test_temporary_upload_serves_one_upload_of_its_table(redivis: RedivisApi) -> None:
    redivis.post(f"{redivis.dataset}/tables", {"name": "others"})
    temp_id = redivis.send_plain(CSV)
    others = redivis.table.replace("orders", "others")
    for table, fields in (
        (others, {"name": "b.csv", "tempUploadId": temp_id}),
        (redivis.table, {"name": "b.csv", "tempUploadId": "unknown"}),
    ):
        assert word(redivis.call("POST", f"{table}/uploads", fields)) == "invalid_request"
    redivis.create(name="b.csv", resumableUploadId=temp_id)  # as older clients call it
    again = redivis.call("POST", f"{redivis.table}/uploads", {"name": "c.csv", "tempUploadId": temp_id})
    assert word(again) == "invalid_request"


def test_many_temporary_uploads_at_once(redivis: RedivisApi) -> None:
    wanted = [{"size": number, "name": f"{number}.csv"} for number in range(1000)]
    found = redivis.post(f"{redivis.table}/tempUploads", {"tempUploads": wanted})
    assert found["kind"] == "tempUploadList"
    assert [each["size"] for each in found["results"]] == list(range(1000))
    assert len({each["url"] for each in found["results"]}) == 1000


@pytest.mark.parametrize(
    "wanted",
    [
        None,
        [],
        [{"size": 1, "name": "a"}] * 1001,
        ["a"],
        [{"size": -1, "name": "a"}],
        [{"size": "1", "name": "a"}],
        [{"size": 1}],
        [{"size": 1, "name": "a", "resumable": 1}],
    ],
)
def test_bad_temporary_uploads(redivis: RedivisApi, wanted: Any) -> None:
    reply = redivis.call("POST", f"{redivis.table}/tempUploads", {"tempUploads": wanted})
    assert (reply.status_code, word(reply)) == (400, "invalid_request")


@pytest.mark.parametrize("forced", ["always", "never"])
def test_resumable_is_what_the_reply_says(redivis: RedivisApi, redivis_settings: Any, forced: str) -> None:
    redivis_settings(resumable=forced)
    assert [redivis.promise(1, resumable=asked)["resumable"] for asked in (True, False)] == [
        forced == "always"
    ] * 2


def test_urls_are_capabilities(redivis: RedivisApi) -> None:
    """Nothing but the URL is needed, nothing else will do, and no log shows it; it ends after a day."""
    temp = redivis.promise(len(CSV), resumable=True)
    for bad in (temp["url"][:-1], temp["url"].partition("?")[0]):
        assert requests.put(bad, data=CSV, timeout=10).status_code == 403
    session = redivis.open_session(temp["url"], len(CSV))
    assert requests.put(session + "x", data=CSV, timeout=10).status_code == 404
    other = redivis.promise(1)["url"].partition("?")[0] + "?" + session.partition("?")[2]
    assert requests.put(other, data=CSV, timeout=10).status_code == 404
    log = json.dumps(redivis.sandbox.requests())
    for url in (temp["url"], session):
        assert url.rpartition("=")[2] not in log
    redivis.sandbox.advance(86400)
    assert requests.put(temp["url"], data=CSV, timeout=10).status_code == 403
    assert requests.put(session, data=CSV, timeout=10).status_code == 404
