"""BigQuery's resumable uploads: chunks, offsets, totals, questions, and whose session it is."""

from __future__ import annotations

import gzip
import hashlib
import json
from typing import TYPE_CHECKING, Any

import pytest
import requests

from tests.integration.sandbox.conftest import Api, query, reason
from tests.integration.sandbox.upload_api import CHUNK, Uploads, blocks, csv_of, kept

if TYPE_CHECKING:
    from airflow_provider_jobs.sandbox import Sandbox

CONTENT = csv_of(3 * CHUNK + 1000)
TOTAL = len(CONTENT)


@pytest.fixture
def uploads(sandbox: Sandbox, api: Api) -> Uploads:
    api.post("datasets", {"datasetReference": {"projectId": api.project, "datasetId": "d"}})
    return Uploads(sandbox, api)


def test_everything_in_one_put(uploads: Uploads) -> None:
    uri = uploads.start()
    assert uri.startswith(uploads.sandbox.url + "/upload/bigquery/v2/")
    reply = uploads.send(uri, CONTENT)
    assert reply.status_code == 200
    assert reply.json()["jobReference"]["jobId"] == "job-1"
    assert uploads.check(CONTENT)["bytes_received"] == TOTAL


def test_put_without_range_is_the_whole_file(uploads: Uploads) -> None:
    assert uploads.put(uploads.start(), CONTENT, None).status_code == 200
    uploads.check(CONTENT)


@pytest.mark.parametrize("total", [str(TOTAL), "*"])
def test_chunks(uploads: Uploads, total: str) -> None:
    """The last chunk tells the total where the others could not."""
    uri = uploads.start()
    sent = 0
    for block in blocks(CONTENT, CHUNK):
        end = sent + len(block)
        told = TOTAL if end == TOTAL else total
        reply = uploads.put(uri, block, f"{sent}-{end - 1}/{told}")
        sent = end
        if end < TOTAL:
            assert kept(reply) == end
    assert reply.status_code == 200
    assert uploads.check(CONTENT)["requests"] == 4


def test_end_on_a_chunk_is_told_later(uploads: Uploads) -> None:
    content = csv_of(2 * CHUNK)
    uri = uploads.start()
    assert kept(uploads.put(uri, content, f"0-{2 * CHUNK - 1}/*")) == 2 * CHUNK
    assert kept(uploads.ask(uri)) == 2 * CHUNK
    assert uploads.ask(uri, 2 * CHUNK).status_code == 200
    uploads.check(content)


def test_announced_size_is_the_total(uploads: Uploads) -> None:
    """A chunk that is the last by the announced size completes the upload, even if it says ``*``."""
    uri = uploads.start(**{"X-Upload-Content-Length": str(TOTAL)})
    assert uploads.put(uri, CONTENT[:1000], f"0-{TOTAL}/{TOTAL + 1}").status_code == 400
    assert uploads.put(uri, CONTENT, f"0-{TOTAL - 1}/*").status_code == 200
    uploads.check(CONTENT)
    assert reason(uploads.begin(uploads.job("job-2"), **{"X-Upload-Content-Length": "many"})) == "invalid"


def test_empty_file(uploads: Uploads) -> None:
    uri = uploads.start()
    reply = uploads.ask(uri)
    assert (kept(reply), "Range" in reply.headers) == (0, False)
    assert uploads.ask(uri, 0).status_code == 200
    uploads.check(b"")


def test_empty_put_without_range(uploads: Uploads) -> None:
    assert uploads.put(uploads.start(), b"", None).status_code == 200
    uploads.check(b"")


def test_stored_bytes_sent_again_are_dropped(uploads: Uploads) -> None:
    uri = uploads.start()
    uploads.put(uri, CONTENT[: 2 * CHUNK], f"0-{2 * CHUNK - 1}/{TOTAL}")
    other = b"#" * CHUNK + CONTENT[CHUNK : 2 * CHUNK]
    assert kept(uploads.put(uri, other, f"0-{2 * CHUNK - 1}/{TOTAL}")) == 2 * CHUNK
    assert uploads.send(uri, CONTENT, CHUNK).status_code == 200
    record = uploads.check(CONTENT)
    assert record["bytes_received"] == 2 * CHUNK + 2 * CHUNK + TOTAL - CHUNK


def test_status_of_a_complete_upload(uploads: Uploads) -> None:
    """The same job, however often and with whatever it is asked; data is not taken any more."""
    uri = uploads.start()
    uploads.send(uri, CONTENT)
    for reply in (uploads.ask(uri, TOTAL), uploads.ask(uri), uploads.send(uri, CONTENT)):
        assert reply.status_code == 200
        assert reply.json()["jobReference"]["jobId"] == "job-1"
    uploads.check(CONTENT)


