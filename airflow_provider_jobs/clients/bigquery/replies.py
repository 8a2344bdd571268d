"""What BigQuery's replies mean: one reply, one meaning.

Sources: https://cloud.google.com/bigquery/docs/error-messages and
https://cloud.google.com/bigquery/docs/reference/rest/v2/Job
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from airflow_provider_jobs.clients.bigquery import flow
from airflow_provider_jobs.clients.bigquery.configuration import JOB_TYPES
from airflow_provider_jobs.clients.bigquery.names import check_job_id, check_project
from airflow_provider_jobs.core.http.messages import listed
from airflow_provider_jobs.errors import ConfigurationError, ProtocolError, ServiceError
from airflow_provider_jobs.jobs import SHOWN_PROBLEMS, JobProblem, JobRef, JobState, JobStatus
from airflow_provider_jobs.words import shown

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from airflow_provider_jobs.core.http.messages import Reply

#: A request that ended in one of these may succeed when repeated as it is, in seconds.
TRANSIENT_REASONS = frozenset(
    {"rateLimitExceeded", "backendError", "internalError", "badGateway", "tableUnavailable"}
)
#: A request that ended in one of these may succeed in minutes or hours, without anybody's doing: a quota that
#: is spent, or a ready token that has ended and may be another by then.
LATER_REASONS = frozenset(
    {
        "quotaExceeded",
        "jobRateLimitExceeded",
        "userRateLimitExceeded",
        "dailyLimitExceeded",
        "concurrentLimitExceeded",
        "authError",
    }
)
#: The same, told by the message alone: the reason is invalidQuery, or resourcesExceeded. Sources:
#: https://cloud.google.com/bigquery/docs/troubleshoot-queries,
#: https://cloud.google.com/bigquery/docs/transactions#transaction_concurrency and
#: https://cloud.google.com/bigquery/docs/data-manipulation-language#dml-limitations
_LATER_MESSAGE = re.compile(
    r"could not serialize access|due to concurrent update|too many DML statements outstanding"
    r"|rows in the streaming buffer|retrying (the \w+ )?may solve the problem",
    re.IGNORECASE,
)
#: Work that ended in one of these may succeed as a new job. ``stopped`` is somebody's cancel, or the end of
#: jobTimeoutMs.
RETRYABLE_JOB_REASONS = TRANSIENT_REASONS | LATER_REASONS | {"jobBackendError", "jobInternalError", "stopped"}
_TRANSIENT_STATUSES = frozenset({408, 429, 500, 502, 503, 504})
_STATES = {"PENDING": JobState.PENDING, "RUNNING": JobState.RUNNING, "DONE": JobState.SUCCEEDED}


def parse_json(reply: Reply) -> dict[str, Any]:
    """Return the JSON object of a good reply, empty for an empty body; raise the error of a refusal."""
    if not reply.good:
        raise service_error(reply)
    return reply.json_object()


def parse_job(reply: Reply) -> dict[str, Any]:
    """Return the Job resource of a good reply to an insert.

    :raises ProtocolError: the reply does not tell of a job: whether there is one has to be asked.
    """
    job = parse_json(reply)
    if not isinstance(job.get("status"), dict):
        raise ProtocolError("the reply to an insert does not tell of a job")
    return job


def job_status(job: Mapping[str, Any]) -> JobStatus:
    """Return our reading of a Job resource, whole or as a list shows it.

    :raises ProtocolError: it has no job reference or state.
    """
    try:
        return _job_status(job)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError):
        raise ProtocolError("the reply holds a job that is not what the API describes") from None


def _job_status(job: Mapping[str, Any]) -> JobStatus:
    status = job["status"]
    ref = job_ref(job["jobReference"], created_ms=(job.get("statistics") or {}).get("creationTime"))
    vendor_state = status["state"]
    problem = status.get("errorResult")
    state = _STATES.get(vendor_state, JobState.RUNNING)
    if state is JobState.SUCCEEDED and problem:
        state = JobState.CANCELLED if problem.get("reason") == "stopped" else JobState.FAILED
    errors = (status.get("errors") or []) if problem else []
    account = str(job.get("user_email") or "")
    kinds = [kind for kind in JOB_TYPES if kind in (job.get("configuration") or {})]
    return JobStatus(
        ref=ref,
        state=state,
        vendor_state=vendor_state,
        title=" ".join(["BigQuery", *kinds, "job"]),
        problem=_problem(problem, account) if problem else None,
        problems=tuple(_problem(each, account) for each in errors[:SHOWN_PROBLEMS]),
        problem_count=len(errors),
        retryable=bool(problem) and _may_succeed_anew(_problem(problem)),
        url=console_url(ref) if ref.id else None,
        statistics=_statistics(job),
        lineage=flow.of_job(job) if state.ended else {},
    )


def job_ref(reference: Mapping[str, str], created_ms: str | None = None) -> JobRef:
    """Return the place that a JobReference names.

    Source: https://cloud.google.com/bigquery/docs/reference/rest/v2/JobReference

    :raises ValueError: it names none.
    """
    try:
        check_project(reference["projectId"])
        if reference["jobId"]:  # a dry run has none
            check_job_id(reference["jobId"])
    except ConfigurationError:
        raise ValueError("this is not the place of a job") from None
    created_at = int(created_ms) / 1000 if created_ms else None
    return JobRef("bigquery", reference["projectId"], reference["jobId"], _region(reference), created_at)


def _region(reference: Mapping[str, str]) -> str | None:
    """Return where a job is: it goes into addresses, XComs and links as it is.

    :raises ValueError: it is nowhere where a job can be.
    """
    region = reference.get("location")
    if region and not re.fullmatch(r"[A-Za-z0-9-]{1,64}", region):
        raise ValueError("this is not the place of a job")
    return region


def listed_jobs(page: Mapping[str, Any]) -> Iterator[tuple[str | None, str, dict[str, Any]]]:
    """Yield location, id and resource of each job of a page of jobs.list.

    :raises ProtocolError: one has no reference.
    """
    try:
        for job in page.get("jobs") or []:
            reference = job["jobReference"]
            yield _region(reference), str(reference["jobId"]), job
    except (KeyError, TypeError, ValueError, AttributeError):
        raise ProtocolError("jobs.list answered with a job that has no reference") from None


def failing_place(job: Mapping[str, Any]) -> str | None:
    """Return the statement of a script's job and where it stands, None unless it failed.

    Source: https://cloud.google.com/bigquery/docs/reference/rest/v2/Job#ScriptStackFrame

    :raises ProtocolError: the job is not what the API describes.
    """
    try:
        if not (job.get("status") or {}).get("errorResult"):
            return None
        frames = listed((job.get("statistics") or {}).get("scriptStatistics") or {}, "stackFrames")
    except AttributeError:
        raise ProtocolError("the reply holds a script's job that is not what the API describes") from None
    return "; called from ".join(
        f"line {frame.get('startLine')}, column {frame.get('startColumn')}: {frame.get('text')}"
        for frame in frames
    )


def console_url(ref: JobRef) -> str:
    """Return the job's page in the Google Cloud console."""
    job = ":".join(part for part in ("bq", ref.location, ref.id) if part)
    return "https://console.cloud.google.com/bigquery?" + urlencode(
        {"project": ref.scope, "j": job, "page": "queryresults"}, safe=":", quote_via=quote
    )


