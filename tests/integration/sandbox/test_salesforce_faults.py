"""Misbehaviour on request: each is what a client has to notice."""

from __future__ import annotations

import gzip
import zlib
from typing import Any

import pytest
import requests
from urllib3.exceptions import ProtocolError

from tests.integration.sandbox.conftest import wait_until
from tests.integration.sandbox.salesforce_api import ACCOUNTS, SalesforceApi, error, joined

INSERT = b"Name\nLost and found\n"
SMALL = f"{ACCOUNTS} LIMIT 20"


def count(salesforce: SalesforceApi) -> int:
    return len(salesforce.sandbox.salesforce_jobs())


@pytest.mark.parametrize("status", [406, 408, 420, 429, 500, 503])
def test_error_with_a_body(salesforce: SalesforceApi, status: int) -> None:
    salesforce.fault("limits", action="reply", status=status, reason="SOME_CODE", retry_after=3)
    reply = salesforce.call("GET", "limits")
    assert error(reply) == (status, "SOME_CODE")
    assert reply.headers["Retry-After"] == "3"
    assert salesforce.call("GET", "limits").status_code == 200


def test_html(salesforce: SalesforceApi) -> None:
    """What a proxy in front of the org says: nothing has happened."""
    before = count(salesforce)
    salesforce.fault(r"query\.create", action="answer", status=503, retry_after=2)
    reply = salesforce.call("POST", "jobs/query", {"operation": "query", "query": ACCOUNTS})
    assert (reply.status_code, reply.headers["Retry-After"]) == (503, "2")
    assert reply.headers["Content-Type"].startswith("text/html")
    assert reply.text.startswith("<html>")
    assert count(salesforce) == before


@pytest.mark.parametrize("status", [301, 307])
def test_redirect(salesforce: SalesforceApi, status: int) -> None:
    """What the old host of a renamed org says; clients that follow would be on their own."""
    salesforce.fault("limits", action="redirect", status=status, location=f"{salesforce.base}/moved")
    reply = salesforce.call("GET", "limits", allow_redirects=False)
    assert (reply.status_code, reply.headers["Location"]) == (status, f"{salesforce.base}/moved")
    assert salesforce.call("GET", "limits").status_code == 200


def test_html_after_the_creation(salesforce: SalesforceApi) -> None:
    before = count(salesforce)
    salesforce.fault(r"query\.create", action="answer_after_accepting", status=502, body="<html>oops</html>")
    reply = salesforce.call("POST", "jobs/query", {"operation": "query", "query": ACCOUNTS})
    assert (reply.status_code, reply.text) == (502, "<html>oops</html>")
    assert count(salesforce) == before + 1


def test_lost_replies(salesforce: SalesforceApi) -> None:
    """Everything is done, and nobody is told."""
    before = count(salesforce)
    salesforce.fault(
        r"(query\.create|ingest\.close|query\.delete)", action="drop_reply_after_accepting", times=3
    )
    with pytest.raises(requests.ConnectionError):
        salesforce.create(SMALL)
    assert count(salesforce) == before + 1
    query = salesforce.ended(salesforce.sandbox.salesforce_jobs()[-1])
    ingest = salesforce.create_ingest()
    salesforce.put(ingest, INSERT)
    with pytest.raises(requests.ConnectionError):
        salesforce.state("ingest", ingest, "UploadComplete")
    assert salesforce.ended(ingest, "ingest")["state"] == "JobComplete"
    with pytest.raises(requests.ConnectionError):
        salesforce.call("DELETE", f"jobs/query/{query['id']}")
    assert error(salesforce.call("GET", f"jobs/query/{query['id']}")) == (404, "NOT_FOUND")


def test_close_and_abort_are_told_apart(salesforce: SalesforceApi) -> None:
    salesforce.fault(r"ingest\.abort", action="reply", status=503)
    job = salesforce.create_ingest()
    assert salesforce.state("ingest", job, "Aborted").status_code == 503
    assert salesforce.state("ingest", job, "UploadComplete").status_code == 200


