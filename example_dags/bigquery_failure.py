"""### A load that fails, on purpose

Some rows of `gs://bike-rides/damaged/*.csv` do not fit the schema. Look at the task's log: it shows what
BigQuery said about every such row, and where the job is. The task has retries, yet runs once: loading the
same rows again cannot succeed.
"""

from __future__ import annotations

import pendulum
from airflow.sdk import DAG

from airflow_provider_jobs.operators.bigquery import BigQueryLoadOperator

with DAG(
    "bigquery_failure",
    schedule=None,
    start_date=pendulum.datetime(2025, 1, 1, tz="UTC"),
    catchup=False,
    doc_md=__doc__,
    tags=["bigquery"],
):
    BigQueryLoadOperator(
        task_id="load_damaged_rides",
        source_uris="gs://bike-rides/damaged/*.csv",
        destination_table="bikes.damaged_rides",
        schema=[
            {"name": "ride_id", "type": "INT64", "mode": "REQUIRED"},
            {"name": "bike", "type": "STRING"},
            {"name": "started_at", "type": "TIMESTAMP", "mode": "REQUIRED"},
            {"name": "minutes", "type": "INT64"},
            {"name": "from_station", "type": "STRING"},
            {"name": "to_station", "type": "STRING"},
            {"name": "kilometres", "type": "NUMERIC"},
            {"name": "member", "type": "BOOL"},
            {"name": "note", "type": "STRING"},
        ],
        skip_leading_rows=1,
        deferrable=True,
        retries=2,
    )
