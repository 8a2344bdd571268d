"""What a sensor looks for: jobs that a filter matches, or a table.

Jobs are those of jobs.list, narrowed by label or by the beginning of the id.

Source: https://cloud.google.com/bigquery/docs/reference/rest/v2/jobs/list
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from airflow_provider_jobs.clients.bigquery.names import check_job_id
from airflow_provider_jobs.clients.bigquery.read import partition_exists, table_exists
from airflow_provider_jobs.clients.bigquery.replies import job_status, listed_jobs
from airflow_provider_jobs.errors import ConfigurationError, ProtocolError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from airflow_provider_jobs.clients.bigquery.api import BigQueryApi
    from airflow_provider_jobs.jobs import JobStatus


@dataclass(frozen=True)
class JobSearch:
    """What to look for. All that is given has to match.

    :param project: The project of the jobs; None means the connection's.
    :param job_id_prefix: How their ids begin.
    :param labels: Labels that they have, among others.
    :param parent_job_id: The script whose statements they are.
    :param min_creation_time: Created then or later, in ms since 1970.
    :param max_creation_time: Created then or before, in ms since 1970.
    :param all_users: Other people's jobs too, which needs the permission to list them.
    :param min_jobs: Fewer matches than these count as not yet submitted.
    :raises ConfigurationError: it would match every job of the last six months, or cannot match any.
    """

    project: str | None = None
    job_id_prefix: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    parent_job_id: str | None = None
    min_creation_time: int | None = None
    max_creation_time: int | None = None
    all_users: bool = False
    min_jobs: int = 1

    def __post_init__(self) -> None:
        if not (self.job_id_prefix or self.labels or self.parent_job_id or self.min_creation_time):
            raise ConfigurationError(
                "give job_id_prefix, labels, parent_job_id or min_creation_time: "
                "without them the sensor would wait for every job of the project"
            )
        if self.job_id_prefix:
            check_job_id(self.job_id_prefix, "job_id_prefix")
        if self.parent_job_id:
            check_job_id(self.parent_job_id, "parent_job_id")
        if self.min_jobs < 0:
            raise ConfigurationError(f"min_jobs is {self.min_jobs}: it cannot be negative")
        if (self.min_creation_time or 0) > (self.max_creation_time or float("inf")):
            raise ConfigurationError("min_creation_time is after max_creation_time")

    def to_json(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return asdict(self)

    def ended(self, api: BigQueryApi) -> bool:
        """Return True if no match is active any more, and there are enough.

        :raises ProtocolError: BigQuery could not see a region, which may have more.
        """
        if any(self._matches(api, ["pending", "running"])):
            return False
        return sum(1 for _ in zip(range(self.min_jobs), self.found(api), strict=False)) >= self.min_jobs

    def found(self, api: BigQueryApi) -> Iterator[JobStatus]:
        """Yield the matches that have ended."""
        return map(job_status, self._matches(api, ["done"]))

    def _matches(self, api: BigQueryApi, states: list[str]) -> Iterator[dict[str, Any]]:
        whole = bool(self.labels) or "done" in states  # a minimal item has neither labels nor status
        pages = api.list_job_pages(
            self.project,
            stateFilter=states,
            projection="full" if whole else "minimal",
            parentJobId=self.parent_job_id,
            minCreationTime=self.min_creation_time,
            maxCreationTime=self.max_creation_time,
            allUsers=self.all_users or None,
        )
        for page in pages:
            if hidden := page.get("unreachable"):
                places = map(str, hidden) if isinstance(hidden, list) else [str(hidden)]
                raise ProtocolError(f"jobs.list could not see {', '.join(places)}")
            for _, job_id, job in listed_jobs(page):
                configuration = job.get("configuration")
                labels = configuration.get("labels") if isinstance(configuration, dict) else None
                labels = labels if isinstance(labels, dict) else {}
                if job_id.startswith(self.job_id_prefix or "") and self.labels.items() <= labels.items():
                    yield job


@dataclass(frozen=True)
class TableSearch:
    """A table to look for, or a partition of it.

    :param table: As the API's TableReference.
    :param partition: Its partition, such as ``20260131``; None is satisfied by the table itself.
    """

    table: dict[str, str]
    partition: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return asdict(self)

    def ended(self, api: BigQueryApi) -> bool:
        """Return True if it is there."""
        if self.partition is None:
            return table_exists(api, self.table)
        return partition_exists(api, self.table, self.partition)
