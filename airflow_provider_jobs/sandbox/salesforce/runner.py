"""UploadComplete -> InProgress -> JobComplete or Failed: drives each job, by time and by polls."""

from __future__ import annotations

import asyncio
import logging
import math
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from airflow_provider_jobs.sandbox.connection import wait_for_first
from airflow_provider_jobs.sandbox.replies import Refusal
from airflow_provider_jobs.sandbox.salesforce.faults import LockRecords
from airflow_provider_jobs.sandbox.salesforce.jobs import (
    ABORTED,
    FAILED,
    IN_PROGRESS,
    INGEST,
    JOB_COMPLETE,
    QUERY,
    UPLOAD_COMPLETE,
    Job,
)
from airflow_provider_jobs.sandbox.salesforce.limits import BATCH_RECORDS, BATCHES, QUERY_BYTES
from airflow_provider_jobs.sandbox.salesforce.org import IngestFailed, SalesforceRefusal
from airflow_provider_jobs.sandbox.salesforce.replies import CODES

if TYPE_CHECKING:
    from airflow_provider_jobs.sandbox.platform import Platform
    from airflow_provider_jobs.sandbox.salesforce.jobs import JobStore
    from airflow_provider_jobs.sandbox.salesforce.limits import Limits
    from airflow_provider_jobs.sandbox.salesforce.org import IngestOutcome, Org, ResultFile
    from airflow_provider_jobs.sandbox.salesforce.settings import SalesforceSettings

LOGGER = logging.getLogger(__name__)
PROJECT = "salesforce"  # what the timing calls all of the org's jobs
JOBS_AT_ONCE = 4  # executing in the org; later ones wait, InProgress
UNEXPECTED = "InternalServerError : An unexpected error occurred."
STOPPED = "InternalServerError : The sandbox was stopped while the job was running."
NO_DATA = "InvalidBatch : No data was uploaded."


class NotBegun(Exception):
    """The sandbox ends before a job had its turn."""