def service_error(reply: Reply) -> ServiceError:
    """Return the error that a refusal stands for."""
    try:
        error: Any = reply.json()["error"]
    except (ProtocolError, KeyError, TypeError):
        error = {}  # a proxy's page, or nothing at all: the status has to do
    error = error if isinstance(error, dict) else {"message": str(error)}
    entries = error.get("errors")
    entry = entries[0] if isinstance(entries, list) and entries and isinstance(entries[0], dict) else {}
    reason = str(entry.get("reason") or error.get("status") or f"HTTP {reply.status}")
    message = str(error.get("message") or "")
    return reply.refusal(
        "BigQuery",
        reason,
        message,
        retryable=reply.status in _TRANSIENT_STATUSES or reason in TRANSIENT_REASONS,
        later=reason in LATER_REASONS or bool(_LATER_MESSAGE.search(message)),
    )


def _may_succeed_anew(problem: JobProblem) -> bool:
    """Return True if the work of a job that ended so may succeed as a new one, without anybody's doing."""
    return problem.reason in RETRYABLE_JOB_REASONS or bool(_LATER_MESSAGE.search(problem.message))


def _problem(entry: Mapping[str, str], account: str = "") -> JobProblem:
    location = entry.get("location")
    denied = account and entry.get("reason") == "accessDenied"
    return JobProblem(
        reason=str(entry.get("reason") or "unknown"),
        message=str(entry.get("message") or "") + (f" (asked as {account})" if denied else ""),
        location=str(location) if location else None,
    )


