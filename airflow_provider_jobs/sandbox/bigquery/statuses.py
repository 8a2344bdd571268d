"""Which HTTP status goes with a reason: https://cloud.google.com/bigquery/docs/error-messages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_provider_jobs.sandbox.bigquery.problems import ApiError

if TYPE_CHECKING:
    from collections.abc import Mapping

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


def api_error(error_result: Mapping[str, str]) -> ApiError:
    """Give a job's error as the refusal of a request."""
    reason = error_result["reason"]
    status = STATUS_OF_REASON.get(reason, OTHERWISE)
    return ApiError(status, reason, error_result["message"], error_result.get("location", ""))
