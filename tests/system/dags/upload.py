"""A large file, sent by a worker that the test kills on the way."""

from datetime import datetime, timedelta

from airflow.sdk import DAG

from airflow_provider_jobs.operators.bigquery import BigQueryUploadOperator

with DAG("upload", schedule=None, start_date=datetime(2026, 1, 1)):  # noqa: DTZ001 - as most DAGs are written
    BigQueryUploadOperator(
        task_id="send",
        source="{{ var.value.upload_file }}",
        destination_table="uploads.numbers",
        schema=[{"name": "number", "type": "INTEGER"}, {"name": "text", "type": "STRING"}],
        location="US",
        deferrable=True,
        retries=1,
        retry_delay=timedelta(0),
    )
