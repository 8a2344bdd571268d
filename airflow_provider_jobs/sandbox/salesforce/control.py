"""The control endpoints of Salesforce: its settings, and the states of its jobs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_jobs.sandbox.replies import Refusal, Reply
from airflow_provider_jobs.sandbox.salesforce.job_fields import whole_job
from airflow_provider_jobs.sandbox.salesforce.jobs import ENDED, JOB_COMPLETE, OPEN, QUERY, Job

if TYPE_CHECKING:
    from airflow_provider_jobs.sandbox.call import Call, Handler
    from airflow_provider_jobs.sandbox.salesforce.state import SalesforceState

# What may be told of a job beside its state, and what it is called here.
COUNTERS = {
    "numberRecordsProcessed": "processed",
    "numberRecordsFailed": "failed",
    "retries": "retries",
    "totalProcessingTime": "processing_ms",
}
TEXTS = {"errorMessage": "error_message"}


class SalesforceControl:
    """The control methods."""

    def __init__(self, service: SalesforceState) -> None:
        self._service = service

    def handlers(self) -> list[tuple[str, str, Handler]]:
        """Give method, path and handler of each."""
        return [
            *self._service.settings.handlers("/sandbox/salesforce"),
            ("GET", "/sandbox/salesforce/jobs", self.list_jobs),
            ("POST", "/sandbox/salesforce/jobs/{job}", self.force_job),
        ]

    async def list_jobs(self, _call: Call) -> Reply:
        """Give every job, oldest first, without counting as a poll."""
        return Reply({"jobs": await self.jobs()})

    async def jobs(self) -> list[dict[str, Any]]:
        """Give every job, oldest first."""
        return [self._shown(job) for job in self._service.store.all()]

    async def force_job(self, call: Call) -> Reply:
        """Put a job into any state."""
        return Reply(await self.force(call.path("job"), await call.document()))

    async def force(self, job_id: str, spec: dict[str, Any]) -> dict[str, Any]:
        """Put a job into a state, or change its counters; a state that is not final stays until another.

        ``JobComplete`` ends the job as it would have ended, without further waiting.
        """
        job = self._service.store.known(job_id)
        if job is None:
            raise Refusal(404, "notFound", "There is no such job.")
        changes = _changes(spec)
        state = spec.get("state")
        if state is not None and (not isinstance(state, str) or not state.isprintable() or not state):
            raise Refusal(400, "invalid", "state must be text.")
        if state is not None:
            await self._put(job, state)
        for name, value in changes.items():
            setattr(job, name, value)
        self._service.store.keep(job)
        return self._shown(job)

    async def _put(self, job: Job, state: str) -> None:
        store = self._service.store
        if state == JOB_COMPLETE and not self._has_results(job):
            if job.state in ENDED | {OPEN}:
                raise Refusal(400, "invalid", f"A job that is {job.state} cannot complete.")
            job.hurried.set()
            job.free.set()
            self._service.runner.submit(job)
            await job.ended.wait()
            return
        if state in ENDED:
            store.change(job, state)
            job.free.set()
        else:
            job.ended.clear()
            job.free.clear()
            store.change(job, state)

    def _has_results(self, job: Job) -> bool:
        if job.kind == QUERY:
            return job.state in ENDED and self._service.store.result_path(job).exists()
        return bool(job.outcome)

    def _shown(self, job: Job) -> dict[str, Any]:
        query = {"query": job.query} if job.kind == QUERY else {}
        return {**whole_job(job, self._service.settings.api_version_type), **query}


def _changes(spec: dict[str, Any]) -> dict[str, Any]:
    known = {"state"} | COUNTERS.keys() | TEXTS.keys()
    for name, value in spec.items():
        if name not in known:
            raise Refusal(
                400, "invalid", f"A job has no setting {name}; there are {', '.join(sorted(known))}."
            )
        if name in COUNTERS and (not isinstance(value, int) or isinstance(value, bool) or value < 0):
            raise Refusal(400, "invalid", f"{name} must be a whole number.")
        if name in TEXTS and not isinstance(value, str):
            raise Refusal(400, "invalid", f"{name} must be text.")
    names = COUNTERS | TEXTS
    return {names[name]: value for name, value in spec.items() if name in names}
