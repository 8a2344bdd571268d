"""One reply, one meaning."""

from __future__ import annotations

import json
from typing import Any

import pytest

from airflow_provider_jobs.clients.salesforce.names import (
    api_version,
    check_instance_url,
    check_job_id,
    job_location,
    job_path,
    kind_of,
    lists_pages,
)
from airflow_provider_jobs.clients.salesforce.replies import (
    job_ref,
    job_status,
    next_locator,
    parse_object,
    refused,
    seconds,
    service_error,
    url_locator,
)
from airflow_provider_jobs.core.http.messages import Reply
from airflow_provider_jobs.core.http.stream import StreamedReply
from airflow_provider_jobs.errors import (
    AuthenticationError,
    ConfigurationError,
    ConflictError,
    NotFoundError,
    ProtocolError,
    ServiceError,
)
from airflow_provider_jobs.jobs import JobRef, JobState
from tests.unit.clients.salesforce.org import ID, INGEST_REF, ORG, QUERY_REF, job, refusal

#: The error table: status, code, message -> kind, worth another try.
TABLE: list[tuple[int, str, str, type[ServiceError], bool]] = [
    (401, "INVALID_SESSION_ID", "Session expired or invalid", AuthenticationError, True),
    (401, "INVALID_AUTH_HEADER", "", AuthenticationError, False),
    (404, "NOT_FOUND", "", NotFoundError, False),
    (409, "", "", ConflictError, False),
    *((status, "", "", ServiceError, True) for status in (406, 408, 420, 429, 500, 502, 503, 504)),
    (400, "INVALIDJOBSTATE", "", ServiceError, False),
    (400, "API_ERROR", "Aborting already Completed Job not allowed", ServiceError, False),
    (400, "INVALIDENTITY", "", ServiceError, False),
    (400, "INVALID_FIELD", "", ServiceError, False),
    (400, "LIMIT_EXCEEDED", "", ServiceError, True),
    (403, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.", ServiceError, True),
    (503, "REQUEST_LIMIT_EXCEEDED", "", ServiceError, True),
    (403, "TXN_SECURITY_METERING_ERROR", "", ServiceError, True),
    (400, "STORAGE_LIMIT_EXCEEDED", "", ServiceError, False),
    (500, "QUERY_TIMEOUT", "", ServiceError, False),
    (500, "API_ERROR", "Batch retried more than 15 times", ServiceError, False),
    (410, "", "", ServiceError, False),
    (400, "InvalidVersion", "", ServiceError, False),
    (302, "", "", ServiceError, False),
]


@pytest.mark.parametrize(("status", "code", "message", "kind", "retryable"), TABLE)
def test_each_refusal_has_its_meaning(
    status: int, code: str, message: str, kind: type[ServiceError], *, retryable: bool
) -> None:
    error = service_error(refusal(status, code, message))
    assert type(error) is kind
    assert (error.status, error.reason) == (status, code or f"HTTP {status}")
    assert error.retryable is retryable
    assert error.may_have_happened is (retryable and not code)  # what has a name was refused
    assert str(status) in str(error)
    assert (message or "no message") in str(error)


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b"<html>Down</html>", "Salesforce answered 503: Down"),
        (b"", "Salesforce answered 503: no message"),
        (b'{"error": "invalid_grant", "error_description": "expired"}', "503 invalid_grant: expired"),
        (b'{"exceptionCode": "X", "exceptionMessage": "why"}', "503 X: why"),
        (b'[{"errorCode": "A", "message": "one"}, {"message": "two"}, 3]', "503 A: one; two"),
        (b"[]", "503: no message"),
        (b'"text"', "503: no message"),
    ],
)
def test_every_body_of_a_refusal_is_survived(body: bytes, text: str) -> None:
    error = service_error(Reply(503, {"Retry-After": "7"}, body))
    assert text in str(error)
    assert error.retry_after == 7.0


@pytest.mark.parametrize(
    ("status", "code", "hint"),
    [
        (401, "INVALID_SESSION_ID", "check the connection's login and host"),
        (400, "MALFORMED_QUERY", "cannot read the SOQL"),
        (409, "API_ERROR", "keeps the API version"),
        (410, "", "set a later one"),
    ],
)
def test_a_refusal_has_a_hint(status: int, code: str, hint: str) -> None:
    assert hint in str(service_error(refusal(status, code)))