@pytest.mark.parametrize("encoding", ["identity", "gzip"])
def test_page_that_breaks_off(salesforce: SalesforceApi, encoding: str) -> None:
    """So many bytes have come, then nothing but a reset."""
    job = salesforce.query(f"{ACCOUNTS} LIMIT 500")
    salesforce.fault(r"query\.results", action="cut_reply", bytes=1000)
    path, headers = f"jobs/query/{job['id']}/results", {"Accept-Encoding": encoding}
    reply = salesforce.call("GET", path, headers=headers, stream=True)
    blocks: list[bytes] = []
    with pytest.raises(ProtocolError):
        blocks.extend(reply.raw.stream(100, decode_content=False))
    received = b"".join(blocks)
    whole = salesforce.results(job)
    if encoding == "gzip":
        received = zlib.decompressobj(31).decompress(received)
    assert whole.content.startswith(received)
    assert 0 < len(received) < len(whole.content)


def test_page_that_stalls(salesforce: SalesforceApi) -> None:
    job = salesforce.query(SMALL)
    salesforce.fault(r"query\.results", action="stall_reply", bytes=100, seconds=600)
    with pytest.raises(requests.exceptions.ConnectionError):
        salesforce.call("GET", f"jobs/query/{job['id']}/results", timeout=0.3)
    salesforce.fault(r"query\.results", action="stall_reply", bytes=0, seconds=0.2)
    reply = salesforce.results(job)
    assert reply.content == salesforce.results(job).content


def test_slow_page(salesforce: SalesforceApi) -> None:
    job = salesforce.query(SMALL)
    size = len(salesforce.results(job).content)
    salesforce.fault(r"query\.results", action="slow_reply", bytes_per_second=size * 4)
    path = f"jobs/query/{job['id']}/results"
    salesforce.call("GET", path, headers={"Accept-Encoding": "identity"})
    assert salesforce.sandbox.requests()[-1]["seconds"] >= 0.2


@pytest.mark.parametrize(
    ("headers", "found"),
    [
        ({"sforce-numberofrecords": None}, ("NUMBER", None)),
        ({"Sforce-NumberOfRecords": "7"}, ("NUMBER", "7")),
        ({"Sforce-Locator": None}, ("LOCATOR", None)),
        ({"Sforce-Locator": ""}, ("LOCATOR", "")),
        ({"Sforce-Locator": "null"}, ("LOCATOR", "null")),
    ],
)
def test_headers(salesforce: SalesforceApi, headers: Any, found: tuple[str, str | None]) -> None:
    salesforce.sandbox.salesforce_settings(page_rows=5)
    job = salesforce.query(SMALL)
    salesforce.fault(r"query\.results", action="headers", headers=headers)
    names = {"NUMBER": "Sforce-NumberOfRecords", "LOCATOR": "Sforce-Locator"}
    assert salesforce.results(job).headers.get(names[found[0]]) == found[1]


@pytest.mark.parametrize("kept", ["adjusted", "kept"])
@pytest.mark.parametrize("encoding", ["identity", "gzip"])
def test_dropped_record(salesforce: SalesforceApi, kept: str, encoding: str) -> None:
    """A page without one of its records; only the total tells, or the count as well."""
    salesforce.sandbox.salesforce_settings(page_rows=8)
    job = salesforce.query(SMALL)
    lines = salesforce.results(job).content.splitlines(keepends=True)
    salesforce.fault(r"query\.results", action="drop_record", record=3, count=kept)
    page = salesforce.results(job, encoding)
    assert page.content == b"".join(lines[:4] + lines[5:])
    assert page.headers["Sforce-NumberOfRecords"] == ("7" if kept == "adjusted" else "8")
    salesforce.fault(r"query\.results", action="drop_record", record=99)
    assert salesforce.results(job).content == b"".join(lines)