def test_complete_with_201(uploads: Uploads) -> None:
    uploads.sandbox.upload_settings(completed_status=201)
    try:
        uri = uploads.start()
        assert uploads.send(uri, CONTENT).status_code == 201
        assert uploads.ask(uri).status_code == 201
    finally:
        uploads.sandbox.upload_settings(completed_status=200)
    uploads.check(CONTENT)


@pytest.mark.parametrize(
    ("size", "given"),
    [
        (CHUNK, f"{CHUNK}-{2 * CHUNK - 1}/{TOTAL}"),  # a gap
        (1000, f"0-999/{TOTAL}"),  # no multiple of 256 KiB
        (CHUNK + 1, f"0-{CHUNK}/*"),
        (CHUNK, f"0-{CHUNK - 2}/{TOTAL}"),  # the body is longer than the range
        (CHUNK, f"0-{CHUNK}/{TOTAL}"),  # shorter
        (CHUNK, f"0-{CHUNK - 1}/1000"),  # beyond the total
        (10, "9-0/10"),
        (10, "0-9"),
        (10, "0-*/*"),
        (10, "x-y/z"),
        (0, "*/-1"),
    ],
)
def test_bad_range_stores_nothing(uploads: Uploads, size: int, given: str) -> None:
    uri = uploads.start()
    reply = uploads.put(uri, CONTENT[:size], given)
    assert reason(reply) == "badRequest"
    assert kept(uploads.ask(uri)) == 0
    assert uploads.send(uri, CONTENT).status_code == 200
    uploads.check(CONTENT)


def test_totals_must_agree(uploads: Uploads) -> None:
    uri = uploads.start()
    uploads.put(uri, CONTENT[:CHUNK], f"0-{CHUNK - 1}/{TOTAL}")
    assert reason(uploads.ask(uri, TOTAL + 1)) == "badRequest"
    assert uploads.put(uri, CONTENT[CHUNK:], f"{CHUNK}-{TOTAL - 1}/{TOTAL + 1}").status_code == 400
    other = uploads.start(uploads.job("job-2"))
    uploads.put(other, CONTENT[:CHUNK], f"0-{CHUNK - 1}/*")
    assert uploads.ask(other, 1000).status_code == 400


def test_chunked_transfer_encoding(uploads: Uploads) -> None:
    """A body without a length of its own is counted as it comes; without a range it is refused."""
    uri = uploads.start()
    given = {"Content-Range": f"bytes 0-{TOTAL - 1}/{TOTAL}"}
    assert uploads.session.put(uri, data=blocks(CONTENT, 1000), headers=given, timeout=30).status_code == 200
    uploads.check(CONTENT)
    second = uploads.start(uploads.job("job-2"))
    assert uploads.session.put(second, data=blocks(CONTENT, 1000), timeout=30).status_code == 411


@pytest.mark.parametrize(
    ("job", "named"),
    [
        ({"configuration": query("SELECT 1")}, "load"),
        ({"configuration": {"load": {"sourceUris": ["gs://a/b"]}}}, "sourceUris"),
        ({"configuration": {"load": {"sourceUrl": "x"}}}, "sourceUrl"),
        ({"configuration": {"load": {}}, "jobReference": {"jobId": "no spaces"}}, "job ID"),
        ({"configuration": {"load": {}}, "jobReference": {"projectId": "other-project"}}, "other-project"),
        ({}, "configuration"),
    ],
)
def test_bad_job_is_refused_at_the_start(uploads: Uploads, job: Any, named: str) -> None:
    reply = uploads.begin(job)
    assert reply.status_code == 400
    assert named in reply.json()["error"]["message"]
    assert uploads.records() == []


def test_upload_type_is_needed(uploads: Uploads) -> None:
    for kind in ({}, {"uploadType": "media"}):
        reply = uploads.session.post(uploads.url, params=kind, json=uploads.job(), timeout=10)
        assert reason(reply) == "invalidParameter"


def test_other_path_of_the_same_service(uploads: Uploads) -> None:
    uploads.url = uploads.url.replace("/upload/", "/resumable/upload/")
    assert uploads.send(uploads.start(), CONTENT).status_code == 200
    uploads.check(CONTENT)


def test_used_job_id(uploads: Uploads, api: Api) -> None:
    """A used id is refused at the start; one used meanwhile, at the end and at every later question."""
    uri, late = uploads.start(), uploads.start()
    assert uploads.send(uri, CONTENT).status_code == 200
    assert reason(uploads.begin()) == "duplicate"
    assert reason(uploads.send(late, CONTENT)) == "duplicate"
    assert uploads.ask(late, TOTAL).status_code == 409
    assert len(api.get("jobs").json()["jobs"]) == 1


