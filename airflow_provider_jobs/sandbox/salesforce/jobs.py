"""The jobs of the org: in memory for reading, on disk for the next start."""

from __future__ import annotations

import asyncio
import itertools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from airflow_provider_jobs.sandbox.salesforce.ids import JOB, long_id, make_id
from airflow_provider_jobs.sandbox.salesforce.replies import missing

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from airflow_provider_jobs.sandbox.documents import Documents
    from airflow_provider_jobs.sandbox.uploads.book import UploadBook

QUERY, INGEST = "query", "ingest"
OPEN, UPLOAD_COMPLETE, IN_PROGRESS = "Open", "UploadComplete", "InProgress"
JOB_COMPLETE, FAILED, ABORTED = "JobComplete", "Failed", "Aborted"
ENDED = frozenset({JOB_COMPLETE, FAILED, ABORTED})
KIND = "job"
NOT_KEPT = frozenset({"polls", "polled", "ended", "free", "hurried"})


@dataclass(eq=False)
class Job:
    """One job; its state is changed only by the store."""

    job_id: str
    kind: str
    sequence: int
    version: str  # "59.0", for life
    operation: str
    object_name: str
    created_by: str
    created_at: float
    modified_at: float
    state: str
    query: str = ""
    external_id_field: str = ""
    assignment_rule_id: str = ""
    delimiter: str = "COMMA"
    line_ending: str = "LF"
    pk_chunking: bool = False
    data: str = ""  # the upload that holds the data
    executing: bool = False  # the org's records may have changed
    outcome: dict[str, str] = field(default_factory=dict)  # names of the files of an ingest job's results
    started_at: float | None = None
    locked: int = 0  # records at its beginning that a lock keeps out
    lock_error: str = ""
    processed: int = 0
    failed: int = 0
    retries: int = 0
    processing_ms: int = 0
    error_message: str = ""
    # What the runner waits for.
    polls: int = 0
    polled: asyncio.Event = field(default_factory=asyncio.Event)  # somebody has looked
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    free: asyncio.Event = field(default_factory=asyncio.Event)  # cleared: its state was forced, and stays
    hurried: asyncio.Event = field(default_factory=asyncio.Event)  # it shall end without resting

    def __post_init__(self) -> None:
        self.free.set()
        if self.state in ENDED:
            self.ended.set()


class JobStore:
    """Every job; used on the event loop only, so that nobody sees half a change.

    :param folder: of the jobs' files.
    :param uploads: with the data of ingest jobs.
    """

    def __init__(
        self, documents: Documents, folder: Path, clock: Callable[[], float], uploads: UploadBook
    ) -> None:
        self._documents = documents
        self._folder = folder
        self._clock = clock
        self._uploads = uploads
        self._jobs: dict[str, Job] = {}
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for document in documents.read(KIND):
            job = Job(**document)
            self._jobs[job.job_id] = job
        last = max((job.sequence for job in self._jobs.values()), default=0)
        self._sequences = itertools.count(last + 1)

    def add(self, kind: str, version: str, created_by: str, **details: Any) -> Job:
        """Take a new job."""
        now, sequence = self._clock(), next(self._sequences)
        job = Job(
            make_id(JOB, sequence),
            kind,
            sequence,
            version,
            created_by=created_by,
            created_at=now,
            modified_at=now,
            state=UPLOAD_COMPLETE if kind == QUERY else OPEN,
            **details,
        )
        self._jobs[job.job_id] = job
        self._write(job)
        return job

    def find(self, kind: str, given_id: str) -> Job:
        """Give a job.

        :raises Refusal: 404, there is none of this kind.
        """
        job = self.known(given_id)
        if job is None or job.kind != kind:
            raise missing()
        return job

    def known(self, given_id: str) -> Job | None:
        """Give a job of any kind."""
        return self._jobs.get(long_id(given_id) or "")

    def all(self) -> list[Job]:
        """Give every job, oldest first."""
        return list(self._jobs.values())

    def unfinished(self) -> list[Job]:
        """Give every job that the runner has to drive."""
        return [job for job in self._jobs.values() if job.state not in ENDED | {OPEN}]

    def look(self, job: Job) -> None:
        """Somebody has seen the job's state."""
        job.polls += 1
        job.polled.set()

    def change(self, job: Job, state: str, **changes: Any) -> None:
        """Put a job into a state."""
        now = self._clock()
        for name, value in changes.items():
            setattr(job, name, value)
        if state == IN_PROGRESS and job.started_at is None:
            job.started_at = now
        if state in ENDED:
            job.processing_ms = round(1000 * (now - (job.started_at or now)))
        job.state, job.modified_at, job.polls = state, now, 0
        self._write(job)
        if state in ENDED:
            job.ended.set()

    def keep(self, job: Job) -> None:
        """Keep what else has changed."""
        job.modified_at = self._clock()
        self._write(job)

    def remove(self, job: Job) -> None:
        """Forget a job."""
        del self._jobs[job.job_id]
        self._documents.remove(KIND, job.job_id)

    def result_path(self, job: Job) -> Path:
        """Give the file of a query's result."""
        return self._folder / f"{job.job_id}.csv"

    def outcome_folder(self, job: Job) -> Path:
        """Give the folder of what became of an ingest job's records."""
        return self._folder / job.job_id

    def data_path(self, job: Job) -> Path | None:
        """Give the file of an ingest job's data; None: there is none."""
        upload = self._uploads.get(job.data)
        return None if upload is None else self._uploads.path(upload)

    def release_data(self, job: Job) -> None:
        """Delete an ingest job's data."""
        upload = self._uploads.get(job.data)
        if upload is not None:
            self._uploads.release(upload)

    def _write(self, job: Job) -> None:
        document = {name: value for name, value in vars(job).items() if name not in NOT_KEPT}
        self._documents.write(KIND, job.job_id, document)
