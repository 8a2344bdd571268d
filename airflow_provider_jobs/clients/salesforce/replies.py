"""What Salesforce's replies mean: one reply, one meaning.

Sources: https://developer.salesforce.com/docs/platform/api-asynch/guide/query-get-one-job.html and
https://developer.salesforce.com/docs/platform/api-asynch/guide/get-job-info.html
"""

from __future__ import annotations

import datetime as dt
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, quote, urlsplit

from airflow_provider_jobs.clients.salesforce.names import INGEST, check_job_id, kind_of
from airflow_provider_jobs.core.http.limits import MOST_TOKEN_CHARACTERS
from airflow_provider_jobs.core.http.messages import Reply, number, refusal_body
from airflow_provider_jobs.errors import (
    ConfigurationError,
    JobsError,
    ProtocolError,
    ServiceError,
)
from airflow_provider_jobs.jobs import JobProblem, JobRef, JobState, JobStatus
from airflow_provider_jobs.words import shown

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_provider_jobs.core.http.stream import StreamedReply

#: Salesforce's words for how a job is doing. ``Open`` is an ingest job that waits for its data.
STATES = {
    "Open": JobState.PENDING,
    "UploadComplete": JobState.PENDING,
    "InProgress": JobState.RUNNING,
    "JobComplete": JobState.SUCCEEDED,
    "Failed": JobState.FAILED,
    "Aborted": JobState.CANCELLED,
}
#: States of a job that will never change again.
ENDED = frozenset(word for word, state in STATES.items() if state.ended)
#: In the message of a job that was not deleted because it has not ended.
UNFINISHED = "the job is not terminated"
#: The service, or what is before it, is busy; after any of them a request may have been carried out.
_TRANSIENT_STATUSES = frozenset({406, 408, 420, 429, *range(500, 600)})
#: In a message: what others hold is free again in seconds. REQUEST_LIMIT_EXCEEDED is the code of a limit on
#: requests at a time, too, such as ConcurrentPerOrgLongTxn.
_SOON = re.compile(r"UNABLE_TO_LOCK_ROW|SERVER_UNAVAILABLE|\bConcurrent.*\blimit exceeded", re.IGNORECASE)
#: Codes of what mends by itself in minutes to hours: the limits are of 24 hours that roll, and a ready token
#: that has ended may be another by then. Source:
#: https://developer.salesforce.com/docs/atlas.en-us.api_asynch.meta/api_asynch/asynch_api_reference_errors.htm
LATER = re.compile(
    r"\b(REQUEST_LIMIT_EXCEEDED|LIMIT_EXCEEDED|ExceededQuota|TXN_SECURITY_METERING_ERROR|LOGIN_RATE_EXCEEDED"
    r"|API_CURRENTLY_DISABLED|INVALID_SESSION_ID|TooManyLockFailure)\b"
)
#: Whatever the status, repeating changes nothing.
_FINAL = re.compile(r"QUERY_TIMEOUT|INVALID\w*|MALFORMED\w*|retried more than", re.IGNORECASE)
#: An ingest that does the same when it is done again.
_REPEATABLE = frozenset({"update", "upsert"})
_BAD_REQUEST, _NOT_FOUND = 400, 404
#: The status of a reply without a body.
NO_CONTENT = 204
FORBIDDEN = 403
_FINISHED = "Aborting already Completed Job"
_HINTS = {
    "INVALID_SESSION_ID": "the token has ended, or is of another org: check the connection's login and host, "
    "and renew a ready token",
    "INVALID_AUTH_HEADER": "the connection's token is not one",
    "REQUEST_LIMIT_EXCEEDED": "the org has used up its API requests of 24 hours",
    "LIMIT_EXCEEDED": "the org has used up a limit of the Bulk API; ask its limits",
    "TXN_SECURITY_METERING_ERROR": "a transaction security policy of the org stops it",
    "API_DISABLED_FOR_ORG": "the org's edition, or the user's profile, has no API access",
    "API_CURRENTLY_DISABLED": "the org's API access is disabled for now",
    "INSUFFICIENT_ACCESS": "the user lacks a permission: API Enabled, or access to the object",
    "MALFORMED_QUERY": "Salesforce cannot read the SOQL",
    "INVALID_FIELD": "a field is misspelled, or the user may not see it",
    "INVALID_TYPE": "an object is misspelled, or the user may not see it",
    "INVALIDENTITY": "the object does not exist, has no Bulk API, or the user may not see it",
    "EXCEEDED_ID_LIMIT": "more records changed than Salesforce tells at once: ask for a shorter span",
    "UNSUPPORTED_API_VERSION": "the org does not have API version {version}: set another",
    "InvalidVersion": "API version {version} is retired, or not there yet: set another",
    "QUERY_TIMEOUT": "filter by an indexed field, or select less",
}
_HINTS_BY_STATUS = {
    404: "it may have been deleted: jobs are kept for 7 days",
    409: "the job keeps the API version that created it",
    410: "API version {version} is retired: set a later one",
}
#: The path of a job, or of what it has, tells which one; that of all jobs only where they are.
_OF_A_JOB = re.compile(r"/jobs/\w+/\w")
_OF_AN_OBJECT = re.compile(r"/sobjects/\w")
#: Most characters of a service's message, and of its code, that are repeated.
_MESSAGE_LENGTH, _CODE_LENGTH = 2000, 100