def test_id_is_given_where_none_is_wanted(uploads: Uploads, api: Api) -> None:
    reply = uploads.send(uploads.start(uploads.job(None)), CONTENT)
    job_id = reply.json()["jobReference"]["jobId"]
    assert api.finished(job_id)["status"] == {"state": "DONE"}
    assert uploads.records()[0]["job_id"] == job_id


def test_session_belongs_to_project_and_account(uploads: Uploads, sandbox: Sandbox) -> None:
    uri = uploads.start()
    other = uri.replace(uploads.api.project, "other-project")
    assert reason(uploads.ask(other)) == "notFound"
    assert reason(uploads.ask(uri + "x")) == "notFound"
    token = sandbox.issue_token("somebody@example.com")
    given = {"Authorization": f"Bearer {token}", "Content-Range": "bytes */*"}
    assert reason(requests.put(uri, headers=given, timeout=10)) == "accessDenied"
    del given["Authorization"]
    assert reason(requests.put(uri, headers=given, timeout=10)) == "required"
    assert kept(uploads.ask(uri)) == 0


def test_secret_of_a_session_is_never_shown(uploads: Uploads, sandbox: Sandbox) -> None:
    uri = uploads.start()
    secret = uri.rpartition("upload_id=")[2]
    uploads.send(uri, CONTENT)
    assert secret not in json.dumps(sandbox.requests())
    assert secret not in json.dumps(sandbox.uploads())
    assert len(secret) > 40


@pytest.mark.parametrize("status", [404, 410])
def test_expiry(uploads: Uploads, sandbox: Sandbox, status: int) -> None:
    """After a week on the sandbox's clock, or on request."""
    sandbox.upload_settings(expired_status=status)
    try:
        old = uploads.start()
        sandbox.advance(7 * 86400)
        assert uploads.ask(old).status_code == status
        second = uploads.start()
        uploads.put(second, CONTENT[:CHUNK], f"0-{CHUNK - 1}/{TOTAL}")
        assert sandbox.expire_uploads(uploads.records()[-1]["id"]) == 1
        assert uploads.ask(second).status_code == status
        assert uploads.send(second, CONTENT, CHUNK).status_code == status
    finally:
        sandbox.upload_settings(expired_status=404)
    assert [each["state"] for each in uploads.records()] == ["expired", "expired"]
    assert uploads.send(uploads.start(), CONTENT).status_code == 200
    uploads.check(CONTENT)


def test_compressed_and_json(uploads: Uploads, api: Api) -> None:
    compressed = gzip.compress(CONTENT)
    uploads.send(uploads.start(), compressed)
    assert api.finished("job-1")["statistics"]["load"]["outputRows"] == str(CONTENT.count(b"\n"))
    rows = b'{"n": 1, "text": "a"}\n{"n": 2}\n'
    uploads.send(uploads.start(uploads.job("job-2", sourceFormat="NEWLINE_DELIMITED_JSON")), rows)
    load = api.finished("job-2")["statistics"]["load"]
    assert (load["inputFiles"], load["inputFileBytes"], load["outputRows"]) == ("1", str(len(rows)), "2")


def test_bad_rows_fail_the_job_and_name_the_place(uploads: Uploads, api: Api) -> None:
    uploads.send(uploads.start(), b"1,a\nx,b\n")
    status = api.finished("job-1")["status"]
    assert status["errorResult"]["reason"] == "invalid"
    assert "the uploaded file" in status["errors"][1]["message"]


def test_digest_of_what_failed_stays(uploads: Uploads, api: Api) -> None:
    """The file is deleted when its job is done; what arrived can still be told."""
    content = bytes(CHUNK)
    uploads.send(uploads.start(), content)
    api.finished("job-1")
    (record,) = uploads.records()
    assert record["sha256"] == hashlib.sha256(content).hexdigest()


@pytest.mark.parametrize("more", [1, CHUNK])
def test_chunked_body_longer_than_its_range(uploads: Uploads, more: int) -> None:
    """The rest is not cut off in silence; nothing of it is kept."""
    uri = uploads.start()
    uploads.put(uri, CONTENT[:CHUNK], f"0-{CHUNK - 1}/{TOTAL}")
    headers = {"Content-Range": f"bytes {CHUNK}-{TOTAL - 1}/{TOTAL}"}
    body = blocks(CONTENT[CHUNK:] + b"x" * more, 100_000)
    assert reason(uploads.session.put(uri, data=body, headers=headers, timeout=30)) == "badRequest"
    assert kept(uploads.ask(uri)) == CHUNK
    whole = uploads.session.put(uri, data=blocks(CONTENT[CHUNK:], 100_000), headers=headers, timeout=30)
    assert whole.status_code == 200
    uploads.check(CONTENT)
