"""### Send a file of this machine to BigQuery

The file, named by Airflow's variable `rides_file`, is compressed on the way and becomes a table. It may be of
any size: after an interruption the upload goes on where BigQuery says it stopped, in a retry of the task too.
A URL such as `s3://bucket/rides.csv` would do as well.

It needs a dataset `bikes` and the connection `google_cloud_default`. `make demo` brings both.
"""

from __future__ import annotations

import pendulum
from airflow.sdk import DAG

from airflow_provider_jobs.operators.bigquery import BigQueryUploadOperator

with DAG(
    "bigquery_upload",
    schedule=None,
    start_date=pendulum.datetime(2025, 1, 1, tz="UTC"),
    catchup=False,
    doc_md=__doc__,
    tags=["bigquery"],
):
    BigQueryUploadOperator(
        task_id="send_rides",
        source="{{ var.value.rides_file }}",
        destination_table="bikes.sent_rides",
        autodetect=True,
        compress=True,
        write_disposition="WRITE_TRUNCATE",
        deferrable=True,
        retries=2,
    )
