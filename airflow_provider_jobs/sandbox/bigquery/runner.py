"""PENDING -> RUNNING -> DONE: drives each job, its timing, its cancellation and its timeout."""

from __future__ import annotations

import asyncio
import logging
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from airflow_provider_jobs.sandbox.bigquery.engine import JobProblem, Outcome, RunningJob, error_entry
from airflow_provider_jobs.sandbox.bigquery.jobs import DONE, PENDING, Job, JobStore
from airflow_provider_jobs.sandbox.bigquery.media import Media, check_rows
from airflow_provider_jobs.sandbox.connection import ConnectionCut, wait_for_first
from airflow_provider_jobs.sandbox.fault_actions import Exchange
from airflow_provider_jobs.sandbox.replies import Refusal

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from starlette.types import Message

    from airflow_provider_jobs.sandbox.bigquery.engine import Engine
    from airflow_provider_jobs.sandbox.platform import Platform

LOGGER = logging.getLogger(__name__)
OPERATION = "bigquery.jobs.run"  # what a fault names to meet the job itself and no request
JOBS_AT_ONCE = 8  # executing in the engine; later ones wait, PENDING


class JobRunner:
    """Runs the jobs of a store; all methods belong to the event loop."""

    def __init__(self, store: JobStore, engine: Engine, platform: Platform) -> None:
        self._store = store
        self._engine = engine
        self._platform = platform
        self._media = Media(platform.uploads)
        self._pool = ThreadPoolExecutor(JOBS_AT_ONCE, thread_name_prefix="sandbox-job")
        self._tasks: set[asyncio.Task[None]] = set()
        self._closing = False
        self._retimed = asyncio.Event()

    def start(self) -> None:
        """Take up what was pending when the sandbox ended, and heed changes of the timing."""
        loop = asyncio.get_running_loop()
        self._platform.timing.listen(lambda: loop.call_soon_threadsafe(self._wake))
        unfinished = self._store.unfinished()
        self._media.release_all_but({job.media for job in unfinished})
        for job in unfinished:
            self.submit(job)

    def _wake(self) -> None:
        """Let every resting job look at its timing again."""
        woken, self._retimed = self._retimed, asyncio.Event()
        woken.set()

    def submit(self, job: Job) -> None:
        """Let a pending job take its way; returns at once."""
        task = asyncio.get_running_loop().create_task(self._drive(job))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def cancel(self, job: Job) -> None:
        """Ask a job to stop; it does so a little later, or not at all if it is done by then."""
        seconds = self._platform.timing.of(job.project).cancel_seconds
        message = "Job execution was cancelled: User requested cancellation"
        asyncio.get_running_loop().call_later(seconds, self._stop, job, message)

    async def close(self) -> None:
        """Stop every job where it is and end the threads; the store's next life settles the rest."""
        self._closing = True
        for job in self._store.unfinished():
            job.stop_asked.set()
            job.cancelled.set()
        await asyncio.gather(*self._tasks)
        await asyncio.get_running_loop().run_in_executor(None, self._pool.shutdown)

    def _stop(self, job: Job, message: str) -> None:
        if job.state != DONE and not job.stop_message:
            job.stop_message = message
            job.stop_asked.set()
            job.cancelled.set()

    async def _drive(self, job: Job) -> None:
        await self._rest(job, "pending_seconds")
        if self._platform.timing.of(job.project).running_seconds and not job.stop_asked.is_set():
            self._begin(job)
            await self._rest(job, "running_seconds")
        if not job.stop_asked.is_set():
            await self._scripted(job)
        if job.state != DONE and not job.stop_asked.is_set():
            await self._execute(job)
        if job.state != DONE and job.stop_message:
            problem = error_entry("stopped", job.stop_message)
            self._store.finish(job, error_result=problem, errors=[problem])
        if job.state == DONE:
            self._media.release(job.media)

    def _begin(self, job: Job) -> None:
        if job.state != PENDING:
            return
        self._store.start(job)
        timeout_ms = int(job.configuration.get("jobTimeoutMs") or 0)
        if timeout_ms > 0:
            message = f"Operation timed out: the job ran longer than its jobTimeoutMs of {timeout_ms} ms."
            asyncio.get_running_loop().call_later(timeout_ms / 1000, self._stop, job, message)

    async def _rest(self, job: Job, setting: str) -> None:
        """Wait as long as the timing says, also when that changes, unless the job is asked to stop."""
        begun = time.monotonic()
        while not job.stop_asked.is_set():
            timing = self._platform.timing.of(job.project)
            seconds = begun + float(getattr(timing, setting)) - time.monotonic()
            if seconds <= 0:
                return
            await wait_for_first(seconds, job.stop_asked.wait(), self._retimed.wait())

    async def _scripted(self, job: Job) -> None:
        """Do what faults for ``bigquery.jobs.run`` say: delay the job, or let it fail."""
        actions = self._platform.faults.actions_named(OPERATION, f"/projects/{job.project}/jobs/{job.job_id}")
        if not actions:
            return
        self._begin(job)

        async def stopped() -> Message:
            await job.stop_asked.wait()
            return {"type": "http.disconnect"}

        exchange = Exchange(stopped, "", self._platform.tokens, self._platform.stopping, self._platform.clock)
        try:
            for action in actions:
                await action.before(exchange)
        except ConnectionCut:
            return  # a job has no connection: it hung for a while, and now goes on
        except Refusal as refusal:
            self._fail(job, JobProblem(refusal.reason, refusal.message))

    async def _execute(self, job: Job) -> None:
        """Run the job in a thread, as soon as one is free; leaves it unfinished if it was stopped before."""
        loop = asyncio.get_running_loop()

        def work() -> Outcome:
            loop.call_soon_threadsafe(self._begin, job)
            path = self._media.path(job.media)
            if path is not None:
                check_rows(path, job.configuration["load"], job.cancelled)
            return self._engine.run(
                RunningJob(job.project, job.job_id, job.location, job.configuration, job.cancelled, path)
            )

        future = self._pool.submit(work)
        finished = asyncio.Event()
        future.add_done_callback(lambda _: loop.call_soon_threadsafe(finished.set))
        await wait_for_first(None, finished.wait(), job.stop_asked.wait())
        if future.cancel():  # it was still waiting for a thread
            return
        try:
            outcome = await asyncio.wrap_future(future)
        except JobProblem as problem:
            # What only the end of the sandbox interrupts stays RUNNING: the next start settles it.
            if not self._closing or job.stop_message or problem.reason != "stopped":
                self._fail(job, problem)
        except Exception:  # the job must end, whatever happened; the console gets the traceback
            LOGGER.exception("job %s failed unexpectedly", job.full_id)
            self._fail(job, JobProblem("internalError", "An internal error occurred. Please retry the job."))
        else:
            self._store.add_children(job, outcome.children)
            self._store.finish(
                job, errors=outcome.errors, statistics=outcome.statistics, configuration=outcome.configuration
            )

    def _fail(self, job: Job, problem: JobProblem) -> None:
        errors: list[dict[str, str]] = problem.errors
        result: Mapping[str, Any] = problem.error_result
        if problem.reason == "stopped" and job.stop_message:
            result = error_entry("stopped", job.stop_message)
            errors = [dict(result), *errors[1:]]
        self._store.add_children(job, problem.children)
        self._store.finish(job, error_result=dict(result), errors=errors, statistics=problem.statistics)