def parse_object(reply: Reply, path: str = "") -> dict[str, Any]:
    """Return the JSON object of a good reply; an empty one for an empty body.

    :param path: As of :func:`service_error`.
    :raises ServiceError: Salesforce refused.
    :raises ProtocolError: the body is not a JSON object.
    """
    if not reply.good:
        raise service_error(reply, path)
    return reply.json_object()


def service_error(reply: Reply, path: str = "") -> ServiceError:
    """Return the error that a refusal stands for; a proxy's page is one too.

    :param path: Of what was asked for, below ``/services/data/``.
    """
    reason, message = _refusal(reply)
    soon = bool(_SOON.search(f"{reason}: {message}"))
    later = bool(LATER.fullmatch(reason)) and not soon
    final = _FINAL.match(reason) or "retried more than 15 times" in message
    hint = None if soon else _hint(reason, reply.status, path)
    transient = reply.status in _TRANSIENT_STATUSES and not (later or final)
    error = reply.refusal(
        "Salesforce",
        reason,
        (message or reply.page_words or "no message") + (f" ({hint})" if hint else ""),
        retryable=soon or transient,
        later=later,
    )
    error.may_have_happened = transient
    return error


def _hint(reason: str, status: int, path: str) -> str | None:
    """Return what to look at."""
    version = path.partition("/")[0].removeprefix("v") or "of the job"
    hint = _HINTS.get(reason) or _HINTS_BY_STATUS.get(status)
    if status == _NOT_FOUND and _OF_AN_OBJECT.search(path):
        hint = _HINTS["INVALID_TYPE"]
    elif status == _NOT_FOUND and path and not _OF_A_JOB.search(path):
        hint = (
            "the org may not have API version {version}, or not this of it: set version of the connection, "
            "or api_version, to one that /services/data of the org lists"
        )
    return hint and hint.format(version=version)


def refused(reply: StreamedReply, path: str = "") -> JobsError:
    """Return the error of a reply whose body is not the CSV that was asked for.

    :param path: As of :func:`service_error`.
    """
    if Reply(reply.status, reply.headers, b"").good:
        return ProtocolError(f"results were asked for, and HTTP {reply.status} came without any")
    return service_error(Reply(reply.status, reply.headers, refusal_body(reply.blocks)), path)


def next_locator(page: Mapping[str, Any], name: str) -> str | None:
    """Return the locator of the page after this one, None after the last.

    Of the address that it comes in nothing else is used: its path may be another's.

    :param name: The locator's query parameter.
    :raises ProtocolError: the list says that it goes on, and not where.
    """
    if page.get("done") is True:
        return None
    url = page.get("nextRecordsUrl") or page.get("nextRecordUrl")
    if not url and page.get("done") is None:
        return None
    locator = url_locator(url, name)
    if locator is None:
        raise ProtocolError("a list says that it goes on, and not where")
    return locator


def url_locator(url: Any, name: str) -> str | None:
    """Return the locator in an address, None if it has none.

    :raises ProtocolError: it is not an address.
    """
    try:
        values = parse_qs(urlsplit(url).query).get(name)
    except (TypeError, ValueError, AttributeError):
        raise ProtocolError("a list names a page by what is not an address") from None
    if values and len(values[0]) > MOST_TOKEN_CHARACTERS:
        raise ProtocolError("a list names a page by what is not a locator")
    return values[0] if values else None


