"""Bulk API 2.0 jobs of an org of Salesforce, as the command line lists and names them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from airflow_provider_jobs.clients.salesforce.names import INGEST, JOB_TYPES, QUERY, api_version, job_location
from airflow_provider_jobs.clients.salesforce.replies import job_ref
from airflow_provider_jobs.commands.selection import Found
from airflow_provider_jobs.errors import ConfigurationError, ServiceError
from airflow_provider_jobs.jobs import JobRef

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow_provider_jobs.clients.salesforce.client import SalesforceClient
    from airflow_provider_jobs.commands.selection import Filter, Place
    from airflow_provider_jobs.jobs import JobStatus

#: ``org:v59.0/jobs/query:id``, as the log of a task has it.
_LOGGED = re.compile(r"(?P<org>[^/\s]+):(?P<location>v[\d.]+/jobs/\w+):(?P<id>\w+)", re.ASCII)
#: A job of the other kind: Salesforce does not find it, or refuses the question.
_OTHER_KIND = frozenset({400, 404})


def listed(client: SalesforceClient, wanted: Filter, conn_id: str) -> Iterator[Found]:
    """Yield the jobs of an org that a filter matches, the newest first; without numbers and reasons.

    :raises ConfigurationError: it asks for jobs of a DAG.
    """
    if wanted.dag_id or wanted.task_id:
        raise ConfigurationError(
            "Salesforce keeps no DAG of its jobs: --dag-id and --task-id are for BigQuery"
        )
    found = [
        client.read(job, _ref(client, job, kind))
        for kind in ([wanted.kind] if wanted.kind else [QUERY, INGEST])
        for job in client.list_jobs(kind, jobType=JOB_TYPES[kind])
    ]
    for status in sorted(found, key=lambda each: each.ref.created_at or 0.0, reverse=True):
        if wanted.matches(status):
            yield Found(conn_id, status)


def find(client: SalesforceClient, text: str, place: Place) -> JobStatus:
    """Return how a job is doing, of whichever kind it is.

    :raises ConfigurationError: it does not name a job, or one of another org.
    :raises NotFoundError: there is no such job.
    """
    if logged := _LOGGED.fullmatch(text):
        named = JobRef("salesforce", logged["org"], logged["id"], logged["location"])
        return client.status(client.ref(named))
    kinds = [place.kind] if place.kind else [QUERY, INGEST]
    refs = [client.ref(text, kind, place.api_version) for kind in kinds]
    for ref in refs[:-1]:
        try:
            return client.status(ref)
        except ServiceError as error:
            if error.status not in _OTHER_KIND:
                raise
    return client.status(refs[-1])


def _ref(client: SalesforceClient, job: dict[str, Any], kind: str) -> JobRef:
    """Return the reference of a listed job: it keeps the version that made it."""
    version = api_version(job["apiVersion"]) if job.get("apiVersion") else client.version
    return job_ref(job, client.scope, job_location(kind, version))
