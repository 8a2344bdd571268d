"""What the user asks for, and what was found, whatever the service."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import argparse

    from airflow_provider_jobs.jobs import JobStatus


@dataclass(frozen=True)
class Place:
    """Where a job is, besides its id, as far as the user says it; each service has its own."""

    location: str | None = None
    kind: str | None = None
    api_version: str | None = None
    table: str | None = None

    @classmethod
    def of(cls, args: argparse.Namespace) -> Place:
        """Read a command's arguments."""
        return cls(args.location, args.kind, args.api_version, args.table)


@dataclass(frozen=True)
class Filter:
    """Which jobs to list.

    :param since: Made then or later; seconds since 1970.
    """

    state: str | None
    since: float
    dag_id: str | None = None
    task_id: str | None = None
    all_users: bool = False
    kind: str | None = None
    table: str | None = None

    @classmethod
    def of(cls, args: argparse.Namespace) -> Filter:
        """Read the arguments of ``list``."""
        return cls(
            *(args.state, args.since, args.dag_id, args.task_id, args.all_users, args.kind, args.table)
        )

    def matches(self, status: JobStatus) -> bool:
        """Return True if a job is in the state, and of the time, that are asked for."""
        created, state = status.ref.created_at, status.state
        young = created is None or created >= self.since
        return young and self.state in {None, str(state), "ended" if state.ended else "active"}


@dataclass(frozen=True)
class Found:
    """A job that was found.

    :param dag_id: As the job's labels have it; the same for the task.
    """

    conn_id: str
    status: JobStatus
    dag_id: str | None = None
    task_id: str | None = None

    def row(self) -> dict[str, Any]:
        """Return what a table shows of a job."""
        status, numbers = self.status, self.status.statistics
        created, milliseconds = status.ref.created_at, numbers.get("processing_ms")
        took = numbers.get("duration_seconds") if milliseconds is None else milliseconds / 1000
        return {
            "conn_id": self.conn_id,
            "job_id": status.ref.id,
            "state": str(status.state),
            "what": status.title,
            "created": dt.datetime.fromtimestamp(created, dt.UTC).isoformat(timespec="seconds")
            if created
            else None,
            "seconds": took,
            "rows": numbers.get("row_count", numbers.get("record_count")),
            "dag_id": self.dag_id,
            "task_id": self.task_id,
        }

    def document(self) -> dict[str, Any]:
        """Return all that is known of a job: a row, its place, what went wrong, its numbers and its page."""
        status = self.status
        return {
            **self.row(),
            "scope": status.ref.scope,
            "location": status.ref.location,
            "vendor_state": status.vendor_state,
            "error": str(status.problem) if status.problem else None,
            "errors": [str(each) for each in status.problems],
            "url": status.url,
            "statistics": {name: each for name, each in status.statistics.items() if each is not None},
        }
