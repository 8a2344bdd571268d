"""The jobs of all projects: in memory for reading, on disk for the next start."""

from __future__ import annotations

import asyncio
import heapq
import itertools
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from airflow_provider_jobs.sandbox.bigquery.engine import ApiError, error_entry

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from airflow_provider_jobs.sandbox.bigquery.engine import ChildJob
    from airflow_provider_jobs.sandbox.documents import Documents

PENDING, RUNNING, DONE = "PENDING", "RUNNING", "DONE"
MULTI_REGIONS = frozenset({"US", "EU"})  # their jobs are found without a location
KIND = "job"
KEPT = (
    "sequence", "project", "job_id", "location", "email", "configuration", "created_ms", "state",
    "started_ms", "ended_ms", "statistics", "error_result", "errors", "parent_id", "child_count", "media",
)  # fmt: skip


@dataclass(eq=False)
class Job:
    """One job; changed only by its store."""

    project: str
    job_id: str
    location: str
    email: str  # of the account that made it
    configuration: dict[str, Any]
    created_ms: int
    sequence: int
    state: str = PENDING
    started_ms: int | None = None
    ended_ms: int | None = None
    statistics: dict[str, Any] = field(default_factory=dict)
    error_result: dict[str, str] | None = None
    errors: list[dict[str, str]] = field(default_factory=list)
    parent_id: str | None = None
    child_count: int = 0
    media: str | None = None  # the upload whose bytes are loaded
    # How the running job is stopped: the reason, once there is one, and the signals to whoever runs it.
    stop_message: str = ""
    stop_asked: asyncio.Event = field(default_factory=asyncio.Event)
    cancelled: threading.Event = field(default_factory=threading.Event)
    done: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def full_id(self) -> str:
        """The opaque id, as in messages: ``project:location.jobid``."""
        return f"{self.project}:{self.location}.{self.job_id}"


