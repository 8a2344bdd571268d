"""One reply, one meaning."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_jobs.clients.bigquery.replies import console_url, job_ref, job_status, parse_json
from airflow_provider_jobs.core.http.messages import Reply
from airflow_provider_jobs.errors import (
    AuthenticationError,
    ConflictError,
    JobsError,
    NotFoundError,
    ProtocolError,
    ServiceError,
)
from airflow_provider_jobs.jobs import JobProblem, JobRef, JobState
from tests.unit.clients.replay import job, recorded, refusal, resource

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=5), inner, max_size=2),
    max_leaves=5,
)


def error_of(reply: Reply) -> ServiceError:
    with pytest.raises(ServiceError) as caught:
        parse_json(reply)
    return caught.value


def test_a_good_reply_is_its_document() -> None:
    assert parse_json(Reply(200, {}, b'{"a": 1}')) == {"a": 1}
    assert parse_json(Reply(204, {}, b"")) == {}


@pytest.mark.parametrize("body", [b"[1]", b"null", b"3", b"<html>", b"{"])
def test_a_good_reply_holds_an_object(body: bytes) -> None:
    with pytest.raises(ProtocolError):
        parse_json(Reply(200, {}, body))


@pytest.mark.parametrize(
    ("status", "kind"),
    [(401, AuthenticationError), (404, NotFoundError), (409, ConflictError), (302, ServiceError)],
)
def test_a_refusal_becomes_one_error(status: int, kind: type[ServiceError]) -> None:
    error = error_of(refusal(status, "because"))
    assert type(error) is kind
    assert (error.status, error.reason) == (status, "because")
    assert str(error) == f"BigQuery answered {status} because: refused"
    assert not error.retryable


@pytest.mark.parametrize(
    ("status", "reason", "retryable"),
    [
        (403, "rateLimitExceeded", True),
        (403, "accessDenied", False),
        (400, "invalidQuery", False),
        (400, "tableUnavailable", True),
        (408, "r", True),
        (429, "r", True),
        (500, "internalError", True),
        (501, "notImplemented", False),
        (502, "r", True),
        (503, "backendError", True),
        (504, "r", True),
    ],
)
def test_knows_which_refusals_pass(status: int, reason: str, *, retryable: bool) -> None:
    assert error_of(refusal(status, reason)).retryable is retryable


def test_obeys_retry_after() -> None:
    assert error_of(recorded("rate_limited")).retry_after == 7


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b"<html>Bad gateway</html>", "BigQuery answered 502 HTTP 502: Bad gateway"),
        (b"", "BigQuery answered 502 HTTP 502: no message"),
        (b'{"error": "invalid_client"}', "BigQuery answered 502 HTTP 502: invalid_client"),
        (b'{"error": {"status": "UNAVAILABLE"}}', "BigQuery answered 502 UNAVAILABLE: no message"),
    ],
)
def test_a_refusal_without_reason_still_says_what_is_known(body: bytes, text: str) -> None:
    assert str(error_of(Reply(502, {}, body))) == text


@pytest.mark.parametrize(
    "body",
    [
        {"error": {"errors": {"reason": "x"}}},
        {"error": {"errors": ["x"]}},
        {"error": {"errors": [None]}},
        {"error": {"errors": [{"reason": ["x"]}]}},
        {"error": {"errors": "x", "message": 3}},
    ],
)
def test_a_strange_refusal_is_still_a_refusal(body: Any) -> None:
    assert error_of(Reply(503, {}, json.dumps(body).encode())).retryable


@given(error=JSON, status=st.sampled_from([302, 400, 403, 429, 503]))
def test_no_refusal_breaks_the_reading(error: Any, status: int) -> None:
    assert error_of(Reply(status, {}, json.dumps({"error": error}).encode())).status == status


def test_a_query_that_ended_well() -> None:
    status = job_status(resource("query_done"))
    assert status.ref == JobRef("bigquery", "p", "j_0", "EU")
    assert status.ref.created_at == 1_700_000_000.5
    assert status.state is JobState.SUCCEEDED
    assert status.url == "https://console.cloud.google.com/bigquery?project=p&j=bq:EU:j_0&page=queryresults"
    assert status.statistics == {
        "statement_type": "SELECT",
        "bytes_processed": 1024,
        "bytes_billed": 10485760,
        "cache_hit": False,
        "slot_ms": 321,
        "duration_seconds": 1.4,
        "destination_table": "p._d.anon1",
    }


def test_a_load_that_failed_says_all_it_knows() -> None:
    status = job_status(resource("load_failed"))
    assert status.state is JobState.FAILED
    assert status.problem == JobProblem("invalid", "Error while reading data", "gs://b/f.csv")
    assert len(status.problems) == 20
    assert status.problem_count == 25
    assert not status.retryable
    report = status.failure_report()
    assert "error 20: invalid (gs://b/f.csv): row 20" in report
    assert "and 5 more" in report
    assert "internal" not in report


@pytest.mark.parametrize(
    ("name", "statistics"),
    [
        (
            "load_done",
            {
                "row_count": 7,
                "bad_record_count": 1,
                "input_file_count": 2,
                "input_bytes": 99,
                "output_bytes": 70,
                "destination_table": "p.d.t",
                "bad_records": [{"reason": "invalid", "message": "one bad row"}],
            },
        ),
        ("extract_done", {"input_bytes": 55, "output_file_counts": [1, 3]}),
        ("copy_done", {"row_count": 7, "output_bytes": 70, "destination_table": "p.d.t2"}),
    ],
)
def test_reports_the_numbers_of_each_type(name: str, statistics: dict[str, Any]) -> None:
    """Warnings do not make a job that succeeded one that failed."""
    status = job_status(resource(name))
    assert status.state is JobState.SUCCEEDED
    assert status.problem is None
    assert status.problems == ()
    assert status.statistics == statistics


@pytest.mark.parametrize(
    ("vendor", "state"),
    [("PENDING", "pending"), ("RUNNING", "running"), ("DONE", "succeeded"), ("PAUSED", "running")],
)
def test_a_state_that_is_not_known_still_runs(vendor: str, state: str) -> None:
    status = job_status(job("j", vendor))
    assert status.state == state
    assert status.vendor_state == vendor


@pytest.mark.parametrize(
    ("reason", "state", "retryable"),
    [
        ("stopped", "cancelled", True),
        ("invalidQuery", "failed", False),
        ("duplicate", "failed", False),
        ("timeout", "failed", False),
        ("backendError", "failed", True),
        ("jobBackendError", "failed", True),
        ("jobInternalError", "failed", True),
        ("jobRateLimitExceeded", "failed", True),
        ("quotaExceeded", "failed", True),
        ("userRateLimitExceeded", "failed", True),
        ("responseTooLarge", "failed", False),
        ("tableUnavailable", "failed", True),
    ],
)
def test_a_reason_says_whether_to_try_again(reason: str, state: str, *, retryable: bool) -> None:
    status = job_status(job("j", status={"state": "DONE", "errorResult": {"reason": reason}}))
    assert (status.state, status.retryable) == (state, retryable)


def test_a_job_that_may_not_read_says_whose_it_is() -> None:
    denied = {"reason": "accessDenied", "message": "Access Denied: Table p:d.t"}
    status = {"state": "DONE", "errorResult": denied, "errors": [denied, {"reason": "invalid"}]}
    report = job_status(
        job("j", status=status, user_email="robot@p.iam.gserviceaccount.com")
    ).failure_report()
    assert report.count("(asked as robot@p.iam.gserviceaccount.com)") == 1
    assert "error 1: invalid" in report


def test_a_failure_without_details_has_a_reason() -> None:
    status = job_status(job("j", status={"state": "DONE", "errorResult": {"message": "m"}}))
    assert str(status.problem) == "unknown: m"


@pytest.mark.parametrize(
    "change",
    [
        {"jobReference": None},
        {"jobReference": {}},
        {"status": {}},
        {"status": None},
        {"status": {"state": ["DONE"]}},
        {"status": {"state": "DONE", "errorResult": "x"}},
        {"status": {"state": "DONE", "errorResult": {"reason": "r"}, "errors": ["x"]}},
        {"statistics": {"creationTime": "soon"}},
        {"statistics": None},
        {"configuration": None},
        {"configuration": {"query": {"destinationTable": {"tableId": "t"}}}},
    ],
)
def test_a_malformed_job_is_a_protocol_error_at_most(change: dict[str, Any]) -> None:
    """Anything else would end all tasks that wait on the connection."""
    try:
        status = job_status({**job("j"), **change})
    except JobsError as error:
        assert isinstance(error, ProtocolError)  # noqa: PT017 - reading what can be read is as good
    else:
        assert status.ref.id == "j"


def test_a_reference_needs_neither_location_nor_time() -> None:
    ref = job_ref({"projectId": "p", "jobId": "j"})
    assert (ref.location, ref.created_at) == (None, None)
    assert console_url(ref).endswith("j=bq:j&page=queryresults")


@pytest.mark.parametrize(
    "place", [{"jobId": "j" * 1025}, {"jobId": "j\n"}, {"projectId": 7}, {"location": "\x1b"}]
)
@pytest.mark.parametrize("created", ["1", "9" * 400])
def test_a_place_that_no_job_can_have_is_refused(place: dict[str, Any], created: str) -> None:
    reference = {"projectId": "p", "jobId": "j", **(place if created == "1" else {})}
    job = {"jobReference": reference, "status": {"state": "DONE"}, "statistics": {"creationTime": created}}
    with pytest.raises(ProtocolError, match="not what the API describes"):
        job_status(job)
