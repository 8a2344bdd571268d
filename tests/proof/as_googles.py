"""Operators and sensors with the names and parameters of Google's: checks, rows, tables, transfers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_jobs.operators.bigquery import (
    BigQueryCheckOperator,
    BigQueryColumnCheckOperator,
    BigQueryGetDataOperator,
    BigQueryIntervalCheckOperator,
    BigQueryTableCheckOperator,
    BigQueryValueCheckOperator,
)
from airflow_provider_jobs.sensors.bigquery import (
    BigQueryTableExistenceSensor,
    BigQueryTablePartitionExistenceSensor,
)
from airflow_provider_jobs.transfers.bigquery_to_bigquery import BigQueryToBigQueryOperator
from airflow_provider_jobs.transfers.bigquery_to_gcs import BigQueryToGCSOperator
from airflow_provider_jobs.transfers.gcs_to_bigquery import GCSToBigQueryOperator
from tests.proof.rows import (
    BQ,
    FIRST,
    ONE_JOB,
    RUNS_LONGER,
    SCHEMA,
    Row,
    bigquery,
    bigquery_jobs,
    bigquery_rows,
    copy,
    extract,
    extracted,
    load,
)

if TYPE_CHECKING:
    from tests.proof.stage import Stage

CHECKED: dict[str, Any] = {"table": "d.three"}


def check(stage: Stage) -> dict[str, Any]:
    bigquery(stage, three=True)
    return {"sql": "SELECT COUNT(*) AS n FROM d.three"}


def value(stage: Stage) -> dict[str, Any]:
    return {**check(stage), "pass_value": 3}


def interval(stage: Stage) -> dict[str, Any]:
    """Compare two days that have nothing, which passes."""
    check(stage)
    return {**CHECKED, "date_filter_column": "CAST(n AS STRING)", "metrics_thresholds": {"COUNT(*)": 2}}


def columns(stage: Stage) -> dict[str, Any]:
    check(stage)
    return {**CHECKED, "column_mapping": {"n": {"min": {"equal_to": 1}, "max": {"equal_to": 3}}}}


def conditions(stage: Stage) -> dict[str, Any]:
    check(stage)
    return {**CHECKED, "checks": {"rows": {"check_statement": "COUNT(*) = 3"}}}


def table(stage: Stage) -> dict[str, Any]:
    bigquery(stage, three=True)
    return {"dataset_id": "d", "table_id": "three"}


def partition(stage: Stage) -> dict[str, Any]:
    base = bigquery(stage)
    sql = "CREATE TABLE d.days PARTITION BY day AS SELECT DATE '2026-01-31' AS day"
    stage.api("POST", f"{base}/queries", {"query": sql, "useLegacySql": False})
    return {"dataset_id": "d", "table_id": "days", "partition_id": "20260131"}


def their_query(stage: Stage) -> dict[str, Any]:
    """Start a query that somebody else's task has made."""
    base = bigquery(stage, RUNS_LONGER, three=True)
    reference = {"projectId": stage.project, "jobId": "theirs", "location": "US"}
    work = {"query": {"query": "SELECT n FROM d.three", "useLegacySql": False}}
    job = {"jobReference": reference, "configuration": {**work, "labels": {"airflow-task": "theirs"}}}
    stage.api("POST", f"{base}/jobs", job)
    return {"job_id": "theirs", "location": "US"}


def files(stage: Stage) -> dict[str, Any]:
    load(stage)
    return {
        "bucket": stage.project,
        "source_objects": "rows.csv",
        "destination_project_dataset_table": "d.t",
        "schema_fields": SCHEMA,
        "skip_leading_rows": 1,
    }


def to_files(stage: Stage) -> dict[str, Any]:
    given = extract(stage)
    return {
        "source_project_dataset_table": given["source_table"],
        "destination_cloud_storage_uris": given["destination_uris"],
    }


def to_table(stage: Stage) -> dict[str, Any]:
    copy(stage)
    return {
        "source_project_dataset_tables": "d.three",
        "destination_project_dataset_table": "d.t",
        "write_disposition": "WRITE_APPEND",
    }


#: A check asks anew in each attempt.
ASKED_AGAIN: dict[str, int | range] = {"jobs": range(1, 3)}
NO_JOB: dict[str, int | range] = {"jobs": 0}
RESULTS = (*BQ, "bigquery.jobs.getQueryResults")
STORED = ("oauth.token", "bigquery.tables.get", "bigquery.tabledata.list")

ROWS_AS_GOOGLES = (
    Row(BigQueryCheckOperator, check, bigquery_jobs, RESULTS, ASKED_AGAIN),
    Row(BigQueryValueCheckOperator, value, bigquery_jobs, RESULTS, ASKED_AGAIN),
    Row(BigQueryIntervalCheckOperator, interval, bigquery_jobs, RESULTS, ASKED_AGAIN),
    Row(BigQueryColumnCheckOperator, columns, bigquery_jobs, RESULTS, ASKED_AGAIN),
    Row(BigQueryTableCheckOperator, conditions, bigquery_jobs, RESULTS, ASKED_AGAIN),
    Row(BigQueryGetDataOperator, table, bigquery_jobs, STORED, NO_JOB, "of a table"),
    Row(
        BigQueryGetDataOperator, their_query, bigquery_jobs,
        ("oauth.token", "bigquery.jobs.get", "bigquery.jobs.getQueryResults"), {"jobs": 1}, "of a query",
        FIRST, needs=FIRST,
    ),
    Row(BigQueryTableExistenceSensor, table, bigquery_jobs, STORED[:2], NO_JOB),
    Row(BigQueryTablePartitionExistenceSensor, partition, bigquery_jobs, (STORED[0], STORED[2]), NO_JOB),
    Row(GCSToBigQueryOperator, files, bigquery_rows, BQ, ONE_JOB),
    Row(BigQueryToGCSOperator, to_files, extracted, BQ, ONE_JOB),
    Row(BigQueryToBigQueryOperator, to_table, bigquery_rows, BQ, ONE_JOB),
)  # fmt: skip