def test_skipped_page(salesforce: SalesforceApi) -> None:
    """By locators a page is left out, by the list another; nothing else tells."""
    salesforce.sandbox.salesforce_settings(page_rows=5)
    job = salesforce.query(SMALL)
    whole = [page.content for page in salesforce.pages(job)]
    salesforce.fault(r"query\.results", action="skip_page", nth=2)
    assert [page.content for page in salesforce.pages(job)] == [whole[0], whole[1], whole[3]]
    salesforce.fault(r"query\.resultPages", action="skip_page", page=2)
    urls = salesforce.page_urls(job)
    assert [salesforce.call("GET", url).content for url in urls] == [whole[0], whole[1], whole[3]]
    salesforce.fault(r"query\.results", action="skip_page", nth=3)
    assert joined([page.content for page in salesforce.pages(job)]) == joined(whole[:3])


def test_wrong_count(salesforce: SalesforceApi) -> None:
    job = salesforce.query(SMALL)
    salesforce.fault(r"query\.get", action="patch", document={"numberRecordsProcessed": 21})
    assert salesforce.info(job)["numberRecordsProcessed"] == 21
    salesforce.sandbox.force_salesforce_job(job["id"], numberRecordsProcessed=19)
    assert salesforce.info(job)["numberRecordsProcessed"] == 19


def test_nothing_in_place_of_a_page(salesforce: SalesforceApi) -> None:
    job = salesforce.query(SMALL)
    salesforce.fault(r"query\.results", action="answer", status=204)
    salesforce.fault(r"query\.results", action="answer", status=200, body="", content_type="text/csv", nth=2)
    replies = [salesforce.results(job) for _ in range(3)]
    assert [(reply.status_code, reply.content == b"") for reply in replies] == [
        (204, True),
        (200, True),
        (200, False),
    ]


def test_second_page_fails_once(salesforce: SalesforceApi) -> None:
    salesforce.sandbox.salesforce_settings(page_rows=5)
    job = salesforce.query(SMALL)
    salesforce.fault(r"query\.results", action="reply", status=500, reason="UNKNOWN_EXCEPTION", nth=2)
    first = salesforce.results(job)
    locator = first.headers["Sforce-Locator"]
    assert error(salesforce.results(job, locator=locator)) == (500, "UNKNOWN_EXCEPTION")
    assert salesforce.results(job, locator=locator).status_code == 200


def test_broken_gzip_is_one(salesforce: SalesforceApi) -> None:
    """Control: without a fault, what is packed unpacks to the end."""
    job = salesforce.query(SMALL)
    path = f"jobs/query/{job['id']}/results"
    reply = salesforce.call("GET", path, headers={"Accept-Encoding": "gzip"}, stream=True)
    assert gzip.decompress(reply.raw.read(decode_content=False)) == salesforce.results(job).content


def test_hanging_job(salesforce: SalesforceApi) -> None:
    salesforce.fault(r"query\.run", action="hang", seconds=600)
    job = salesforce.create(SMALL)
    wait_until(lambda: salesforce.info(job)["state"] == "InProgress")
    assert salesforce.state("query", job, "Aborted").status_code == 200
    assert salesforce.info(job)["state"] == "Aborted"


@pytest.mark.parametrize(
    "spec",
    [
        {"action": "drop_record", "count": "x"},
        {"action": "headers", "headers": {"a": 1}},
        {"action": "cut_reply", "bytes": -1},
        {"action": "slow_reply", "bytes_per_second": 0},
        {"action": "answer", "status": 100},
    ],
)
def test_wrong_fault(salesforce: SalesforceApi, spec: Any) -> None:
    sandbox = salesforce.sandbox
    headers = {"Authorization": f"Bearer {sandbox.token}"}
    assert (
        requests.post(f"{sandbox.url}/sandbox/faults", json=spec, headers=headers, timeout=9).status_code
        == 400
    )
