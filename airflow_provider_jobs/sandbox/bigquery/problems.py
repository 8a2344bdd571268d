"""How the sandbox says no: a refused request, or a job that ended with an error.

Reasons are those of https://cloud.google.com/bigquery/docs/error-messages.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow_provider_jobs.sandbox.bigquery.outcomes import ChildJob


class ApiError(Exception):
    """A request that is refused: HTTP status plus the fields of the REST error body."""

    def __init__(self, status: int, reason: str, message: str, location: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason
        self.message = message
        self.location = location


class JobProblem(Exception):
    """A job that ended with ``status.errorResult``.

    ``errors`` is the whole ``status.errors[]``: the error result first, then what belongs to it.
    """

    def __init__(
        self,
        reason: str,
        message: str,
        location: str = "",
        *,
        errors: list[dict[str, str]] | None = None,
        statistics: dict[str, Any] | None = None,
        children: list[ChildJob] | None = None,
    ) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.error_result = error_entry(reason, message, location)
        self.errors = [self.error_result, *(errors or [])]
        self.statistics: dict[str, Any] = statistics or {}
        self.children: list[ChildJob] = children or []


def error_entry(reason: str, message: str, location: str = "") -> dict[str, str]:
    """Give one entry of ``status.errors[]``; ``location`` only where there is one."""
    entry = {"reason": reason, "message": message}
    if location:
        entry["location"] = location
    return entry
