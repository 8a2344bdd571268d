"""Jobs as the REST API spells them."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from airflow_provider_jobs.sandbox.bigquery.engine import ApiError
from airflow_provider_jobs.sandbox.bigquery.jobs import DONE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_provider_jobs.sandbox.bigquery.jobs import Job

KIND = "bigquery#job"

# https://cloud.google.com/bigquery/docs/error-messages
STATUS_OF_REASON = {
    "accessDenied": 403,
    "backendError": 503,
    "billingNotEnabled": 403,
    "blocked": 403,
    "duplicate": 409,
    "internalError": 500,
    "notFound": 404,
    "notImplemented": 501,
    "quotaExceeded": 403,
    "rateLimitExceeded": 403,
    "responseTooLarge": 403,
}
OTHERWISE = 400


def etag_of(*facts: Any) -> str:
    """Give an etag that changes with the facts."""
    return hashlib.sha256(repr(facts).encode()).hexdigest()[:22]


def reference(job: Job) -> dict[str, str]:
    """Give the jobReference."""
    return {"projectId": job.project, "jobId": job.job_id, "location": job.location}


def status(job: Job) -> dict[str, Any]:
    """Give the status; errors only where there are some."""
    document: dict[str, Any] = {"state": job.state}
    if job.error_result is not None:
        document["errorResult"] = job.error_result
    if job.errors:
        document["errors"] = job.errors
    return document


def times(job: Job) -> dict[str, Any]:
    """Give the times that have come, milliseconds since 1970 as text."""
    moments = {"creationTime": job.created_ms, "startTime": job.started_ms, "endTime": job.ended_ms}
    return {name: str(moment) for name, moment in moments.items() if moment is not None}


def statistics(job: Job) -> dict[str, Any]:
    """Give all statistics."""
    document = {**times(job), **job.statistics}
    if job.state == DONE and job.started_ms is not None and job.ended_ms is not None:
        milliseconds = str(job.ended_ms - job.started_ms)
        document.setdefault("totalSlotMs", milliseconds)
        document.setdefault("finalExecutionDurationMs", milliseconds)
    if job.parent_id is not None:
        document["parentJobId"] = job.parent_id
    if job.child_count:
        document["numChildJobs"] = str(job.child_count)
    return document


def full(job: Job, url: str) -> dict[str, Any]:
    """Give the whole resource."""
    return {
        "kind": KIND,
        "etag": etag_of(job.full_id, job.state),
        "id": job.full_id,
        "selfLink": f"{url}/bigquery/v2/projects/{job.project}/jobs/{job.job_id}?location={job.location}",
        "user_email": job.email,
        "configuration": job.configuration,
        "jobReference": reference(job),
        "statistics": statistics(job),
        "status": status(job),
        "jobCreationReason": {"code": "REQUESTED"},
        "principal_subject": _principal(job.email),
    }


def list_item(job: Job, *, whole: bool) -> dict[str, Any]:
    """Give what jobs.list says of a job; not ``whole`` leaves out configuration and most statistics."""
    document: dict[str, Any] = {
        "kind": KIND,
        "id": job.full_id,
        "jobReference": reference(job),
        "state": job.state,
        "statistics": statistics(job) if whole else times(job),
        "status": status(job),
        "user_email": job.email,
        "principal_subject": _principal(job.email),
    }
    if job.error_result is not None:
        document["errorResult"] = job.error_result
    if whole:
        document["configuration"] = job.configuration
    return document


def _principal(email: str) -> str:
    return email if email.startswith("principal:") else f"serviceAccount:{email}"


def api_error(error_result: Mapping[str, str]) -> ApiError:
    """Give a job's error as the refusal of a request."""
    reason = error_result["reason"]
    status = STATUS_OF_REASON.get(reason, OTHERWISE)
    return ApiError(status, reason, error_result["message"], error_result.get("location", ""))
