"""The body of jobs.query: a query configuration and what to answer.

See https://cloud.google.com/bigquery/docs/reference/rest/v2/jobs/query.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

from airflow_provider_jobs.sandbox.bigquery.rows import RowRequest, timestamp_format
from airflow_provider_jobs.sandbox.bigquery.validation import invalid

DEFAULT_WAIT_MS = 10_000
JOB_FIELDS = frozenset({"labels", "jobTimeoutMs", "maxSlots", "reservation"})
ANSWER_FIELDS = frozenset(
    {
        "arrowSerializationOptions", "dryRun", "formatOptions", "jobCreationMode", "kind", "location",
        "maxResults", "queryResultsFormat", "requestId", "timeoutMs",
    }
)  # fmt: skip


@dataclass(frozen=True)
class Answering:
    """How to answer."""

    dry_run: bool
    wait_ms: int
    most_rows: int | None
    timestamps: str

    @classmethod
    def of(cls, document: dict[str, Any]) -> Answering:
        """Read a checked body."""
        wait_ms, most_rows = document.get("timeoutMs"), document.get("maxResults")
        options = document.get("formatOptions") or {}
        as_integers = bool(options.get("useInt64Timestamp"))
        return cls(
            dry_run=bool(document.get("dryRun")),
            wait_ms=DEFAULT_WAIT_MS if wait_ms is None else int(wait_ms),
            most_rows=None if most_rows is None else int(most_rows),
            timestamps=timestamp_format(as_integers=as_integers, name=options.get("timestampOutputFormat")),
        )

    def rows(self, listing: list[str]) -> RowRequest:
        """Give the first page to read."""
        return RowRequest(listing, 0, self.most_rows, self.timestamps)


def configuration_of(document: dict[str, Any]) -> dict[str, Any]:
    """Give the job configuration that the body means."""
    if not document.get("query"):
        raise invalid("Required parameter is missing: query", "query")
    own = {name: value for name, value in document.items() if name in JOB_FIELDS}
    query = {name: value for name, value in document.items() if name not in JOB_FIELDS | ANSWER_FIELDS}
    return {**own, "jobType": "QUERY", "query": query}


def job_id_of(document: dict[str, Any]) -> str | None:
    """Give the id that a repeated request finds its job by; None if the client gave no requestId."""
    request_id = document.get("requestId")
    return f"job_{hashlib.sha256(str(request_id).encode()).hexdigest()[:28]}" if request_id else None