def test_good_replies_are_objects() -> None:
    assert parse_object(Reply(200, {}, b'{"a": 1}')) == {"a": 1}
    assert parse_object(Reply(204, {}, b"")) == {}
    with pytest.raises(ProtocolError, match="a JSON list"):
        parse_object(Reply(200, {}, b"[]"))
    with pytest.raises(ProtocolError, match="not JSON"):
        parse_object(Reply(200, {}, b"<html>"))
    with pytest.raises(NotFoundError):
        parse_object(Reply(404, {}, b""))


def test_a_long_refusal_in_place_of_csv_is_cut() -> None:
    blocks = iter([b"x" * 70_000, b"never read"])
    assert isinstance(refused(StreamedReply(500, {}, blocks)), ServiceError)
    assert next(blocks) == b"never read"
    body = json.dumps([{"errorCode": "A", "message": "b"}]).encode()
    assert "A: b" in str(refused(StreamedReply(400, {}, iter([body[:5], body[5:]]))))
    assert isinstance(refused(StreamedReply(204, {}, iter([]))), ProtocolError)


@pytest.mark.parametrize(
    ("word", "state"),
    [
        ("Open", JobState.PENDING),
        ("UploadComplete", JobState.PENDING),
        ("InProgress", JobState.RUNNING),
        ("JobComplete", JobState.SUCCEEDED),
        ("Failed", JobState.FAILED),
        ("Aborted", JobState.CANCELLED),
        ("Pondering", JobState.RUNNING),
    ],
)
def test_states_are_mapped(word: str, state: JobState) -> None:
    status = job_status(job(word), QUERY_REF, ORG)
    assert (status.state, status.vendor_state) == (state, word)
    assert (status.problem is not None) is (state in {JobState.FAILED, JobState.CANCELLED})


def test_counters_are_read() -> None:
    counters: dict[str, Any] = {
        "numberRecordsProcessed": "12",
        "numberRecordsFailed": 3,
        "totalProcessingTime": 9,
    }
    status = job_status(job(retries=2, **counters), INGEST_REF, ORG)
    assert status.statistics == {
        "object": "Account",
        "operation": "query",
        "record_count": 12,
        "failed_record_count": 3,
        "processing_ms": 9,
        "retries": 2,
    }
    assert status.url == f"{ORG}/lightning/setup/AsyncApiJobStatus/page?address=%2F{ID}"
    assert status.title == "Salesforce query job on Account"


@pytest.mark.parametrize(
    ("message", "problem", "retryable"),
    [
        ("InvalidBatch : Field name not found : X", "InvalidBatch: Field name not found : X", False),
        ("QUERY_TIMEOUT: too slow", "QUERY_TIMEOUT: too slow", False),
        ("INVALID_SESSION_ID: ended", "INVALID_SESSION_ID: ended", True),
        ("INVALID_FIELD: none", "INVALID_FIELD: none", False),
        ("InternalServerError : try again", "InternalServerError: try again", True),
        ("no code here", "Failed: no code here", True),
        (None, "Failed: Salesforce gives no reason", True),
    ],
)
def test_a_failure_says_why(message: str | None, problem: str, retryable: bool) -> None:
    """A query only reads, so that another try is harmless; records that were ingested would be twice."""
    failed = job_status(job("Failed", errorMessage=message), QUERY_REF, ORG)
    assert str(failed.problem) == problem
    assert failed.retryable is retryable
    assert failed.problem_count == 1
    assert not job_status(job("Failed", errorMessage=message), INGEST_REF, ORG).retryable
    assert problem in failed.failure_report()


def test_an_abort_is_nobodys_error() -> None:
    assert str(job_status({"state": "Aborted"}, QUERY_REF, ORG).problem) == "Aborted: somebody aborted it"
    assert job_status({"state": "Aborted"}, QUERY_REF, ORG).title == "Salesforce query job"