class JobStore:
    """Every job; used on the event loop only, so that nobody sees half a change."""

    def __init__(self, documents: Documents, clock: Callable[[], float] = time.time) -> None:
        self._documents = documents
        self._clock = clock
        self._jobs: dict[tuple[str, str], Job] = {}
        self._projects: dict[str, dict[int, Job]] = {}  # by sequence, oldest first
        self._active: dict[str, dict[int, Job]] = {}  # those that are not DONE
        self._children: dict[tuple[str, str], list[Job]] = {}
        self._last_ms = 0
        last = 0
        for document in documents.read(KIND):
            job = Job(**document)
            self._register(job)
            last = job.sequence
        self._sequences = itertools.count(last + 1)
        self._settle()

    def _settle(self) -> None:
        """Fail what was running when the sandbox ended; what was pending has done nothing and stays."""
        for job in self.unfinished():
            if job.state == RUNNING:
                problem = error_entry(
                    "backendError", "The sandbox was stopped while the job was running. Retry."
                )
                self.finish(job, error_result=problem, errors=[problem])

    def now_ms(self) -> int:
        """Give the time, never earlier than given before."""
        self._last_ms = max(self._last_ms, int(self._clock() * 1000))
        return self._last_ms

    def unfinished(self) -> list[Job]:
        """Give all jobs that are not DONE, oldest first."""
        jobs = [job for active in self._active.values() for job in active.values()]
        return sorted(jobs, key=lambda job: job.sequence)

    def add(
        self,
        project: str,
        job_id: str,
        location: str,
        email: str,
        configuration: dict[str, Any],
        media: str | None = None,
    ) -> Job:
        """Take a new job.

        :raises ApiError: 409, the id was used before.
        """
        self.refuse_used(project, job_id)
        sequence = next(self._sequences)
        job = Job(project, job_id, location, email, configuration, self.now_ms(), sequence, media=media)
        self._register(job)
        self._write(job)
        return job

    def refuse_used(self, project: str, job_id: str) -> None:
        """Refuse an id that a job of the project has, DONE or not."""
        known = self._jobs.get((project, job_id))
        if known is not None:
            raise ApiError(409, "duplicate", f"Already Exists: Job {known.full_id}")

    def known(self, project: str, job_id: str) -> Job | None:
        """Give a job, wherever it is."""
        return self._jobs.get((project, job_id))

    def find(self, project: str, job_id: str, location: str | None) -> Job:
        """Give a job.

        :param location: needed unless the job is in a multi-region.
        :raises ApiError: 404, no such job there.
        """
        job = self._jobs.get((project, job_id))
        if job is not None and location is not None and location.lower() == job.location.lower():
            return job
        if job is not None and location is None and job.location in MULTI_REGIONS:
            return job
        place = f"{project}:{location}.{job_id}" if location else f"{project}:{job_id}"
        raise ApiError(404, "notFound", f"Not found: Job {place}")

    def newest_first(self, project: str, *, active_only: bool = False) -> Iterator[Job]:
        """Give the project's jobs, children among them."""
        jobs = (self._active if active_only else self._projects).get(project, {})
        return reversed(jobs.values())

    def all(self) -> list[Job]:
        """Give the jobs of all projects, oldest first; statements of scripts left out."""
        return sorted(self._whole(), key=lambda job: job.sequence)

    def newest(self, most: int) -> list[Job]:
        """Give the newest jobs of all projects, newest first; statements of scripts left out."""
        return heapq.nlargest(most, self._whole(), key=lambda job: job.sequence)

    def count(self) -> int:
        """Count all jobs, statements of scripts left out."""
        return sum(1 for _ in self._whole())

    def _whole(self) -> Iterator[Job]:
        return (job for job in self._jobs.values() if job.parent_id is None)

    def children(self, job: Job) -> list[Job]:
        """Give the children of a script, first statement first."""
        return self._children.get((job.project, job.job_id), [])

    def start(self, job: Job) -> None:
        """PENDING -> RUNNING."""
        job.state, job.started_ms = RUNNING, self.now_ms()
        self._write(job)

    def finish(
        self,
        job: Job,
        *,
        error_result: dict[str, str] | None = None,
        errors: list[dict[str, str]] | None = None,
        statistics: dict[str, Any] | None = None,
        configuration: dict[str, Any] | None = None,
    ) -> None:
        """-> DONE, with or without an error."""
        job.ended_ms = self.now_ms()
        job.started_ms = job.started_ms or job.ended_ms
        job.statistics = statistics or {}
        job.configuration = configuration or job.configuration
        job.error_result, job.errors = error_result, errors or []
        job.state = DONE
        self._active.get(job.project, {}).pop(job.sequence, None)
        self._write(job)
        job.done.set()

    def add_children(self, parent: Job, children: list[ChildJob]) -> None:
        """Keep the executed statements of a script as jobs of their own."""
        for number, child in enumerate(children):
            job_id = f"script_job_{parent.sequence:x}_{parent.job_id[-900:]}_{number}"
            job = self.add(parent.project, job_id, parent.location, parent.email, child.configuration)
            job.parent_id = parent.job_id
            self._children.setdefault((parent.project, parent.job_id), []).append(job)
            self.finish(
                job, error_result=child.error_result, errors=child.errors, statistics=child.statistics
            )
        parent.child_count = len(children)

    def remove(self, job: Job) -> None:
        """Forget a job and its children."""
        for gone in [*self._children.pop((job.project, job.job_id), []), job]:
            del self._jobs[gone.project, gone.job_id]
            del self._projects[gone.project][gone.sequence]
            self._documents.remove(KIND, str(gone.sequence))

    def close(self) -> None:
        """Close the file."""
        self._documents.close()

    def _register(self, job: Job) -> None:
        self._jobs[job.project, job.job_id] = job
        self._projects.setdefault(job.project, {})[job.sequence] = job
        self._last_ms = max(self._last_ms, job.created_ms)
        if job.parent_id is not None:
            self._children.setdefault((job.project, job.parent_id), []).append(job)
        if job.state == DONE:
            job.done.set()
        else:
            self._active.setdefault(job.project, {})[job.sequence] = job

    def _write(self, job: Job) -> None:
        document = {name: getattr(job, name) for name in KEPT}
        self._documents.write(KIND, str(job.sequence), document)
