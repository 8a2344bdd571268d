"""What BigQuery is asked for lineage alone: the columns of tables, the statements of a script."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING, Any

from airflow_provider_jobs.clients.bigquery.replies import job_status
from airflow_provider_jobs.core.http.messages import number
from airflow_provider_jobs.core.wait.job_list import looking
from airflow_provider_jobs.errors import JobsError
from airflow_provider_jobs.jobs import JobState
from airflow_provider_jobs.lineage import columns, openlineage
from airflow_provider_jobs.lineage.datasets import BIGQUERY, Dataset, merged
from airflow_provider_jobs.lineage.traces import Statement, Trace, of_bigquery_job, with_columns

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from airflow_provider_jobs.clients.bigquery.client import BigQueryClient
    from airflow_provider_jobs.jobs import JobStatus

#: Tables whose columns are asked for, and statements of a script that are told of: the end of a task waits.
MOST_TABLES = 20
MOST_STATEMENTS = 100
#: A request is given up after so many seconds.
_REQUEST_SECONDS = 2.0
#: Statements whose columns come from others.
_WITH_COLUMNS = frozenset(
    {
        "SELECT",
        "INSERT",
        "UPDATE",
        "MERGE",
        "CREATE_TABLE_AS_SELECT",
        "CREATE_VIEW",
        "CREATE_MATERIALIZED_VIEW",
    }
)


def whole_trace(
    client: BigQueryClient, status: JobStatus, trace: Trace, configuration: Mapping[str, Any]
) -> Trace:
    """Return the trace of a job with its statements, the columns of tables, and where they come from.

    :raises JobsError: BigQuery does not list the statements.
    """
    if status.state is not JobState.SUCCEEDED and not (trace.inputs or trace.outputs):
        trace = _named(trace, status, configuration)
    jobs = _children(client, status) if status.statistics.get("child_job_count") else []
    statements = [_statement(job) for job in jobs]
    if statements:
        inputs = merged(each for found in statements for each in found.trace.inputs)
        outputs = merged(each for found in statements for each in found.trace.outputs)
        trace = replace(trace, inputs=tuple(inputs), outputs=tuple(outputs))
    tables = tables_of(client, [*trace.inputs, *trace.outputs])
    trace = with_columns(trace.described(tables))
    if not statements:
        return _with_sources(trace, status, configuration)
    told = [
        replace(
            found, trace=_with_sources(found.trace.described(tables), job_status(job), job["configuration"])
        )
        for found, job in zip(statements, jobs, strict=True)
    ]
    # What is known of a column is in the statements: together they say where it comes from.
    sources = {each.key: each for each in merged(each for found in told for each in found.trace.outputs)}
    outputs_told = tuple(replace(each, sources=sources[each.key].sources) for each in trace.outputs)
    return replace(trace, outputs=outputs_told, statements=tuple(told))


def _named(trace: Trace, status: JobStatus, configuration: Mapping[str, Any]) -> Trace:
    """Return the trace of a query that has failed with the tables in its SQL: BigQuery names none then."""
    sql, project, dataset = _sql_of(status, configuration)
    inputs, outputs = openlineage.tables_of_sql(sql, project, dataset) if sql else ((), ())
    return replace(trace, inputs=tuple(inputs), outputs=tuple(outputs))


def _sql_of(status: JobStatus, configuration: Mapping[str, Any]) -> tuple[str | None, str, str | None]:
    """Return the SQL of a job, and the project and the dataset of tables that are named without."""
    query = configuration.get("query") or {}
    sql, default = query.get("query"), query.get("defaultDataset") or {}
    project = default.get("projectId") or status.ref.scope
    return sql if isinstance(sql, str) else None, project, default.get("datasetId")


def _children(client: BigQueryClient, status: JobStatus) -> list[dict[str, Any]]:
    """Return the jobs of a script's statements, in their order.

    https://cloud.google.com/bigquery/docs/information-schema-jobs#multi-statement_query_job
    """
    client = looking(client, _REQUEST_SECONDS)
    listed = client.list_jobs(status.ref.scope, parentJobId=status.ref.id, projection="full")
    jobs = list(islice(listed, MOST_STATEMENTS))
    return sorted(jobs, key=lambda job: (_at(job, "startTime") or float("inf"), job["jobReference"]["jobId"]))


def _at(job: Mapping[str, Any], name: str) -> float | None:
    milliseconds = number((job.get("statistics") or {}).get(name))
    return None if milliseconds is None else milliseconds / 1000


def _statement(job: Mapping[str, Any]) -> Statement:
    status = job_status(job)
    trace = replace(of_bigquery_job(status), sql=(job["configuration"].get("query") or {}).get("query"))
    error = str(status.problem) if status.problem else None
    return Statement(trace, (_at(job, "startTime"), _at(job, "endTime")), error)


def tables_of(client: BigQueryClient, datasets: Iterable[Dataset]) -> dict[str, dict[str, Any]]:
    """Return the Table resources of the first tables; those that BigQuery does not show are left out."""
    client, found = looking(client, _REQUEST_SECONDS), dict[str, dict[str, Any]]()
    wanted = dict.fromkeys(each.name for each in datasets if each.namespace == BIGQUERY)
    for name in islice(wanted, MOST_TABLES):
        try:
            found[name] = client.get_table(name)
        except JobsError:
            continue  # it is gone, or this account may run jobs on it and not see it
    return found


def _with_sources(trace: Trace, status: JobStatus, configuration: Mapping[str, Any]) -> Trace:
    """Return the trace of one statement with where the columns that it writes come from."""
    sql, project, dataset = _sql_of(status, configuration)
    kind = status.statistics.get("statement_type")
    if sql is None or len(trace.outputs) != 1 or kind not in _WITH_COLUMNS:
        return trace
    sources = columns.sources_of(sql, trace.outputs[0], trace.inputs, project=project, dataset=dataset)
    return replace(trace, outputs=(replace(trace.outputs[0], sources=sources),)) if sources else trace
