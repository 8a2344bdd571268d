"""What a refusal, or a job's end, is to a task: final, repeated within the attempt, or left to its retries.

The question is always: may the same work succeed at the task's next try, without anybody's doing?
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_jobs.clients.bigquery import replies as bigquery
from airflow_provider_jobs.clients.redivis import replies as redivis
from airflow_provider_jobs.clients.salesforce import replies as salesforce
from airflow_provider_jobs.core.http.messages import Reply, Request
from airflow_provider_jobs.core.http.retry import LATER_SECONDS, LONGEST_PAUSE_SECONDS
from airflow_provider_jobs.errors import JobsError
from tests.unit.clients.replay import Replay
from tests.unit.clients.replay import job as bigquery_job
from tests.unit.clients.salesforce.org import INGEST_REF, ORG, QUERY_REF
from tests.unit.clients.salesforce.org import job as salesforce_job
from tests.unit.conftest import Clock

if TYPE_CHECKING:
    from collections.abc import Callable


class Then(Enum):
    """What happens next."""

    NEVER = "the task fails at once"
    ATTEMPT = "the same attempt asks again"
    RETRIES = "the attempt ends, and the task's retries come back"


@dataclass(frozen=True)
class Said:
    """What a service says.

    :param status: Of a reply; the end of a job has none.
    """

    status: int
    reason: str
    message: str
    then: Then


BIGQUERY = [
    *(
        Said(403, reason, "Quota exceeded: Your project exceeded quota", Then.RETRIES)
        for reason in (
            "quotaExceeded",
            "jobRateLimitExceeded",
            "userRateLimitExceeded",
            "dailyLimitExceeded",
            "concurrentLimitExceeded",
        )
    ),
    Said(401, "authError", "Invalid Credentials", Then.RETRIES),
    Said(
        400,
        "invalidQuery",
        "Could not serialize access to table p:d.t due to concurrent update",
        Then.RETRIES,
    ),
    Said(
        400,
        "invalidQuery",
        "Query error: Transaction is aborted due to concurrent update against table t at [3:1]",
        Then.RETRIES,
    ),
    Said(
        400,
        "resourcesExceeded",
        "Too many DML statements outstanding against table t, limit is 20.",
        Then.RETRIES,
    ),
    Said(
        400,
        "invalidQuery",
        "UPDATE or DELETE statement over table t would affect rows in the streaming buffer",
        Then.RETRIES,
    ),
    Said(403, "rateLimitExceeded", "Exceeded rate limits: too many table update operations", Then.ATTEMPT),
    Said(400, "tableUnavailable", "", Then.ATTEMPT),
    *(Said(status, "backendError", "", Then.ATTEMPT) for status in (408, 429, 500, 502, 503, 504)),
    *(
        Said(400, reason, "nothing mends this", Then.NEVER)
        for reason in ("invalid", "invalidQuery", "resourcesExceeded", "billingTierLimitExceeded", "timeout")
    ),
    *(
        Said(403, reason, "nothing mends this", Then.NEVER)
        for reason in (
            "accessDenied",
            "billingNotEnabled",
            "responseTooLarge",
            "blocked",
            "accessNotConfigured",
        )
    ),
    Said(404, "notFound", "", Then.NEVER),
    Said(501, "notImplemented", "", Then.NEVER),
]
SALESFORCE = [
    Said(403, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.", Then.RETRIES),
    Said(400, "LIMIT_EXCEEDED", "Max number of query jobs per 24 hours exceeded.", Then.RETRIES),
    Said(400, "ExceededQuota", "ApiBatchItems Limit exceeded.", Then.RETRIES),
    Said(403, "TXN_SECURITY_METERING_ERROR", "", Then.RETRIES),
    Said(403, "API_CURRENTLY_DISABLED", "", Then.RETRIES),
    Said(401, "INVALID_SESSION_ID", "Session expired or invalid", Then.RETRIES),
    Said(
        403,
        "REQUEST_LIMIT_EXCEEDED",
        "ConcurrentRequests (Concurrent API Requests) Limit exceeded.",
        Then.ATTEMPT,
    ),
    Said(403, "REQUEST_LIMIT_EXCEEDED", "ConcurrentPerOrgLongTxn Limit exceeded.", Then.ATTEMPT),
    Said(400, "UNABLE_TO_LOCK_ROW", "unable to obtain exclusive access to this record", Then.ATTEMPT),
    Said(503, "SERVER_UNAVAILABLE", "", Then.ATTEMPT),
    *(Said(status, "", "", Then.ATTEMPT) for status in (406, 408, 420, 429, 500, 502, 503, 504)),
    *(
        Said(400, code, "nothing mends this", Then.NEVER)
        for code in (
            "INVALID_FIELD",
            "MALFORMED_QUERY",
            "INVALIDENTITY",
            "InvalidVersion",
            "STORAGE_LIMIT_EXCEEDED",
        )
    ),
    Said(401, "INVALID_AUTH_HEADER", "", Then.NEVER),
    Said(403, "API_DISABLED_FOR_ORG", "", Then.NEVER),
    Said(500, "QUERY_TIMEOUT", "", Then.NEVER),
    Said(410, "", "", Then.NEVER),
]
REDIVIS = [
    *(Said(status, "", "", Then.ATTEMPT) for status in (408, 429, 500, 502, 503, 504)),
    *(Said(status, "refused", "", Then.NEVER) for status in (400, 401, 403, 404, 413, 422)),
]


def bigquery_body(said: Said) -> Any:
    return {"error": {"message": said.message, "errors": [{"reason": said.reason, "message": said.message}]}}


def salesforce_body(said: Said) -> Any:
    return [{"errorCode": said.reason, "message": said.message}] if said.reason else "<html>busy</html>"


def redivis_body(said: Said) -> Any:
    return {"error": said.reason, "error_description": said.message}


Parse = tuple["Callable[[Said], Any]", "Callable[[Reply], Any]"]
SERVICES: dict[str, tuple[list[Said], Parse]] = {
    "bigquery": (BIGQUERY, (bigquery_body, bigquery.parse_json)),
    "salesforce": (SALESFORCE, (salesforce_body, salesforce.parse_object)),
    "redivis": (REDIVIS, (redivis_body, redivis.parse_json)),
}
CASES = [(service, said) for service, (table, _) in SERVICES.items() for said in table]
#: None is a reply without Retry-After.
PAUSES = st.one_of(st.none(), st.integers(0, 7200))


@given(case=st.sampled_from(CASES), pause=PAUSES, method=st.sampled_from(["GET", "POST"]))
def test_each_refusal_is_final_or_repeated_or_left_to_the_retries(
    case: tuple[str, Said], pause: int | None, method: str
) -> None:
    """A pause that the service names goes before what its words mean; beyond two minutes nobody is held."""
    service, said = case
    body, parse = SERVICES[service][1]
    headers = {} if pause is None else {"Retry-After": str(pause)}
    clock = Clock()
    wire = Replay(clock, *[Reply(said.status, headers, json.dumps(body(said)).encode())] * 9)
    began = clock.time
    with pytest.raises(JobsError) as caught:
        wire.call(Request(method, "https://example.com"), parse)
    error = caught.value
    then = said.then
    if then is not Then.NEVER and pause is not None:
        then = Then.ATTEMPT if pause <= LONGEST_PAUSE_SECONDS else Then.RETRIES
    assert error.retryable == (then is not Then.NEVER)
    assert (len(wire.sent) > 1) == (then is Then.ATTEMPT)
    assert all(each >= (pause or 0) for each in clock.pauses)
    assert clock.time - began <= LONGEST_PAUSE_SECONDS
    if then is Then.RETRIES:
        assert error.retry_after == (LATER_SECONDS if pause is None else pause)
        assert said.status == 401 or f"(come back in {error.retry_after:.0f} s)" in str(error)


@pytest.mark.parametrize("said", [said for said in SALESFORCE if said.status < 500], ids=str)
def test_what_salesforce_refuses_by_name_did_not_happen(said: Said) -> None:
    """A create may follow: it is no second one."""
    error = salesforce.service_error(Reply(said.status, {}, json.dumps(salesforce_body(said)).encode()))
    assert error.may_have_happened == (not said.reason and said.then is Then.ATTEMPT)


#: How a job ended, and whether the same work may succeed as a new one.
ENDS = [
    *(
        (said.reason, said.message, said.then is not Then.NEVER)
        for said in BIGQUERY
        if said.reason != "notFound"
    ),
    ("stopped", "Job execution was cancelled: Job timed out", True),
    ("jobInternalError", "", True),
    ("jobBackendError", "Error encountered during execution. Retrying may solve the problem.", True),
    ("invalid", "An internal error: retrying the job may solve the problem.", True),
    ("duplicate", "Already Exists: Table", False),
]


@pytest.mark.parametrize(("reason", "message", "retryable"), ENDS)
def test_the_end_of_a_bigquery_job(reason: str, message: str, *, retryable: bool) -> None:
    problem = {"reason": reason, "message": message}
    ended = bigquery_job("j", status={"state": "DONE", "errorResult": problem})
    assert bigquery.job_status(ended).retryable is retryable


@pytest.mark.parametrize(
    ("message", "of_query", "of_insert", "of_upsert"),
    [
        ("ExceededQuota : ApiBatchItems Limit exceeded.", True, True, True),
        ("TooManyLockFailure : Too many lock failures", True, True, True),
        ("REQUEST_LIMIT_EXCEEDED : TotalRequests Limit exceeded.", True, True, True),
        ("InternalServerError : gack", True, False, False),
        ("QUERY_TIMEOUT : too long", False, False, False),
        ("InvalidBatch : Field name not found : Nam", False, False, False),
    ],
)
def test_the_end_of_a_salesforce_job(
    message: str, *, of_query: bool, of_insert: bool, of_upsert: bool
) -> None:
    """An ingest is done again only if no record can be written twice by it."""

    def retryable(ref: Any, **fields: Any) -> bool:
        return salesforce.job_status(
            salesforce_job("Failed", errorMessage=message, **fields), ref, ORG
        ).retryable

    assert retryable(QUERY_REF) is of_query
    assert retryable(INGEST_REF, operation="insert", numberRecordsProcessed=0) is of_insert
    assert not retryable(INGEST_REF, operation="insert", numberRecordsProcessed=1)
    assert not retryable(INGEST_REF, operation="insert")  # nobody knows
    assert retryable(INGEST_REF, operation="upsert", numberRecordsProcessed=1) is of_upsert
