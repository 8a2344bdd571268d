"""One reply, one meaning."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Any

import pytest

from airflow_provider_jobs.clients.redivis.replies import (
    RELEASE_AFTER,
    Expected,
    checked_status,
    gone_status,
    md5_hex,
    parse_json,
    release_status,
    service_error,
    upload_status,
)
from airflow_provider_jobs.core.http.messages import Reply
from airflow_provider_jobs.errors import (
    AuthenticationError,
    ConflictError,
    NotFoundError,
    ProtocolError,
    ServiceError,
)
from airflow_provider_jobs.jobs import JobRef, JobState
from tests.unit.clients.redivis.replay import TABLE, U, upload
from tests.unit.clients.replay import recorded

MD5 = hashlib.md5(b"hello").hexdigest()  # noqa: S324 - what Redivis compares


@pytest.mark.parametrize(
    ("word", "state"),
    [
        (None, "pending"),
        ("queued", "pending"),
        ("running", "running"),
        ("completed", "succeeded"),
        ("failed", "failed"),
        ("pondering", "running"),
    ],
)
def test_states(word: str | None, state: str) -> None:
    status = upload_status(upload(status=word), TABLE)
    assert status.state is JobState(state)
    assert status.vendor_state == (word or "without bytes")


def test_numbers_may_be_text() -> None:
    status = upload_status(upload(), TABLE)
    assert status.ref == JobRef("redivis", TABLE, U)
    assert status.statistics == {
        "name": "orders.csv",
        "row_count": 1,
        "size_bytes": 5,
        "hash": MD5,
        "bad_record_count": 0,
    }


def test_a_failure_says_what_redivis_said() -> None:
    status = upload_status(recorded("redivis_upload_failed").json(), TABLE)
    assert "Redivis upload orders.csv failed: the upload: Row 3 has 4 fields" in status.failure_report()
    assert U in status.failure_report()
    assert "gives no reason" in upload_status(upload(status="failed"), TABLE).failure_report()


@pytest.mark.parametrize(
    "changes", [{"name": None}, {"status": 7}, {"uri": None}, {"uri": "https://x.example"}]
)
def test_what_is_no_upload_is_said(changes: dict[str, Any]) -> None:
    with pytest.raises(ProtocolError):
        upload_status(upload(**changes), TABLE)


def test_what_is_gone_counts_as_cancelled() -> None:
    assert (
        "its version was released, or the token may not see it"
        in gone_status(JobRef("redivis", TABLE, U)).failure_report()
    )


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (MD5, MD5),
        (MD5.upper(), MD5),
        (base64.b64encode(bytes.fromhex(MD5)).decode(), MD5),
        ("crc32c=abcd", None),
        (base64.b64encode(b"short").decode(), None),
        (None, None),
        (5, None),
    ],
)
def test_an_md5_is_read_in_both_spellings(value: Any, expected: str | None) -> None:
    assert md5_hex(value) == expected


@pytest.mark.parametrize(
    ("changes", "expected", "says"),
    [
        ({}, {}, None),
        ({"size": 4}, {}, "size in bytes is 5 here, 4 there"),
        ({"hash": "0" * 32}, {}, "MD5 is"),
        ({"hash": "of another kind"}, {}, None),
        ({"numRows": 2}, {"row_count": 3}, "row count is 3 here, 2 there"),
        ({"numRows": 2}, {}, None),
        ({"badRecordsCount": "2"}, {}, "2 records were left out"),
        ({"badRecordsCount": 2}, {"bad_records": True}, None),
        ({"size": None, "hash": None}, {}, None),
    ],
)
def test_what_arrived_is_compared_with_what_was_sent(
    changes: dict[str, Any], expected: dict[str, Any], says: str | None
) -> None:
    complete = upload_status(upload(**changes), TABLE)
    status = checked_status(complete, Expected(5, MD5, **expected))
    assert (status.state is JobState.FAILED) is (says is not None)
    assert (says or "succeeded") in status.failure_report()
    assert checked_status(complete, None) is complete


@pytest.mark.parametrize(
    ("body", "reason", "message"),
    [
        ({"error": "not_found", "error_description": "No such table"}, "not_found", "No such table"),
        ({"error": {"status": "gone", "message": "was here"}}, "gone", "was here"),
        ({"error": "insufficient_scope", "scope": "data.edit"}, "insufficient_scope", "no message"),
        ([], "HTTP 400", "no message"),
        ("text", "text", "no message"),
        (
            {"error": "x", "error_description": "see https://storage.example/?key=SECRET"},
            "x",
            "see (address)",
        ),
    ],
)
def test_both_shapes_of_an_error_are_read(body: Any, reason: str, message: str) -> None:
    error = service_error(Reply(400, {}, json.dumps(body).encode()))
    assert error.reason == reason
    assert str(error).endswith(message)
    assert "SECRET" not in str(error)


@pytest.mark.parametrize(
    ("status", "kind", "retryable"),
    [
        (400, ServiceError, False),
        (401, AuthenticationError, False),
        (403, ServiceError, False),
        (404, NotFoundError, False),
        (408, ServiceError, True),
        (409, ConflictError, False),
        (429, ServiceError, True),
        (500, ServiceError, True),
        (507, ServiceError, True),
        (302, ServiceError, False),
    ],
)
def test_what_can_be_repeated(status: int, kind: type[ServiceError], *, retryable: bool) -> None:
    with pytest.raises(ServiceError) as caught:
        parse_json(Reply(status, {"Retry-After": "7"}, b"<html>"))
    assert type(caught.value) is kind
    assert (caught.value.retryable, caught.value.retry_after) == (retryable, 7.0)


def test_a_good_reply_is_an_object_or_empty() -> None:
    assert parse_json(Reply(200, {}, b"")) == {}
    for body in (b"[]", b"not json"):
        with pytest.raises(ProtocolError):
            parse_json(Reply(200, {}, body))


@pytest.mark.parametrize(
    ("url", "page"),
    [
        ("https://redivis.com/tables/abc-1/uploads/2", True),
        ("http://127.0.0.1:9050/redivis/tables/t1/uploads/2", True),
        ("https://redivis.com/datasets/x%20y?v=1", False),
        ("https://storage.example/o?X-Goog-Signature=abc", False),
        ("https://user:pass@redivis.com/tables/x", False),
        ("https://redivis.com/tables/x#token=abc", False),
        ("javascript:alert(1)", False),
        ("https://redivis.com/a\nb", False),
        (7, False),
        (None, False),
    ],
)
def test_an_address_of_a_page_holds_no_secret(url: object, page: bool) -> None:
    """It goes into XComs and logs, and whoever may see them may follow it."""
    assert upload_status(upload(url=url), TABLE).url == (url if page else None)
    dataset = {"url": url, "version": {"isReleased": True, "tag": "v1.0"}}
    ref = JobRef("redivis", "acme.sales", f"{RELEASE_AFTER}none")
    assert release_status(dataset, ref).url == (url if page else None)