def _refusal(reply: Reply) -> tuple[str, str]:
    """Return Salesforce's code and message, of a list or of the one object that the login answers with."""
    try:
        document = reply.json()
    except ProtocolError:
        return "", ""  # a page, or nothing at all: the status has to do
    errors = [
        each for each in (document if isinstance(document, list) else [document]) if isinstance(each, dict)
    ]
    first = errors[0] if errors else {}
    code = first.get("errorCode") or first.get("error") or first.get("exceptionCode") or ""
    words = [
        str(each.get("message") or each.get("error_description") or each.get("exceptionMessage") or "")
        for each in errors
    ]
    return shown(code, _CODE_LENGTH), shown("; ".join(word for word in words if word), _MESSAGE_LENGTH)


def has_finished(error: JobsError) -> bool:
    """Return True if a job was not aborted because it had ended already."""
    return (
        isinstance(error, ServiceError)
        and error.status == _BAD_REQUEST
        and (error.reason == "INVALIDJOBSTATE" or _FINISHED in str(error))
    )


def job_ref(job: Mapping[str, Any], scope: str, location: str) -> JobRef:
    """Return the reference of a job that Salesforce tells of.

    :raises ProtocolError: it has no id.
    """
    try:
        job_id = check_job_id(job.get("id"))
    except ConfigurationError:
        raise ProtocolError("the reply holds a job without an id") from None
    return JobRef("salesforce", scope, job_id, location, seconds(job.get("createdDate")))


def job_status(job: Mapping[str, Any], ref: JobRef, instance_url: str) -> JobStatus:
    """Return our reading of a job, whole or as a list shows it.

    :raises ProtocolError: it has no state.
    """
    word = job.get("state")
    if not isinstance(word, str) or not word:
        raise ProtocolError(f"the reply about {ref} holds a job without a state")
    state = STATES.get(word, JobState.RUNNING)
    problem = _problem(job, word) if state in {JobState.FAILED, JobState.CANCELLED} else None
    operation, name = job.get("operation"), job.get("object")
    return JobStatus(
        ref=ref,
        state=state,
        vendor_state=word,
        title=" ".join(
            str(each)
            for each in ("Salesforce", operation or kind_of(ref), "job", name and f"on {name}")
            if each
        ),
        problem=problem,
        problems=(problem,) if problem else (),
        problem_count=1 if problem else 0,
        retryable=state is JobState.FAILED and _may_succeed_anew(job, ref, str(problem)),
        url=f"{instance_url}/lightning/setup/AsyncApiJobStatus/page?address={quote('/' + ref.id, safe='')}",
        statistics={
            "object": name,
            "operation": operation,
            "record_count": number(job.get("numberRecordsProcessed")),
            "failed_record_count": number(job.get("numberRecordsFailed")),
            "processing_ms": number(job.get("totalProcessingTime")),
            "retries": number(job.get("retries")),
        },
        whole="numberRecordsProcessed" in job,  # only a get tells
    )


def _may_succeed_anew(job: Mapping[str, Any], ref: JobRef, problem: str) -> bool:
    """Return True if the work of a failed job may succeed as a new one, and writes no record twice."""
    if kind_of(ref) != INGEST:
        return bool(LATER.search(problem)) or not _FINAL.search(problem)
    harmless = number(job.get("numberRecordsProcessed")) == 0 or job.get("operation") in _REPEATABLE
    return harmless and bool(_SOON.search(problem) or LATER.search(problem))


def _problem(job: Mapping[str, Any], word: str) -> JobProblem:
    message = shown(str(job.get("errorMessage") or "").strip(), _MESSAGE_LENGTH)
    match = re.match(r"(\w+)\s*:\s+(.+)", message, re.DOTALL)
    if match:
        return JobProblem(match[1], match[2])
    silent = "somebody aborted it" if word == "Aborted" else "Salesforce gives no reason"
    return JobProblem(word, message or silent)


def seconds(value: Any) -> float | None:
    """Return a point in time, such as ``2018-12-10T17:50:19.000+0000``, as seconds since 1970."""
    try:
        return dt.datetime.fromisoformat(value).timestamp()
    except (TypeError, ValueError):
        return None
