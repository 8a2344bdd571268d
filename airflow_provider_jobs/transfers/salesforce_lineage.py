"""The lineage of a transfer from Salesforce: each column of the target is a field of the object."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from airflow_provider_jobs.core import several
from airflow_provider_jobs.jobs import JobRef
from airflow_provider_jobs.lineage.datasets import (
    BIGQUERY,
    Column,
    Dataset,
    bigquery_table,
    salesforce_object,
)
from airflow_provider_jobs.lineage.traces import Trace, of_bigquery_job
from airflow_provider_jobs.operators.base import JobOperator
from airflow_provider_jobs.transfers.salesforce_reading import Reading

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow_provider_jobs.jobs import JobStatus


def target_table(reference: Mapping[str, str]) -> Dataset:
    """Return the dataset of a TableReference."""
    return bigquery_table(".".join(reference[name] for name in ("projectId", "datasetId", "tableId")))


class TransferLineage(JobOperator):
    """What transfers tell of the object that they read and of the target."""

    def target_dataset(self) -> Dataset:
        """Return the data that is written, with what is known of it."""
        raise NotImplementedError

    def planned(self) -> Trace:
        """Return nothing: which fields are read is decided by the run."""
        return Trace()

    def traced(self, client: Any, statuses: Sequence[JobStatus]) -> Trace:
        """Return the object that is read, and the target."""
        return transfer_trace(self._carried, self.target_dataset(), statuses)

    def told_more(self, client: Any, statuses: Sequence[JobStatus], trace: Trace) -> Trace:
        """Return the trace: the run knows all columns."""
        return trace


def transfer_trace(carried: Mapping[str, Any], target: Dataset, statuses: Sequence[JobStatus]) -> Trace:
    """Return what a transfer has read and written.

    :param carried: What the task carries of its run.
    :param statuses: Of the jobs of its last stage.
    """
    status, reading = statuses[0], Reading.from_json(carried["reading"])
    host = JobRef.from_json(carried["read"]).scope if "read" in carried else status.ref.scope
    source = replace(
        salesforce_object(host, reading.object_name),
        columns=tuple(Column(each.path, each.kind) for each in reading.columns),
        row_count=carried.get("record_count"),
    )
    trace = Trace((source,), (_filled(target, source, reading),), reading.soql)
    if status.ref.service == BIGQUERY:
        trace = replace(trace, bigquery_job=of_bigquery_job(status).bigquery_job)
    before = [str(ids) for ids in carried.get("job_ids", {}).values()]
    failed = several.joined_ids([each.ref for each in statuses])
    ids = before if failed in before else [*before, failed]
    return trace.of_job(" ".join(ids), status.ref.service)


def _filled(target: Dataset, source: Dataset, reading: Reading) -> Dataset:
    """Return the target with the columns that are filled, and the field that each of them is."""
    in_bigquery = target.namespace == BIGQUERY
    names = {each.path: each.name if in_bigquery else each.path for each in reading.columns}
    columns = tuple(
        Column(names[each.path], each.type if in_bigquery else each.kind) for each in reading.columns
    )
    sources = {name: ((*source.key, path),) for path, name in names.items()}
    return replace(target, columns=columns, sources=sources, identical=not in_bigquery)
