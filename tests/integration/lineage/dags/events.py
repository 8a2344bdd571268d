"""Tasks of each kind that OpenLineage and Airflow's assets are told of, one after another."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from typing import Any

from airflow.sdk import DAG, Asset, task

from airflow_provider_jobs.hooks.bigquery import BigQueryHook
from airflow_provider_jobs.hooks.redivis import RedivisHook
from airflow_provider_jobs.hooks.salesforce import SalesforceHook
from airflow_provider_jobs.operators.bigquery import BigQueryLoadOperator, BigQueryQueryOperator

PROJECT = os.environ["LINEAGE_PROJECT"]
SETTINGS: dict[str, Any] = {
    "poll_interval": 0.5,
    "inline_wait": 0.0,
    "deferrable": False,
    "trigger_rule": "all_done",
}
TARGET = "CREATE OR REPLACE TABLE d.target AS SELECT id, CONCAT(name, '!') AS shout FROM d.people"
SCRIPT = """
CREATE OR REPLACE TABLE d.one AS SELECT id FROM d.people;
CREATE OR REPLACE TABLE d.two AS SELECT id, id * 2 AS twice FROM d.one;
"""
ONE = "CREATE OR REPLACE TABLE d.{} AS SELECT 1 AS one"

with DAG("events", schedule=None, start_date=datetime(2026, 1, 1, tzinfo=UTC), default_args=SETTINGS):
    load = BigQueryLoadOperator(
        task_id="load",
        source_uris=[f"gs://{PROJECT}/in/people*.csv"],
        destination_table="d.people",
        schema=[{"name": "id", "type": "INTEGER"}, {"name": "name", "type": "STRING", "description": "who"}],
        skip_leading_rows=1,
        write_disposition="WRITE_TRUNCATE",
        emit_assets=True,
    )
    query = BigQueryQueryOperator(task_id="query", sql=TARGET)
    deferred = BigQueryQueryOperator(task_id="deferred", sql=TARGET, deferrable=True)
    script = BigQueryQueryOperator(task_id="script", sql=SCRIPT)
    fails = BigQueryQueryOperator(task_id="fails", sql="SELECT missing FROM d.people")
    fails_deferred = BigQueryQueryOperator(
        task_id="fails_deferred", sql="SELECT missing FROM d.people", deferrable=True
    )
    refused = BigQueryQueryOperator(task_id="refused", sql=" ")
    outlet = BigQueryQueryOperator(
        task_id="outlet",
        sql=ONE.format("own"),
        emit_assets=True,
        outlets=[Asset("own", uri=f"bigquery://{PROJECT}/d/own")],
    )
    mapped = BigQueryQueryOperator.partial(task_id="mapped", emit_assets=True).expand(
        sql=[ONE.format("mapped")]
    )

    @task(trigger_rule="all_done")
    def hooks() -> None:
        hook = BigQueryHook()
        sql = "CREATE OR REPLACE TABLE d.hooked AS SELECT id FROM d.people"
        job = hook.insert_job({"configuration": {"query": {"query": sql, "useLegacySql": False}}})
        reference = job["jobReference"]
        list(hook.get_query_results(reference["jobId"], location=reference["location"]))
        hook.get_job(reference["jobId"], location=reference["location"])
        SalesforceHook().create_query_job({"operation": "query", "query": "SELECT Id FROM Contact"})
        redivis = RedivisHook()
        client = redivis.get_conn()
        client.create_dataset("acme", {"name": "hooked"})
        client.create_table("acme.hooked:next", {"name": "people"})
        redivis.put_upload("acme.hooked:next.people", b"id\n1\n", "people.csv")

    load >> query >> deferred >> script >> fails >> fails_deferred >> refused >> outlet >> mapped >> hooks()
