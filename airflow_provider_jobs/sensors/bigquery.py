"""Waiting for BigQuery jobs that somebody else submitted, and for tables."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from airflow_provider_jobs.clients.bigquery import flow
from airflow_provider_jobs.clients.bigquery.names import check_job_id, check_labels, table_reference
from airflow_provider_jobs.clients.bigquery.search import JobSearch, TableSearch
from airflow_provider_jobs.core import several
from airflow_provider_jobs.errors import ConfigurationError
from airflow_provider_jobs.jobs import JobRef, JobState
from airflow_provider_jobs.lineage import traces
from airflow_provider_jobs.lineage.datasets import bigquery_table
from airflow_provider_jobs.links.bigquery import BigQueryJobLink, BigQueryTableLink
from airflow_provider_jobs.operators.bigquery.job import BigQueryTask
from airflow_provider_jobs.operators.endings import failure
from airflow_provider_jobs.sensors.base import JobSensor
from airflow_provider_jobs.triggers.job import JobsTrigger
from airflow_provider_jobs.words import shown

if TYPE_CHECKING:
    from airflow_provider_jobs.clients.bigquery.client import BigQueryClient
    from airflow_provider_jobs.jobs import JobStatus
    from airflow_provider_jobs.lineage.traces import Trace

__all__ = [
    "BigQueryJobSensor",
    "BigQueryJobsSensor",
    "BigQueryTableExistenceSensor",
    "BigQueryTablePartitionExistenceSensor",
]

#: Between two looks at a table, in seconds: on a worker and deferred, as with Google's sensors.
_TABLE_SECONDS, _DEFERRED_TABLE_SECONDS = 60.0, 5.0


class BigQueryJobSensor(BigQueryTask, JobSensor):
    """Waits until one job has ended; fails with its errorResult if it failed.

    The result is the job's reference, state and statistics.

    :param job: A job id, or a dict with ``job_id`` and perhaps ``project_id`` and ``location``, such as the
        result of an operator with ``wait=False``; that of an upload may name several jobs.
    :param location: Where the job runs, unless ``job`` says it; needed outside of US and EU.
    """

    template_fields = ("job", "location", *BigQueryTask.template_fields)
    operator_extra_links = (BigQueryJobLink(), BigQueryTableLink())

    def __init__(self, *, job: str | Mapping[str, Any], location: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.job = job
        self.location = location

    def refs(self, client: BigQueryClient) -> list[JobRef]:
        """Return the jobs that ``job`` names."""
        job: Mapping[str, Any] = self.job if isinstance(self.job, Mapping) else {"job_id": self.job}
        job_id = job.get("job_id")
        if not isinstance(job_id, str):
            raise ConfigurationError(f"job is {shown(job, 80)}: give a job id, or a dict with job_id")
        # Of several each may be elsewhere.
        places = {each.get("job_id"): each for each in job.get("jobs") or []}
        return [
            JobRef(
                service="bigquery",
                scope=job.get("project_id") or client.project,
                id=check_job_id(each, "job"),
                location=places.get(each, job).get("location") or self.location or client.location,
            )
            for each in several.split_ids(job_id)
        ]

    def traced(self, statuses: list[JobStatus]) -> Trace:
        """Return what the jobs have read and written: their own task may not have waited for that."""
        job_id = several.joined_ids([status.ref for status in statuses])
        return traces.of_bigquery(statuses, sql=None, job_id=job_id)


class BigQueryJobsSensor(BigQueryTask, JobSensor):
    """Waits until every job that a filter matches has ended; fails if one of them failed.

    The result is ``{"job_count": …, "failed_job_count": …}``.

    :param job_id_prefix: How the jobs' ids begin.
    :param labels: Labels that they have, among others.
    :param parent_job_id: The script whose statements they are.
    :param min_creation_time: Created then or later; a datetime, or ISO 8601 text such as ``{{ ts }}``.
    :param max_creation_time: Created then or before.
    :param all_users: Other people's jobs too.
    :param min_jobs: Go on waiting while fewer match; with 0 the sensor succeeds even if no job matches.
    :param allow_failed: Succeed also if some failed.
    """

    template_fields = (
        "job_id_prefix",
        "labels",
        "parent_job_id",
        "min_creation_time",
        "max_creation_time",
        *BigQueryTask.template_fields,
    )
    operator_extra_links = (BigQueryJobLink(),)

    def __init__(
        self,
        *,
        job_id_prefix: str | None = None,
        labels: Mapping[str, str] | None = None,
        parent_job_id: str | None = None,
        min_creation_time: dt.datetime | str | None = None,
        max_creation_time: dt.datetime | str | None = None,
        all_users: bool = False,
        min_jobs: int = 1,
        allow_failed: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.job_id_prefix = job_id_prefix
        self.labels = labels
        self.parent_job_id = parent_job_id
        self.min_creation_time = min_creation_time
        self.max_creation_time = max_creation_time
        self.all_users = all_users
        self.min_jobs = min_jobs
        self.allow_failed = allow_failed

    def look(self) -> dict[str, Any] | None:
        """Return the numbers of jobs once none is active."""
        client, search = self.client(), self._search()
        if not search.ended(client):
            return None
        job_count = failed_count = 0
        failed: list[JobStatus] = []  # the first of them: there may be a hundred thousand
        for job in search.found(client):
            job_count += 1
            if job.state is not JobState.SUCCEEDED:
                failed_count += 1
                failed += [job] if failed_count <= several.MOST_LISTED else []
        if failed and not self.allow_failed:
            names = several.names([job.ref for job in failed], failed_count)
            self.log.error("%d of %d jobs failed: %s", failed_count, job_count, names)
            self.seen_job = several.summary(failed[:1], self.summary, self.together)
            raise failure(client, failed[:1], self.together)
        self.log.info("%d jobs have ended, %d of them without success", job_count, failed_count)
        return {"job_count": job_count, "failed_job_count": failed_count}

    def trigger(self, **shared: Any) -> JobsTrigger:
        """Return what searches for the jobs."""
        return JobsTrigger(search=self._search().to_json(), **shared)

    def _search(self) -> JobSearch:
        return JobSearch(
            project=self.project_id or None,
            job_id_prefix=self.job_id_prefix,
            labels=check_labels(self.labels or None, "labels"),
            parent_job_id=self.parent_job_id,
            min_creation_time=_milliseconds("min_creation_time", self.min_creation_time),
            max_creation_time=_milliseconds("max_creation_time", self.max_creation_time),
            all_users=self.all_users,
            min_jobs=self.min_jobs,
        )


class _TableSensor(BigQueryTask, JobSensor):
    """Waits for a table.

    :param project_id: The project of the table; default is the connection's.
    :param dataset_id: Its dataset.
    :param table_id: Its name.
    :param poke_interval: Seconds between two looks; default is 60, deferred 5.
    """

    template_fields = ("dataset_id", "table_id", *BigQueryTask.template_fields)

    def __init__(
        self, *, dataset_id: str, table_id: str, poke_interval: float | None = None, **kwargs: Any
    ) -> None:
        # The interval depends on what is read from the settings further in.
        super().__init__(**kwargs if poke_interval is None else {**kwargs, "poke_interval": poke_interval})
        if poke_interval is None:
            self.poke_interval = _DEFERRED_TABLE_SECONDS if self.deferrable else _TABLE_SECONDS
        self.dataset_id = dataset_id
        self.table_id = table_id

    def look(self) -> dict[str, Any] | None:
        """Return the table's name once it is there."""
        client = self.client()
        search = self.search(client)
        if not search.ended(client):
            self.log.info("%s is not there", self._called(search))
            return None
        self.log.info("%s is there", self._called(search))
        place = search.table
        self._trace = traces.Trace(tuple(map(bigquery_table, flow.names([place]))))
        found = {"table": f"{place['projectId']}.{place['datasetId']}.{place['tableId']}"}
        return {**found, **({"partition": search.partition} if search.partition else {})}

    def trigger(self, **shared: Any) -> JobsTrigger:
        """Return what looks for the table."""
        return JobsTrigger(search=self.search(self.client()).to_json(), **shared)

    def search(self, client: BigQueryClient) -> TableSearch:
        """Return what is looked for."""
        given = {"datasetId": self.dataset_id, "tableId": self.table_id}
        project = self.project_id or client.table_project
        return TableSearch(table=table_reference(given, project, "table_id"))

    def _called(self, search: TableSearch) -> str:
        place = search.table
        name = shown(f"table {place['projectId']}.{place['datasetId']}.{place['tableId']}")
        return f"partition {shown(search.partition)} of {name}" if search.partition else name


class BigQueryTableExistenceSensor(_TableSensor):
    """Waits until a table is there; takes over from Google's sensor of the same name."""


class BigQueryTablePartitionExistenceSensor(_TableSensor):
    """Waits until a partition of a table is there; takes over from Google's sensor of the same name.

    :param partition_id: The partition, such as ``20260131``.
    """

    template_fields = ("partition_id", *_TableSensor.template_fields)

    def __init__(self, *, partition_id: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.partition_id = partition_id

    def search(self, client: BigQueryClient) -> TableSearch:
        """Return what is looked for."""
        return replace(super().search(client), partition=str(self.partition_id))


def _milliseconds(parameter: str, time: dt.datetime | str | None) -> int | None:
    if not time:
        return None
    try:
        moment = time if isinstance(time, dt.datetime) else dt.datetime.fromisoformat(time)
    except (TypeError, ValueError):
        raise ConfigurationError(f"{parameter} {time!r} is not a time: give ISO 8601") from None
    if moment.tzinfo is None:
        raise ConfigurationError(f"{parameter} {time!r} has no time zone")
    return int(moment.timestamp() * 1000)
