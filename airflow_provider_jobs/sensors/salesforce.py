"""Waiting for Salesforce jobs that somebody else created."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from airflow_provider_jobs.core import several
from airflow_provider_jobs.errors import ConfigurationError
from airflow_provider_jobs.hooks.salesforce import SalesforceHook
from airflow_provider_jobs.operators.salesforce.job import SALESFORCE_JOBS, job_summary
from airflow_provider_jobs.sensors.base import JobSensor

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow_provider_jobs.clients.salesforce.client import SalesforceClient
    from airflow_provider_jobs.jobs import JobRef, JobStatus

__all__ = ["SalesforceJobSensor"]


class SalesforceJobSensor(JobSensor):
    """Waits until a query or ingest job is complete; fails with its errorMessage if it failed or was aborted.

    Records that an ingest job has rejected do not fail it: the result counts them. The result is a dict:
    ``job_id``, ``kind``, ``api_version``, ``state``, ``object``, ``operation``, ``record_count``,
    ``processing_seconds``, ``retries``, ``url``, for an ingest job ``failed_record_count``; of several jobs
    ``jobs``, a list of such.

    :param job: A job id, or the result of an operator with ``wait=False``.
    :param kind: ``query`` or ``ingest``, unless ``job`` says it.
    :param api_version: The version that created the job, unless ``job`` says it; default is the connection's.
    :param salesforce_conn_id: A connection of type ``salesforce_bulk`` or ``salesforce``.
    """

    service = "salesforce"
    together = SALESFORCE_JOBS
    template_fields: Sequence[str] = ("job", "kind", "api_version", "salesforce_conn_id")

    def __init__(
        self,
        *,
        job: Any,
        kind: str = "query",
        api_version: str | None = None,
        salesforce_conn_id: str = SalesforceHook.default_conn_name,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.job = job
        self.kind = kind
        self.api_version = api_version
        self.salesforce_conn_id = salesforce_conn_id

    def hook_args(self) -> dict[str, Any]:
        """Return the keyword arguments of the hook."""
        return {"salesforce_conn_id": self.salesforce_conn_id}

    def client(self) -> SalesforceClient:
        """Return the client."""
        return SalesforceHook(**self.hook_args()).get_conn()

    def refs(self, client: SalesforceClient) -> list[JobRef]:
        """Return the jobs that ``job`` names."""
        job = self.job if isinstance(self.job, Mapping) else {"job_id": self.job}
        job_id = job.get("job_id")
        if not isinstance(job_id, str) or not job_id.strip():
            raise ConfigurationError(f"job is {str(self.job)[:80]!r}: give a job id, or an operator's result")
        kind, version = job.get("kind") or self.kind, job.get("api_version") or self.api_version or None
        return [client.ref(each, kind, version) for each in several.split_ids(job_id)]

    def summary(self, status: JobStatus) -> dict[str, Any]:
        """Return what the result says about a job."""
        return job_summary(status)

    def statuses(self, client: SalesforceClient, refs: list[JobRef]) -> list[JobStatus]:
        """Return how the jobs are doing, in few requests: each counts against the org's daily limit."""
        return client.look(refs)
