"""A sweep of a copy in BigQuery: what Salesforce has deleted for good, no window ever shows.

The Ids of all records are read and compared with the target's rows.
"""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from airflow_provider_jobs.errors import ConfigurationError
from airflow_provider_jobs.transfers.bigquery_sql import Statement
from airflow_provider_jobs.transfers.bigquery_staging import BigQueryStaging, found_table, rows_of_job
from airflow_provider_jobs.transfers.bigquery_sweep import MOST_SHARE, Sweep, SweepCounts, sweep_script
from airflow_provider_jobs.transfers.bigquery_target import Layout, plan_target
from airflow_provider_jobs.transfers.salesforce_fields import ID, IS_DELETED, FieldChoice, select_fields
from airflow_provider_jobs.transfers.salesforce_lineage import target_table
from airflow_provider_jobs.transfers.salesforce_reading import Described, Span
from airflow_provider_jobs.transfers.salesforce_window import FULL, Cursor

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow.sdk import Context

    from airflow_provider_jobs.clients.bigquery.client import BigQueryClient
    from airflow_provider_jobs.clients.salesforce.client import SalesforceClient
    from airflow_provider_jobs.core.work import Submission
    from airflow_provider_jobs.jobs import JobStatus
    from airflow_provider_jobs.lineage.datasets import Dataset
    from airflow_provider_jobs.transfers.salesforce_reading import Reading

#: The stage after the load.
SWEEP = "sweep"
_NOW = Statement("SELECT CURRENT_TIMESTAMP() AS now")


class SalesforceSweepOperator(BigQueryStaging):
    """Mark the rows of a copy whose records Salesforce has no more, or remove them.

    For what a :class:`.SalesforceToBigQueryOperator` cannot see: hard deletes, an emptied recycle bin,
    objects without IsDeleted, children that went with their parent. A lost permission looks exactly like a
    mass deletion: a sweep that would take out more than a share of the rows fails, and changes nothing.

    The result is a dict: ``object``, ``record_count`` (Ids read), ``live`` (rows not marked before),
    ``gone`` (marked or removed now), ``returned`` (their marks are taken off), ``cleared`` (marked before,
    removed now), ``rows_before``, ``rows_after``, ``destination_table``, ``seconds`` and ``job_ids``.

    See the base classes for the other parameters.

    :param destination_table: The copy.
    :param where: The condition that the copy was made with, if there was one.
    :param remove: Remove the rows instead of setting ``_deleted_at``, and IsDeleted where there is one.
    :param most_share: The share of live rows, 0 to 1, that one sweep may take out.
    """

    def __init__(self, *, remove: bool = False, most_share: float = MOST_SHARE, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if not 0 <= most_share <= 1:
            raise ValueError(f"most_share is {most_share}: it is a share from 0 to 1")
        self.remove = remove
        self.most_share = most_share

    def described(self, client: SalesforceClient) -> Described:
        """Ask for the object; of its fields Id is read, and IsDeleted where there is one."""
        describe = client.describe(str(self.object_name), self.api_version or None)
        selection = select_fields(describe, FieldChoice([ID])).only([IS_DELETED])
        return Described(describe, Cursor(None, "is swept"), selection)

    def span_of(self, client: SalesforceClient, context: Context, described: Described) -> Span:
        """Return the span of all records, complete up to now by BigQuery's clock.

        Rows that are written from now on may be of records that are not among the Ids.
        """
        [row] = self.rows_of(self.target_client(), context, _NOW)
        return Span(FULL, synced_to=row["now"])

    def check_target(self, context: Context, described: Described, reading: Reading) -> None:
        """See that the copy is there, with the columns that a sweep writes."""
        client = self.target_client()
        target = self.target(client)
        table = found_table(client, target)
        if table is None:
            raise ConfigurationError(
                f"the target {target['tableId']} is not there, in dataset {target['datasetId']} of project "
                f"{target['projectId']}: there is nothing to sweep"
            )
        if plan_target(target, table, reading.columns, Layout()).statements:
            raise ConfigurationError(
                f"the target {target['tableId']} is not a copy that SalesforceToBigQueryOperator has made: "
                "it lacks columns of one"
            )

    def change(self, client: BigQueryClient, context: Context) -> list[Submission]:
        """Submit the job that compares, and marks or removes."""
        reading = self.reading
        sweep = Sweep(
            self.target(client),
            self.staging(client, context),
            any(column.name == IS_DELETED for column in reading.columns),
            self.remove,
            self.most_share,
        )
        read_from = reading.span.synced_to
        if read_from is None:
            raise ConfigurationError("the sweep does not say when its Ids were read: clear the task")
        statement = sweep_script(sweep, loaded=self._carried["loaded"], read_from=read_from)
        return [self._submit(client, self.statement_request(client, context, statement))]

    def after_load(self, client: BigQueryClient, context: Context) -> list[Submission]:
        """Return the job that compares."""
        return self.begin(SWEEP, context)

    def after_change(
        self, client: BigQueryClient, context: Context, status: JobStatus
    ) -> Sequence[Submission]:
        """Return nothing: the sweep is over."""
        [row] = rows_of_job(client, status)
        counts = SweepCounts(**row)
        self.log.info("%s: %s", self.reading.object_name, counts)
        self._carried["counts"] = asdict(counts)
        names = ("counts", "seconds", "job_ids")
        self.note_done(context, {name: self._carried[name] for name in names})
        self.drop_staging(client, context)
        return ()

    def target_dataset(self) -> Dataset:
        """Return the copy, with the rows of it that were marked or removed."""
        rows = self._carried.get("counts", {}).get("gone")
        return replace(target_table(self.target(self.target_client())), row_count=rows)

    def result(self, statuses: Sequence[JobStatus]) -> dict[str, Any]:
        """Return what was compared, and what has become of it."""
        carried = self._carried
        counts = {name: count for name, count in carried["counts"].items() if name != "loaded"}
        return {
            "object": self.reading.object_name,
            "record_count": carried["record_count"],
            **counts,
            "destination_table": self.destination_table,
            "seconds": carried["seconds"],
            "job_ids": carried["job_ids"],
        }