class JobRunner:
    """Runs the jobs of a store; all methods belong to the event loop."""

    def __init__(
        self, store: JobStore, org: Org, limits: Limits, settings: SalesforceSettings, platform: Platform
    ) -> None:
        self._store = store
        self._org = org
        self._limits = limits
        self._settings = settings
        self._platform = platform
        self._pool = ThreadPoolExecutor(JOBS_AT_ONCE, thread_name_prefix="sandbox-salesforce-job")
        self._driven: dict[str, asyncio.Task[None]] = {}
        self._closing = asyncio.Event()
        self._retimed = asyncio.Event()

    def start(self) -> None:
        """Take up what was unfinished when the sandbox ended, and heed changes of the timing."""
        loop = asyncio.get_running_loop()
        self._platform.timing.listen(lambda: loop.call_soon_threadsafe(self._wake))
        for job in self._store.unfinished():
            if job.executing:
                self._store.change(job, FAILED, error_message=STOPPED, executing=False)
            else:
                self.submit(job)

    def submit(self, job: Job) -> None:
        """Let a job take its way; returns at once."""
        if job.job_id not in self._driven:
            task = asyncio.get_running_loop().create_task(self._drive(job))
            self._driven[job.job_id] = task
            task.add_done_callback(lambda _: self._driven.pop(job.job_id, None))

    def abort(self, job: Job) -> None:
        """End a job: now, or a little later if the settings say so."""
        seconds = self._platform.timing.of(PROJECT).cancel_seconds
        if self._settings.abort == "later" and seconds:
            asyncio.get_running_loop().call_later(seconds, self._abort, job)
        else:
            self._abort(job)

    def _abort(self, job: Job) -> None:
        if not job.ended.is_set():
            self._store.change(job, ABORTED)

    async def close(self) -> None:
        """Stop every job where it is and end the threads; the next start goes on."""
        self._closing.set()
        self._org.interrupt()
        await asyncio.gather(*self._driven.values())
        await asyncio.get_running_loop().run_in_executor(None, self._pool.shutdown)

    def _wake(self) -> None:
        woken, self._retimed = self._retimed, asyncio.Event()
        woken.set()

    def _over(self, job: Job) -> bool:
        return job.ended.is_set() or self._closing.is_set()

    async def _drive(self, job: Job) -> None:
        if job.state == UPLOAD_COMPLETE:
            await self._rest(job, "pending_seconds", "queued_polls")
            if not self._over(job):
                self._store.change(job, IN_PROGRESS)
        await self._rest(job, "running_seconds", "running_polls")
        if not self._over(job):
            await self._scripted(job)
        if not self._over(job):
            await self._execute(job)

    async def _rest(self, job: Job, timing: str, polls: str) -> None:
        """Wait as long as timing and settings say, also when they change; a forced state stays."""
        begun = time.monotonic()
        while not self._over(job):
            await self._while_forced(job)
            seconds = begun + float(getattr(self._platform.timing.of(PROJECT), timing)) - time.monotonic()
            looks = int(getattr(self._settings, polls)) - job.polls
            if job.hurried.is_set() or (seconds <= 0 and looks <= 0):
                return
            job.polled.clear()
            events = (job.ended, job.hurried, job.polled, self._closing, self._retimed)
            await wait_for_first(seconds if seconds > 0 else None, *(event.wait() for event in events))

    async def _while_forced(self, job: Job) -> None:
        """Wait until the job may change; where it may, nothing can come between."""
        while not job.free.is_set() and not self._over(job):
            events = (job.free, job.ended, self._closing)
            await wait_for_first(None, *(event.wait() for event in events))

    async def _scripted(self, job: Job) -> None:
        """Do what faults for ``salesforce.query.run`` or ``.ingest.run`` say: delay the job, or fail it."""
        operation, path = f"salesforce.{job.kind}.run", f"/jobs/{job.kind}/{job.job_id}"
        try:
            for action in await self._platform.strike(operation, path, job.ended, self._closing):
                if isinstance(action, LockRecords):
                    job.locked, job.lock_error = action.records, action.error
        except Refusal as refusal:
            if not self._over(job):
                code = CODES.get(refusal.reason, refusal.reason)
                self._store.change(job, FAILED, error_message=f"{code} : {refusal.message}")

    async def _execute(self, job: Job) -> None:
        """Let the org do it in a thread; what it finds is dropped if the job has ended before."""
        work = asyncio.ensure_future(self._query(job) if job.kind == QUERY else self._ingest(job))
        try:
            await work
        except IngestFailed as problem:
            self._fail(job, problem.message)
        except SalesforceRefusal as problem:
            self._fail(job, f"{problem.code} : {problem.message}")
        except NotBegun:  # the next start takes it up
            job.executing = False
            self._store.keep(job)
        except Exception:  # the job must end, whatever happened; the console gets the traceback
            if not self._closing.is_set():
                LOGGER.exception("job %s failed unexpectedly", job.job_id)
                self._fail(job, UNEXPECTED)

    def _begin(self) -> None:
        """Stay away from the org where the sandbox ends."""
        if self._closing.is_set():
            raise NotBegun

    async def _query(self, job: Job) -> None:
        path = self._store.result_path(job)

        def work() -> ResultFile:
            self._begin()
            return self._org.run_query(
                job.query,
                into=path,
                all_rows=job.operation == "queryAll",
                delimiter=job.delimiter,
                line_ending=job.line_ending,
            )

        result = await asyncio.get_running_loop().run_in_executor(self._pool, work)
        await self._while_forced(job)
        if self._closing.is_set():
            return
        if job.ended.is_set():
            result.delete()
            return
        self._limits.add(QUERY_BYTES, path.stat().st_size)
        self._store.change(job, JOB_COMPLETE, processed=result.record_count)

    async def _ingest(self, job: Job) -> None:
        data, folder = self._store.data_path(job), self._store.outcome_folder(job)
        if data is None:
            raise IngestFailed(NO_DATA)
        job.executing = True
        self._store.keep(job)

        def work() -> IngestOutcome:
            self._begin()
            return self._org.ingest(
                job.object_name,
                job.operation,
                job.external_id_field or None,
                data,
                into=folder,
                delimiter=job.delimiter,
                line_ending=job.line_ending,
                limit=self._settings.ingest_limit or None,
                locked=(job.locked, job.lock_error),
            )

        self._end_ingest(job, await asyncio.get_running_loop().run_in_executor(self._pool, work))

    def _end_ingest(self, job: Job, outcome: IngestOutcome) -> None:
        job.executing, job.processed, job.failed = False, outcome.processed, outcome.failed_count
        files = {
            "successfulresults": outcome.successful,
            "failedresults": outcome.failed,
            "unprocessedrecords": outcome.unprocessed,
        }
        job.outcome = {name: path.name for name, path in files.items()}
        self._limits.add(BATCHES, max(1, math.ceil(outcome.processed / BATCH_RECORDS)))
        if job.ended.is_set():  # aborted meanwhile
            self._store.keep(job)
        elif outcome.unprocessed_count:
            message = f"InternalServerError : {outcome.unprocessed_count} records were not processed."
            self._store.change(job, FAILED, error_message=message)
        else:
            self._store.change(job, JOB_COMPLETE)
            self._store.release_data(job)

    def _fail(self, job: Job, message: str) -> None:
        if not self._over(job):
            self._store.change(job, FAILED, error_message=message, executing=False)
        elif job.kind == INGEST and not self._closing.is_set():
            job.executing = False
            self._store.keep(job)
