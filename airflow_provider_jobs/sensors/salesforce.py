"""Waiting for Salesforce jobs that somebody else created."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from airflow_provider_jobs.core import several
from airflow_provider_jobs.errors import ConfigurationError
from airflow_provider_jobs.jobs import JobState
from airflow_provider_jobs.links.salesforce import SalesforceJobLink
from airflow_provider_jobs.operators.salesforce.job import SalesforceTask
from airflow_provider_jobs.sensors.base import JobSensor
from airflow_provider_jobs.words import shown

if TYPE_CHECKING:
    from airflow_provider_jobs.clients.salesforce.client import SalesforceClient
    from airflow_provider_jobs.jobs import JobRef, JobStatus

_DONE = JobState.SUCCEEDED

__all__ = ["SalesforceJobSensor"]


class SalesforceJobSensor(SalesforceTask, JobSensor):
    """Waits until a query or ingest job is complete; fails with its errorMessage if it failed or was aborted.

    Records that an ingest job has rejected do not fail it: the result counts them. It is that of
    :class:`.SalesforceQueryOperator` or :class:`.SalesforceIngestOperator`, without files.

    :param job: A job id, or the result of an operator with ``wait=False``.
    :param kind: ``query`` or ``ingest``, unless ``job`` says it.
    :param api_version: The version that created the job, unless ``job`` says it; default is the connection's.
    """

    template_fields = ("job", "kind", "api_version", *SalesforceTask.template_fields)
    operator_extra_links = (SalesforceJobLink(),)

    def __init__(
        self, *, job: Any, kind: str = "query", api_version: str | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.job = job
        self.kind = kind
        self.api_version = api_version

    def refs(self, client: SalesforceClient) -> list[JobRef]:
        """Return the jobs that ``job`` names."""
        job = self.job if isinstance(self.job, Mapping) else {"job_id": self.job}
        job_id = job.get("job_id")
        if not isinstance(job_id, str) or not job_id.strip():
            raise ConfigurationError(
                f"job is {shown(self.job, 80)!r}: give a job id, or an operator's result"
            )
        kind, version = job.get("kind") or self.kind, job.get("api_version") or self.api_version or None
        return [client.ref(each, kind, version) for each in several.split_ids(job_id)]

    def look(self) -> dict[str, Any] | None:
        """Return the result; an ingest of a file without records has no job, and its own is returned."""
        if isinstance(self.job, Mapping) and self.job.get("job_id") == "" and self.job.get("state") == _DONE:
            return dict(self.job)
        return super().look()

    def statuses(self, client: SalesforceClient, refs: list[JobRef]) -> list[JobStatus]:
        """Return how the jobs are doing, in few requests: each counts against the org's daily limit."""
        return client.look(refs)
