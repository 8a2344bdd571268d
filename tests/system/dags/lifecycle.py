"""One task whose end the tests bring about."""

from datetime import datetime, timedelta

from airflow.sdk import DAG

from airflow_provider_jobs.operators.bigquery import BigQueryQueryOperator

with DAG("lifecycle", schedule=None, start_date=datetime(2026, 1, 1)):  # noqa: DTZ001 - as most DAGs are written
    BigQueryQueryOperator(
        task_id="inline",
        sql="SELECT 1 AS x",
        deferrable=False,
        retries=1,
        retry_delay=timedelta(0),
    )
    BigQueryQueryOperator(
        task_id="deferred",
        sql="SELECT 2 AS x",
        deferrable=True,
        inline_wait=0,
        poll_interval=1,
    )
