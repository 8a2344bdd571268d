"""BigQuery's multipart uploads: the job and its file in one request."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any

import fastavro
import pyarrow as pa
import pyarrow.parquet
import pytest
import requests

from tests.integration.sandbox.conftest import Api, reason
from tests.integration.sandbox.upload_api import Uploads, csv_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow_provider_jobs.sandbox import Sandbox

CONTENT = csv_of(700_000)
BOUNDARY = "part-of.the=body"


@pytest.fixture
def uploads(sandbox: Sandbox, api: Api) -> Uploads:
    api.post("datasets", {"datasetReference": {"projectId": api.project, "datasetId": "d"}})
    return Uploads(sandbox, api)


def part(content: bytes, *headers: str) -> bytes:
    head = "".join(f"{header}\r\n" for header in headers)
    return f"--{BOUNDARY}\r\n{head}\r\n".encode() + content + b"\r\n"


def body(job: Any, content: bytes, *headers: str) -> bytes:
    first = part(json.dumps(job).encode(), "Content-Type: application/json; charset=UTF-8")
    return first + part(content, *headers) + f"--{BOUNDARY}--".encode()


def send(uploads: Uploads, data: Any, kind: str | None = None) -> requests.Response:
    headers = {"Content-Type": kind or f'multipart/related; boundary="{BOUNDARY}"'}
    return uploads.session.post(
        uploads.url, params={"uploadType": "multipart"}, data=data, headers=headers, timeout=30
    )


@pytest.mark.parametrize(
    "headers", [["Content-Type: */*"], ["Content-Type: text/csv", "X-Other: a\r\n b"], []]
)
def test_job_and_file(uploads: Uploads, headers: list[str]) -> None:
    reply = send(uploads, body(uploads.job(), CONTENT, *headers))
    assert reply.status_code == 200
    assert reply.json()["jobReference"]["jobId"] == "job-1"
    record = uploads.check(CONTENT)
    assert (record["kind"], record["requests"], record["bytes_received"]) == ("multipart", 1, len(CONTENT))


@pytest.mark.parametrize("size", [1, 7, 100, 1000])
def test_blocks_of_any_size(uploads: Uploads, size: int) -> None:
    """Delimiters are found wherever the blocks of a chunked body end."""
    content = csv_of(2000) + b"1,\r\n--almost\r\n--part-of.the=bod\n"
    content = content.replace(b"\r\n--", b"\r--")  # a row stays a row

    def pieces() -> Iterator[bytes]:
        whole = b"preamble\r\n" + body(uploads.job(), content) + b"\r\nepilogue"
        for start in range(0, len(whole), size):
            yield whole[start : start + size]

    assert send(uploads, pieces()).status_code == 200
    (record,) = uploads.records()
    assert record["bytes"] == len(content)


def test_empty_file(uploads: Uploads) -> None:
    assert send(uploads, body(uploads.job(), b"")).status_code == 200
    uploads.check(b"")


def test_file_that_looks_like_a_delimiter(uploads: Uploads) -> None:
    content = b"1,\r\n--part\r\n"
    assert send(uploads, body(uploads.job(), content)).status_code == 200
    assert uploads.records()[0]["bytes"] == len(content)


def test_parquet_and_avro(uploads: Uploads, api: Api) -> None:
    table = io.BytesIO()
    pyarrow.parquet.write_table(pa.table({"n": [1, 2, 3]}), table)
    job = uploads.job("job-1", sourceFormat="PARQUET")
    del job["configuration"]["load"]["schema"]
    assert send(uploads, body(job, table.getvalue())).status_code == 200
    assert api.finished("job-1")["statistics"]["load"]["outputRows"] == "3"
    rows = io.BytesIO()
    schema = {"type": "record", "name": "r", "fields": [{"name": "n", "type": "long"}]}
    fastavro.writer(rows, schema, [{"n": 4}])
    job = uploads.job("job-2", sourceFormat="AVRO", useAvroLogicalTypes=True)
    del job["configuration"]["load"]["schema"]
    assert send(uploads, body(job, rows.getvalue())).status_code == 200
    assert api.finished("job-2")["statistics"]["load"]["outputRows"] == "1"


def test_repeating_is_a_duplicate(uploads: Uploads, api: Api) -> None:
    uploads.fault("multipart", action="drop_reply_after_accepting")
    with pytest.raises(requests.ConnectionError):
        send(uploads, body(uploads.job(), CONTENT))
    assert reason(send(uploads, body(uploads.job(), CONTENT))) == "duplicate"
    uploads.check(CONTENT)


@pytest.mark.parametrize("place", [0, 50, 300_000])
def test_cut_keeps_nothing(uploads: Uploads, place: int) -> None:
    uploads.fault("multipart", action="cut_after_bytes", bytes=place)
    with pytest.raises(requests.ConnectionError):
        send(uploads, body(uploads.job(), CONTENT))
    assert uploads.api.get("jobs/job-1").status_code == 404
    assert send(uploads, body(uploads.job(), CONTENT)).status_code == 200
    uploads.check(CONTENT)


def test_lost_final_reply(uploads: Uploads) -> None:
    uploads.fault("multipart", action="lost_final_reply")
    with pytest.raises(requests.ConnectionError):
        send(uploads, body(uploads.job(), CONTENT))
    uploads.check(CONTENT)


def test_one_part_or_three_are_refused(uploads: Uploads, api: Api) -> None:
    end = f"--{BOUNDARY}--".encode()
    job = part(json.dumps(uploads.job()).encode(), "Content-Type: application/json")
    for data in (end, job + end, job + part(CONTENT) + part(b"more") + end):
        assert reason(send(uploads, data)) == "badContent"
    assert "jobs" not in api.get("jobs").json()
    assert [each["state"] for each in uploads.records()] == ["failed"]


def test_body_that_ends_early_is_refused(uploads: Uploads) -> None:
    whole = body(uploads.job(), CONTENT)
    for end in (10, 200, len(whole) - 2):
        assert reason(send(uploads, whole[:end])) == "badContent"


@pytest.mark.parametrize(
    "kind",
    [
        "multipart/related",
        "application/json",
        "multipart/form-data; boundary=x",
        f"multipart/related; boundary={'x' * 71}",
    ],
)
def test_bad_content_type(uploads: Uploads, kind: str) -> None:
    assert reason(send(uploads, body(uploads.job(), CONTENT), kind)) == "badRequest"


def test_bad_job(uploads: Uploads) -> None:
    assert reason(send(uploads, body({"configuration": {}}, CONTENT))) == "invalid"
    data = part(b"{", "Content-Type: application/json") + part(CONTENT) + f"--{BOUNDARY}--".encode()
    assert reason(send(uploads, data)) == "parseError"
    assert (
        reason(send(uploads, part(b"x" * 20_000_000, "Content-Type: application/json") + part(b"") + b"--"))
        == "uploadTooLarge"
    )


def test_endless_headers_are_refused(uploads: Uploads) -> None:
    assert reason(send(uploads, part(b"{}", "X: " + "y" * 20_000))) == "badContent"


@pytest.mark.parametrize("headers", [[], ["Content-Type: text/plain"], ["X-Other: a"]])
def test_job_that_does_not_say_that_it_is_json(uploads: Uploads, headers: list[str]) -> None:
    data = part(json.dumps(uploads.job()).encode(), *headers) + part(CONTENT) + f"--{BOUNDARY}--".encode()
    assert reason(send(uploads, data)) == "badContent"
    assert uploads.api.get("jobs/job-1").status_code == 404
