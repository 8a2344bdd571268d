"""A large file, sent by a worker that the test kills on the way: a DAG for each service."""

from datetime import datetime, timedelta

from airflow.sdk import DAG

from airflow_provider_jobs.operators.bigquery import BigQueryUploadOperator
from airflow_provider_jobs.operators.redivis import RedivisUploadOperator

START = datetime(2026, 1, 1)  # noqa: DTZ001 - as most DAGs are written
ONE_RETRY = {"deferrable": True, "retries": 1, "retry_delay": timedelta(0)}
FILE = "{{ var.value.upload_file }}"

with DAG("upload_to_bigquery", schedule=None, start_date=START, default_args=ONE_RETRY):
    BigQueryUploadOperator(
        task_id="send",
        source=FILE,
        destination_table="uploads.numbers",
        schema=[{"name": "number", "type": "INTEGER"}, {"name": "text", "type": "STRING"}],
        location="US",
    )

with DAG("upload_to_redivis", schedule=None, start_date=START, default_args=ONE_RETRY):
    RedivisUploadOperator(
        task_id="send",
        source=FILE,
        table="acme.uploads:next.numbers",
        create_missing=True,
        has_header_row=False,
    )
