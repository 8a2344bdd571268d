"""jobs.insert, get, list, cancel, delete: https://cloud.google.com/bigquery/docs/reference/rest/v2/jobs."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any

from airflow_provider_jobs.sandbox.bigquery import job_resources
from airflow_provider_jobs.sandbox.bigquery.engine import ApiError, JobProblem, check_project
from airflow_provider_jobs.sandbox.bigquery.job_resources import api_error
from airflow_provider_jobs.sandbox.bigquery.jobs import DONE, Job
from airflow_provider_jobs.sandbox.bigquery.listing import Listing, page_of
from airflow_provider_jobs.sandbox.bigquery.request_parameters import Parameters
from airflow_provider_jobs.sandbox.bigquery.validation import (
    check_job,
    check_job_id,
    check_location,
    invalid,
)
from airflow_provider_jobs.sandbox.replies import Reply

if TYPE_CHECKING:
    from starlette.routing import Route

    from airflow_provider_jobs.sandbox.bigquery.state import BigQueryState
    from airflow_provider_jobs.sandbox.call import Call

DEFAULT_LOCATION = "US"


def routes(service: BigQueryState) -> list[Route]:
    """Give the routes of the jobs resource."""
    methods = JobMethods(service)
    return [
        service.route("POST", "jobs", "jobs.insert", methods.insert),
        service.route("GET", "jobs", "jobs.list", methods.list),
        service.route("GET", "jobs/{job}", "jobs.get", methods.get),
        service.route("POST", "jobs/{job}/cancel", "jobs.cancel", methods.cancel),
        service.route("DELETE", "jobs/{job}/delete", "jobs.delete", methods.delete),
        service.route("GET", "serviceAccount", "projects.getServiceAccount", methods.service_account),
    ]


async def new_job(
    service: BigQueryState,
    call: Call,
    project: str,
    configuration: dict[str, Any],
    reference: dict[str, Any],
    media: str | None = None,
) -> Job:
    """Take a checked configuration as a new job and let it run; ``media`` names the upload that it loads."""
    job_id = reference.get("jobId") or "job_" + secrets.token_urlsafe(21)
    service.store.refuse_used(project, job_id)
    location = await job_location(service, project, configuration, reference)
    job = service.store.add(project, job_id, location, call.email, configuration, media)
    service.runner.submit(job)
    return job


async def job_location(
    service: BigQueryState, project: str, configuration: dict[str, Any], reference: dict[str, Any]
) -> str:
    """Give where a job runs: where it was sent, else where its data is."""
    if reference.get("location"):
        return check_location(str(reference["location"]))
    needed = await service.ask(service.engine.location_of, project, configuration)
    return check_location(needed or DEFAULT_LOCATION)


class JobMethods:
    """The methods of the jobs resource."""

    def __init__(self, service: BigQueryState) -> None:
        self._service = service
        self._store = service.store
        self._url = service.platform.url

    async def insert(self, call: Call) -> Reply:
        """Take a job and answer before it runs."""
        project = check_project(call.path("project"))
        configuration, reference = check_job(await call.document(), project)
        if configuration.get("dryRun"):
            return await self._dry_run(call, project, configuration, reference)
        job = await new_job(self._service, call, project, configuration, reference)
        return Reply(job_resources.full(job, self._url))

    async def _dry_run(
        self, call: Call, project: str, configuration: dict[str, Any], reference: dict[str, Any]
    ) -> Reply:
        """Answer what a query would cost; there is no job afterwards, and none to ask for."""
        location = await job_location(self._service, project, configuration, reference)
        try:
            result = await self._service.ask(self._service.engine.dry_run, project, configuration)
        except JobProblem as problem:
            raise api_error(problem.error_result) from problem
        now = self._store.now_ms()
        job = Job(project, "", location, call.email, configuration | result.get("configuration", {}), now, 0)
        job.state, job.started_ms, job.ended_ms = DONE, now, now
        job.statistics = result.get("statistics", {})
        document = job_resources.full(job, self._url)
        del document["jobReference"]["jobId"]
        return Reply(document)

    async def get(self, call: Call) -> Reply:
        """Give a job."""
        return Reply(job_resources.full(self._find(call), self._url))

    async def list(self, call: Call) -> Reply:
        """Give a page of jobs."""
        project = check_project(call.path("project"))
        listing = Listing.of(call.request, project, call.email)
        jobs, token = page_of(self._store, listing)
        document: dict[str, Any] = {
            "kind": "bigquery#jobList",
            "etag": job_resources.etag_of(*((job.sequence, job.state) for job in jobs)),
        }
        if token is not None:
            document["nextPageToken"] = token
        if jobs:
            document["jobs"] = [job_resources.list_item(job, whole=listing.whole) for job in jobs]
        return Reply(document)

    async def cancel(self, call: Call) -> Reply:
        """Ask a job to stop, and answer how it is now."""
        job = self._find(call)
        if job.state != DONE:
            self._service.runner.cancel(job)
        document = {"kind": "bigquery#jobCancelResponse", "job": job_resources.full(job, self._url)}
        return Reply(document)

    async def delete(self, call: Call) -> Reply:
        """Forget a job that is done, its children included."""
        job = self._find(call, location_required=True)
        if job.parent_id is not None:
            raise invalid("A child job cannot be deleted on its own; delete its parent.", "jobId")
        if job.state != DONE:
            raise ApiError(
                400, "resourceInUse", f"Job {job.full_id} is still running; wait or cancel it first."
            )
        self._store.remove(job)
        return Reply(status=204)

    async def service_account(self, call: Call) -> Reply:
        """Give the account that BigQuery itself uses for a project."""
        project = check_project(call.path("project"))
        email = f"bq-{project.replace(':', '-')}@bigquery-encryption.iam.gserviceaccount.com"
        return Reply({"kind": "bigquery#getServiceAccountResponse", "email": email})

    def _find(self, call: Call, *, location_required: bool = False) -> Job:
        location = Parameters(call.request).text("location")
        if location is None and location_required:
            raise ApiError(400, "required", "Required parameter is missing: location", "location")
        job_id = check_job_id(call.path("job"))
        return self._store.find(check_project(call.path("project")), job_id, location)
