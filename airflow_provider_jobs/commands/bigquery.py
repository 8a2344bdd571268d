"""Jobs of a project of BigQuery, as the command line lists and names them."""

from __future__ import annotations

import logging
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from airflow_provider_jobs.clients.bigquery.names import check_job_id, check_project, label
from airflow_provider_jobs.clients.bigquery.replies import job_status, listed_jobs
from airflow_provider_jobs.clients.bigquery.submit import listed_location
from airflow_provider_jobs.commands.selection import Found
from airflow_provider_jobs.errors import ConfigurationError, NotFoundError
from airflow_provider_jobs.jobs import JobRef
from airflow_provider_jobs.words import shown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow_provider_jobs.clients.bigquery.client import BigQueryClient
    from airflow_provider_jobs.commands.selection import Filter, Place
    from airflow_provider_jobs.jobs import JobStatus

log = logging.getLogger(__name__)

#: ``project:location:id`` as the log of a task has it, ``project:location.id`` as bq does, or the id alone.
#: A project may have a domain before it, which has a dot.
_JOB = re.compile(
    r"(?:(?P<project>(?:[a-z][\w-]*(?:\.[\w-]+)+:)?[a-z][\w-]*):)?"
    r"(?:(?P<location>[\w-]+)[.:])?(?P<id>[\w-]+)",
    re.ASCII,
)
#: BigQuery's own names of states; all that has ended is done.
_STATES = {"pending": ["pending"], "running": ["running"], "active": ["pending", "running"]}
#: Jobs a page; each comes whole.
_PAGE_JOBS = 1000


def listed(client: BigQueryClient, wanted: Filter, conn_id: str) -> Iterator[Found]:
    """Yield the jobs of a project that a filter matches, the newest first."""
    texts = {"airflow-dag": wanted.dag_id, "airflow-task": wanted.task_id}
    labels = {name: label(text) for name, text in texts.items() if text}
    pages = client.list_job_pages(
        projection="full",
        maxResults=_PAGE_JOBS,
        minCreationTime=int(wanted.since * 1000),
        stateFilter=None if wanted.state is None else _STATES.get(wanted.state, ["done"]),
        allUsers=wanted.all_users or None,
    )
    for page in pages:
        if hidden := page.get("unreachable"):
            log.warning("BigQuery could not see %s, which may have more jobs", shown(hidden))
        for _, _, job in listed_jobs(page):
            found, status = _labels(job), job_status(job)
            if labels.items() <= found.items() and wanted.matches(status):
                yield Found(conn_id, status, found.get("airflow-dag"), found.get("airflow-task"))


def find(client: BigQueryClient, text: str, place: Place) -> JobStatus:
    """Return how a job is doing, wherever it is.

    :raises ConfigurationError: it does not name a job.
    :raises NotFoundError: there is no such job.
    """
    named = _JOB.fullmatch(text)
    if not named:
        raise ConfigurationError(
            f"{shown(text, 200)!r} does not name a job of BigQuery: give its id, or project:location:id"
        )
    project = check_project(named["project"]) if named["project"] else client.project
    ref = JobRef("bigquery", project, check_job_id(named["id"]), place.location or named["location"])
    try:
        return client.status(ref)
    except NotFoundError:
        # Without a location only jobs of US and EU are found.
        location = None if ref.location else client.location or listed_location(client, ref.id, project)
        if location is None:
            raise
        return client.status(replace(ref, location=location))


def _labels(job: dict[str, Any]) -> dict[str, str]:
    configuration = job.get("configuration")
    labels = configuration.get("labels") if isinstance(configuration, dict) else None
    return {name: shown(each) for name, each in labels.items()} if isinstance(labels, dict) else {}
