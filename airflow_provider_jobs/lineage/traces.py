"""What a task has read and written, as it is told of: made of what services say of its jobs."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from airflow_provider_jobs.lineage.datasets import (
    BIGQUERY,
    Column,
    Dataset,
    bigquery_table,
    file_dataset,
    is_temporary,
    merged,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from airflow_provider_jobs.jobs import JobStatus

#: Types of a job whose columns arrive as they were.
_IDENTICAL = frozenset({"load", "copy", "extract"})


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement of a script.

    :param times: When it began and ended, in seconds since 1970, as far as its service says.
    :param error: Why it failed; None if it did not.
    """

    trace: Trace
    times: tuple[float | None, float | None] = (None, None)
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Trace:
    """What a task, or a statement of it, has read and written.

    :param sql: What was run, SQL or SOQL.
    :param job: What names the service's jobs, and the service.
    :param bigquery_job: ``cached``, ``billedBytes`` and ``properties`` of BigQuery's job.
    :param statements: Those of a script.
    """

    inputs: tuple[Dataset, ...] = ()
    outputs: tuple[Dataset, ...] = ()
    sql: str | None = None
    job: tuple[str, str] | None = None
    bigquery_job: Mapping[str, Any] = field(default_factory=dict)
    statements: tuple[Statement, ...] = ()

    def of_job(self, job_id: str, service: str) -> Trace:
        """Return the trace as that of a job."""
        return replace(self, job=(job_id, service))

    def described(self, tables: Mapping[str, Mapping[str, Any]]) -> Trace:
        """Return the trace with what BigQuery's Table resources say, given by the names of the tables."""

        def told(datasets: tuple[Dataset, ...]) -> tuple[Dataset, ...]:
            return tuple(
                described(each, tables[each.name])
                if each.namespace == BIGQUERY and each.name in tables
                else each
                for each in datasets
            )

        return replace(self, inputs=told(self.inputs), outputs=told(self.outputs))


def of_bigquery(
    statuses: Sequence[JobStatus], *, sql: str | None, job_id: str, sent: Sequence[Dataset] = ()
) -> Trace:
    """Return the trace of BigQuery's jobs.

    :param job_id: What names all of them.
    :param sent: Files that were sent along with the jobs.
    """
    each = [of_bigquery_job(status) for status in statuses]
    outputs = merged(found for trace in each for found in trace.outputs)
    if len(each) == len(sent) == 1:
        sent = [replace(sent[0], size_bytes=statuses[0].statistics.get("input_bytes"))]
    if len(each) > len(outputs) == 1:  # several files into one table: their numbers are added up
        sizes = [trace.outputs[0] for trace in each]
        written: dict[str, Any] = {"row_count": _sum(found.row_count for found in sizes)}
        written["size_bytes"] = _sum(found.size_bytes for found in sizes)
        outputs = [replace(outputs[0], **written)]
    return Trace(
        inputs=tuple(merged([*sent, *(found for trace in each for found in trace.inputs)])),
        outputs=tuple(outputs),
        sql=sql,
        job=(job_id, BIGQUERY),
        bigquery_job=each[0].bigquery_job if len(each) == 1 else {},
    )


def _sum(numbers: Iterable[int | None]) -> int | None:
    """Return the sum of numbers that are all known."""
    known = list(numbers)
    return None if None in known else sum(each for each in known if each is not None)


def of_bigquery_job(status: JobStatus) -> Trace:
    """Return what a job of BigQuery has read and written, and how much."""
    told, numbers = status.lineage, status.statistics
    inputs, outputs = planned(told)
    kind = told.get("kind")
    if len(inputs) == 1:
        read: dict[str, Any] = {
            "size_bytes": numbers.get("input_bytes"),
            "file_count": numbers.get("input_file_count"),
        }
        inputs = (replace(inputs[0], **read),)
    if len(outputs) == 1:
        files = sum(numbers.get("output_file_counts") or ()) or None
        rows = numbers.get("row_count", told.get("written_rows"))
        size = numbers.get("output_bytes", told.get("written_bytes"))
        written: dict[str, Any] = {"row_count": rows, "size_bytes": size, "file_count": files}
        outputs = (replace(outputs[0], **written, identical=kind in _IDENTICAL),)
    elif kind in _IDENTICAL:
        outputs = tuple(replace(each, identical=True) for each in outputs)
    facts = {"billedBytes": numbers.get("bytes_billed"), "properties": told.get("job")}
    job = {"cached": bool(numbers.get("cache_hit")), **facts} if status.ref.id else {}
    return Trace(inputs, outputs, job=(status.ref.id, BIGQUERY), bigquery_job=job)


def planned(told: Mapping[str, Any]) -> tuple[tuple[Dataset, ...], tuple[Dataset, ...]]:
    """Return the datasets that a job of BigQuery reads, and those that it writes."""
    return _named(told.get("reads") or ()), _named(told.get("writes") or ())


def lasting(told: Mapping[str, Any]) -> tuple[tuple[Dataset, ...], tuple[Dataset, ...]]:
    """Return the same without tables that BigQuery drops by itself."""
    inputs, outputs = (tuple(each for each in found if not is_temporary(each)) for found in planned(told))
    return inputs, outputs


def _named(names: Iterable[str]) -> tuple[Dataset, ...]:
    return tuple(merged(_stored(each) if "://" in each else bigquery_table(each) for each in names))


def _stored(uri: str) -> Dataset:
    return file_dataset(uri, wildcards="*")  # BigQuery knows no other pattern


def described(dataset: Dataset, table: Mapping[str, Any]) -> Dataset:
    """Return the dataset of a table with what BigQuery's Table resource says of it.

    https://cloud.google.com/bigquery/docs/reference/rest/v2/tables
    """
    external = (table.get("externalDataConfiguration") or {}).get("sourceUris") or ()
    stored = merged(_stored(str(each)) for each in external)
    return replace(
        dataset,
        columns=columns_of((table.get("schema") or {}).get("fields") or ()),
        description=table.get("description"),
        patterns=tuple(each.key for each in stored),
    )


def columns_of(fields: Sequence[Mapping[str, Any]]) -> tuple[Column, ...]:
    """Return the columns of a schema of BigQuery's API."""
    return tuple(
        Column(
            str(each["name"]),
            each.get("type"),
            each.get("description"),
            columns_of(each.get("fields") or ()),
        )
        for each in fields
    )


def with_columns(trace: Trace) -> Trace:
    """Return the trace in which what is copied as it is has the columns of where it comes from, or goes to.

    Files have those of the table; and of each column that arrives it is told which ones it was.
    """
    if not any(each.identical for each in trace.outputs):
        return trace
    tables = [each for each in (*trace.inputs, *trace.outputs) if each.columns]
    columns = tables[0].columns if tables else ()
    inputs = tuple(each if each.columns else replace(each, columns=columns) for each in trace.inputs)
    outputs = tuple(each if each.columns else replace(each, columns=columns) for each in trace.outputs)
    return replace(trace, inputs=inputs, outputs=tuple(_identical(each, inputs) for each in outputs))


def _identical(output: Dataset, inputs: Sequence[Dataset]) -> Dataset:
    """Say of each column that the inputs have which ones it is; of none if one of theirs is missing."""
    arrived = {column.name for column in output.columns}
    sources: dict[str, tuple[tuple[str, str, str], ...]] = {}
    for each in inputs:
        for column in each.columns:
            if column.name not in arrived:
                return output
            known = sources.get(column.name, ())
            sources[column.name] = (*known, (*each.key, column.name))
    return replace(output, sources=sources)
