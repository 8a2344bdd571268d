"""What a test has brought about: jobs, and cancels that were asked for; told in lines that hold no secret."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from airflow_provider_jobs.words import shown

if TYPE_CHECKING:
    from airflow_provider_jobs.sandbox import Sandbox

# Operations that ask for a job's end, or take away what it has brought.
CANCELS = {
    "bigquery": ("bigquery.jobs.cancel",),
    "salesforce": ("salesforce.query.abort", "salesforce.ingest.abort"),
    "redivis": ("redivis.uploads.delete",),
}
STATES = {"DONE": "succeeded", "JobComplete": "succeeded", "completed": "succeeded"}
STATES |= {"Failed": "failed", "Aborted": "failed"}


@dataclass(frozen=True)
class Job:
    """One job, or upload, of a service.

    :param service: ``bigquery``, ``salesforce`` or ``redivis``.
    :param job_id: the service's id of it.
    :param state: ``succeeded`` or ``failed``, else what the service says of a job that has not ended.
    :param about: what it does, in a line: kind, SQL or files, tables, and for BigQuery the task.
    :param error: why it failed, in the service's words; empty unless it did.
    :param document: the service's resource.
    """

    service: str
    job_id: str
    state: str
    about: str
    error: str
    document: dict[str, Any] = field(repr=False)

    def __str__(self) -> str:
        error = f" ({shown(self.error, 200)})" if self.error else ""
        return f"{self.state}: {shown(self.about, 200)}{error}, {self.job_id}"


def check_service(service: str) -> None:
    """Raise ValueError for what is not a service."""
    if service not in CANCELS:
        raise ValueError(f"service is {service!r}; there are {', '.join(CANCELS)}")


def jobs_of(sandbox: Sandbox, service: str, about: str) -> list[Job]:
    """Give the jobs whose line has the text ``about``, oldest first; ValueError if the service is unknown."""
    check_service(service)
    read, told = {
        "bigquery": (sandbox.bigquery_jobs, _bigquery),
        "salesforce": (sandbox.salesforce_jobs, _salesforce),
        "redivis": (sandbox.redivis_uploads, _redivis),
    }[service]
    return [job for job in map(told, read()) if about in job.about]


def cancels_of(sandbox: Sandbox, service: str | None) -> list[str]:
    """Give a line for each request to cancel a job of the service, or of any, answered or not."""
    asked = {name for each, names in CANCELS.items() if service in {each, None} for name in names}
    entries = [entry for entry in sandbox.requests() if entry["operation"] in asked]
    return [f"{each['operation']} {shown(each['path'])}, answered {each['status']}" for each in entries]


def _bigquery(job: dict[str, Any]) -> Job:
    work, state = job["configuration"], job["status"]["state"]
    kind = next((name for name in ("query", "load", "extract", "copy") if name in work), "unknown")
    given = work.get(kind, {})
    tables = [given.get("sourceTable"), *given.get("sourceTables", ())]
    text = " ".join(str(given.get("query", "")).split())
    about = f"{kind} {text}{', '.join([*_named(tables), *given.get('sourceUris', ())])}"
    targets = [*given.get("destinationUris", ()), *_named([given.get("destinationTable")])]
    about += f" into {', '.join(targets)}" if targets else ""
    task = work.get("labels", {}).get("airflow-task")
    about += f", task {task}" if task else ""
    error = job["status"].get("errorResult")
    told = f"{error['reason']}: {error.get('message', '')}" if error else ""
    state = "failed" if error else STATES.get(state, state)
    return Job("bigquery", job["jobReference"]["jobId"], state, about, told, job)


def _named(tables: list[Any]) -> list[str]:
    names = [f"{table['datasetId']}.{table['tableId']}" for table in tables if table]
    return [name for name in names if not name.startswith("_")]  # where results without a table lie


def _salesforce(job: dict[str, Any]) -> Job:
    about = f"{job['operation']} {' '.join(str(job.get('query', job['object'])).split())}"
    state, error = STATES.get(job["state"], job["state"]), job.get("errorMessage") or ""
    return Job("salesforce", job["id"], state, about, error, job)


def _redivis(upload: dict[str, Any]) -> Job:
    about = f"upload {upload['name']} to {upload['table']}"
    state = STATES.get(upload["status"], upload["status"] or "uploading")
    return Job("redivis", upload["uri"], state, about, upload["errorMessage"] or "", upload)
