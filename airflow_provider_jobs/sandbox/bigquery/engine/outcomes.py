"""What goes into a job, what comes out of it, and how the sandbox says no.

Reasons are those of https://cloud.google.com/bigquery/docs/error-messages.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import threading
    from pathlib import Path


@dataclass(frozen=True)
class RunningJob:
    """A job that a worker thread is executing."""

    project: str
    job_id: str
    location: str
    configuration: dict[str, Any]
    cancelled: threading.Event  # set from outside; the engine then stops within a fraction of a second
    media: Path | None = None  # uploaded bytes of a load without sourceUris


@dataclass(frozen=True)
class ChildJob:
    """One executed statement of a script."""

    configuration: dict[str, Any]
    statistics: dict[str, Any]
    error_result: dict[str, str] | None = None
    errors: list[dict[str, str]] = field(default_factory=list)


@dataclass(frozen=True)
class Outcome:
    """What a job that succeeded adds to its resource."""

    configuration: dict[str, Any]
    statistics: dict[str, Any]
    errors: list[dict[str, str]] = field(default_factory=list)
    children: list[ChildJob] = field(default_factory=list)


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