@pytest.mark.parametrize("broken", [{}, {"state": None}, {"state": 3}, {"state": ""}])
def test_a_job_without_a_state_is_an_error(broken: dict[str, Any]) -> None:
    with pytest.raises(ProtocolError, match="without a state"):
        job_status(broken, QUERY_REF, ORG)


@pytest.mark.parametrize("broken", [{}, {"id": "../x"}, {"id": None}])
def test_a_job_without_an_id_is_an_error(broken: dict[str, Any]) -> None:
    with pytest.raises(ProtocolError, match="without an id"):
        job_ref(broken, "x", "v59.0/jobs/query")


def test_points_in_time_are_read() -> None:
    assert seconds("2018-12-10T17:50:19.000+0000") == 1544464219.0
    assert seconds(None) is seconds("yesterday") is None


@pytest.mark.parametrize(
    ("page", "expected"),
    [
        ({"done": True, "nextRecordsUrl": "/x?queryLocator=1"}, None),
        ({"done": False, "nextRecordsUrl": "//wrong/path?queryLocator=1-2"}, "1-2"),
        ({"nextRecordUrl": "https://x/?a=b&queryLocator=%3D"}, "="),
        ({}, None),
        ({"nextRecordsUrl": None}, None),
    ],
)
def test_a_list_says_where_it_goes_on(page: dict[str, Any], expected: str | None) -> None:
    assert next_locator(page, "queryLocator") == expected


def test_an_address_that_is_none_is_an_error() -> None:
    for url in (3, ["x"], "http://["):
        with pytest.raises(ProtocolError, match="not an address"):
            url_locator(url, "locator")
    assert url_locator(None, "locator") is None


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://acme.my.salesforce.com", ORG),
        (" https://ACME.my.salesforce.com/ ", ORG),
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
    ],
)
def test_an_org_has_an_address(url: str, expected: str) -> None:
    assert check_instance_url(url) == expected


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("http://acme.my.salesforce.com", "is refused"),
        ("acme.my.salesforce.com", "not a URL"),
        ("https://acme.my.salesforce.com/services", "the org's address alone"),
        ("https://u:p@acme.my.salesforce.com", "the org's address alone"),
        ("https://acme.my.salesforce.com/?x=1", "the org's address alone"),
        ("https://acme.lightning.force.com", "use https://acme.my.salesforce.com"),
        ("https://a--b.sandbox.lightning.force.com/x", "use https://a--b.sandbox.my.salesforce.com"),
    ],
)
def test_other_addresses_are_refused(url: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        check_instance_url(url)


def test_versions_ids_and_places_are_checked() -> None:
    assert [api_version(each) for each in ("59.0", "v60.0", "61", 62, 63.0, "100")] == [
        "v59.0",
        "v60.0",
        "v61.0",
        "v62.0",
        "v63.0",
        "v100.0",
    ]
    for wrong in ("", "x", "../59.0", "59.0/x", 5):
        with pytest.raises(ConfigurationError, match=r"give one such as 59\.0"):
            api_version(wrong)
    assert check_job_id(ID[:15]) == ID[:15]
    for job_id in ("", "750", "../../limits/xx", ID + "x", None, 3):
        with pytest.raises(ConfigurationError, match="not a job id"):
            check_job_id(job_id)
    with pytest.raises(ConfigurationError, match="query or ingest"):
        job_location("delete", "v59.0")
    assert kind_of(INGEST_REF) == "ingest"
    assert job_path(QUERY_REF) == f"v59.0/jobs/query/{ID}"
    assert [lists_pages(JobRef("salesforce", "x", ID, f"v{n}.0/jobs/query")) for n in (57, 58)] == [
        False,
        True,
    ]


@pytest.mark.parametrize(
    "ref",
    [
        JobRef("bigquery", "x", ID, "v59.0/jobs/query"),
        JobRef("salesforce", "x", ID),
        JobRef("salesforce", "x", ID, "v59.0/jobs/../x"),
        JobRef("salesforce", "x", "../limits", "v59.0/jobs/query"),
    ],
)
def test_a_reference_of_something_else_becomes_no_path(ref: JobRef) -> None:
    with pytest.raises(ConfigurationError):
        job_path(ref)
