"""Every operator once, on a worker and deferred, and tasks that fail: what OpenLineage is told of them."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

from airflow.sdk import DAG

from airflow_provider_jobs.operators import bigquery
from airflow_provider_jobs.operators.bigquery import (
    BigQueryCopyOperator,
    BigQueryExtractOperator,
    BigQueryInsertJobOperator,
    BigQueryLoadOperator,
    BigQueryQueryOperator,
    BigQueryUploadOperator,
)
from airflow_provider_jobs.operators.redivis import RedivisReleaseOperator, RedivisUploadOperator
from airflow_provider_jobs.operators.salesforce import SalesforceIngestOperator, SalesforceQueryOperator
from airflow_provider_jobs.transfers import bigquery_to_bigquery, bigquery_to_gcs, gcs_to_bigquery
from airflow_provider_jobs.transfers.salesforce_sweep import SalesforceSweepOperator
from airflow_provider_jobs.transfers.salesforce_to_bigquery import SalesforceToBigQueryOperator
from airflow_provider_jobs.transfers.salesforce_to_object_storage import SalesforceToObjectStorageOperator
from airflow_provider_jobs.transfers.salesforce_to_redivis import SalesforceToRedivisOperator

PROJECT, FILES = os.environ["LINEAGE_PROJECT"], os.environ["LINEAGE_FILES"]
MERGE = """
MERGE d.target AS t USING (SELECT id, UPPER(name) AS shout FROM d.people) AS s ON t.id = s.id
WHEN NOT MATCHED THEN INSERT (id, shout) VALUES (s.id, s.shout)
"""
SCRIPT = """
CREATE OR REPLACE TABLE d.script_one AS SELECT id FROM d.people;
CREATE OR REPLACE TABLE d.script_two AS SELECT id, id * 2 AS twice FROM d.script_one;
"""
#: The tasks of both ways to wait, in their order; the name says what is expected of it.
OPERATORS: dict[str, Any] = {
    "load": lambda: BigQueryLoadOperator(
        source_uris=[f"gs://{PROJECT}/in/people*.csv"],
        destination_table="d.people",
        schema=[{"name": "id", "type": "INTEGER"}, {"name": "name", "type": "STRING", "description": "who"}],
        skip_leading_rows=1,
        write_disposition="WRITE_TRUNCATE",
        task_id="load",
    ),
    "upload": lambda: BigQueryUploadOperator(
        source=f"{FILES}/people.csv",
        destination_table="d.uploaded",
        autodetect=True,
        write_disposition="WRITE_TRUNCATE",
        task_id="upload",
    ),
    "query": lambda: BigQueryQueryOperator(
        sql="CREATE OR REPLACE TABLE d.target AS SELECT id, CONCAT(name, '!') AS shout FROM d.people",
        task_id="query",
    ),
    "insert_job": lambda: BigQueryInsertJobOperator(
        configuration={"query": {"query": MERGE, "useLegacySql": False}}, task_id="insert_job"
    ),
    "select": lambda: BigQueryQueryOperator(sql="SELECT id FROM d.people", task_id="select"),
    "script": lambda: BigQueryQueryOperator(sql=SCRIPT, task_id="script"),
    "copy": lambda: BigQueryCopyOperator(
        source_tables="d.people",
        destination_table=f"{PROJECT}.d.copied",
        write_disposition="WRITE_TRUNCATE",
        task_id="copy",
    ),
    "extract": lambda: BigQueryExtractOperator(
        source_table="d.people", destination_uris=f"gs://{PROJECT}/out/people-*.csv", task_id="extract"
    ),
    "fails": lambda: BigQueryQueryOperator(sql="SELECT missing FROM d.people", task_id="fails"),
    "soql": lambda: SalesforceQueryOperator(
        soql="SELECT Id, Name FROM Account", results_path=f"{FILES}/accounts.csv", task_id="soql"
    ),
    "ingest": lambda: SalesforceIngestOperator(
        source=f"{FILES}/accounts_in.csv", object_name="Account", operation="insert", task_id="ingest"
    ),
    "redivis_upload": lambda: RedivisUploadOperator(
        source=f"{FILES}/people.csv",
        table="acme.lineage:next.people",
        create_missing=True,
        on_conflict="replace",
        task_id="redivis_upload",
    ),
    "release": lambda: RedivisReleaseOperator(dataset="acme.lineage", task_id="release"),
}


#: Operators with the names and parameters of Google's.
MODULES = (bigquery, bigquery_to_bigquery, bigquery_to_gcs, gcs_to_bigquery)
MOVED = json.loads((Path(__file__).parent / "moved.json").read_text().replace("PROJECT", PROJECT))


def moved(name: str, arguments: dict[str, Any]) -> Any:
    """Return the task of an operator."""
    return next(vars(each)[name] for each in MODULES if name in vars(each))(**arguments)


def in_turn(dag_id: str, *, deferrable: bool) -> DAG:
    """Return a DAG of all operators, one after another, whatever becomes of the one before."""
    settings = {
        "deferrable": deferrable,
        "poll_interval": 0.5,
        "inline_wait": 0.0,
        "trigger_rule": "all_done",
        "emit_assets": True,
    }
    with DAG(
        dag_id, schedule=None, start_date=datetime(2026, 1, 1, tzinfo=UTC), default_args=settings
    ) as dag:
        tasks = [*(make() for make in OPERATORS.values()), *(moved(*each) for each in MOVED)]
        for before, operator in pairwise(tasks):
            before >> operator
    return dag


sync, deferred = in_turn("sync", deferrable=False), in_turn("deferred", deferrable=True)

with DAG("more", schedule=None, start_date=datetime(2026, 1, 1, tzinfo=UTC)):
    once: dict[str, Any] = {"poll_interval": 0.5, "trigger_rule": "all_done", "emit_assets": True}
    to_bigquery = SalesforceToBigQueryOperator(
        object_name="Account",
        fields=["Id", "Name"],
        destination_table="d.accounts",
        task_id="to_bigquery",
        **once,
    )
    sweep = SalesforceSweepOperator(
        object_name="Account", destination_table="d.accounts", task_id="sweep", **once
    )
    to_files = SalesforceToObjectStorageOperator(
        object_name="Account", fields=["Id", "Name"], results_path=FILES, task_id="to_files", **once
    )
    to_redivis = SalesforceToRedivisOperator(
        object_name="Account",
        fields=["Id", "Name"],
        table="acme.lineage:next.accounts",
        create_missing=True,
        task_id="to_redivis",
        **once,
    )

    to_bigquery >> sweep >> to_files >> to_redivis