#: Result field and where the Job resource has it; the first that a job has counts.
_STATISTICS = (
    ("statement_type", "query.statementType"),
    ("bytes_processed", "query.totalBytesProcessed"),
    ("bytes_billed", "query.totalBytesBilled"),
    ("cache_hit", "query.cacheHit"),
    ("slot_ms", "totalSlotMs"),
    ("row_count", "query.numDmlAffectedRows"),
    ("row_count", "load.outputRows"),
    ("row_count", "copy.copiedRows"),
    ("bad_record_count", "load.badRecords"),
    ("input_file_count", "load.inputFiles"),
    ("input_bytes", "load.inputFileBytes"),
    ("input_bytes", "extract.inputBytes"),
    ("output_bytes", "load.outputBytes"),
    ("output_bytes", "copy.copiedLogicalBytes"),
    ("output_file_counts", "extract.destinationUriFileCounts"),
    ("child_job_count", "numChildJobs"),
    ("session_id", "sessionInfo.sessionId"),
)
#: Characters of the message of a row that was skipped: twenty of them go into an XCom.
_MOST_ROW_CHARACTERS = 500


def _statistics(job: Mapping[str, Any]) -> dict[str, Any]:
    """Return what people use of a job's statistics, as far as it has them: numbers, and where things are."""
    found: dict[str, Any] = {}
    statistics = job.get("statistics") or {}
    for name, path in _STATISTICS:
        value: Any = statistics
        for key in path.split("."):
            value = value.get(key) if isinstance(value, dict) else None
        if value is not None:
            found.setdefault(name, str(value) if name == "session_id" else _number(value))
    configuration = job.get("configuration") or {}
    for kind in ("query", "load", "copy"):
        if table := (configuration.get(kind) or {}).get("destinationTable"):
            found["destination_table"] = _table(table)
    return {**found, **_places(configuration), **_time_and_rows(job)}


def _table(table: Mapping[str, Any]) -> str:
    return f"{table['projectId']}.{table['datasetId']}.{table['tableId']}"


def _places(configuration: Mapping[str, Any]) -> dict[str, Any]:
    """Return what an extract reads and where it writes to, and the session that a query names."""
    found: dict[str, Any] = {}
    extract = configuration.get("extract") or {}
    if uris := extract.get("destinationUris") or [uri for uri in (extract.get("destinationUri"),) if uri]:
        found["destination_uris"] = uris
    if table := extract.get("sourceTable"):
        found["source_table"] = _table(table)
    for each in (configuration.get("query") or {}).get("connectionProperties") or []:
        if each.get("key") == "session_id":
            found["session_id"] = str(each.get("value"))
    return found


def _time_and_rows(job: Mapping[str, Any]) -> dict[str, Any]:
    """Return how long a job took, and the rows that it has left out."""
    found: dict[str, Any] = {}
    statistics = job.get("statistics") or {}
    if ended := statistics.get("endTime"):
        began = statistics.get("startTime") or statistics.get("creationTime") or ended
        found["duration_seconds"] = (int(ended) - int(began)) / 1000
    if skipped := _skipped(job["status"]):
        found["bad_records" if "load" in (job.get("configuration") or {}) else "warnings"] = skipped
    return found


def _skipped(status: Mapping[str, Any]) -> list[dict[str, str]]:
    """Return what a job that has succeeded says of the rows that it has left out, the first of them.

    Source: https://cloud.google.com/bigquery/docs/reference/rest/v2/Job#JobStatus
    """
    if status["state"] != "DONE" or status.get("errorResult"):
        return []
    return [
        {
            name: shown(each[name], _MOST_ROW_CHARACTERS)
            for name in ("reason", "location", "message")
            if each.get(name)
        }
        for each in (status.get("errors") or [])[:SHOWN_PROBLEMS]
    ]


def _number(value: Any) -> Any:
    """Return whole numbers as such: the API writes them as text."""
    if isinstance(value, list):
        return [each if isinstance(each, list) else _number(each) for each in value]
    return int(value) if isinstance(value, str) and value.isdigit() else value
